//! Hashing passwords: slow on purpose, so on threads of its own.

use crate::{
    credential::{Password, PasswordHash, Presented},
    error::FlowError,
};

/// Whoever hashes passwords. Each hash takes a good part of a second of one core.
#[async_trait::async_trait]
pub trait Passwords: Send + Sync {
    /// The hash of a new password, with a fresh salt and today's cost.
    ///
    /// # Errors
    /// [`FlowError::Busy`] where so many wait that this one would wait too long.
    async fn hash(&self, password: &Password) -> Result<PasswordHash, FlowError>;
    /// Whether a hash is that of what was presented. It takes the same time where no password can be like that, or nobody
    /// has this address (`None`): then it is not.
    ///
    /// # Errors
    /// As [`hash`](Self::hash).
    async fn verify(
        &self,
        presented: Option<&Presented>,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, FlowError>;
    /// Whether there is room for one more who waits. It is told before anything else is done, so that most of a flood costs no
    /// more than that. It keeps nobody a place: of those who come at one moment, [`hash`](Self::hash) and
    /// [`verify`](Self::verify) send some away.
    ///
    /// # Errors
    /// [`FlowError::Busy`] where there is none.
    fn room(&self) -> Result<(), FlowError>;
    /// Whether a hash is to be made anew, since its cost is lower than today's.
    fn is_outdated(&self, hash: &PasswordHash) -> bool;
}
