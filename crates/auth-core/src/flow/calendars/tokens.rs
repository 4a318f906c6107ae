//! An access token of a provider: the one that is there, or another where that is near its end. One process asks for it at
//! a time, and what came is stored before it is used.

use super::{Calendars, append, link::scopes_of, unopened};
use crate::{
    audit::Event,
    error::{Denial, FlowError},
    flow::Platform,
    model::{Connection, ConnectionStatus, Scopes, StoredConnection},
    oidc::is_still_of,
    policy::Granted,
    port::{Claim, Claiming, Outcome, ProviderError, Renewed, Renewing, TokenAnswer, UseConnection},
    secret::{PlainToken, TokenDigest},
    time::Timestamp,
    vault::{Place, Tokens},
};
use std::time::Duration;

/// So long before its end an access token is near it.
const NEAR: Duration = Duration::from_secs(120);
/// How long somebody waits who finds that another process asks, and has no token until then.
const SOON: Duration = Duration::from_secs(1);
/// When it is tried again to store tokens that came: the provider may take those before them no more.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// An access token of a provider.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// It.
    pub token: PlainToken,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it is good for.
    pub scopes: Scopes,
}

/// Which access token does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One that is not near its end.
    Fresh,
    /// Another one than that which ends then: the provider did not take it.
    Other(Timestamp),
}

impl Wanted {
    fn is_met(self, connection: &Connection, now: Timestamp) -> bool {
        match self {
            Self::Fresh => connection.expires_at > now + NEAR,
            Self::Other(than) => connection.expires_at != than && connection.expires_at > now,
        }
    }
}

impl Calendars {
    /// Gives a caller an access token of a connection that is not near its end; that is written down before.
    ///
    /// To be run to its end, whether or not anybody waits for it: what a provider gave is lost otherwise.
    ///
    /// # Errors
    /// [`FlowError::NeedsConsent`] where the provider takes the connection's tokens no more; [`Denial::Absent`] where it was
    /// ended; [`FlowError::Busy`] where another process asks now.
    pub async fn access_token(
        &self,
        platform: &Platform,
        granted: &Granted<UseConnection>,
        stored: StoredConnection,
    ) -> Result<AccessToken, FlowError> {
        let id = stored.connection.id;
        let token = self.fresh(platform, granted, stored, Wanted::Fresh).await?;
        append(platform, granted, &Event::CalendarTokenGiven { connection: id }).await?;
        Ok(token)
    }

    pub(super) async fn fresh(
        &self,
        platform: &Platform,
        granted: &Granted<UseConnection>,
        stored: StoredConnection,
        wanted: Wanted,
    ) -> Result<AccessToken, FlowError> {
        let stored = usable(stored)?;
        if wanted.is_met(&stored.connection, platform.now()) {
            return self.current(platform, granted, &stored).await;
        }
        let came = platform.clock.monotonic();
        let place = self.refreshes.join(&TokenDigest::of(stored.connection.id.as_bytes()));
        let mut turn = place.turn(came).await?;
        let fresh = self.in_turn(platform, granted, &stored.connection, wanted).await;
        if let Err(error) = &fresh {
            turn.fail(platform.clock.monotonic(), error);
        }
        fresh
    }

    /// Whoever of this process comes to it first asks for another; whoever came later finds it there.
    async fn in_turn(
        &self,
        platform: &Platform,
        granted: &Granted<UseConnection>,
        connection: &Connection,
        wanted: Wanted,
    ) -> Result<AccessToken, FlowError> {
        let read =
            || platform.stores.connections.read(granted.scope(), connection.user, &connection.provider);
        let is_same = |found: &StoredConnection| found.connection.id == connection.id;
        let stored = usable(read().await?.filter(is_same).ok_or(Denial::Absent)?)?;
        let now = platform.now();
        if wanted.is_met(&stored.connection, now) {
            return self.current(platform, granted, &stored).await;
        }
        let claim = Claim::draw(now, platform.entropy.as_ref());
        match platform.stores.claims.claim(granted, claim, now).await? {
            Claiming::Done(claimed) if wanted.is_met(&claimed.connection, now) => {
                platform.stores.claims.release(granted, claim, Outcome::Unknown, now).await?;
                self.current(platform, granted, &claimed).await
            }
            Claiming::Done(claimed) => self.ask(platform, granted, claim, *claimed, wanted).await,
            Claiming::Busy if is_good(wanted, &stored.connection, now) => {
                self.current(platform, granted, &stored).await
            }
            Claiming::Busy => Err(FlowError::Busy(SOON)),
            // Its state says why.
            Claiming::Gone => {
                usable(read().await?.filter(is_same).ok_or(Denial::Absent)?)?;
                Err(FlowError::Busy(SOON))
            }
        }
    }

    /// The access token that is there.
    async fn current(
        &self,
        platform: &Platform,
        granted: &Granted<UseConnection>,
        stored: &StoredConnection,
    ) -> Result<AccessToken, FlowError> {
        let connection = &stored.connection;
        let opened = self.unseal(platform, granted, stored).await?;
        let tokens = opened.map_err(|why| unopened(connection, why))?;
        Ok(AccessToken {
            token: tokens.access,
            expires_at: connection.expires_at,
            scopes: connection.scopes.clone(),
        })
    }

    /// Asks the provider, by a claim that is the caller's.
    async fn ask(
        &self,
        platform: &Platform,
        granted: &Granted<UseConnection>,
        claim: Claim,
        claimed: StoredConnection,
        wanted: Wanted,
    ) -> Result<AccessToken, FlowError> {
        let connection = &claimed.connection;
        let release =
            async |outcome| platform.stores.claims.release(granted, claim, outcome, platform.now()).await;
        let Some(provider) = self.provider_of(connection) else {
            release(Outcome::Unknown).await?;
            return Err(Denial::Absent.into());
        };
        let opened = self.unseal(platform, granted, &claimed).await;
        let opened = opened.and_then(|opened| opened.map_err(|why| unopened(connection, why)));
        let tokens = match opened {
            Ok(tokens) => tokens,
            Err(error) => {
                release(Outcome::Unknown).await?;
                return Err(error);
            }
        };
        let facts = provider.client.facts();
        match provider.client.refresh(&tokens.refresh).await {
            Ok(answer) => {
                let id_token = answer.id_token.as_ref();
                let is_same = id_token
                    .is_none_or(|token| is_still_of(token.expose(), &connection.subject, &facts.client_id));
                let scopes = answer.scopes.clone().unwrap_or_else(|| connection.scopes.clone());
                let scopes = scopes_of(facts, Some(scopes)).filter(|_| is_same);
                self.keep(platform, granted, claim, connection, (tokens, answer, scopes)).await
            }
            Err(ProviderError::InvalidGrant) => {
                release(Outcome::NeedsConsent).await?;
                Err(FlowError::NeedsConsent)
            }
            Err(error) => {
                release(Outcome::Unknown).await?;
                let scope = granted.scope();
                let read =
                    platform.stores.connections.read(scope, connection.user, &connection.provider).await?;
                let read = read.filter(|found| found.connection.id == connection.id);
                let now = usable(read.ok_or(Denial::Absent)?)?;
                if is_good(wanted, &now.connection, platform.now()) {
                    return self.current(platform, granted, &now).await;
                }
                Err(error.into())
            }
        }
    }

    /// Stores tokens that came, and then alone gives one of them. Those that do not do (without scopes) are stored, too: the
    /// provider may take those before them no more, and is told of these at the end.
    async fn keep(
        &self,
        platform: &Platform,
        granted: &Granted<UseConnection>,
        claim: Claim,
        connection: &Connection,
        (before, answer, scopes): (Tokens, TokenAnswer, Option<Scopes>),
    ) -> Result<AccessToken, FlowError> {
        let at = platform.now();
        let expires_at = at + answer.expires_in;
        let tokens = Tokens { access: answer.access, refresh: answer.refresh.unwrap_or(before.refresh) };
        let needs_consent = scopes.is_none();
        let scopes = scopes.unwrap_or_else(|| connection.scopes.clone());
        let place = Place::of(connection);
        let store = async || {
            let sealed = self.vault.seal(&place, &tokens, platform.entropy.as_ref());
            let renewed = Renewed { tokens: sealed, expires_at, scopes: scopes.clone(), needs_consent };
            platform.stores.claims.renewed(granted, claim, renewed, at).await
        };
        let mut outcome = store().await;
        for pause in PAUSES {
            let is_retired = match outcome {
                Ok(Renewing::Done | Renewing::Ended | Renewing::Lost) => break,
                Ok(Renewing::KeyRetired) => true,
                Err(_) => false,
            };
            self.pause.pause(pause).await;
            if is_retired {
                self.introduce_newest(platform).await;
            }
            outcome = store().await;
        }
        match outcome? {
            Renewing::Done if needs_consent => Err(FlowError::NeedsConsent),
            Renewing::Done => Ok(AccessToken { token: tokens.access, expires_at, scopes }),
            Renewing::Ended => Err(Denial::Absent.into()),
            Renewing::Lost | Renewing::KeyRetired => Err(FlowError::Busy(SOON)),
        }
    }
}

/// A connection that gives tokens.
fn usable(stored: StoredConnection) -> Result<StoredConnection, FlowError> {
    match stored.connection.status {
        ConnectionStatus::Active => Ok(stored),
        ConnectionStatus::NeedsConsent => Err(FlowError::NeedsConsent),
        ConnectionStatus::Disconnecting => Err(Denial::Absent.into()),
    }
}

/// Whether what is there does for now, where no other is to be had.
fn is_good(wanted: Wanted, connection: &Connection, now: Timestamp) -> bool {
    wanted == Wanted::Fresh && connection.expires_at > now
}
