//! What can go wrong, in the words of the domain; no HTTP here.

use crate::{
    policy::{Assurance, Excess, Need},
    port::ProviderError,
};
use std::time::Duration;

/// Why a credential was not accepted. Callers are told the same for all; the audit trail says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// None was sent.
    NoCredential,
    /// It cannot be a credential.
    Malformed,
    /// Nobody issued it, or it belongs to the other service.
    Unknown,
    /// Its time is over.
    Expired,
    /// It, its parent or its owner was ended.
    Revoked,
}

impl Refusal {
    /// The word for it in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Why a caller may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No good credential.
    #[error("the credential is not accepted: {}", .0.name())]
    Unauthenticated(Refusal),
    /// A good credential that meets none of these.
    #[error("the credential meets none of: {}", names(missing))]
    Forbidden {
        /// What would have admitted the caller.
        missing: &'static [Need],
    },
    /// The right person, who must prove themself so strongly first (RFC 9470).
    #[error("a {} is needed, within the last 15 minutes", .0.acr())]
    StepUp(Assurance),
    /// The right password, of somebody whose address is not known to be theirs.
    #[error("the address is yet to be shown to be theirs")]
    Unverified,
    /// A good key, from an address outside its networks.
    #[error("the key may not be used from this address")]
    Network,
    /// More than the caller itself may.
    #[error(transparent)]
    Excess(Excess),
    /// Too often.
    #[error("too many requests; again in {} seconds", retry_after.as_secs().max(1))]
    Throttled {
        /// When to come back.
        retry_after: Duration,
    },
    /// Not there, or not the caller's.
    #[error("there is no such object")]
    Absent,
}

fn names(needs: &[Need]) -> String {
    needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A store could not answer, or its content cannot be trusted. Never an allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is busy beyond its limits or shutting down: try again later.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// It holds what no code of ours wrote.
    #[error("store damaged: {0}")]
    Damaged(String),
}

/// What a flow may answer instead of its result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FlowError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// A value that the flow cannot take.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// What it takes is busy beyond its limit: try again then.
    #[error("too much is under way; again in {} seconds", .0.as_secs().max(1))]
    Busy(Duration),
    /// The object is in a state that forbids it, or the name is taken.
    #[error("{0}")]
    Conflict(String),
    /// A callback fits no transaction of authorization that stands open: whatever is wrong with it.
    #[error("the callback fits nothing that was begun here, or is over")]
    InvalidState,
    /// A transaction of authorization was taken, and linked nothing.
    #[error("{0}")]
    NotConnected(NotConnected),
    /// The provider takes the tokens of a connection no more.
    #[error("the user has to consent again at the provider")]
    NeedsConsent,
    /// A provider did not do what it was asked to do.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a transaction of authorization linked nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotConnected {
    /// The user, or the provider, declined.
    #[error("the provider says that the calendar is not to be linked")]
    Declined,
    /// The callback names another issuer than the provider, or none where it should (RFC 9207 §2.4).
    #[error("the callback does not come from the provider that was asked")]
    Issuer,
    /// The callback brings no code, or none that can be one.
    #[error("the callback brings no code")]
    Code,
    /// The code was not exchanged.
    #[error("the provider did not take the code")]
    Exchange,
    /// The ID token is not good.
    #[error("the provider's ID token is not good")]
    IdToken,
    /// The calendar is not among what was granted, or more is than was asked for.
    #[error("the provider did not grant what was asked for")]
    Scope,
    /// There is no refresh token.
    #[error("the provider gave no refresh token")]
    NoRefreshToken,
    /// The calendar is linked by another user.
    #[error("that calendar is linked already")]
    Linked,
    /// The user has another calendar of that provider.
    #[error("another calendar of that provider is linked: disconnect it first")]
    Occupied,
    /// The user's connection is being ended or used at this moment.
    #[error("the connection is being ended, or used, at this moment: try again")]
    Busy,
    /// The user, the account or the key is not there any more.
    #[error("the user or the key that began this is gone")]
    Gone,
}

impl NotConnected {
    /// The word for it in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Issuer => "issuer",
            Self::Code => "code",
            Self::Exchange => "exchange",
            Self::IdToken => "id_token",
            Self::Scope => "scope",
            Self::NoRefreshToken => "no_refresh_token",
            Self::Linked => "linked",
            Self::Occupied => "occupied",
            Self::Busy => "busy",
            Self::Gone => "gone",
        }
    }
}

impl From<Excess> for FlowError {
    fn from(excess: Excess) -> Self {
        Self::Denied(Denial::Excess(excess))
    }
}
