//! A service that runs as a process of its own.

use crate::{
    client::{Request, Response},
    contract::{
        Fixture,
        fixture::{all_rights, chatbot, granted, hub, name, operator, proof},
    },
    servers::free_port,
};
use auth_core::{
    audit::ChainKey,
    flow::{KeyOrder, Platform, issue_key, revoke_key},
    port::CreateKey,
    service::Service,
    validate::LEASE,
};
use auth_store::Location;
use auth_web::system::{OsEntropy, SystemClock};
use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A running service. One that a failed test leaves behind is ended.
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    log: Option<JoinHandle<Vec<String>>>,
}

impl Process {
    /// Starts a service on a free port of its choice, and reads in its log where it listens, its figures apart.
    pub fn start(command: &mut Command) -> Self {
        let is_metrics = |name: &OsStr| name.to_string_lossy().ends_with("_SERVER__METRICS");
        let metrics = command.get_envs().find(|(name, _)| is_metrics(name)).and_then(|(_, value)| value);
        let metrics: Option<SocketAddr> = metrics.and_then(|value| value.to_string_lossy().parse().ok());
        let mut child = command.env_remove("RUST_LOG").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = log.find_map(|line| {
            let address = line.split_once("listening on: ")?.1;
            let address = address.split(|c: char| c == '"' || c.is_whitespace()).next()?.parse().ok();
            address.filter(|address| Some(*address) != metrics)
        });
        // The rest is read, so that the service can go on writing.
        let log = std::thread::spawn(move || log.collect());
        Self { address: address.unwrap(), child, log: Some(log) }
    }

    /// Sends it a request.
    pub async fn send(&self, request: Request) -> Response {
        request.send(self.address).await.unwrap()
    }

    /// Asks it to stop (`SIGTERM`).
    pub fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }

    /// Asks it to stop (`SIGTERM`) and waits for its end; the exit code.
    pub fn stop(self) -> Option<i32> {
        self.terminate();
        self.wait().0
    }

    /// Waits for its end: the exit code, and what it logged since it listens.
    pub fn wait(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().unwrap().code();
        (code, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, which must be a failure that is told in one line; that line.
pub fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {told}");
    assert_eq!(told.matches('\n').count(), 1, "{command:?}: {told:?}");
    told
}

/// Runs a service on a store of its own while this process works on the same store: a key that is made here is
/// accepted there, and refused once its revocation has answered. `list` is a route that such a key may read.
pub async fn shares_its_store(command: &mut Command, service: Service, list: &str) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("auth.db").display());
    let prefix = service.name().to_uppercase();
    command.env(format!("{prefix}_STORE__URL"), &url).env(format!("{prefix}_SERVER__LISTEN"), "127.0.0.1:0");
    let metrics = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, free_port()));
    command.env(format!("{prefix}_SERVER__METRICS"), metrics.to_string());
    let process = Process::start(command);
    assert_eq!(process.send(Request::get("/health/live")).await.status, 200);
    assert_eq!(process.send(Request::get(list)).await.status, 401);

    let stores = auth_store::open(&Location::at(&url), &OsEntropy).await.unwrap();
    let fixture = Fixture::new(stores.clone(), stores.clone(), ChainKey::new([1; 32]), None);
    let (clock, entropy) = (Arc::new(SystemClock::start()), Arc::new(OsEntropy));
    let here = Platform::new(service, stores, clock, entropy);
    let account = fixture.account().await;
    let tenant = match service {
        Service::Hub => hub(&account),
        Service::Chatbot => chatbot(&fixture.domain(&account).await),
    };
    let proof = proof(operator());
    for _ in 0..20 {
        let order = KeyOrder { service, name: name("shared"), rights: all_rights(service) };
        let issued = issue_key(&here, &proof, &granted::<CreateKey>(&tenant), order, |_| None).await.unwrap();
        let key = issued.secret.reveal();
        let ask = async || process.send(Request::get(list).bearer(key.expose())).await.status;
        assert_eq!((ask().await, ask().await), (200, 200), "known, and then from memory");
        revoke_key(&here, &proof, service, issued.id).await.unwrap();
        assert_eq!(ask().await, 401, "refused once the revocation has answered");
    }
    assert_eq!(process.send(Request::get("/metrics")).await.status, 404, "on its own listener alone");
    assert_eq!(Request::get("/health/live").send(metrics).await.unwrap().status, 404);
    let figures = Request::get("/metrics").send(metrics).await.unwrap().body;
    let figure = |name: &str| -> f64 {
        let line = figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {figures}")).parse().unwrap()
    };
    let lease = figure("auth_lease_length_seconds");
    assert_eq!(lease, LEASE.as_secs_f64());
    assert!(figure("auth_lease_left_seconds") > 0.0 && figure("auth_lease_left_seconds") <= lease);
    assert!(figure("auth_stream_applied") >= 40.0, "{figures}");
    assert!(figure("auth_stream_acknowledge_seconds_count") >= 1.0, "{figures}");
    assert!(figure("auth_lease_renewals_total") >= 40.0, "{figures}");
    assert!(figure("auth_credential_lookups_total") >= 20.0, "{figures}");
    assert_eq!(figure("auth_stream_lag"), 0.0);
    assert!(figures.ends_with("# EOF\n"), "OpenMetrics 1.0");
    assert_eq!(process.stop(), Some(0));
}

/// Requests that are under way when a service is told to stop.
const OPEN: usize = 100;

/// Stops a service while requests are under way: every one that it accepted is answered, and logged in a line of
/// JSON under the id that its caller was told.
pub async fn stops_gracefully(command: &mut Command, service: Service) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("auth.db").display());
    let prefix = service.name().to_uppercase();
    command.env(format!("{prefix}_STORE__URL"), &url).env(format!("{prefix}_SERVER__LISTEN"), "127.0.0.1:0");
    command.env(format!("{prefix}_SERVER__METRICS"), "off");
    // One thread serves, so what came first is read first.
    command.env(format!("{prefix}_SERVER__WORKERS"), "1");
    let process = Process::start(command);
    let head = "GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345";
    let mut open = Vec::new();
    for _ in 0..OPEN {
        let mut stream = TcpStream::connect(process.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        open.push(stream);
    }
    // They are accepted once a request that came after them is answered.
    for _ in 0..20 {
        assert_eq!(process.send(Request::get("/health/live")).await.status, 200);
    }
    // What a caller sends makes no line of its own and moves no cursor.
    for target in
        ["/%0d%0a%7b%22level%22:%22x%22%7d", "/%1b%5b2J%e2%80%ae", "/health/live?%0a%00=%1b", "/\"\\"]
    {
        let sent = Request::get(target).header("User-Agent", "\"}\t{").header("X-Request-Id", "a\tb");
        process.send(sent).await;
    }
    process.terminate();
    // It is stopping once nobody new is let in.
    let closed = async {
        while TcpStream::connect(process.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(10), closed).await;
    assert!(closed.is_ok(), "it stops listening");
    let mut told = Vec::new();
    for mut stream in open {
        stream.write_all(b"67890").await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        let answer = Response::parse(&heard).unwrap();
        assert_eq!(answer.status, 200);
        told.push(answer.header("x-request-id").unwrap().to_owned());
    }
    assert!(TcpStream::connect(process.address).await.is_err(), "no more are accepted");
    let (code, log) = process.wait();
    assert_eq!(code, Some(0));
    let lines: Vec<serde_json::Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let access: Vec<_> = lines.iter().filter(|line| line["target"] == "access").collect();
    assert_eq!(access.len(), OPEN + 20 + 4, "one line a request");
    let raw = log.concat();
    assert!(!raw.contains(['\u{1b}', '\u{202e}', '\0']), "{raw}");
    let logged = |id: &String| access.iter().filter(|line| line["request_id"] == id.as_str()).count();
    assert!(told.iter().all(|id| logged(id) == 1), "{told:?}: {access:?}");
}
