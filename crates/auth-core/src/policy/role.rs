//! Roles of people. Within a domain a person has one; `super_admin` alone is the whole platform's.

/// A role, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Belongs to a domain.
    Member,
    /// Administers a domain.
    IsAdmin,
    /// Owns a domain.
    DomainOwner,
    /// Administers the platform.
    SuperAdmin,
}

impl Role {
    /// Every role, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Member, Self::IsAdmin, Self::DomainOwner, Self::SuperAdmin];

    /// Its name, as stored and as it stands in tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::IsAdmin => "is_admin",
            Self::DomainOwner => "domain_owner",
            Self::SuperAdmin => "super_admin",
        }
    }
    /// The role of exactly this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
    /// Whether whoever has it must have a second factor: all who administer something.
    pub const fn is_privileged(self) -> bool {
        !matches!(self, Self::Member)
    }
}
