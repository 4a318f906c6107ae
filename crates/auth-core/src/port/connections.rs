//! Connections of users with providers of calendars, and their tokens, sealed.

use super::Answer;
use crate::{
    entropy::Entropy,
    id::{ConnectionId, UserId},
    model::{Connection, NewConnection, ProviderName, Scopes, SealedTokens, StoredConnection, User},
    policy::{Action, Granted, Scope},
    time::Timestamp,
};
use std::time::Duration;

/// To link a calendar of a user: by a callback of the provider alone.
#[derive(Debug)]
pub enum Connect {}
/// To use what a connection gives.
#[derive(Debug)]
pub enum UseConnection {}
/// To end a connection.
#[derive(Debug)]
pub enum Disconnect {}

impl Action for Connect {
    type Object = User;
}
impl Action for UseConnection {
    type Object = Connection;
}
impl Action for Disconnect {
    type Object = Connection;
}

/// For how long whoever claims a connection has it to themself: longer than a provider is waited for, and by more than
/// clocks of two processes differ. One that died meanwhile leaves it so long.
pub const CLAIM: Duration = Duration::from_secs(300);

/// Who asks the provider about a connection now: a number that was drawn, and when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    number: [u8; 16],
    ends_at: Timestamp,
}

impl Claim {
    /// A claim from now on.
    pub fn draw(at: Timestamp, entropy: &dyn Entropy) -> Self {
        let mut number = [0; 16];
        entropy.fill(&mut number);
        Self { number, ends_at: at + CLAIM }
    }
    /// As a store keeps it.
    pub fn to_stored(&self) -> Vec<u8> {
        [self.number.as_slice(), &self.ends_at.millis().to_be_bytes()].concat()
    }
    /// When a claim is over that a store kept; `None` for what is none.
    pub fn end_of_stored(stored: &[u8]) -> Option<Timestamp> {
        let (_, end) = stored.split_first_chunk::<16>()?;
        Some(Timestamp::from_millis(i64::from_be_bytes(end.try_into().ok()?)))
    }
}

/// What became of a callback's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connecting {
    /// It is stored.
    Done,
    /// That calendar is linked by another user, of this account or of another, or by the same one with another provider: one
    /// calendar has one connection, since what the provider granted is one, and ends as one.
    Linked,
    /// The user has another calendar of that provider, which has to be disconnected first.
    Occupied,
    /// The user's connection is being ended, or was made at the same time.
    Busy,
    /// The user is gone, the key that began it has ended, or the account is suspended.
    Gone,
    /// The key that sealed the tokens is none of the vault any more.
    KeyRetired,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claiming {
    /// It is the caller's, who finds the connection so.
    Done(Box<StoredConnection>),
    /// It is somebody else's.
    Busy,
    /// The connection is gone, or in no state in which it can be claimed.
    Gone,
}

/// Tokens that a provider gave in place of others.
#[derive(Debug, Clone)]
pub struct Renewed {
    /// They, sealed. Where the provider gave no refresh token, it is the one that was there.
    pub tokens: SealedTokens,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// What is granted from now on.
    pub scopes: Scopes,
    /// Whether they do not do: they are kept for the provider to be told of them, and the user has to consent again.
    pub needs_consent: bool,
}

/// What became of tokens that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewing {
    /// They are stored.
    Done,
    /// They are stored for the provider to be told of them: the connection was ended meanwhile, and gives nothing.
    Ended,
    /// The claim is no more the caller's: nothing was stored.
    Lost,
    /// The key that sealed them is none of the vault any more: nothing was stored, and the claim stands.
    KeyRetired,
}

/// What a claim ended with, where no tokens came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is known: as it was.
    Unknown,
    /// The provider takes the refresh token no more: the user has to consent again.
    NeedsConsent,
}

/// What came of it to end a connection, for the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// The provider was told.
    Revoked,
    /// The provider has no way to be told.
    Unsupported,
    /// The tokens do not open, so nobody can tell the provider by them.
    Unopened,
    /// The provider was told in vain so often that it is given up.
    GivenUp,
}

impl Forgotten {
    /// Its name, as the trail has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Unsupported => "unsupported",
            Self::Unopened => "unopened",
            Self::GivenUp => "given_up",
        }
    }
}

/// Connections.
#[async_trait::async_trait]
pub trait Connections: Send + Sync {
    /// The connections of a user within the scope.
    async fn list(&self, scope: Scope, user: UserId) -> Answer<Vec<Connection>>;
    /// The one with a provider.
    async fn read(
        &self,
        scope: Scope,
        user: UserId,
        provider: &ProviderName,
    ) -> Answer<Option<StoredConnection>>;
    /// The connection that the user of a callback has with a provider.
    async fn linked(&self, grant: &Granted<Connect>, provider: &ProviderName)
    -> Answer<Option<ConnectionId>>;
    /// Stores what a callback brought: a new connection, or other tokens of the one that the user has with that calendar.
    /// A calendar is linked once, whoever links it at the same time.
    async fn connect(&self, grant: &Granted<Connect>, new: NewConnection) -> Answer<Connecting>;
    /// Ends a connection: its tokens are given to nobody any more. `false` where it was ended before, or is gone.
    async fn disconnect(&self, grant: &Granted<Disconnect>, at: Timestamp) -> Answer<bool>;
    /// Connections that are ended and yet to be forgotten, after one: of the whole platform, for who tells providers.
    async fn ended(&self, after: Option<ConnectionId>, limit: u16) -> Answer<Vec<Connection>>;
}

/// What is done with a provider for a connection: by one at a time, whoever it is, of whatever process.
#[async_trait::async_trait]
pub trait Claims: Send + Sync {
    /// Claims an active connection, to ask for other tokens.
    async fn claim(&self, grant: &Granted<UseConnection>, claim: Claim, at: Timestamp) -> Answer<Claiming>;
    /// Claims an ended one, to tell the provider.
    async fn claim_ended(&self, grant: &Granted<Disconnect>, claim: Claim, at: Timestamp)
    -> Answer<Claiming>;
    /// Stores tokens that came, and gives the claim up; the state of the connection stays.
    async fn renewed(
        &self,
        grant: &Granted<UseConnection>,
        claim: Claim,
        renewed: Renewed,
        at: Timestamp,
    ) -> Answer<Renewing>;
    /// Gives a claim up where none came. `false` where it is no more the caller's.
    async fn release(
        &self,
        grant: &Granted<UseConnection>,
        claim: Claim,
        outcome: Outcome,
        at: Timestamp,
    ) -> Answer<bool>;
    /// Forgets an ended connection that is claimed, with its tokens. `false` where the claim is no more the caller's, or the
    /// connection is not ended.
    async fn forget(
        &self,
        grant: &Granted<Disconnect>,
        claim: Claim,
        how: Forgotten,
        at: Timestamp,
    ) -> Answer<bool>;
    /// Notes that the provider of an ended connection was told in vain, and gives the claim up. `false` where it is no more
    /// the caller's, or the connection is not ended.
    async fn not_revoked(&self, grant: &Granted<Disconnect>, claim: Claim, at: Timestamp) -> Answer<bool>;
}
