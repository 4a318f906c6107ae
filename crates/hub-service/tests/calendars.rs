//! Calendars of a Hub that is a process of its own, and that ends while it asks a provider.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and makes its files"
)]

use auth_core::{
    audit::ChainKey,
    flow::{KeyOrder, Platform, issue_key},
    port::{CreateKey, Stores},
    service::Service,
};
use auth_store::Location;
use auth_web::system::{OsEntropy, SystemClock};
use conformance::{
    client::{Request, Response},
    contract::{
        Fixture,
        fixture::{all_rights, granted, hub, name, operator, proof},
    },
    process::Process,
    servers::free_port,
    world::until,
};
use demo_provider::{Config, Misbehaviour, Provider, Seen};
use std::{
    net::{Ipv4Addr, TcpListener},
    process::Command,
    sync::Arc,
};
use tempfile::TempDir;

const SECRET: &str = "only-for-tests";
const TARGET: &str = "http://localhost:9/linked";

/// A Hub with a provider, an account with a key, and a user.
struct Site {
    dir: TempDir,
    port: u16,
    provider: Provider,
    stores: Stores,
    key: String,
    account: String,
    user: String,
}

impl Site {
    async fn start() -> (Self, Process) {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let callback = format!("http://localhost:{port}/oauth/google/callback");
        let (clock, entropy) = (Arc::new(SystemClock::start()), Arc::new(OsEntropy));
        let mut config = Config::demo(clock.clone(), entropy.clone(), vec![callback]);
        config.client_secret = SECRET.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let provider = Provider::start(listener, config).await.unwrap();
        std::fs::write(dir.path().join("client.secret"), SECRET).unwrap();
        let process = Process::start(&mut program(&dir, port, provider.origin()));
        let stores = auth_store::open(&Location::at(&url(&dir)), &OsEntropy).await.unwrap();
        let fixture = Fixture::new(stores.clone(), stores.clone(), ChainKey::new([1; 32]), None);
        let here = Platform::new(Service::Hub, stores.clone(), clock, entropy);
        let account = fixture.account().await;
        let (proof, rights) = (proof(operator()), all_rights(Service::Hub));
        let order = KeyOrder { service: Service::Hub, name: name("key"), rights };
        let issued = issue_key(&here, &proof, &granted::<CreateKey>(&hub(&account)), order, |_| None).await;
        let key = issued.unwrap().secret.reveal().expose().to_owned();
        let account = account.id.to_string();
        let users = Request::post(
            &format!("/accounts/{account}/users"),
            r#"{"name":"Alice","email":"alice@example.com"}"#,
        );
        let user = process.send(users.bearer(&key)).await.field("user_id");
        (Self { dir, port, provider, stores, key, account, user }, process)
    }

    /// The same Hub again.
    fn again(&self) -> Process {
        Process::start(&mut program(&self.dir, self.port, self.provider.origin()))
    }

    /// A browser that comes back from the provider.
    async fn arriving(&self, process: &Process) -> Request {
        let body = format!(r#"{{"user_id":"{}"}}"#, self.user);
        let begun = process.send(Request::post("/oauth/google/authorize", &body).bearer(&self.key)).await;
        let cookie = begun.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let back = self.provider.consent(&begun.field("authorization_url"), "alice@example.com").unwrap();
        let (_, target) = back.split_at(back.find("/oauth/").unwrap());
        Request::get(target).header("Cookie", &cookie)
    }

    fn exchanges(&self) -> usize {
        self.provider.seen().iter().filter(|seen| matches!(seen, Seen::Exchange { .. })).count()
    }

    /// What the user has linked.
    async fn linked(&self, process: &Process) -> Response {
        let path = format!("/accounts/{}/users/{}/calendar", self.account, self.user);
        process.send(Request::get(&path).bearer(&self.key)).await
    }

    /// Whether the trail tells of this.
    async fn is_told(&self, action: &str) -> bool {
        let entries = self.stores.audit.scan(1, u16::MAX).await.unwrap();
        entries.iter().any(|found| found.entry.event.contains(&format!(r#""action":"{action}""#)))
    }
}

fn url(dir: &TempDir) -> String {
    format!("sqlite://{}", dir.path().join("auth.db").display())
}

fn program(dir: &TempDir, port: u16, provider: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub-service"));
    command.env("HUB_STORE__URL", url(dir)).env("HUB_SERVER__LISTEN", format!("127.0.0.1:{port}"));
    command.env("HUB_SERVER__METRICS", format!("127.0.0.1:{}", free_port()));
    command.env("HUB_CALENDARS__PUBLIC_URL", format!("http://localhost:{port}"));
    command.env("HUB_CALENDARS__REDIRECT_AFTER", format!("[{TARGET:?}]"));
    for (setting, value) in [
        ("KIND", "google"),
        ("CLIENT_ID", "demo-client"),
        ("CLIENT_SECRET_FILE", &dir.path().join("client.secret").display().to_string()),
        ("AT", provider),
    ] {
        command.env(format!("HUB_CALENDARS__PROVIDERS__GOOGLE__{setting}"), value);
    }
    command
}

/// Row E1: a process that dies between taking a transaction and what comes of its code.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_took_that_was_killed_is_over() {
    let (site, process) = Site::start().await;
    let arriving = site.arriving(&process).await;
    site.provider.misbehave(Some(Misbehaviour::Silence));
    arriving.send_and_leave(process.address).await.unwrap();
    until("the provider is asked", || site.exchanges() == 1).await;
    // Ends it at once (`SIGKILL`).
    drop(process);
    site.provider.misbehave(None);
    let process = site.again();
    let late = process.send(arriving).await;
    assert_eq!((late.status, late.field("code").as_str()), (400, "invalid_state"), "{}", late.body);
    assert_eq!(site.exchanges(), 1, "nobody is asked");
    assert_eq!(site.linked(&process).await.json()["items"], serde_json::json!([]));
    // And the next one links it.
    let linked = process.send(site.arriving(&process).await).await;
    assert_eq!((linked.status, linked.header("location")), (303, Some(TARGET)), "{}", linked.body);
    assert_eq!(process.stop(), Some(0));
}

/// What a provider is asked goes on behind a stop, although its caller is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_a_stop_is_carried_out() {
    let (site, process) = Site::start().await;
    let arriving = site.arriving(&process).await;
    site.provider.misbehave(Some(Misbehaviour::Silence));
    arriving.send_and_leave(process.address).await.unwrap();
    until("the provider is asked", || site.exchanges() == 1).await;
    assert!(!site.is_told("calendar.not_connected").await);
    // The provider is given up after ten seconds, and that is written down before the process ends.
    assert_eq!(process.stop(), Some(0));
    assert!(site.is_told("calendar.not_connected").await);
}
