//! A key never makes or changes a key into more than itself.

use super::{Networks, Permissions, Role};
use crate::{id::KeyId, model::Version, time::Timestamp};
use std::num::NonZeroU32;

/// What a key may do, from where, until when and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What it may do.
    pub permissions: Permissions,
    /// When it ends; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// From where it may be used.
    pub networks: Networks,
    /// Requests a minute; `None` is without limit.
    pub rate_limit: Option<NonZeroU32>,
}

/// The first way in which wanted rights go beyond the caller's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Permissions that the caller does not hold.
    #[error("the caller does not hold {}", .0.names().join(", "))]
    Permissions(Permissions),
    /// An end after the caller's.
    #[error("expires_at is later than the end of the caller's key")]
    End,
    /// Networks outside the caller's.
    #[error("allowed_cidrs is wider than that of the caller's key")]
    Networks,
    /// A role above the caller's.
    #[error("the role {} is above the caller's own", .0.name())]
    Role(Role),
    /// A higher rate than the caller's.
    #[error("rate_limit is higher than that of the caller's key")]
    Rate,
}

/// The most that a caller may give.
#[derive(Debug, Clone)]
pub struct Ceiling(Option<Maker>);

#[derive(Debug, Clone)]
struct Maker {
    rights: Rights,
    key: KeyId,
    version: Version,
}

impl Ceiling {
    /// No bound but what keys of the service can hold: that of the operator, and of a person who administers the tenant.
    pub const NONE: Self = Self(None);

    /// The bound of a caller whose key has these rights at this version.
    pub const fn of_key(rights: Rights, key: KeyId, version: Version) -> Self {
        Self(Some(Maker { rights, key, version }))
    }

    /// Whether rights are within the bound.
    ///
    /// # Errors
    /// The first [`Excess`].
    pub fn covers(&self, wanted: &Rights) -> Result<(), Excess> {
        let Some(Maker { rights: own, .. }) = &self.0 else { return Ok(()) };
        let beyond = wanted.permissions.beyond(own.permissions);
        if !beyond.is_empty() {
            return Err(Excess::Permissions(beyond));
        }
        if let Some(end) = own.expires_at
            && wanted.expires_at.is_none_or(|wanted| wanted > end)
        {
            return Err(Excess::End);
        }
        if !wanted.networks.within(&own.networks) {
            return Err(Excess::Networks);
        }
        if let Some(rate) = own.rate_limit
            && wanted.rate_limit.is_none_or(|wanted| wanted > rate)
        {
            return Err(Excess::Rate);
        }
        Ok(())
    }

    /// Binds rights to the bound that they were found within.
    ///
    /// # Errors
    /// The first [`Excess`].
    pub fn bound(&self, rights: Rights) -> Result<Bounded, Excess> {
        self.covers(&rights)?;
        Ok(Bounded { rights, maker: self.0.as_ref().map(|maker| (maker.key, maker.version)) })
    }
}

/// Rights that were found within the caller's own. Only [`Ceiling::bound`] makes them.
#[derive(Debug, Clone)]
pub struct Bounded {
    rights: Rights,
    maker: Option<(KeyId, Version)>,
}

impl Bounded {
    /// The rights.
    pub const fn rights(&self) -> &Rights {
        &self.rights
    }
    /// The key whose rights were compared, as it was then: a store refuses the write if it changed since.
    pub const fn maker(&self) -> Option<(KeyId, Version)> {
        self.maker
    }
}
