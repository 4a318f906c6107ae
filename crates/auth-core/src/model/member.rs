//! Who belongs to which domain, and who asks to.

use super::{Address, Name, Version};
use crate::{
    id::{DomainId, PersonId},
    policy::{Owned, Role},
    principal::Tenant,
    time::Timestamp,
};

/// What names a membership, or the wish for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberId {
    /// The domain.
    pub domain: DomainId,
    /// The person.
    pub person: PersonId,
}

/// A person who belongs to a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person, and the domain.
    pub id: MemberId,
    /// The domain, with the account that owns it.
    pub tenant: Tenant,
    /// The address that the person logs in with.
    pub address: Address,
    /// Their name.
    pub name: Name,
    /// Whether the address was shown to be theirs.
    pub is_verified: bool,
    /// Their role in the domain.
    pub role: Role,
    /// Since when they belong to it.
    pub created_at: Timestamp,
    /// Which state this is.
    pub version: Version,
}

/// A person who may be made a member of a domain: who asked for it, or, for whoever administers the platform, anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// The person, and the domain.
    pub id: MemberId,
    /// The domain, with the account that owns it.
    pub tenant: Tenant,
    /// The address that the person logs in with.
    pub address: Address,
    /// Their name.
    pub name: Name,
    /// Whether the address was shown to be theirs.
    pub is_verified: bool,
    /// When they asked; `None` where they did not.
    pub asked_at: Option<Timestamp>,
}

impl Applicant {
    /// The member that they are once they were admitted.
    #[must_use]
    pub fn admitted(self, role: Role, at: Timestamp) -> Member {
        let Self { id, tenant, address, name, is_verified, .. } = self;
        Member { id, tenant, address, name, is_verified, role, created_at: at, version: Version::FIRST }
    }
}

macro_rules! of_a_domain {
    ($($name:ident),*) => {
        $(
            impl Owned for $name {
                type Id = MemberId;
                fn id(&self) -> MemberId {
                    self.id
                }
                fn tenant(&self) -> Option<Tenant> {
                    Some(self.tenant)
                }
            }
        )*
    };
}
of_a_domain!(Member, Applicant);
