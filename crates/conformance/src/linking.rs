//! Worlds whose calendars are linked at the demo provider, over HTTP.

use crate::{
    ambient::{SeededEntropy, StepClock},
    client::{Request, Response},
    place::Backend,
    settled::Settled,
    stand_in::{Consent, NoPause, StandIn},
    world::{Arrival, Wanted, World},
};
use auth_core::{
    flow::{Calendars, Targets},
    port::{CalendarProvider, Stores},
    secret::PlainToken,
};
use auth_web::outgoing::Patience;
use calendar_providers::{CalendarApi, Google, Microsoft, Oidc, ProviderSettings};
use demo_provider::{Application, ApplicationConfig, Config, DIRECTORY, Provider, Seen};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// How long the demo provider is waited for: what does not answer in tests is not waited for any longer.
const PATIENCE: Patience = Patience { connect: Duration::from_secs(1), whole: Duration::from_secs(2) };
/// Its client.
const CLIENT: &str = "hub";
/// Its client's secret.
const SECRET: &str = "only-for-tests:%2B+";
/// The providers that worlds have of it, which is like both, and has a discovery document.
pub const PROVIDERS: [&str; 3] = ["google", "microsoft", "oidc"];
/// Who can consent.
pub const ALICE: &str = "alice@example.com";
/// Another.
pub const BOB: &str = "bob@example.com";

/// Opens providers of calendars for a Hub that browsers reach there.
#[async_trait::async_trait]
pub trait Linking: Sync {
    /// Where browsers are led beside [`TARGETS`].
    fn application(&self) -> Option<String>;
    /// The providers.
    async fn providers(&self, hub: SocketAddr, clock: &StepClock) -> Vec<Arc<dyn CalendarProvider>>;
}

/// Where browsers are led once a calendar is linked.
pub const TARGETS: [&str; 2] = ["https://app.example.com/calendars", "http://localhost:3000/linked"];

/// The providers that most worlds are linked with.
pub(crate) fn stand_ins(clock: &StepClock) -> Vec<Arc<dyn CalendarProvider>> {
    ["google", "microsoft"].map(|name| Arc::new(StandIn::new(name, clock)) as _).into()
}

pub(crate) fn targets(application: Option<String>) -> Targets {
    Targets::new(TARGETS.map(str::to_owned).into_iter().chain(application)).unwrap()
}

impl World {
    /// Starts both services with what `around` makes of the store under each service, where calendars are linked at a provider of its
    /// own process or machine. What the tenants hold of the provider of other worlds is no good.
    pub async fn start_linking(around: impl Fn(Stores) -> Stores, with: &dyn Linking) -> Self {
        let backend = Backend::chosen();
        if Settled::on(&backend).is_none() {
            Self::start_on(&backend).await.end().await;
        }
        let mut wanted = Wanted::on(&backend);
        wanted.linking = Some(with);
        Self::start_as(wanted, around).await
    }

    /// Calendars of the Hub's store, as another process of it has them, and `google`, the one provider that it has.
    pub async fn calendars(&self) -> (Calendars, Arc<StandIn>) {
        let google = Arc::new(StandIn::new("google", &self.clock));
        let calendars = self.calendars_of(&self.stores, vec![Arc::clone(&google) as _]).await;
        (calendars, google)
    }

    /// The same, on these stores and with these providers alone.
    pub(crate) async fn calendars_of(
        &self,
        stores: &Stores,
        providers: Vec<Arc<dyn CalendarProvider>>,
    ) -> Calendars {
        let vault = self.place.vault(stores, &self.clock, self.hub_platform.entropy.as_ref()).await;
        Calendars::new(vault, providers, targets(None), Arc::new(NoPause))
    }

    /// A browser that comes back from a provider of these worlds, whose owner, of this subject, has consented.
    pub async fn arriving(&self, key: &str, user: &str, provider: &str, subject: &str) -> Arrival {
        let body = format!(r#"{{"user_id":"{user}"}}"#);
        let begin = Request::post(&format!("/oauth/{provider}/authorize"), &body).bearer(key);
        let begun = self.hub(begin).await;
        assert_eq!(begun.status, 200, "{}", begun.body);
        let cookie = begun.header("set-cookie").unwrap_or_default();
        let binding = cookie.split(['=', ';']).nth(1).unwrap_or_default().to_owned();
        let Consent { state, code } = StandIn::consent(&begun.field("authorization_url"), subject);
        Arrival { provider: provider.to_owned(), state, code, binding }
    }

    /// Links a calendar of a user at a provider of these worlds.
    pub async fn link(&self, key: &str, user: &str, provider: &str, subject: &str) {
        let arrival = self.arriving(key, user, provider, subject).await;
        let linked = self.hub(arrival.request()).await;
        assert_eq!(linked.status, 303, "{}", linked.body);
    }
}

/// The demo provider of a world.
pub struct Demo {
    dir: TempDir,
    provider: OnceCell<Provider>,
    /// Where an application listens that browsers are led to.
    application: TcpListener,
}

impl Default for Demo {
    fn default() -> Self {
        let application = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), provider: OnceCell::new(), application }
    }
}

impl Demo {
    /// A world that links calendars at a demo provider.
    pub async fn world() -> (World, Self) {
        Self::world_with(|stores| stores).await
    }

    /// The same, with what `around` makes of the store under each service.
    pub async fn world_with(around: impl Fn(Stores) -> Stores) -> (World, Self) {
        let demo = Self::default();
        (World::start_linking(around, &demo).await, demo)
    }

    /// Calendars of the world's Hub as another process of it has them, on these stores.
    pub async fn calendars(&self, world: &World, stores: &Stores) -> Calendars {
        world.calendars_of(stores, self.clients(world.hub)).await
    }

    /// Starts an application of the first tenant, which links the calendars of its user.
    pub async fn application(&self, world: &World) -> Application {
        let config = ApplicationConfig {
            hub: format!("http://localhost:{}", world.hub.port()),
            key: PlainToken::new(world.a.hub_key.clone()),
            account_id: world.a.account_id.clone(),
            user_id: world.a.user_id.clone(),
            providers: PROVIDERS.map(str::to_owned).into(),
            provider_origins: vec![self.provider().origin().to_owned()],
            clock: Arc::new(world.clock.clone()),
        };
        Application::start(self.application.try_clone().unwrap(), config).await.unwrap()
    }

    /// The provider.
    pub fn provider(&self) -> &Provider {
        self.provider.get().unwrap()
    }

    /// How often it was asked so.
    pub fn count(&self, what: impl Fn(&Seen) -> bool) -> usize {
        self.provider().seen().iter().filter(|seen| what(seen)).count()
    }

    /// How often a code was shown to it.
    pub fn exchanges(&self) -> usize {
        self.count(|seen| matches!(seen, Seen::Exchange { .. }))
    }

    /// How often it was asked for another access token.
    pub fn refreshes(&self) -> usize {
        self.count(|seen| matches!(seen, Seen::Refresh { .. }))
    }

    /// What its clients did that no client should.
    pub fn violations(&self) -> Vec<String> {
        let seen = self.provider().seen().into_iter();
        let wrong = seen.filter_map(|seen| match seen {
            Seen::Violation(what) | Seen::Elsewhere(what) => Some(what),
            _ => None,
        });
        wrong.collect()
    }

    /// What a browser brings back whose owner consents to what was begun.
    pub fn consent(&self, begun: &Begun, address: &str) -> Arrived {
        let url = self.provider().consent(&begun.url, address).unwrap();
        Arrived::of(&url, begun)
    }

    /// A browser of a tenant's user that comes back having consented.
    pub async fn arriving(&self, world: &World, provider: &str, address: &str) -> Arrived {
        let begun = Begun::at(world, &world.a.hub_key, &world.a.user_id, provider).await;
        self.consent(&begun, address)
    }

    /// Links a calendar of the first tenant's user, who has none of that provider any more.
    pub async fn link(&self, world: &World, provider: &str, address: &str) {
        let linked = world.hub(self.arriving(world, provider, address).await.request()).await;
        assert_eq!(linked.status, 303, "{}", linked.body);
    }
}

/// Forgets what the tenants hold of the provider of other worlds.
pub async fn unlinked(world: &World) {
    world.place.execute("DELETE FROM connections; DELETE FROM authorizations").await;
}

#[async_trait::async_trait]
impl Linking for Demo {
    fn application(&self) -> Option<String> {
        Some(format!("http://localhost:{}/", self.application.local_addr().unwrap().port()))
    }

    async fn providers(&self, hub: SocketAddr, clock: &StepClock) -> Vec<Arc<dyn CalendarProvider>> {
        let back = |name: &str| back(hub, name);
        let entropy = Arc::new(SeededEntropy::new(u64::from(hub.port())));
        let mut config = Config::demo(Arc::new(clock.clone()), entropy, PROVIDERS.map(back).into());
        config.client_secret = SECRET.to_owned();
        config.client_id = CLIENT.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let provider = Provider::start(listener, config).await.unwrap();
        assert!(self.provider.set(provider).is_ok(), "one provider a world");
        self.clients(hub)
    }
}

impl Demo {
    fn clients(&self, hub: SocketAddr) -> Vec<Arc<dyn CalendarProvider>> {
        let providers = settings(&self.dir, self.provider().origin()).into_iter().zip(PROVIDERS);
        let open = |(settings, name): (ProviderSettings, &str)| {
            calendar_providers::open_with(name.parse().unwrap(), &settings, &back(hub, name), PATIENCE)
                .unwrap()
        };
        providers.map(open).collect()
    }
}

/// Where a provider leads browsers back to.
fn back(hub: SocketAddr, name: &str) -> String {
    format!("http://localhost:{}/oauth/{name}/callback", hub.port())
}

/// The demo provider, as each of those that it can stand for.
#[expect(clippy::disallowed_methods, reason = "a test makes its files")]
fn settings(dir: &TempDir, origin: &str) -> [ProviderSettings; 3] {
    let client_secret_file = dir.path().join("client.secret");
    std::fs::write(&client_secret_file, SECRET).unwrap();
    let client_id = CLIENT.to_owned();
    [
        ProviderSettings::Google(Google {
            client_id: client_id.clone(),
            client_secret_file: client_secret_file.clone(),
            at: Some(origin.to_owned()),
        }),
        ProviderSettings::Microsoft(Microsoft {
            client_id: client_id.clone(),
            client_secret_file: client_secret_file.clone(),
            tenant: DIRECTORY.to_owned(),
            at: Some(origin.to_owned()),
        }),
        ProviderSettings::Oidc(Oidc {
            client_id,
            client_secret_file,
            issuer: origin.to_owned(),
            api: CalendarApi::Google,
            api_url: format!("{origin}/calendar/v3/calendars/primary/events"),
            scopes: "openid offline_access https://www.googleapis.com/auth/userinfo.email \
                     https://www.googleapis.com/auth/calendar.readonly"
                .to_owned(),
            hosts: Vec::new(),
            names_issuer: true,
        }),
    ]
}

/// A transaction that was begun: where the browser is led, and what it holds.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The provider.
    pub provider: String,
    /// Where to.
    pub url: String,
    /// The value of the cookie.
    pub binding: String,
}

impl Begun {
    /// Begins one for a user of whoever has the key.
    pub async fn at(world: &World, key: &str, user: &str, provider: &str) -> Self {
        let begun = Self::answer(world, key, user, provider).await;
        assert_eq!(begun.status, 200, "{}", begun.body);
        let cookie = begun.header("set-cookie").unwrap_or_default();
        let binding = cookie.split(['=', ';']).nth(1).unwrap_or_default().to_owned();
        Self { provider: provider.to_owned(), url: begun.field("authorization_url"), binding }
    }

    /// What the Hub answers to that.
    pub async fn answer(world: &World, key: &str, user: &str, provider: &str) -> Response {
        let body = format!(r#"{{"user_id":"{user}"}}"#);
        world.hub(Request::post(&format!("/oauth/{provider}/authorize"), &body).bearer(key)).await
    }
}

/// A browser that comes back from the provider.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The path and query that it is led to.
    pub target: String,
    /// The value of its cookie.
    pub binding: String,
}

impl Arrived {
    fn of(url: &str, begun: &Begun) -> Self {
        let at = url.find("/oauth/").unwrap();
        Self { target: url.split_at(at).1.to_owned(), binding: begun.binding.clone() }
    }

    /// The request.
    pub fn request(&self) -> Request {
        Request::get(&self.target).header("Cookie", &format!("__Host-oauth={}", self.binding))
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> String {
        let (_, query) = self.target.split_once('?').unwrap();
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    }

    /// The same, with another value of a parameter.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let before = format!("{name}={}", self.parameter(name));
        Self { target: self.target.replace(&before, &format!("{name}={value}")), ..self.clone() }
    }
}

impl From<&Arrival> for Arrived {
    fn from(arrival: &Arrival) -> Self {
        let Arrival { provider, state, code, binding } = arrival;
        let target = format!("/oauth/{provider}/callback?code={code}&state={state}");
        Self { target, binding: binding.clone() }
    }
}
