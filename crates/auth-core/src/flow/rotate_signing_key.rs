//! Making the next signing key.

use super::{Platform, busy};
use crate::{
    error::{FlowError, StoreError},
    jwt::{Kid, LEEWAY, LIFE, SigningKey, SigningKeys},
    model::SigningKeyRecord,
    policy::Granted,
    port::{Change, RotateSigningKey},
    time::Timestamp,
};
use std::time::Duration;

/// How long a key is published before it signs: whoever keeps the published set for less knows it by then.
pub const PUBLISHED_BEFORE: Duration = Duration::from_secs(600);

/// When the key before it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// In good order: the new key signs once it has been published for a while, and the old one's tokens are taken until
    /// the last of them has ended.
    Orderly,
    /// Since it is in the wrong hands: the new key signs at once, and no token of an older one is taken any more.
    AtOnce,
}

/// A key that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotatedSigningKey {
    /// What names it.
    pub kid: Kid,
    /// From when on it signs: the epoch, where it does so at once.
    pub signs_from: Timestamp,
    /// From when on tokens of older keys are refused: likewise.
    pub old_until: Timestamp,
}

/// Makes `key` the one after the `newest` that was read, and answers once every process knows it. The first one signs at
/// once.
///
/// # Errors
/// [`FlowError::Conflict`] where another one was made since; where a key that is there does not open with this keyring,
/// as of [`SigningKeys::reload`]: no service could open the new one.
pub async fn rotate_signing_key(
    platform: &Platform,
    keys: &SigningKeys,
    grant: &Granted<RotateSigningKey>,
    newest: Option<&SigningKeyRecord>,
    key: &SigningKey,
    handover: Handover,
) -> Result<RotatedSigningKey, FlowError> {
    let now = platform.now();
    let (signs_from, old_until) = match (handover, newest) {
        (Handover::Orderly, Some(_)) => {
            let signs_from = now + PUBLISHED_BEFORE;
            (signs_from, signs_from + LIFE + LEEWAY)
        }
        // Past by any clock: a process whose clock is behind signs with the new one too, and takes none of the others.
        (Handover::AtOnce, _) | (_, None) => (Timestamp::EPOCH, Timestamp::EPOCH),
    };
    keys.open_all(platform.stores.signing_keys.as_ref()).await?;
    let kid = key.public().kid().clone();
    let der = key.to_pkcs8().map_err(|error| StoreError::Damaged(error.to_string()))?;
    let sealed = keys.keyring().seal(&SigningKeyRecord::cell(&kid), &der, platform.entropy.as_ref());
    let new = SigningKeyRecord {
        number: newest.map_or(1, |newest| newest.number + 1),
        kid: kid.clone(),
        algorithm: key.public().algorithm(),
        sealed,
        created_at: now,
        signs_from,
        ends_at: None,
    };
    match platform.stores.signing_keys.add(grant, new, old_until).await? {
        Change::Done(seq) => {
            platform.validator.settle(seq).await?;
            Ok(RotatedSigningKey { kid, signs_from, old_until })
        }
        Change::Stale | Change::Taken => Err(busy()),
    }
}
