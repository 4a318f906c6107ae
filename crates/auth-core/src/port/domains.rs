//! Domains of the chatbot service.

use super::{Answer, Change, Creation, Once, Seq};
use crate::{
    id::{AccountId, DomainId},
    model::{Domain, DomainName, DomainOwner, DomainPatch, NewDomain, Page, Status, Version, WebOrigin},
    policy::{Action, Granted, Scope},
    time::Timestamp,
};

/// To make a domain of an account.
#[derive(Debug)]
pub enum CreateDomain {}
/// To change a domain's settings.
#[derive(Debug)]
pub enum ChangeDomain {}
/// To suspend a domain, or to revive it.
#[derive(Debug)]
pub enum SuspendDomain {}

impl Action for CreateDomain {
    type Object = DomainOwner;
}
impl Action for ChangeDomain {
    type Object = Domain;
}
impl Action for SuspendDomain {
    type Object = Domain;
}

/// Domains.
#[async_trait::async_trait]
pub trait Domains: Send + Sync {
    /// The domain, if within the scope.
    async fn read(&self, scope: Scope, id: DomainId) -> Answer<Option<Domain>>;
    /// The domain of this name, if within the scope.
    async fn by_name(&self, scope: Scope, name: &DomainName) -> Answer<Option<Domain>>;
    /// The domain of this name whoever owns it, if it and its account are in use: for a widget's start, which
    /// no credential guards.
    async fn widget_home(&self, name: &DomainName) -> Answer<Option<Domain>>;
    /// Whether any domain in use, of an account in use, lists a page: what a browser asks before it says for which domain.
    async fn lists_page(&self, page: &WebOrigin) -> Answer<bool>;
    /// The domains within the scope, newest first.
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Domain>>;
    /// The account that a domain may be made for, if within the scope.
    async fn owner(&self, scope: Scope, account: AccountId) -> Answer<Option<DomainOwner>>;
    /// Makes a domain; a name is taken once. *Stale* where the session or the role of the person who makes it has ended
    /// meanwhile.
    async fn create(
        &self,
        grant: &Granted<CreateDomain>,
        new: NewDomain,
        once: Option<Once>,
    ) -> Answer<Creation>;
    /// Changes it, if it is still at `version`, and the session and role of the person who does have not ended meanwhile.
    async fn change(
        &self,
        grant: &Granted<ChangeDomain>,
        version: Version,
        patch: DomainPatch,
        at: Timestamp,
    ) -> Answer<Change<Domain>>;
    /// Suspends or revives it: with it, all its keys and tokens.
    async fn set_status(&self, grant: &Granted<SuspendDomain>, status: Status, at: Timestamp) -> Answer<Seq>;
}
