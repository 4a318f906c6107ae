//! Making an API key.

use super::{Platform, TRIES, busy};
use crate::{
    credential::draw_key,
    error::FlowError,
    id::KeyId,
    model::{Name, NewKey},
    policy::{Allows, Granted, Permissions, Proof, Rights},
    port::{CreateKey, Creation, Once},
    principal::Tenant,
    secret::RevealOnce,
    service::Service,
    time::Timestamp,
};

/// A key that a caller wants.
#[derive(Debug, Clone)]
pub struct KeyOrder {
    /// Where it is to be accepted.
    pub service: Service,
    /// What people call it.
    pub name: Name,
    /// What it may do.
    pub rights: Rights,
}

/// A key that was made.
#[derive(Debug)]
pub struct IssuedKey {
    /// Its identifier.
    pub id: KeyId,
    /// The first characters of its secret.
    pub prefix: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The secret.
    pub secret: RevealOnce,
}

/// Makes a key of a tenant, within the rights of the caller, and answers when every process knows it.
/// `once` makes the record of an idempotent request from the new key's id.
///
/// # Errors
/// [`FlowError::Denied`] where the wanted rights go beyond the caller's; [`FlowError::Invalid`] for permissions of the
/// other service and an end that is past; [`FlowError::Conflict`] for a request that was sent before (the secret is not
/// shown again), and where the caller's key was changed meanwhile.
pub async fn issue_key<R: Allows<CreateKey>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    grant: &Granted<CreateKey>,
    order: KeyOrder,
    once: impl Fn(KeyId) -> Option<Once>,
) -> Result<IssuedKey, FlowError> {
    let foreign = order.rights.permissions.beyond(Permissions::of_tenant(grant.target(), order.service));
    if !foreign.is_empty() {
        let whose = if grant.target() == Tenant::PLATFORM { "of the platform's own" } else { "of tenants" };
        let (service, names) = (order.service, foreign.names().join(", "));
        let reason = format!("keys {whose} at the {service} service cannot hold {names}");
        return Err(FlowError::Invalid { field: "permissions", reason });
    }
    let now = platform.now();
    if order.rights.expires_at.is_some_and(|end| end <= now) {
        return Err(FlowError::Invalid { field: "expires_at", reason: "is not in the future".to_owned() });
    }
    for _ in 0..TRIES {
        let rights = platform.ceiling(proof).await?.bound(order.rights.clone())?;
        let (plain, secret) = draw_key(order.service, platform.entropy.as_ref());
        let id = KeyId::draw(now, platform.entropy.as_ref());
        let prefix = secret.prefix.clone();
        let new = NewKey { id, service: order.service, name: order.name.clone(), rights, secret, at: now };
        match platform.stores.keys.create(grant, new, once(id)).await? {
            Creation::Done(seq) => {
                platform.validator.settle(seq).await?;
                return Ok(IssuedKey { id, prefix, created_at: now, secret: plain });
            }
            Creation::Repeated(id) => {
                let answer =
                    format!("this request made key {id}; its secret was shown then and is not again");
                return Err(FlowError::Conflict(answer));
            }
            Creation::Mismatched => return Err(super::mismatched()),
            Creation::Taken | Creation::Stale | Creation::Full(_) => {}
        }
    }
    Err(busy())
}
