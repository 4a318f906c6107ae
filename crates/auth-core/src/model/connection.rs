//! Connections of the Hub's users with providers of calendars.

use super::{Email, Version, text::WrongText};
use crate::{
    id::{AccountId, ConnectionId, KeyId, UserId},
    policy::Owned,
    principal::Tenant,
    seal::{KeyName, Sealed},
    secret::TokenDigest,
    time::Timestamp,
};
use std::{collections::BTreeSet, fmt};

/// What a provider granted, or is asked for: the values of `scope` (RFC 6749 §3.3), each once, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads a list that blanks separate.
    ///
    /// # Errors
    /// [`WrongText`] for more than 4,096 bytes, or a value with a character that RFC 6749 §3.3 does not have.
    pub fn parse(text: &str) -> Result<Self, WrongText> {
        let plain = |c: char| matches!(c, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
        let values: BTreeSet<_> =
            text.split(' ').filter(|value| !value.is_empty()).map(str::to_owned).collect();
        if text.len() <= 4096 && values.iter().all(|value| value.chars().all(plain)) {
            Ok(Self(values))
        } else {
            Err(WrongText("expected values of scope, separated by blanks"))
        }
    }
    /// Each value.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
    /// Whether this value is among them.
    pub fn contains(&self, value: &str) -> bool {
        self.0.contains(value)
    }
}

/// As it is sent and stored.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(" "))
    }
}

/// Whose calendar it is, as the provider names them for good (OpenID Connect Core §5.7): no address does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `iss` of the ID token.
    pub issuer: String,
    /// `sub` of the ID token.
    pub subject: String,
}

/// What can be done by a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// The calendar can be read.
    Active,
    /// The provider takes its tokens no more: the user has to consent again.
    NeedsConsent,
    /// It was ended here, and the provider is yet to be told: it is asked again until it has answered.
    Disconnecting,
}

impl ConnectionStatus {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Active, Self::NeedsConsent, Self::Disconnecting];

    /// Its name, as stored and as sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::NeedsConsent => "needs_consent",
            Self::Disconnecting => "disconnecting",
        }
    }
    /// The status of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A connection of a user with a provider. No token is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its identifier.
    pub id: ConnectionId,
    /// The account.
    pub account: AccountId,
    /// The user.
    pub user: UserId,
    /// The provider.
    pub provider: super::ProviderName,
    /// Whose calendar it is.
    pub subject: Subject,
    /// Their address, as the provider said it: for people to read, and for nothing else.
    pub address: Option<Email>,
    /// What the provider granted.
    pub scopes: Scopes,
    /// What can be done by it.
    pub status: ConnectionStatus,
    /// When its access token ends.
    pub expires_at: Timestamp,
    /// When the user consented last.
    pub connected_at: Timestamp,
    /// How often the provider was told in vain that it is over.
    pub failed_revocations: u32,
    /// Which state this is.
    pub version: Version,
}

impl Owned for Connection {
    type Id = ConnectionId;
    fn id(&self) -> ConnectionId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(Tenant { account: self.account, domain: None })
    }
}

/// The tokens of a connection as a store keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTokens {
    /// The key that sealed them.
    pub key: KeyName,
    /// Both in one, so that they are of one answer of the provider.
    pub sealed: Sealed,
}

/// A connection with its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConnection {
    /// The connection.
    pub connection: Connection,
    /// Its tokens.
    pub tokens: SealedTokens,
}

/// A connection to be made.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// Its identifier, where the user has none with the provider yet.
    pub id: ConnectionId,
    /// The provider.
    pub provider: super::ProviderName,
    /// The key that began it.
    pub begun_by: KeyId,
    /// Whose calendar it is.
    pub subject: Subject,
    /// Their address.
    pub address: Option<Email>,
    /// What the provider granted.
    pub scopes: Scopes,
    /// The tokens, sealed for this identifier.
    pub tokens: SealedTokens,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// When it is made.
    pub at: Timestamp,
}

/// A transaction of authorization that is to begin (RFC 6749 §4.1.1): what a callback must fit.
#[derive(Debug, Clone)]
pub struct NewAuthorization {
    /// SHA-256 of its `state`.
    pub state: TokenDigest,
    /// SHA-256 of what the browser holds.
    pub binding: TokenDigest,
    /// The provider.
    pub provider: super::ProviderName,
    /// Where the browser is led afterwards.
    pub redirect_after: String,
    /// When it begins.
    pub at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// A transaction that a callback has taken: nobody takes it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The account.
    pub account: AccountId,
    /// The user.
    pub user: UserId,
    /// The key that began it.
    pub begun_by: KeyId,
    /// The provider.
    pub provider: super::ProviderName,
    /// Where the browser is led afterwards.
    pub redirect_after: String,
}
