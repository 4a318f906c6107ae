//! A Postgres server.

use super::{NotRun, free_port, has_docker, image, is_required};
use crate::place::Backend;
use rustix::process::{Pid, Signal};
use std::{
    ffi::OsStr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt as _,
    core::{IntoContainerPort as _, Mount},
    runners::AsyncRunner as _,
};
use tokio::time::Instant;
use tokio_postgres::NoTls;

const PASSWORD: &str = "only-for-tests";
/// What is tested here is not whether the server survives a loss of power.
const SETTINGS: [&str; 8] = [
    "-c",
    "fsync=off",
    "-c",
    "synchronous_commit=off",
    "-c",
    "full_page_writes=off",
    "-c",
    "max_connections=400",
];

/// A server that ends with this.
pub struct Postgres {
    port: u16,
    server: Server,
}

enum Server {
    Container(Box<ContainerAsync<GenericImage>>),
    Process(Box<Process>),
}

/// A server that is a child of this process.
struct Process {
    child: Child,
    start: Command,
    _dir: TempDir,
}

impl Process {
    /// Sends a signal to the server and to those that it started, which share its group.
    fn signal(&self, signal: Signal) {
        // It may have ended already.
        let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.signal(Signal::QUIT);
        let _ = self.child.wait();
    }
}

impl Postgres {
    /// Starts a server.
    ///
    /// # Errors
    /// There is none to be started.
    pub async fn start() -> Result<Self, NotRun> {
        Self::start_with(&[]).await
    }

    /// Starts one whose container keeps its files in memory, for whoever makes very many databases, which takes a tenth of
    /// the time there: it is not [killed](Self::kill) to be [started again](Self::restart).
    ///
    /// # Errors
    /// There is none to be started.
    pub async fn start_in_memory() -> Result<Self, NotRun> {
        Self::start_with(&["/var/lib/postgresql/data"]).await
    }

    async fn start_with(in_memory: &[&str]) -> Result<Self, NotRun> {
        let (port, server) = if has_docker() || is_required("containers") {
            contained(in_memory).await.map_err(|error| NotRun(error.to_string()))?
        } else {
            own()?
        };
        let postgres = Self { port, server };
        postgres.until_it_answers().await;
        Ok(postgres)
    }

    async fn until_it_answers(&self) {
        let begun = Instant::now();
        while let Err(error) = self.execute("postgres", "SELECT 1").await {
            assert!(begun.elapsed() < Duration::from_secs(60), "the server does not answer: {error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it where it is, as a machine does that hangs.
    pub async fn pause(&self) {
        match &self.server {
            Server::Container(container) => container.pause().await.unwrap(),
            Server::Process(process) => process.signal(Signal::STOP),
        }
    }

    /// Has it go on.
    pub async fn unpause(&self) {
        match &self.server {
            Server::Container(container) => container.unpause().await.unwrap(),
            Server::Process(process) => process.signal(Signal::CONT),
        }
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        match &mut self.server {
            Server::Container(container) => container.stop_with_timeout(Some(0)).await.unwrap(),
            Server::Process(process) => {
                process.signal(Signal::KILL);
                process.child.wait().unwrap();
            }
        }
    }

    /// Starts it again, at the same place with the same data, and waits until it answers.
    pub async fn restart(&mut self) {
        match &mut self.server {
            Server::Container(container) => container.start().await.unwrap(),
            Server::Process(process) => process.child = process.start.spawn().unwrap(),
        }
        self.until_it_answers().await;
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port on this machine.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The server, for stores to be made on.
    pub fn backend(&self) -> Backend {
        Backend::Postgres(self.url("postgres"))
    }

    /// Runs statements in a database, past the store.
    ///
    /// # Errors
    /// What the server says.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await?;
        let driver = tokio::spawn(connection);
        let done = client.batch_execute(sql).await;
        drop(client);
        let _ = driver.await;
        done
    }
}

async fn contained(in_memory: &[&str]) -> Result<(u16, Server), testcontainers::TestcontainersError> {
    let (name, tag) = image("POSTGRES", ("postgres", "15"));
    let mounts = in_memory.iter().map(|folder| Mount::tmpfs_mount(*folder));
    let image =
        mounts.fold(ContainerRequest::from(GenericImage::new(name, tag)), ContainerRequest::with_mount);
    let image = image
        // A port of its own choice would be another one after each start.
        .with_mapped_port(free_port(), 5432.tcp())
        .with_env_var("POSTGRES_PASSWORD", PASSWORD)
        .with_cmd(SETTINGS);
    let container = image.start().await?;
    let port = container.get_host_port_ipv4(5432.tcp()).await?;
    Ok((port, Server::Container(Box::new(container))))
}

/// A server from the programs of this machine.
#[expect(clippy::disallowed_methods, reason = "the suite makes the server's files")]
fn own() -> Result<(u16, Server), NotRun> {
    let bin =
        programs().ok_or_else(|| NotRun("no Docker engine, and no initdb and postgres here".to_owned()))?;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let password = dir.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let user = owner(dir.path());
    let mut initdb = as_user(bin.join("initdb"), user);
    initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--pwfile"]);
    let output = initdb.arg(&password).arg(&data).output().unwrap();
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    let port = free_port();
    let mut server = as_user(bin.join("postgres"), user);
    server.arg("-D").arg(&data).args(SETTINGS).args([
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
    ]);
    server.args(["-p", &port.to_string()]).stderr(Stdio::null()).process_group(0);
    let child = server.spawn().unwrap();
    Ok((port, Server::Process(Box::new(Process { child, start: server, _dir: dir }))))
}

/// The folder of the newest server on this machine.
fn programs() -> Option<PathBuf> {
    let has_both = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = installed.map(|version| version.path().join("bin")).filter(has_both).collect();
    found.sort();
    found.pop()
}

/// Whoever may run a server on a folder: Postgres refuses to be run by root, so the folder goes to the user that its
/// package made.
fn owner(folder: &Path) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let number = |flag: &str| {
        let output = Command::new("id").args([flag, "postgres"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    };
    let (user, group) = (number("-u"), number("-g"));
    for path in [folder, &folder.join("password")] {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
    Some((user, group))
}

fn as_user(program: impl AsRef<OsStr>, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}
