//! Calendars of users: linked by consent at a provider, read by the tokens that it gave, and unlinked.

mod disconnect;
mod link;
mod read;
mod tokens;

pub use disconnect::Disconnected;
pub use link::{Arrival, Begun, Order, Taken};
pub use read::EventWindow;
pub use tokens::AccessToken;

use super::Platform;
use crate::{
    audit::{Entry, Event},
    error::{FlowError, StoreError},
    fetched::Fetched,
    flights::Flights,
    model::{Connection, ProviderName, StoredConnection},
    oidc::{NotProviderKeys, ProviderKeys, kid_of},
    policy::{Action, Granted},
    port::{CalendarProvider, Pause, ProviderError},
    seal::Unopened,
    secret::{PlainToken, TokenDigest},
    time::{Clock, Monotonic},
    vault::{Place, Tokens, Vault},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long after a provider's keys were asked for a token of a key that is none of them has them asked for again.
const KEYS_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// For how long its keys are taken for its own: one that it withdraws is good for nothing after that.
const KEYS_LAST: Duration = Duration::from_secs(3600);

/// The calendars of one service: the vault, the providers that it is configured with, and where browsers may be led.
pub struct Calendars {
    vault: Vault,
    providers: BTreeMap<ProviderName, Provider>,
    targets: Targets,
    /// Who asks a provider for another access token, in this process.
    refreshes: Flights<FlowError>,
    noticed: Noticed,
    pause: Arc<dyn Pause>,
}

/// What was noticed of late, so that it is not written down, or tried, with every request.
#[derive(Default)]
struct Noticed(Mutex<HashMap<[u8; 32], Monotonic>>);

/// So many are remembered.
const MOST_NOTICED: usize = 10_000;
/// The longest that one is.
const NOTICED_FOR: Duration = Duration::from_secs(3600);

impl Noticed {
    /// Whether something was not noticed within a while.
    fn is_news(&self, what: &TokenDigest, within: Duration, now: Monotonic) -> bool {
        let noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noticed.get(what.as_bytes()).is_none_or(|then| now.since(*then) >= within)
    }

    fn notice(&self, what: &TokenDigest, now: Monotonic) {
        let mut noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noticed.len() >= MOST_NOTICED {
            noticed.retain(|_, then| now.since(*then) < NOTICED_FOR);
        }
        if noticed.len() < MOST_NOTICED {
            noticed.insert(*what.as_bytes(), now);
        }
    }
}

/// Where a browser may be led once a calendar is linked: addresses of the configuration, to the letter. The first one is for
/// whoever does not say.
#[derive(Debug, Clone)]
pub struct Targets {
    first: Target,
    others: Vec<Target>,
}

/// One of them. Nobody else makes one, so that no browser is led to what somebody sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Targets {
    /// These; `None` where there is none.
    pub fn new(targets: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut targets = targets.into_iter().map(Target);
        Some(Self { first: targets.next()?, others: targets.collect() })
    }

    /// The one that is this text, or the first where none is asked for; `None` for any other.
    fn find(&self, wanted: Option<&str>) -> Option<&Target> {
        match wanted {
            None => Some(&self.first),
            Some(wanted) => {
                let mut all = std::iter::once(&self.first).chain(&self.others);
                all.find(|target| target.0 == wanted)
            }
        }
    }
}

/// A provider, and the keys that it signs with.
struct Provider {
    client: Arc<dyn CalendarProvider>,
    keys: Fetched<Published, ProviderError>,
}

/// The keys of a provider, and when they came.
#[derive(Default)]
struct Published {
    keys: ProviderKeys,
    at: Option<Monotonic>,
}

impl Calendars {
    /// Calendars of these providers.
    pub fn new(
        vault: Vault,
        providers: Vec<Arc<dyn CalendarProvider>>,
        targets: Targets,
        pause: Arc<dyn Pause>,
    ) -> Self {
        let provider = |client: Arc<dyn CalendarProvider>| {
            (client.facts().name.clone(), Provider { client, keys: Fetched::new(KEYS_AGAIN_AFTER) })
        };
        let providers = providers.into_iter().map(provider).collect();
        let (refreshes, noticed) = (Flights::default(), Noticed::default());
        Self { vault, providers, targets, refreshes, noticed, pause }
    }

    fn provider(&self, name: &ProviderName) -> Option<&Provider> {
        self.providers.get(name)
    }

    /// The provider of a connection, if it is the one that gave its tokens: nobody else is shown them, whatever the name
    /// stands for by now.
    fn provider_of(&self, connection: &Connection) -> Option<&Provider> {
        let provider = self.provider(&connection.provider)?;
        let issuer = &provider.client.facts().issuer;
        issuer.may_call_back(&connection.subject.issuer).then_some(provider)
    }

    /// Opens the tokens of a connection; what does not open there is written down, once an hour.
    async fn unseal<A: Action>(
        &self,
        platform: &Platform,
        granted: &Granted<A>,
        stored: &StoredConnection,
    ) -> Result<Result<Tokens, Unopened>, FlowError> {
        let place = Place::of(&stored.connection);
        let opened = self.vault.unseal(&place, &stored.tokens, platform.clock.as_ref());
        if let Err(why) = &opened {
            let what = TokenDigest::of([place.row().as_slice(), stored.tokens.sealed.as_bytes()].concat());
            let now = platform.clock.monotonic();
            if self.noticed.is_news(&what, NOTICED_FOR, now) {
                let event = Event::VaultUnopened { connection: stored.connection.id, why: why.name() };
                append(platform, granted, &event).await?;
                self.noticed.notice(&what, now);
            }
        }
        Ok(opened)
    }

    /// Has the vault's newest key be one of the store's, before what it seals is stored once more. Where it cannot be, the
    /// store takes it no more than the first time.
    async fn introduce_newest(&self, platform: &Platform) {
        let Platform { stores, clock, entropy, .. } = platform;
        let _ = self.vault.introduce_newest(stores, clock.as_ref(), entropy.as_ref()).await;
    }
}

impl Provider {
    /// The keys of the provider, among them the one that a token names, if the provider publishes it.
    async fn keys_for(&self, token: &PlainToken, clock: &dyn Clock) -> Result<Arc<Published>, ProviderError> {
        let kid = kid_of(token.expose());
        let now = clock.monotonic();
        let does = |published: &Published| {
            let is_young = published.at.is_some_and(|then| now.since(then) < KEYS_LAST);
            is_young && kid.as_ref().is_none_or(|kid| published.keys.named(kid).is_some())
        };
        let ask = async {
            let json = self.client.keys().await?;
            let keys = ProviderKeys::parse(&json);
            let keys =
                keys.map_err(|NotProviderKeys| ProviderError::Unusable(NotProviderKeys.to_string()))?;
            Ok(Published { keys, at: Some(clock.monotonic()) })
        };
        self.keys.get(does, clock, ask).await
    }
}

/// Writes down an event that no command of a store carries, before what it tells of leaves.
async fn append<A: Action>(
    platform: &Platform,
    granted: &Granted<A>,
    event: &Event,
) -> Result<(), FlowError> {
    let entry = Entry::granted(platform.now(), granted, event);
    Ok(platform.stores.audit.append(vec![entry]).await?)
}

/// The store's fault that a connection's tokens do not open.
fn unopened(connection: &Connection, why: Unopened) -> FlowError {
    StoreError::Damaged(format!("the tokens of the connection {}: {why}", connection.id)).into()
}
