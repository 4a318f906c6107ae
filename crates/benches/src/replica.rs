//! Replicas of a service: this program, once more, with other arguments.

use conformance::{
    place::Backend,
    servers::{NotRun, Postgres},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

/// A replica in its process, which ends with this.
#[derive(Debug)]
pub struct Replica {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Replica {
    /// Starts this program with these arguments; where it listens is the first line that it prints.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_and_tell(arguments).0
    }

    /// The same, with what stands behind that in the line.
    pub fn start_and_tell(arguments: &[&str]) -> (Self, String) {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, told) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        (Self { address: address.parse().unwrap(), process }, told.to_owned())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

/// The Postgres server at a URL, or one that is started and ends with what is answered.
///
/// # Errors
/// None could be started.
pub async fn server(url: Option<String>) -> Result<(Option<Postgres>, Backend), NotRun> {
    if let Some(url) = url {
        return Ok((None, Backend::Postgres(url)));
    }
    let started = Postgres::start().await?;
    let backend = started.backend();
    Ok((Some(started), backend))
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
