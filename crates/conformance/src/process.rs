//! A service that runs as a process of its own.

use crate::{
    client::{Request, Response},
    contract::{
        Fixture,
        fixture::{all_rights, chatbot, granted, hub, name, operator, proof},
    },
};
use auth_core::{
    audit::ChainKey,
    flow::{KeyOrder, Platform, issue_key, revoke_key},
    port::CreateKey,
    service::Service,
};
use auth_store::Location;
use auth_web::system::{OsEntropy, SystemClock};
use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
};

/// A running service. One that a failed test leaves behind is ended.
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts a service on a free port of its choice, and reads in its log where it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = log.find_map(|line| {
            let address = line.split_once("listening on: ")?.1;
            address.split(|c: char| c == '"' || c.is_whitespace()).next()?.parse().ok()
        });
        // The rest is read, so that the service can go on writing.
        std::thread::spawn(move || log.for_each(drop));
        Self { address: address.unwrap(), child }
    }

    /// Sends it a request.
    pub async fn send(&self, request: Request) -> Response {
        request.send(self.address).await.unwrap()
    }

    /// Asks it to stop (`SIGTERM`) and waits for its end; the exit code.
    pub fn stop(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
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
    assert_eq!(process.stop(), Some(0));
}
