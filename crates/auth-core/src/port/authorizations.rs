//! Transactions of authorization that stand open: what a callback of a provider must fit.

use super::{Answer, Creation};
use crate::{
    model::{Authorization, NewAuthorization, ProviderName, User},
    policy::{Action, Granted},
    secret::TokenDigest,
    time::Timestamp,
};

/// How many transactions of one user stand open at once.
pub const MOST_OPEN: u16 = 5;

/// To begin to link a calendar of a user.
#[derive(Debug)]
pub enum BeginAuthorization {}

impl Action for BeginAuthorization {
    type Object = User;
}

/// What a callback presents, all of which must be that of one transaction.
#[derive(Debug, Clone)]
pub struct Callback {
    /// SHA-256 of `state`.
    pub state: TokenDigest,
    /// SHA-256 of what the browser holds.
    pub binding: TokenDigest,
    /// The provider that was asked, as the path says.
    pub provider: ProviderName,
}

/// Transactions of authorization.
#[async_trait::async_trait]
pub trait Authorizations: Send + Sync {
    /// Begins one. [`Creation::Full`] where [`MOST_OPEN`] of the user stand open, until the first of them is over;
    /// [`Creation::Stale`] where the user is gone, or the caller is no key.
    async fn begin(&self, grant: &Granted<BeginAuthorization>, new: NewAuthorization) -> Answer<Creation>;
    /// Takes the one that a callback fits in all, by one conditional statement: however many callbacks come, of whatever
    /// processes, one gets it. Nobody does once it is over, or where the user is gone, the key that began it has ended, or
    /// the account is suspended. What does not fit takes nothing.
    async fn take(&self, callback: &Callback, at: Timestamp) -> Answer<Option<Authorization>>;
    /// Forgets what ended before a time.
    async fn purge(&self, before: Timestamp) -> Answer<()>;
}
