//! The proof that a caller met a requirement.

use super::{Rule, Scope};
use crate::principal::{KeyPrincipal, Origin, Principal, TokenPrincipal};

/// What a handler requires: data for the tables, a type for the handler.
pub trait Requirement: 'static {
    /// The rule that the decision reads.
    const RULE: Rule;
    /// What the handler learns of an admitted caller.
    type Subject: Subject;
}

/// What a handler may know of its caller. `of` answers `None` where the rule and the subject disagree,
/// and the request is refused.
pub trait Subject: Sized + Send + Sync {
    /// The subject of this principal.
    fn of(who: Option<&Principal>) -> Option<Self>;
}

/// The subject of public routes: nothing is known.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Subject for Nobody {
    fn of(_: Option<&Principal>) -> Option<Self> {
        Some(Self)
    }
}

impl Subject for Principal {
    fn of(who: Option<&Principal>) -> Option<Self> {
        who.copied()
    }
}

impl Subject for KeyPrincipal {
    fn of(who: Option<&Principal>) -> Option<Self> {
        match who {
            Some(Principal::Key(key)) => Some(*key),
            _ => None,
        }
    }
}

impl Subject for TokenPrincipal {
    fn of(who: Option<&Principal>) -> Option<Self> {
        match who {
            Some(Principal::Token(token)) => Some(*token),
            _ => None,
        }
    }
}

/// The caller met requirement `R`. Only [`decide`](super::decide()) makes one, so a handler that takes it
/// cannot run without the decision:
///
/// ```compile_fail
/// # use auth_core::policy::{Nobody, Proof, Requirement, Rule};
/// struct Open;
/// impl Requirement for Open { const RULE: Rule = Rule::Public { because: "x" }; type Subject = Nobody; }
/// let forged: Proof<Open> = Proof { subject: Nobody, who: None, origin: todo!() };
/// ```
pub struct Proof<R: Requirement> {
    subject: R::Subject,
    who: Option<Principal>,
    origin: Origin,
}

/// Makes a proof; reachable from the decision alone.
pub(super) fn made<R: Requirement>(subject: R::Subject, who: Option<Principal>, origin: Origin) -> Proof<R> {
    Proof { subject, who, origin }
}

impl<R: Requirement> Proof<R> {
    /// Who called, as far as the requirement says.
    pub const fn subject(&self) -> &R::Subject {
        &self.subject
    }
    /// The principal; `None` on a public route.
    pub const fn principal(&self) -> Option<&Principal> {
        self.who.as_ref()
    }
    /// Where the request came from.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
    /// What the caller may see: every query of a handler carries it.
    pub fn scope(&self) -> Scope {
        Scope::of(self.who.as_ref())
    }
}
