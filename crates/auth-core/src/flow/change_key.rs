//! Changing an API key.

use super::{Platform, TRIES, busy};
use crate::{
    error::{Denial, FlowError},
    id::KeyId,
    model::{Key, KeyPatch, Set},
    policy::{Allows, Permissions, Proof, grant},
    port::{Change, ChangeKey},
    service::Service,
};

/// Changes a live key, and answers when no process knows it as it was. Both the key as it is and the key as
/// it will be must be within the caller's own rights.
///
/// # Errors
/// [`Denial::Absent`] for a key that is not the caller's; [`Denial::Excess`] beyond the caller's rights;
/// [`FlowError::Invalid`] for permissions of the other service and an end that is over;
/// [`FlowError::Conflict`] for a revoked key.
pub async fn change_key<R: Allows<ChangeKey>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    service: Service,
    id: KeyId,
    patch: &KeyPatch,
) -> Result<Key, FlowError> {
    if let Set::To(Some(end)) = patch.expires_at
        && end <= platform.now()
    {
        return Err(FlowError::Invalid { field: "expires_at", reason: "is not in the future".to_owned() });
    }
    for _ in 0..TRIES {
        let key = live_key(platform, proof, service, id).await?;
        if let Set::To(permissions) = &patch.permissions {
            let foreign = permissions.beyond(Permissions::of_tenant(key.tenant, service));
            if !foreign.is_empty() {
                let reason = format!("such a key cannot hold {}", foreign.names().join(", "));
                return Err(FlowError::Invalid { field: "permissions", reason });
            }
        }
        let granted = grant::<ChangeKey, R>(proof, &key)?;
        let ceiling = platform.ceiling(proof).await?;
        ceiling.covers(&key.rights)?;
        let rights = ceiling.bound(patch.over(&key.rights))?;
        let now = platform.now();
        match platform.stores.keys.change(&granted, key.version, patch.clone(), rights, now).await? {
            Change::Done((key, seq)) => {
                platform.validator.settle(seq).await?;
                return Ok(key);
            }
            Change::Stale | Change::Taken => {}
        }
    }
    Err(busy())
}

/// Reads a key that is the caller's and not revoked.
pub(super) async fn live_key<R: crate::policy::Requirement>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    service: Service,
    id: KeyId,
) -> Result<Key, FlowError> {
    let key = platform.stores.keys.read(service, proof.scope(), id).await?.ok_or(Denial::Absent)?;
    if key.revoked_at.is_some() {
        return Err(FlowError::Conflict("the key is revoked".to_owned()));
    }
    Ok(key)
}
