//! Replicas of a service: this program, once more, with other arguments.

use auth_core::port::Stores;
use auth_store::Location;
use auth_web::{App, Service, serve, system::OsEntropy};
use conformance::{
    place::{Backend, Place},
    servers::{NotRun, Postgres},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
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

    /// Starts this program as a replica on a place: see [`OnPostgres`].
    pub fn on(place: &Place) -> Self {
        Self::start(&["--serve", &place.url(), &place.dir.path().display().to_string()])
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

/// Which Postgres server replicas are on; or, in the arguments of one of them, its place.
#[derive(Debug, clap::Args)]
pub struct OnPostgres {
    /// A Postgres server that is there already, by the URL of one of its databases; else one is started.
    #[arg(long)]
    server: Option<String>,
    /// Be a replica on this database, with the audit key in this folder.
    #[arg(long, hide = true, num_args = 2)]
    serve: Option<Vec<String>>,
}

impl OnPostgres {
    /// What this process opens, if it is a replica.
    pub async fn of_replica(&self) -> Option<Stores> {
        let [url, folder] = self.serve.as_deref()? else { return None };
        let folder = PathBuf::from(folder);
        let anchor = format!("audit.anchor.{}", std::process::id());
        let (audit_key, audit_anchor) = (Some(folder.join("audit.key")), Some(folder.join(anchor)));
        let location = Location { audit_key, audit_anchor, ..Location::at(url) };
        Some(auth_store::open(&location, &OsEntropy).await.unwrap())
    }

    /// The server that is named, or one that is started and ends with what is answered.
    ///
    /// # Errors
    /// None could be started.
    pub async fn server(&self) -> Result<(Option<Postgres>, Backend), NotRun> {
        if let Some(url) = &self.server {
            return Ok((None, Backend::Postgres(url.clone())));
        }
        let started = Postgres::start().await?;
        let backend = started.backend();
        Ok((Some(started), backend))
    }
}

/// Serves until this process is told to stop, with one worker, and prints where.
pub async fn serve_alone<S: Service>(app: App<S>) {
    let listener = serve::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    println!("{}", listener.local_addr().unwrap());
    serve::serve(Arc::new(app), listener, 1, serve::stop_signal().unwrap()).await.unwrap();
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
