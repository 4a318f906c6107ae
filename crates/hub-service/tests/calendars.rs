//! Calendars of a Hub that is a process of its own, and that ends while it asks a provider.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and makes its files"
)]

use auth_core::{
    audit::ChainKey,
    flow::{KeyOrder, Platform, issue_key},
    id::UserId,
    model::StoredConnection,
    port::{Claim, Claiming, CreateKey, Renewed, Renewing, Stores},
    service::Service,
    time::{Clock, Monotonic, Timestamp},
};
use auth_store::Location;
use auth_web::system::{OsEntropy, SystemClock};
use conformance::{
    client::{Request, Response},
    contract::{
        Fixture,
        fixture::{all_rights, everything, granted, hub, name, operator, proof},
        fixture_calendars::{google, using},
    },
    hidden::Hidden,
    process::Process,
    servers::free_port,
    world::until,
};
use demo_provider::{Config, Misbehaviour, Provider, Seen};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Condvar, Mutex},
};
use tempfile::TempDir;

const SECRET: &str = "only-for-tests";
const TARGET: &str = "http://localhost:9/linked";

/// A clock that can be held: whoever reads it waits until it goes on. A provider with it answers late.
struct Held {
    clock: SystemClock,
    hold: Mutex<Hold>,
    goes_on: Condvar,
}

#[derive(Default)]
struct Hold {
    is_on: bool,
    /// Whether somebody waits, or has waited.
    is_noticed: bool,
}

impl Held {
    fn start() -> Self {
        Self { clock: SystemClock::start(), hold: Mutex::default(), goes_on: Condvar::new() }
    }

    fn hold(&self, is_on: bool) {
        self.hold.lock().unwrap().is_on = is_on;
        self.goes_on.notify_all();
    }

    fn is_waited_for(&self) -> bool {
        self.hold.lock().unwrap().is_noticed
    }
}

impl Clock for Held {
    fn now(&self) -> Timestamp {
        let mut hold = self.hold.lock().unwrap();
        if hold.is_on {
            hold.is_noticed = true;
            let goes_on = || self.goes_on.wait_while(hold, |hold| hold.is_on).unwrap();
            drop(tokio::task::block_in_place(goes_on));
        }
        self.clock.now()
    }
    fn monotonic(&self) -> Monotonic {
        self.clock.monotonic()
    }
}

/// A Hub with a provider, an account with a key, and a user.
struct Site {
    dir: TempDir,
    port: u16,
    metrics: SocketAddr,
    clock: Arc<Held>,
    provider: Provider,
    stores: Stores,
    key: String,
    account: String,
    user: String,
}

impl Site {
    async fn start() -> (Self, Process) {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let callback = format!("http://localhost:{port}/oauth/google/callback");
        let (clock, entropy) = (Arc::new(Held::start()), Arc::new(OsEntropy));
        let mut config = Config::demo(clock.clone(), entropy.clone(), vec![callback]);
        config.client_secret = SECRET.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let provider = Provider::start(listener, config).await.unwrap();
        std::fs::write(dir.path().join("client.secret"), SECRET).unwrap();
        let process = Process::start(&mut program(&dir, (port, metrics), provider.origin()));
        let stores = auth_store::open(&Location::at(&url(&dir)), &OsEntropy).await.unwrap();
        let fixture = Fixture::new(stores.clone(), stores.clone(), ChainKey::new([1; 32]), None);
        let here = Platform::new(Service::Hub, stores.clone(), clock.clone(), entropy);
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
        (Self { dir, port, metrics, clock, provider, stores, key, account, user }, process)
    }

    /// The same, with a calendar that is linked, whose access token is over.
    async fn start_linked() -> (Self, Process) {
        let (site, process) = Self::start().await;
        let linked = process.send(site.arriving(&process).await).await;
        assert_eq!(linked.status, 303, "{}", linked.body);
        site.let_it_be_over().await;
        (site, process)
    }

    /// The same Hub again.
    fn again(&self) -> Process {
        Process::start(&mut program(&self.dir, (self.port, self.metrics), self.provider.origin()))
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
        self.count(|seen| matches!(seen, Seen::Exchange { .. }))
    }

    fn refreshes(&self) -> usize {
        self.count(|seen| matches!(seen, Seen::Refresh { .. }))
    }

    /// How often the provider was asked so.
    fn count(&self, what: impl Fn(&Seen) -> bool) -> usize {
        self.provider.seen().iter().filter(|seen| what(seen)).count()
    }

    fn path(&self, rest: &str) -> String {
        format!("/accounts/{}/users/{}/calendar{rest}", self.account, self.user)
    }

    /// What the user has linked.
    async fn linked(&self, process: &Process) -> Response {
        process.send(Request::get(&self.path("")).bearer(&self.key)).await
    }

    /// Asks for an access token.
    fn token(&self) -> Request {
        Request::new("POST", &self.path("/google/token")).bearer(&self.key)
    }

    /// What is stored of the calendar.
    async fn stored(&self) -> StoredConnection {
        let user: UserId = self.user.parse().unwrap();
        self.stores.connections.read(everything(), user, &google()).await.unwrap().unwrap()
    }

    /// Has the access token that is stored be over.
    async fn let_it_be_over(&self) {
        let (StoredConnection { connection, tokens }, at) = (self.stored().await, self.clock.now());
        let (using, claim) = (using(&connection), Claim::draw(at, &OsEntropy));
        let claimed = self.stores.claims.claim(&using, claim, at).await.unwrap();
        assert!(matches!(claimed, Claiming::Done(_)), "{claimed:?}");
        let over = Renewed { tokens, expires_at: at, scopes: connection.scopes, needs_consent: false };
        assert_eq!(self.stores.claims.renewed(&using, claim, over, at).await.unwrap(), Renewing::Done);
    }

    /// Whether the trail tells of this.
    async fn is_told(&self, action: &str) -> bool {
        let entries = self.stores.audit.scan(1, u16::MAX).await.unwrap();
        entries.iter().any(|found| found.entry.event.contains(&format!(r#""action":"{action}""#)))
    }
}

/// A test that fails leaves nobody waiting.
impl Drop for Site {
    fn drop(&mut self) {
        self.clock.hold(false);
    }
}

fn url(dir: &TempDir) -> String {
    format!("sqlite://{}", dir.path().join("auth.db").display())
}

fn program(dir: &TempDir, (port, metrics): (u16, SocketAddr), provider: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub-service"));
    command.env("HUB_STORE__URL", url(dir)).env("HUB_SERVER__LISTEN", format!("127.0.0.1:{port}"));
    command.env("HUB_SERVER__METRICS", metrics.to_string());
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

/// A process that dies while it asks for another access token: its claim stands, and nothing else has changed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_claimed_that_was_killed_stays_claimed_and_as_it_was() {
    let (site, process) = Site::start_linked().await;
    let before = site.stored().await;
    site.provider.misbehave(Some(Misbehaviour::Silence));
    site.token().send_and_leave(process.address).await.unwrap();
    until("the provider is asked", || site.refreshes() == 1).await;
    // Ends it at once (`SIGKILL`).
    drop(process);
    site.provider.misbehave(None);
    let process = site.again();
    let late = process.send(site.token()).await;
    assert_eq!((late.status, late.header("retry-after")), (503, Some("1")), "{}", late.body);
    assert_eq!(site.refreshes(), 1, "nobody is asked");
    assert_eq!(site.stored().await, before);
    assert_eq!(process.stop(), Some(0));
}

/// A provider that is silent at a stop is given up, and so is the claim: the next process asks without waiting for its end.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_claimed_that_was_stopped_is_free_again() {
    let (site, process) = Site::start_linked().await;
    site.provider.misbehave(Some(Misbehaviour::Silence));
    site.token().send_and_leave(process.address).await.unwrap();
    until("the provider is asked", || site.refreshes() == 1).await;
    assert_eq!(process.stop(), Some(0));
    site.provider.misbehave(None);
    let process = site.again();
    let given = process.send(site.token()).await;
    assert_eq!((given.status, site.refreshes()), (200, 2), "{}", given.body);
    assert_eq!(process.stop(), Some(0));
}

/// Tokens that come after a stop are stored: a provider that rotates takes those before them no more.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_gives_behind_a_stop_is_kept() {
    let (site, process) = Site::start_linked().await;
    site.provider.misbehave(Some(Misbehaviour::Rotation));
    site.clock.hold(true);
    site.token().send_and_leave(process.address).await.unwrap();
    until("the provider is asked", || site.clock.is_waited_for()).await;
    process.terminate();
    until("it stops listening", || TcpStream::connect(process.address).is_err()).await;
    site.clock.hold(false);
    assert_eq!(process.wait().0, Some(0));
    assert_eq!(site.refreshes(), 1);
    let process = site.again();
    let given = process.send(site.token()).await;
    assert_eq!((given.status, site.refreshes()), (200, 1), "nobody is asked: {}", given.body);
    // The refresh token that came with it is good, and the one before it was never shown again.
    site.let_it_be_over().await;
    let given = process.send(site.token()).await;
    assert_eq!((given.status, site.refreshes()), (200, 2), "{}", given.body);
    assert_eq!(site.count(|seen| matches!(seen, Seen::Violation(_))), 0, "{:?}", site.provider.seen());
    assert_eq!(process.stop(), Some(0));
}

/// What goes by when a calendar is linked and read is in no figure.
#[tokio::test(flavor = "multi_thread")]
async fn no_figure_shows_a_secret() {
    let (site, process) = Site::start().await;
    let arriving = site.arriving(&process).await;
    let linked = process.send(arriving.clone()).await;
    assert_eq!(linked.status, 303, "{}", linked.body);
    let given = process.send(site.token()).await.field("access_token");
    let (_, query) = arriving.target.split_once('?').unwrap();
    let brought = query.split('&').filter_map(|pair| pair.split_once('='));
    let brought = brought.filter(|(name, _)| ["code", "state"].contains(name)).map(|(_, value)| value);
    let (_, binding) = arriving.headers[0].1.split_once('=').unwrap();
    let mut hidden = Hidden::of(brought);
    hidden.hide([binding, given.as_str(), site.key.as_str(), "alice@example.com"]);
    assert_eq!(hidden.count(), 6);
    let figures = Request::get("/metrics").send(site.metrics).await.unwrap();
    assert!(figures.status == 200 && figures.body.ends_with("# EOF\n"), "{}", figures.body);
    assert_eq!(hidden.shown_in(&figures.body), None, "{}", figures.body);
    assert_eq!(process.stop(), Some(0));
}
