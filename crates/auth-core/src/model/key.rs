//! API keys of both services: one model.

use super::{Name, Set, Version};
use crate::{
    credential::NewSecret,
    id::KeyId,
    policy::{Bounded, Networks, Owned, Permissions, Rights},
    principal::Tenant,
    service::Service,
    time::Timestamp,
};
use std::num::NonZeroU32;

/// An API key. Its secrets are not part of it: they come and go by rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its identifier.
    pub id: KeyId,
    /// Where it is accepted.
    pub service: Service,
    /// Whose it is.
    pub tenant: Tenant,
    /// What people call it.
    pub name: Name,
    /// The first characters of its newest secret.
    pub prefix: String,
    /// What it may do, from where, until when and how often.
    pub rights: Rights,
    /// When it was made.
    pub created_at: Timestamp,
    /// How often it was accepted, whatever was then answered. Behind by half a minute, and by what a crash lost.
    pub use_count: u64,
    /// When it was last accepted; behind as the count is.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Which state this is.
    pub version: Version,
}

impl Owned for Key {
    type Id = KeyId;
    fn id(&self) -> KeyId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(self.tenant)
    }
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its identifier.
    pub id: KeyId,
    /// Where it will be accepted.
    pub service: Service,
    /// What people call it.
    pub name: Name,
    /// What it may do, within what its maker may.
    pub rights: Bounded,
    /// What is stored of its secret.
    pub secret: NewSecret,
    /// When it is made.
    pub at: Timestamp,
}

/// Uses of a key that are not in its count yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// How often it was used.
    pub times: u32,
    /// When last.
    pub last: Timestamp,
}

/// What may be changed of a key.
#[derive(Debug, Clone, Default)]
pub struct KeyPatch {
    /// What people call it.
    pub name: Set<Name>,
    /// What it may do.
    pub permissions: Set<Permissions>,
    /// When it ends.
    pub expires_at: Set<Option<Timestamp>>,
    /// From where it may be used.
    pub networks: Set<Networks>,
    /// Requests a minute.
    pub rate_limit: Set<Option<NonZeroU32>>,
}

impl KeyPatch {
    /// The rights after the patch.
    pub fn over(&self, current: &Rights) -> Rights {
        Rights {
            permissions: self.permissions.over(&current.permissions),
            expires_at: self.expires_at.over(&current.expires_at),
            networks: self.networks.over(&current.networks),
            rate_limit: self.rate_limit.over(&current.rate_limit),
        }
    }
}
