//! What a route requires, as data: read by the decision, the route table, OpenAPI and the explainer.

use super::Permission;
use crate::{
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
    /// The operator of the machine; no request can be.
    Operator,
}

impl Need {
    /// Whether this principal meets it.
    #[inline]
    pub fn is_met_by(self, who: &Principal) -> bool {
        match (self, who) {
            (Self::Key(service, permission), Principal::Key(key)) => {
                key.service == service && key.permissions.contains(permission)
            }
            (Self::Token(kind), Principal::Token(token)) => token.kind == kind,
            (Self::Operator, Principal::Operator) => true,
            _ => false,
        }
    }
    /// The word for it in `scope` of a challenge (RFC 6750 §3) and in texts.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Key(_, permission) => permission.name(),
            Self::Token(kind) => kind.name(),
            Self::Operator => "operator",
        }
    }
}

/// As the contract writes it: `key(call_management)`, `dkey(chat_access)`, `temp`.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(Service::Hub, permission) => write!(f, "key({})", permission.name()),
            Self::Key(Service::Chatbot, permission) => write!(f, "dkey({})", permission.name()),
            Self::Token(kind) => f.write_str(kind.name()),
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
