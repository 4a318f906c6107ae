//! The grant: this caller may do this action to this object. Every write that is done for a caller takes one, so a
//! raw id from a URL cannot reach a store.

use super::{Proof, Requirement, Role};
use crate::{
    audit::SCHEDULE,
    error::Denial,
    id::{AccountId, DomainId, PersonId},
    model::{Domain, Person, Status, WebOrigin},
    port::{OpenSession, RotateSigningKey},
    principal::{Origin, PersonPrincipal, Principal, Tenant},
    service::Service,
};

/// Something that belongs to a tenant.
pub trait Owned {
    /// What names it.
    type Id: Copy + Send + Sync;
    /// Its name.
    fn id(&self) -> Self::Id;
    /// Whose it is; `None` for what belongs to the platform itself, or to a person.
    fn tenant(&self) -> Option<Tenant>;
    /// The person whose own it is, whatever the tenant; `None` for what is no person's.
    fn person(&self) -> Option<PersonId> {
        None
    }
}

/// A tenant owns itself: the object of making something for it.
impl Owned for Tenant {
    type Id = Self;
    fn id(&self) -> Self {
        *self
    }
    fn tenant(&self) -> Option<Tenant> {
        Some(*self)
    }
}

/// The platform itself: what nobody but its operator may touch.
#[derive(Debug, Clone, Copy)]
pub struct Installation;

impl Owned for Installation {
    type Id = ();
    fn id(&self) {}
    fn tenant(&self) -> Option<Tenant> {
        None
    }
}

/// One thing that can be done to one kind of object.
pub trait Action: 'static {
    /// What it is done to.
    type Object: Owned;
}

/// A requirement whose holders may try an action on the objects that they own.
pub trait Allows<A: Action>: Requirement {}

/// An action whose target the credential itself names: its tenant, or the person.
pub trait OwnTarget: Action {
    /// The target that is this principal's own; `None` where it has no such thing.
    fn own(who: &Principal) -> Option<<Self::Object as Owned>::Id>;
}

/// An action on the platform that anybody may try who reaches its route.
pub trait OpenAction: Action<Object = Installation> {}

/// The caller may do `A` to the target. Only [`grant`], [`grant_to_page`], [`grant_to_schedule`] and [`Granted::own`]
/// make one, and flows of the core that found a proof good.
pub struct Granted<A: Action> {
    target: <A::Object as Owned>::Id,
    tenant: Option<Tenant>,
    who: Option<Principal>,
    /// A service itself does it, on its schedule.
    by_schedule: bool,
    origin: Origin,
}

/// Written out, since the derived one would ask the action to be `Clone`.
impl<A: Action> Clone for Granted<A> {
    fn clone(&self) -> Self {
        let Self { target, tenant, who, by_schedule, .. } = *self;
        Self { target, tenant, who, by_schedule, origin: self.origin.clone() }
    }
}

/// Grants an action on an object that was read.
///
/// # Errors
/// [`Denial::Absent`] where the object is not the caller's: the answer of an object that does not exist.
pub fn grant<A: Action, R: Allows<A>>(
    proof: &Proof<'_, R>,
    object: &A::Object,
) -> Result<Granted<A>, Denial> {
    let who = proof.principal().ok_or(Denial::Absent)?;
    let tenant = object.tenant();
    if !Scope::of(Some(who)).covers(tenant) && !is_own(who, object.person()) {
        return Err(Denial::Absent);
    }
    let origin = proof.origin().clone();
    Ok(Granted { target: object.id(), tenant, who: Some(*who), by_schedule: false, origin })
}

fn is_own(who: &Principal, owner: Option<PersonId>) -> bool {
    matches!((who, owner), (Principal::Person(who), Some(owner)) if who.person == owner)
}

/// Grants the opening of a widget session to a page whose origin the domain lists. An origin proves nothing
/// outside a browser: the session may chat for this domain within its limits, and nothing else.
///
/// # Errors
/// [`Denial::Absent`] for a suspended domain or an origin that is not listed.
pub fn grant_to_page<R: Allows<OpenSession>>(
    proof: &Proof<'_, R>,
    domain: &Domain,
    page: &WebOrigin,
) -> Result<Granted<OpenSession>, Denial> {
    if domain.status != Status::Active || !domain.origins.contains(page) {
        return Err(Denial::Absent);
    }
    let (tenant, origin) = (domain.tenant(), proof.origin().clone());
    Ok(Granted { target: domain.id, tenant, who: None, by_schedule: false, origin })
}

/// Grants the next signing key to a service itself, once its schedule says so, and where there is none yet.
pub fn grant_to_schedule() -> Granted<RotateSigningKey> {
    let origin = Origin { source: None, request_id: SCHEDULE.to_owned() };
    Granted { target: (), tenant: None, who: None, by_schedule: true, origin }
}

impl<A: OwnTarget> Granted<A> {
    /// Grants an action on the caller's own tenant, as its credential names it.
    ///
    /// # Errors
    /// [`Denial::Absent`] where the caller has no such tenant.
    pub fn own<R: Allows<A>>(proof: &Proof<'_, R>) -> Result<Self, Denial> {
        let who = proof.principal().ok_or(Denial::Absent)?;
        let target = A::own(who).ok_or(Denial::Absent)?;
        let (tenant, origin) = (who.tenant(), proof.origin().clone());
        Ok(Self { target, tenant, who: Some(*who), by_schedule: false, origin })
    }
}

impl<A: OpenAction> Granted<A> {
    /// Grants what anybody may try.
    pub fn to_anybody<R: Allows<A>>(proof: &Proof<'_, R>) -> Self {
        let (who, origin) = (proof.principal().copied(), proof.origin().clone());
        Self { target: (), tenant: None, who, by_schedule: false, origin }
    }
}

impl<A: Action> Granted<A> {
    /// Grants what a person did by proving who they are: a flow of the core found the proof good.
    pub(crate) fn to_proven(who: PersonPrincipal, target: <A::Object as Owned>::Id, origin: &Origin) -> Self {
        let (tenant, who) = (who.tenant, Some(Principal::Person(who)));
        Self { target, tenant, who, by_schedule: false, origin: origin.clone() }
    }
}

impl<A: Action<Object = Person>> Granted<A> {
    /// Grants what whoever has a token may do that was mailed to a person: a flow of the core opened it. It is no login:
    /// nobody is named as who did it.
    pub(crate) fn to_addressee(person: PersonId, origin: &Origin) -> Self {
        Self { target: person, tenant: None, who: None, by_schedule: false, origin: origin.clone() }
    }
}

/// The person behind a credential, whose own things may be read. Made from a principal, or by a proof of who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnPerson(PersonId);

impl OwnPerson {
    /// The person that a principal is.
    pub const fn of(who: &PersonPrincipal) -> Self {
        Self(who.person)
    }
    /// The person who has proved themself by their password: a flow of the core found it good.
    pub(crate) const fn proven(person: PersonId) -> Self {
        Self(person)
    }
    /// Who it is.
    pub const fn id(self) -> PersonId {
        self.0
    }
}

impl<A: Action> Granted<A> {
    /// Grants what a service itself does to an object that it read, by itself: a flow of the core says when.
    pub(crate) fn to_service(object: &A::Object) -> Self {
        let origin = Origin { source: None, request_id: SCHEDULE.to_owned() };
        Self { target: object.id(), tenant: object.tenant(), who: None, by_schedule: true, origin }
    }

    /// Grants what comes of something that was begun for this tenant, and that whoever calls has shown to know: a flow of
    /// the core took it. It is no login: nobody is named as who did it.
    pub(crate) fn to_bearer(target: <A::Object as Owned>::Id, tenant: Tenant, origin: &Origin) -> Self {
        Self { target, tenant: Some(tenant), who: None, by_schedule: false, origin: origin.clone() }
    }

    /// What it may be done to.
    pub const fn target(&self) -> <A::Object as Owned>::Id {
        self.target
    }
    /// Whose the target is; `None` for the platform itself.
    pub const fn tenant(&self) -> Option<Tenant> {
        self.tenant
    }
    /// Who may; `None` for a page that opens a widget session, for whoever registers or has a mailed token, and for a schedule.
    pub const fn who(&self) -> Option<&Principal> {
        self.who.as_ref()
    }
    /// Whether a service itself does it, on its schedule.
    pub const fn is_by_schedule(&self) -> bool {
        self.by_schedule
    }
    /// What its holder may see.
    pub const fn scope(&self) -> Scope {
        Scope::of(self.who.as_ref())
    }
    /// Where the request came from.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// What a caller may see. Every read for a caller carries one, so that no foreign row is loaded.
/// Made from a principal alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(Within);

/// The bounds of a [`Scope`], for a store's queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Nothing.
    Nothing,
    /// Everything of an account.
    Account(AccountId),
    /// Everything of a domain.
    Domain(DomainId),
    /// Everything.
    Everything,
}

impl Scope {
    /// What a principal may see.
    pub const fn of(who: Option<&Principal>) -> Self {
        Self(match who {
            None => Within::Nothing,
            Some(Principal::Operator) => Within::Everything,
            Some(Principal::Token(token)) => Within::Domain(token.domain),
            Some(Principal::Person(person)) => match (person.role, person.tenant) {
                (Some(Role::SuperAdmin), _) => Within::Everything,
                (Some(_), Some(Tenant { domain: Some(domain), .. })) => Within::Domain(domain),
                _ => Within::Nothing,
            },
            Some(Principal::Key(key)) => match (key.service, key.tenant.domain) {
                (Service::Hub, _) => Within::Account(key.tenant.account),
                (Service::Chatbot, Some(domain)) => Within::Domain(domain),
                (Service::Chatbot, None) => Within::Nothing,
            },
        })
    }
    /// Its bounds.
    pub const fn within(self) -> Within {
        self.0
    }
    /// Whether something of this tenant is within it; what belongs to nobody is the operator's.
    pub fn covers(self, tenant: Option<Tenant>) -> bool {
        match (self.0, tenant) {
            (Within::Everything, _) => true,
            (Within::Account(account), Some(tenant)) => tenant.account == account,
            (Within::Domain(domain), Some(tenant)) => tenant.domain == Some(domain),
            (Within::Nothing, _) | (_, None) => false,
        }
    }
}
