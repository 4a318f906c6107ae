//! People: who logs in.

use super::{Name, Status, Version};
use crate::{
    credential::PasswordHash,
    id::{DomainId, PersonId},
    model::{Address, DomainName},
    policy::{Owned, Role},
    principal::Tenant,
    time::Timestamp,
};

/// A person. One address is one person, whatever domains they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its identifier.
    pub id: PersonId,
    /// The address that they log in with.
    pub address: Address,
    /// Their name.
    pub name: Name,
    /// Whether their logins and sessions are accepted.
    pub status: Status,
    /// Whether they administer the platform.
    pub is_super_admin: bool,
    /// When the address was shown to be theirs.
    pub verified_at: Option<Timestamp>,
    /// When they registered.
    pub created_at: Timestamp,
    /// Which state this is.
    pub version: Version,
}

impl Owned for Person {
    type Id = PersonId;
    fn id(&self) -> PersonId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        None
    }
    fn person(&self) -> Option<PersonId> {
        Some(self.id)
    }
}

/// A person to be registered.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Its identifier.
    pub id: PersonId,
    /// The address that they will log in with.
    pub address: Address,
    /// Their name.
    pub name: Name,
    /// The hash of their password.
    pub password: PasswordHash,
    /// Whether the address is known to be theirs.
    pub verified: bool,
    /// When they register.
    pub at: Timestamp,
}

/// What a login needs of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The person.
    pub person: Person,
    /// The hash of their password.
    pub password: PasswordHash,
    /// The domains that they belong to, of those that are in use.
    pub memberships: Vec<Membership>,
}

/// That a person belongs to a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The domain, with the account that owns it.
    pub tenant: Tenant,
    /// The domain.
    pub domain: DomainId,
    /// The domain's name.
    pub domain_name: DomainName,
    /// The role in it.
    pub role: Role,
}
