//! Giving an API key a new secret.

use super::{Platform, TRIES, busy, change_key::live_key};
use crate::{
    credential::draw_key,
    error::FlowError,
    id::KeyId,
    model::Key,
    policy::{Allows, Proof, grant},
    port::{Change, RotateKey},
    secret::RevealOnce,
    service::Service,
    time::Timestamp,
};
use std::time::Duration;

/// The longest that an old secret may go on working beside the new one.
pub const MOST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

/// A key with its new secret.
#[derive(Debug)]
pub struct RotatedKey {
    /// The key.
    pub key: Key,
    /// When the secrets before it end.
    pub old_until: Timestamp,
    /// The new secret.
    pub secret: RevealOnce,
}

/// Gives a live key a new secret; those before it work for `overlap` more. Answers when every process knows.
/// The key must be within the caller's own rights: who has its secret has its rights.
///
/// # Errors
/// [`Denial::Absent`](crate::error::Denial::Absent) for a key that is not the caller's,
/// [`Denial::Excess`](crate::error::Denial::Excess) for one that may more than the caller,
/// [`FlowError::Invalid`] for an overlap above [`MOST_OVERLAP`], [`FlowError::Conflict`] for a revoked key.
pub async fn rotate_key<R: Allows<RotateKey>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    service: Service,
    id: KeyId,
    overlap: Duration,
) -> Result<RotatedKey, FlowError> {
    if overlap > MOST_OVERLAP {
        let reason = format!("is more than {} seconds (7 days)", MOST_OVERLAP.as_secs());
        return Err(FlowError::Invalid { field: "overlap_seconds", reason });
    }
    for _ in 0..TRIES {
        let key = live_key(platform, proof, service, id).await?;
        let granted = grant::<RotateKey, R>(proof, &key)?;
        let rights = platform.ceiling(proof).await?.bound(key.rights.clone())?;
        let now = platform.now();
        let (plain, secret) = draw_key(service, platform.entropy.as_ref());
        let old_until = now + overlap;
        let keys = &platform.stores.keys;
        match keys.rotate(&granted, key.version, rights, secret, old_until, now).await? {
            Change::Done((key, seq)) => {
                platform.validator.settle(seq).await?;
                return Ok(RotatedKey { key, old_until, secret: plain });
            }
            Change::Stale | Change::Taken => {}
        }
    }
    Err(busy())
}
