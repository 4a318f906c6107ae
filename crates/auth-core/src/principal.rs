//! Who is calling: every credential becomes one `Principal`.

use crate::{
    amr::Amr,
    id::{AccountId, DomainId, KeyId, PersonId, SessionId, TokenId},
    model::Version,
    policy::{Permissions, Role},
    service::Service,
    time::Timestamp,
};
use std::{fmt, net::IpAddr, time::Duration};

/// The tenant whose objects a principal may see: an account of the Hub, or a domain of the chatbot service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// The account; of a domain, the account that owns it.
    pub account: AccountId,
    /// The domain, for everything of the chatbot service.
    pub domain: Option<DomainId>,
}

impl Tenant {
    /// The platform's own, which no account and no domain of anybody's is: what keys of the services themselves belong to.
    pub const PLATFORM: Self =
        Self { account: AccountId::from_bytes([0; 16]), domain: Some(DomainId::from_bytes([0; 16])) };
}

/// What a credential was, once it proved good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Principal {
    /// An API key of either service.
    Key(KeyPrincipal),
    /// A temporary token or a session of the chatbot service.
    Token(TokenPrincipal),
    /// A person who logged in, by an access token of their session.
    Person(PersonPrincipal),
    /// The operator of the machine, through `authctl`: whoever can write the store's file. Nobody else makes one:
    ///
    /// ```compile_fail,E0603
    /// let who = auth_core::principal::Principal::Operator;
    /// ```
    #[non_exhaustive]
    Operator,
}

/// A good API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyPrincipal {
    /// The key.
    pub id: KeyId,
    /// The service that it belongs to.
    pub service: Service,
    /// Whose it is.
    pub tenant: Tenant,
    /// What it may do.
    pub permissions: Permissions,
    /// When the presented secret ends.
    pub expires_at: Option<Timestamp>,
    /// Its version when it was judged: what it makes is refused where the key has changed since.
    pub version: Version,
}

/// Which kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A temporary access token (UUID), minted by a domain key.
    Temp,
    /// A widget session: may chat for its domain within its limits and nothing else.
    Widget,
    /// A browser chat session, opened with a temporary token.
    Chat,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Temp, Self::Widget, Self::Chat];

    /// Its name, as stored and as written in audit events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Temp => "temp",
            Self::Widget => "widget",
            Self::Chat => "chat",
        }
    }
    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A good temporary token or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenPrincipal {
    /// The token.
    pub id: TokenId,
    /// What it is.
    pub kind: TokenKind,
    /// The account that owns its domain.
    pub account: AccountId,
    /// The domain that it chats for.
    pub domain: DomainId,
    /// The key whose end is its end too.
    pub parent: Option<KeyId>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A person, in one of their sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PersonPrincipal {
    /// The session. How the person proved themself is the same from its beginning to its end.
    pub session: SessionId,
    /// The person.
    pub person: PersonId,
    /// The domain that the session is for, and the account that owns it.
    pub tenant: Option<Tenant>,
    /// The person's role: in that domain, or on the platform.
    pub role: Option<Role>,
    /// How they proved themself.
    pub amr: Amr,
    /// When.
    pub auth_time: Timestamp,
    /// The service that takes the session's access tokens.
    pub audience: Service,
    /// When the access token ends, or the session if that is sooner.
    pub expires_at: Timestamp,
    /// When this was judged: what the age of a proof is counted to.
    pub judged_at: Timestamp,
}

/// How old a proof may be where a fresh one is asked for.
pub const FRESH: Duration = Duration::from_secs(15 * 60);

impl PersonPrincipal {
    /// Whether the role, if it is a privileged one, is backed by a second factor.
    pub fn is_backed(&self) -> bool {
        self.amr.is_mfa() || !self.role.is_some_and(Role::is_privileged)
    }
    /// Whether they proved themself within the last 15 minutes.
    pub fn is_fresh(&self) -> bool {
        self.judged_at <= self.auth_time + FRESH
    }
}

impl Principal {
    /// The operator of the machine. Only `authctl` may say this; a lint bans it elsewhere.
    pub const fn operator() -> Self {
        Self::Operator
    }
    /// The tenant that it belongs to; `None` for the operator, who belongs to none.
    pub const fn tenant(&self) -> Option<Tenant> {
        match self {
            Self::Key(key) => Some(key.tenant),
            Self::Token(token) => Some(Tenant { account: token.account, domain: Some(token.domain) }),
            Self::Person(person) => person.tenant,
            Self::Operator => None,
        }
    }
    /// When it ends.
    #[inline]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Key(key) => key.expires_at,
            Self::Token(token) => Some(token.expires_at),
            Self::Person(person) => Some(person.expires_at),
            Self::Operator => None,
        }
    }
}

/// As audit events name it: `key:<id>`, `temp:<id>`, `person:<id>`, `operator`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key:{}", key.id),
            Self::Token(token) => write!(f, "{}:{}", token.kind.name(), token.id),
            Self::Person(person) => write!(f, "person:{}", person.person),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// Where a request came from and what it is called: goes into every audit event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The caller's address; `None` for the command line.
    pub source: Option<IpAddr>,
    /// The request's id.
    pub request_id: String,
}

/// Whoever makes a request: what the decision judges, and its proofs refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose credential was presented, also where its limits refuse it; `None` where there was none, or no good one.
    pub who: Option<Principal>,
    /// Where from.
    pub origin: Origin,
}
