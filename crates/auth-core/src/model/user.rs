//! User records of Hub accounts. They carry no credential.

use super::{Email, Name, Set, Version};
use crate::{
    id::{AccountId, UserId},
    policy::Owned,
    principal::Tenant,
    time::Timestamp,
};

/// A user of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its identifier.
    pub id: UserId,
    /// The account.
    pub account: AccountId,
    /// The name.
    pub name: Name,
    /// The address, unique within the account.
    pub email: Email,
    /// When it was made.
    pub created_at: Timestamp,
    /// Which state this is.
    pub version: Version,
}

impl Owned for User {
    type Id = UserId;
    fn id(&self) -> UserId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(Tenant { account: self.account, domain: None })
    }
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Its identifier.
    pub id: UserId,
    /// The name.
    pub name: Name,
    /// The address.
    pub email: Email,
    /// When it is made.
    pub at: Timestamp,
}

/// What may be changed of a user.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// The name.
    pub name: Set<Name>,
    /// The address.
    pub email: Set<Email>,
}
