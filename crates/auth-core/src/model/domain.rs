//! Domains of the chatbot service.

use super::{DomainName, Set, Status, Version, WebOrigin};
use crate::{
    id::{AccountId, DomainId},
    policy::Owned,
    principal::Tenant,
    time::Timestamp,
};

/// A domain: the tenant of the chatbot service, owned by one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its identifier.
    pub id: DomainId,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique over all accounts.
    pub name: DomainName,
    /// Whether it is in use.
    pub status: Status,
    /// Pages that may open a widget session.
    pub origins: Vec<WebOrigin>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Which state this is.
    pub version: Version,
}

impl Owned for Domain {
    type Id = DomainId;
    fn id(&self) -> DomainId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(Tenant { account: self.account, domain: Some(self.id) })
    }
}

/// A domain to be made.
#[derive(Debug, Clone)]
pub struct NewDomain {
    /// Its identifier.
    pub id: DomainId,
    /// Its name.
    pub name: DomainName,
    /// When it is made.
    pub at: Timestamp,
}

/// What may be changed of a domain.
#[derive(Debug, Clone, Default)]
pub struct DomainPatch {
    /// Pages that may open a widget session.
    pub origins: Set<Vec<WebOrigin>>,
}
