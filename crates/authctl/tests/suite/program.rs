//! Runs the program as people do: as a process.

use conformance::{
    client::{Request, Response},
    process,
};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// How many events the first start leaves in the trail.
pub(crate) const FIRST_EVENTS: usize = 6;
/// How many keys it makes: one of each service, and the one by which the Hub asks the chatbot service.
pub(crate) const FIRST_KEYS: usize = 3;

/// A folder of data, and the program on it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// A new one, without anything in it.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where the data is: the program makes it.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// A file beside the data.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authctl"));
        command.args(arguments).arg("--data-dir").arg(self.data());
        for setting in [
            "AUTHCTL_STORE",
            "AUTHCTL_STORE_PASSWORD_FILE",
            "AUTHCTL_REDIS",
            "AUTHCTL_REDIS_PASSWORD_FILE",
            "AUTHCTL_AUDIT_KEY",
            "AUTHCTL_AUDIT_ANCHOR",
            "AUTHCTL_KEYRING",
            "AUTHCTL_HUB_KEYRING",
        ] {
            command.env_remove(setting);
        }
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it to its end, which must be good; what it printed, as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs it to its end, which must be a failure that is told in one line; that line.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        process::fails(&mut self.command(arguments))
    }

    /// A member of `bootstrap.json`.
    pub(crate) fn first(&self, name: &str) -> String {
        text(&read_json(&self.data().join("bootstrap.json")), name)
    }

    /// Starts both services on free ports, and waits until they listen.
    pub(crate) fn up(&self) -> Up {
        self.up_with(|command| {
            command.stderr(Stdio::null());
        })
    }

    /// The same, as `with` makes of the command.
    pub(crate) fn up_with(&self, with: impl FnOnce(&mut Command)) -> Up {
        let any = ["up", "--hub-listen", "127.0.0.1:0", "--chatbot-listen", "127.0.0.1:0", "--json"];
        let mut command = self.command(&any);
        with(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        let address = |name| text(&started, name).strip_prefix("http://").unwrap().parse().unwrap();
        Up { hub: address("hub_url"), chatbot: address("chatbot_url"), started: started.clone(), child }
    }
}

/// Both services, running.
pub(crate) struct Up {
    /// Where the Hub listens.
    pub(crate) hub: SocketAddr,
    /// Where the chatbot service listens.
    pub(crate) chatbot: SocketAddr,
    /// What was printed at the start.
    pub(crate) started: Value,
    child: Child,
}

impl Up {
    /// Asks the Hub.
    pub(crate) async fn hub(&self, request: Request) -> Response {
        request.send(self.hub).await.unwrap()
    }

    /// Asks the chatbot service.
    pub(crate) async fn chatbot(&self, request: Request) -> Response {
        request.send(self.chatbot).await.unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to stop, and waits for its end; the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code()
    }

    /// Ends it at once (`SIGKILL`).
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A test that fails leaves no process behind.
impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A member of an object, as text.
pub(crate) fn text(object: &Value, name: &str) -> String {
    object.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name} in {object}")).to_owned()
}

/// A file of JSON.
pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
