//! Who belongs to which domain.

use super::{Answer, Change, Seq};
use crate::{
    id::{DomainId, PersonId},
    model::{Applicant, Member, Page, Version},
    policy::{Action, GivenRole, Granted, Scope},
    time::Timestamp,
};

/// To make somebody a member of a domain.
#[derive(Debug)]
pub enum AdmitMember {}
/// To decline whoever asked to be one.
#[derive(Debug)]
pub enum DeclineApplicant {}
/// To give a member another role.
#[derive(Debug)]
pub enum ChangeRole {}
/// To remove a member from a domain.
#[derive(Debug)]
pub enum RemoveMember {}

impl Action for AdmitMember {
    type Object = Applicant;
}
impl Action for DeclineApplicant {
    type Object = Applicant;
}
impl Action for ChangeRole {
    type Object = Member;
}
impl Action for RemoveMember {
    type Object = Member;
}

/// Members of domains. A write is *stale* also where the person who does it is no longer who they were when they were
/// judged: their session, or their role, has ended meanwhile.
#[async_trait::async_trait]
pub trait Members: Send + Sync {
    /// The member of a domain, if within the scope.
    async fn read(&self, scope: Scope, domain: DomainId, person: PersonId) -> Answer<Option<Member>>;
    /// The members of a domain within the scope, those who registered last first.
    async fn list(&self, scope: Scope, domain: DomainId, page: Page) -> Answer<Vec<Member>>;
    /// Whoever asked to be a member of a domain within the scope and is none; where the scope is everything, whoever is
    /// none.
    async fn applicant(&self, scope: Scope, domain: DomainId, person: PersonId) -> Answer<Option<Applicant>>;
    /// Those who asked to be members of a domain within the scope, those who registered last first.
    async fn applicants(&self, scope: Scope, domain: DomainId, page: Page) -> Answer<Vec<Applicant>>;
    /// Makes an applicant a member. *Taken* where they are one; *stale* where they withdrew, or were declined.
    async fn admit(&self, grant: &Granted<AdmitMember>, role: GivenRole, at: Timestamp) -> Answer<Change>;
    /// Declines an applicant: they have not asked any more.
    async fn decline(&self, grant: &Granted<DeclineApplicant>, at: Timestamp) -> Answer<Change>;
    /// Gives a member who is still at `version` another role, and ends their sessions of this domain: whoever has a role
    /// has logged in with it.
    async fn change_role(
        &self,
        grant: &Granted<ChangeRole>,
        version: Version,
        role: GivenRole,
        at: Timestamp,
    ) -> Answer<Change<Seq>>;
    /// Removes a member who is still at `version` from a domain, and ends their sessions of it.
    async fn remove(
        &self,
        grant: &Granted<RemoveMember>,
        version: Version,
        at: Timestamp,
    ) -> Answer<Change<Seq>>;
}
