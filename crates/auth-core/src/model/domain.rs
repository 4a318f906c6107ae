//! Domains of the chatbot service.

use super::{Account, DomainName, Set, Status, Version, WebOrigin};
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
    /// How people become members.
    pub joining: Joining,
    /// When it was made.
    pub created_at: Timestamp,
    /// Which state this is.
    pub version: Version,
}

impl Domain {
    /// The domain as it is once it was made.
    pub fn made(owner: &DomainOwner, new: &NewDomain) -> Self {
        Self {
            id: new.id,
            account: owner.0,
            name: new.name.clone(),
            status: Status::Active,
            origins: Vec::new(),
            joining: Joining::ByApproval,
            created_at: new.at,
            version: Version::FIRST,
        }
    }
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

/// How whoever registers for a domain becomes a member: never as more than a `member`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joining {
    /// An owner of the domain approves.
    ByApproval,
    /// At once.
    Open,
}

impl Joining {
    const ALL: [Self; 2] = [Self::ByApproval, Self::Open];

    /// Its name, as stored and as sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByApproval => "approval",
            Self::Open => "open",
        }
    }
    /// The one of exactly this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|joining| joining.name() == name)
    }
}

/// An account that a domain may be made for: all that the chatbot service knows of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainOwner(AccountId);

impl DomainOwner {
    /// The account that a store has.
    pub const fn stored(account: AccountId) -> Self {
        Self(account)
    }
    /// An account that was read.
    pub const fn of(account: &Account) -> Self {
        Self(account.id)
    }
}

impl Owned for DomainOwner {
    type Id = AccountId;
    fn id(&self) -> AccountId {
        self.0
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(Tenant { account: self.0, domain: None })
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
    /// How people become members.
    pub joining: Set<Joining>,
}
