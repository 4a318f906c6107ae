//! Accounts of the Hub.

use super::{Email, Name, Set, Version};
use crate::{id::AccountId, policy::Owned, principal::Tenant, time::Timestamp};

/// Whether an owner's credentials are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// They are.
    Active,
    /// None of them, nor anything minted by them.
    Suspended,
}

impl Status {
    /// Its name, as stored and as sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
    /// The status of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Suspended].into_iter().find(|status| status.name() == name)
    }
}

/// An account: the tenant of the Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its identifier.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// Whom to write to.
    pub contact: Option<Email>,
    /// Whether it is in use.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// Which state this is.
    pub version: Version,
}

impl Account {
    /// The account as it is once it was made.
    pub fn made(new: &NewAccount) -> Self {
        Self {
            id: new.id,
            name: new.name.clone(),
            contact: new.contact.clone(),
            status: Status::Active,
            created_at: new.at,
            version: Version::FIRST,
        }
    }
}

impl Owned for Account {
    type Id = AccountId;
    fn id(&self) -> AccountId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(Tenant { account: self.id, domain: None })
    }
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its identifier.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// Whom to write to.
    pub contact: Option<Email>,
    /// When it is made.
    pub at: Timestamp,
}

/// What a key may change of its account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountPatch {
    /// The name.
    pub name: Set<Name>,
    /// Whom to write to.
    pub contact: Set<Option<Email>>,
}
