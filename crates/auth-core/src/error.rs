//! What can go wrong, in the words of the domain; no HTTP here.

use crate::policy::{Assurance, Excess, Need};
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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Excess> for FlowError {
    fn from(excess: Excess) -> Self {
        Self::Denied(Denial::Excess(excess))
    }
}
