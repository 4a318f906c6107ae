//! What can go wrong, in the words of the domain; no HTTP here.

use crate::policy::{Excess, Need};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No good credential.
    Unauthenticated(Refusal),
    /// A good credential that meets none of these.
    Forbidden {
        /// What would have admitted the caller.
        missing: &'static [Need],
    },
    /// A good key, from an address outside its networks.
    Network,
    /// More than the caller itself may.
    Excess(Excess),
    /// Too often.
    Throttled {
        /// When to come back.
        retry_after: Duration,
    },
    /// Not there, or not the caller's.
    Absent,
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
#[derive(Debug, Clone, PartialEq)]
pub enum FlowError {
    /// The caller may not.
    Denied(Denial),
    /// A value that the flow cannot take.
    Invalid {
        /// Which field.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// The object is in a state that forbids it, or the name is taken.
    Conflict(String),
    /// The store failed.
    Store(StoreError),
}

impl From<Denial> for FlowError {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}
impl From<Excess> for FlowError {
    fn from(excess: Excess) -> Self {
        Self::Denied(Denial::Excess(excess))
    }
}
impl From<StoreError> for FlowError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
