//! The proof that a caller met a requirement.

use super::{Rule, Scope, decide};
use crate::{
    error::Denial,
    id::DomainId,
    principal::{Caller, KeyPrincipal, Origin, PersonPrincipal, Principal, TokenPrincipal},
};

/// What a handler requires: data for the tables, a type for the handler.
pub trait Requirement: 'static {
    /// The rule that the decision reads.
    const RULE: Rule;
    /// What the handler learns of an admitted caller.
    type Subject: Subject;
}

/// What a handler may know of its caller. `of` answers `None` where the rule and the subject disagree,
/// and the request is refused.
pub trait Subject: Send + Sync + 'static {
    /// The subject of this principal.
    fn of(who: Option<&Principal>) -> Option<&Self>;
}

/// The subject of public routes: nothing is known.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Subject for Nobody {
    #[inline]
    fn of(_: Option<&Principal>) -> Option<&Self> {
        Some(&Self)
    }
}

impl Subject for Principal {
    #[inline]
    fn of(who: Option<&Principal>) -> Option<&Self> {
        who
    }
}

impl Subject for KeyPrincipal {
    #[inline]
    fn of(who: Option<&Principal>) -> Option<&Self> {
        match who {
            Some(Principal::Key(key)) => Some(key),
            _ => None,
        }
    }
}

impl Subject for TokenPrincipal {
    #[inline]
    fn of(who: Option<&Principal>) -> Option<&Self> {
        match who {
            Some(Principal::Token(token)) => Some(token),
            _ => None,
        }
    }
}

/// Of a caller of whom it matters only which domain it is of.
impl Subject for DomainId {
    fn of(who: Option<&Principal>) -> Option<&Self> {
        match who? {
            Principal::Key(key) => key.tenant.domain.as_ref(),
            Principal::Token(token) => Some(&token.domain),
            Principal::Person(person) => person.tenant.as_ref()?.domain.as_ref(),
            Principal::Operator => None,
        }
    }
}

impl Subject for PersonPrincipal {
    #[inline]
    fn of(who: Option<&Principal>) -> Option<&Self> {
        match who {
            Some(Principal::Person(person)) => Some(person),
            _ => None,
        }
    }
}

/// The caller met requirement `R`. Only [`decide`](super::decide()) makes one, so a handler that takes it
/// cannot run without the decision:
///
/// ```compile_fail,E0451
/// # use auth_core::{policy::{Nobody, Proof, Requirement, Rule}, principal::Caller};
/// struct Open;
/// impl Requirement for Open { const RULE: Rule = Rule::Public { because: "x" }; type Subject = Nobody; }
/// fn forge(caller: &Caller) -> Proof<'_, Open> { Proof { subject: &Nobody, caller } }
/// ```
pub struct Proof<'c, R: Requirement> {
    subject: &'c R::Subject,
    caller: &'c Caller,
}

/// Makes a proof; reachable from the decision alone.
#[inline]
pub(super) const fn made<'c, R: Requirement>(subject: &'c R::Subject, caller: &'c Caller) -> Proof<'c, R> {
    Proof { subject, caller }
}

impl<'c, R: Requirement> Proof<'c, R> {
    /// Who called, as far as the requirement says.
    pub const fn subject(&self) -> &'c R::Subject {
        self.subject
    }
    /// The principal; `None` on a public route.
    pub const fn principal(&self) -> Option<&'c Principal> {
        self.caller.who.as_ref()
    }
    /// Where the request came from.
    pub const fn origin(&self) -> &'c Origin {
        &self.caller.origin
    }
    /// The proof that the same caller meets another requirement, too: for what only some of those may who reach a handler.
    ///
    /// # Errors
    /// [`Denial`] where they do not.
    #[expect(clippy::disallowed_methods, reason = "it makes no caller, and judges the one that was judged")]
    pub fn also<Other: Requirement>(&self) -> Result<Proof<'c, Other>, Denial> {
        decide(self.caller)
    }
    /// What the caller may see: every query of a handler carries it.
    pub const fn scope(&self) -> Scope {
        Scope::of(self.principal())
    }
}
