//! One process of Redis.

use crate::servers::{NotRun, has_docker, image, is_required};
use rustix::process::{Pid, Signal};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _, core::Mount, runners::AsyncRunner as _};
use tokio::time::Instant;

pub(super) const PASSWORD: &str = "only-for-tests";

/// A process that ends with this. Whatever it is started by, it works in a folder of its own, and its port is one of this
/// machine, under which also its like know it.
pub(super) struct Node {
    pub(super) port: u16,
    dir: TempDir,
    run: Run,
}

enum Run {
    Container(Box<ContainerAsync<GenericImage>>),
    Process(Box<Process>),
}

struct Process {
    child: Child,
    start: Command,
}

impl Process {
    fn signal(&self, signal: Signal) {
        // It may have ended already.
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Node {
    /// Starts `redis-server` with these words, in a folder with these files.
    #[expect(clippy::disallowed_methods, reason = "a test makes the server's files")]
    pub(super) async fn start(port: u16, words: &[&str], files: &[(&str, &str)]) -> Result<Self, NotRun> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let run = if has_docker() || is_required("containers") {
            contained(dir.path(), words).await.map_err(|error| NotRun(error.to_string()))?
        } else {
            own(dir.path(), words)?
        };
        let node = Self { port, dir, run };
        node.until_it_answers().await;
        Ok(node)
    }

    /// What a command answers, in the words of the server.
    pub(super) async fn command(&self, words: &[&str]) -> Result<String, redis::RedisError> {
        let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port))?;
        self.answer(client, words).await
    }

    /// The same of a sentinel, which has no password.
    pub(super) async fn command_without_password(&self, words: &[&str]) -> Result<String, redis::RedisError> {
        self.answer(redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?, words).await
    }

    async fn answer(&self, client: redis::Client, words: &[&str]) -> Result<String, redis::RedisError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(1)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| _ = command.arg(*word));
        Ok(written(&command.query_async(&mut connection).await?))
    }

    /// Waits until it answers, and has read its data.
    async fn until_it_answers(&self) {
        let begun = Instant::now();
        loop {
            let answer = match self.command(&["PING"]).await {
                Err(error) if error.kind() == redis::ErrorKind::AuthenticationFailed => {
                    self.command_without_password(&["PING"]).await
                }
                answer => answer,
            };
            match answer {
                Ok(pong) if pong == "PONG" => return,
                other => assert!(begun.elapsed() < Duration::from_secs(30), "no answer: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn pause(&self) {
        match &self.run {
            Run::Container(container) => container.pause().await.unwrap(),
            Run::Process(process) => process.signal(Signal::STOP),
        }
    }

    pub(super) async fn unpause(&self) {
        match &self.run {
            Run::Container(container) => container.unpause().await.unwrap(),
            Run::Process(process) => process.signal(Signal::CONT),
        }
    }

    /// Kills it, so that it can put nothing in order.
    pub(super) fn kill(&mut self) {
        match &mut self.run {
            Run::Container(container) => {
                let killed = Command::new("docker").args(["kill", container.id()]).output().unwrap();
                assert!(killed.status.success(), "{}", String::from_utf8_lossy(&killed.stderr));
            }
            Run::Process(process) => {
                process.signal(Signal::KILL);
                process.child.wait().unwrap();
            }
        }
    }

    /// Asks it to end, and waits for that.
    pub(super) async fn stop(&mut self) {
        match &mut self.run {
            Run::Container(container) => container.stop().await.unwrap(),
            Run::Process(process) => {
                process.signal(Signal::TERM);
                process.child.wait().unwrap();
            }
        }
    }

    /// Starts it again in the same place, and waits until it answers.
    pub(super) async fn restart(&mut self) {
        match &mut self.run {
            Run::Container(container) => container.start().await.unwrap(),
            Run::Process(process) => process.child = process.start.spawn().unwrap(),
        }
        self.until_it_answers().await;
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        self.dir.path()
    }
}

/// An answer as its words.
fn written(value: &redis::Value) -> String {
    match value {
        redis::Value::Nil => String::new(),
        redis::Value::Array(parts) => parts.iter().map(written).collect::<Vec<_>>().join(" "),
        other => redis::from_redis_value_ref(other).unwrap(),
    }
}

async fn contained(dir: &Path, words: &[&str]) -> Result<Run, testcontainers::TestcontainersError> {
    let (name, tag) = image("REDIS", ("redis", "7"));
    let image = GenericImage::new(name, tag)
        // Its like and the tests know it by the same address.
        .with_network("host")
        .with_mount(Mount::bind_mount(dir.display().to_string(), "/data"))
        .with_cmd(["redis-server"].iter().chain(words).copied());
    Ok(Run::Container(Box::new(image.start().await?)))
}

fn own(dir: &Path, words: &[&str]) -> Result<Run, NotRun> {
    let mut start = Command::new("redis-server");
    start.args(words).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
    let child =
        start.spawn().map_err(|error| NotRun(format!("no Docker engine, and redis-server: {error}")))?;
    Ok(Run::Process(Box::new(Process { child, start })))
}
