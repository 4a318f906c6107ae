//! What a route requires, as data: read by the decision, the route table, OpenAPI and the explainer.

use super::{Permission, Role};
use crate::{
    amr::CONTEXTS,
    principal::{Principal, TokenKind},
    service::Service,
};
use std::fmt;

/// What a route requires of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Anybody may call it, for this reason. A row without a reason does not compile.
    Public {
        /// Why no credential is asked for.
        because: &'static str,
    },
    /// One of these needs must be met. An empty list admits nobody, and does not compile in a row.
    AnyOf(&'static [Need]),
}

/// One way to be admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// An API key of this service that holds this permission.
    Key(Service, Permission),
    /// A live token of this kind.
    Token(TokenKind),
    /// A person in one of these roles, or in any where none is named, who has proved themself so strongly.
    Person(&'static [Role], Assurance),
    /// The operator of the machine; no request can be.
    Operator,
}

/// How strongly a person must have proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assurance {
    /// By any login: also in a privileged role without the second factor that it takes. For enrolling one, and for going
    /// away.
    Login,
    /// As strongly as the role demands: privileged ones take a second factor.
    Role,
    /// By any login within the last 15 minutes.
    FreshLogin,
    /// By a second factor, at whatever time.
    Mfa,
    /// By a second factor within the last 15 minutes.
    FreshMfa,
}

impl Assurance {
    /// The context that a login must make to give it, as `acr_values` names it (RFC 9470 §3).
    pub const fn acr(self) -> &'static str {
        let [one, several] = CONTEXTS;
        match self {
            Self::Login | Self::FreshLogin => one,
            Self::Role | Self::Mfa | Self::FreshMfa => several,
        }
    }
}

impl Need {
    /// The proof that is missing, where only a stronger or fresher one of the same person is (RFC 9470).
    pub fn missing_proof(self, who: &Principal) -> Option<Assurance> {
        match (self, who) {
            (Self::Person(roles, proof), Principal::Person(person)) if is_in(roles, person.role) => {
                (!self.is_met_by(who)).then_some(proof)
            }
            _ => None,
        }
    }
    /// Whether this principal meets it.
    #[inline]
    pub fn is_met_by(self, who: &Principal) -> bool {
        match (self, who) {
            (Self::Key(service, permission), Principal::Key(key)) => {
                key.service == service && key.permissions.contains(permission)
            }
            (Self::Token(kind), Principal::Token(token)) => token.kind == kind,
            (Self::Person(roles, assurance), Principal::Person(person)) => {
                is_in(roles, person.role)
                    && match assurance {
                        Assurance::Login => true,
                        Assurance::Role => person.is_backed(),
                        Assurance::FreshLogin => person.is_fresh(),
                        Assurance::Mfa => person.amr.is_mfa(),
                        Assurance::FreshMfa => person.amr.is_mfa() && person.is_fresh(),
                    }
            }
            (Self::Operator, Principal::Operator) => true,
            _ => false,
        }
    }
    /// The word for it in `scope` of a challenge (RFC 6750 §3) and in texts.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Key(_, permission) => permission.name(),
            Self::Token(kind) => kind.name(),
            Self::Person([role], _) => role.name(),
            Self::Person(..) => "person",
            Self::Operator => "operator",
        }
    }
}

fn is_in(roles: &[Role], role: Option<Role>) -> bool {
    roles.is_empty() || role.is_some_and(|role| roles.contains(&role))
}

/// As the contract writes it: `key(call_management)`, `dkey(chat_access)`, `temp`, `jwt(super_admin)+mfa`; a person who
/// need not have the second factor of their role is `jwt+login`, one who must have logged in just now `jwt+fresh`, and one
/// who has shown a second factor at whatever time `jwt+factor`.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(Service::Hub, permission) => write!(f, "key({})", permission.name()),
            Self::Key(Service::Chatbot, permission) => write!(f, "dkey({})", permission.name()),
            Self::Token(kind) => f.write_str(kind.name()),
            Self::Person(roles, assurance) => {
                f.write_str("jwt")?;
                if !roles.is_empty() {
                    let roles: Vec<_> = roles.iter().map(|role| role.name()).collect();
                    write!(f, "({})", roles.join(","))?;
                }
                match assurance {
                    Assurance::Login => f.write_str("+login"),
                    Assurance::Role => Ok(()),
                    Assurance::FreshLogin => f.write_str("+fresh"),
                    Assurance::Mfa => f.write_str("+factor"),
                    Assurance::FreshMfa => f.write_str("+mfa"),
                }
            }
            Self::Operator => f.write_str("operator"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public { .. } => f.write_str("public"),
            Self::AnyOf(needs) => {
                for (at, need) in needs.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" | ")?;
                    }
                    need.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}
