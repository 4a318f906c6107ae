//! What the platform keeps: accounts, domains, keys, users, calls, tokens.

mod account;
mod call;
mod connection;
mod domain;
mod key;
mod member;
mod person;
mod session;
mod signing_key;
mod text;
mod token;
mod user;

pub use account::{Account, AccountPatch, NewAccount, Status};
pub use call::{Call, CallStatus, CallType, Channel, NewCall, Usage};
pub use connection::{
    Authorization, Connection, ConnectionStatus, NewAuthorization, NewConnection, Scopes, SealedTokens,
    StoredConnection, Subject,
};
pub use domain::{Domain, DomainOwner, DomainPatch, Joining, NewDomain};
pub use key::{Key, KeyPatch, KeyUse, NewKey};
pub use member::{Applicant, Member, MemberId};
pub use person::{
    FactorUse, Login, Membership, NewPasskey, NewPerson, PasskeyFactor, Person, PersonPatch, TotpFactor,
};
pub use session::{NewSession, REPLAY, SESSION_IDLE, SESSION_LIFE, Session, SessionEnd};
pub use signing_key::SigningKeyRecord;
pub use text::{
    Address, DomainName, Email, Language, Name, PasskeyName, PhoneNumber, Prose, ProviderName, WebOrigin,
    WrongText,
};
pub use token::{NewToken, Token};
pub use user::{NewUser, User, UserPatch};

/// Which state of a row was read. A write names it, and is refused as *stale* if the row changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version(i64);

impl Version {
    /// The version of a new row.
    pub const FIRST: Self = Self(1);

    /// The version that a store kept.
    pub const fn from_stored(number: i64) -> Self {
        Self(number)
    }
    /// The number that a store keeps.
    pub const fn number(self) -> i64 {
        self.0
    }
    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// One page of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most this many items.
    pub limit: u16,
    /// Only items older than the one with this identifier.
    pub before: Option<[u8; 16]>,
}

impl Page {
    /// The most that a page may hold.
    pub const MOST: u16 = 200;
    /// What a page holds where the caller does not say.
    pub const DEFAULT: u16 = 50;
}

/// Says of a field whether a patch leaves it, or sets it. Distinct from `Option`, because `null` is a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Set<T> {
    /// As it was.
    #[default]
    Keep,
    /// To this.
    To(T),
}

impl<T: Clone> Set<T> {
    /// The value after the patch.
    pub fn over(&self, current: &T) -> T {
        match self {
            Self::Keep => current.clone(),
            Self::To(value) => value.clone(),
        }
    }
}

impl<T> Set<T> {
    /// The same for what the value is made into.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Set<U> {
        match self {
            Self::Keep => Set::Keep,
            Self::To(value) => Set::To(make(value)),
        }
    }
}

/// A field that is absent keeps its value; one that is there, `null` included, sets it.
impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Set<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::To)
    }
}
