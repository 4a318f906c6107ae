//! The keys that sign access tokens.

use super::{Answer, Change, Seq};
use crate::{
    model::SigningKeyRecord,
    policy::{Action, Granted, Installation},
    time::Timestamp,
};

/// To make the next signing key.
#[derive(Debug)]
pub enum RotateSigningKey {}

impl Action for RotateSigningKey {
    type Object = Installation;
}

/// Signing keys. There is always a newest one, once there was a first.
#[async_trait::async_trait]
pub trait SigningKeys: Send + Sync {
    /// Those that are kept, oldest first.
    async fn list(&self) -> Answer<Vec<SigningKeyRecord>>;
    /// Adds the key after the newest one: *stale* where its number is not the next. The tokens of those before it are
    /// refused from `old_until` on, or sooner if they would have been. Announced, so that every process knows it, and
    /// the ends, once the number is settled.
    async fn add(
        &self,
        grant: &Granted<RotateSigningKey>,
        new: SigningKeyRecord,
        old_until: Timestamp,
    ) -> Answer<Change<Seq>>;
    /// Forgets keys that ended before a time.
    async fn purge(&self, before: Timestamp) -> Answer<()>;
}
