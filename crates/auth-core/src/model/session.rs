//! Sessions of people: from a login on, with all the refresh tokens that follow one another.

use crate::{
    amr::Amr,
    id::{DomainId, PersonId, SessionId},
    model::{DomainName, FactorUse, Version},
    policy::{Owned, Role},
    principal::{PersonPrincipal, Tenant},
    seal::Cell,
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use std::time::Duration;

/// How long a session lives without a refresh.
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long it lives at most.
pub const SESSION_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long a refresh token that was used may be sent again, for an answer that was lost.
pub const REPLAY: Duration = Duration::from_secs(10);

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEnd {
    /// Its person logged out, or ended it from another session.
    LoggedOut,
    /// Its person set another password.
    PasswordChanged,
    /// A refresh token that was used long ago was presented: somebody else has it.
    Replayed,
    /// Its person was suspended, or left the domain, or has another role there; or the operator ended all of theirs.
    Withdrawn,
    /// Its person proved themself anew, in a session that came in its place.
    Replaced,
    /// Its person enrolled a second factor, or removed one.
    FactorsChanged,
    /// One of its tokens was revoked by whoever held it (RFC 7009).
    Revoked,
}

impl SessionEnd {
    const ALL: [Self; 7] = [
        Self::LoggedOut,
        Self::PasswordChanged,
        Self::Replayed,
        Self::Withdrawn,
        Self::Replaced,
        Self::FactorsChanged,
        Self::Revoked,
    ];

    /// Its name, as stored and as written in audit events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::PasswordChanged => "password_changed",
            Self::Replayed => "replayed",
            Self::Withdrawn => "withdrawn",
            Self::Replaced => "replaced",
            Self::FactorsChanged => "factors_changed",
            Self::Revoked => "revoked",
        }
    }
    /// The end of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.name() == name)
    }
}

/// A session. What it says of its person's proof is the same from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// Whose it is.
    pub person: PersonId,
    /// The domain that it is for, with the account that owns it.
    pub tenant: Option<Tenant>,
    /// The name of that domain.
    pub domain: Option<DomainName>,
    /// The service that takes its access tokens.
    pub audience: Service,
    /// The role of the person when it began.
    pub role: Option<Role>,
    /// How the person proved themself.
    pub amr: Amr,
    /// When.
    pub auth_time: Timestamp,
    /// From where.
    pub source: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was refreshed last.
    pub refreshed_at: Option<Timestamp>,
    /// When it ends, if it is not refreshed before; and at the latest.
    pub expires_at: Timestamp,
}

impl Session {
    /// Where its next refresh token lies, sealed.
    pub const fn cell(id: &SessionId) -> Cell<'_> {
        Cell { table: "sessions", column: "successor", row: id.as_bytes() }
    }
    /// The person in it.
    pub const fn principal(&self) -> PersonPrincipal {
        PersonPrincipal {
            session: self.id,
            person: self.person,
            tenant: self.tenant,
            role: self.role,
            amr: self.amr,
            auth_time: self.auth_time,
            audience: self.audience,
            expires_at: self.expires_at,
            judged_at: Timestamp::MAX,
        }
    }
}

impl Owned for Session {
    type Id = SessionId;
    fn id(&self) -> SessionId {
        self.id
    }
    fn tenant(&self) -> Option<Tenant> {
        None
    }
    fn person(&self) -> Option<PersonId> {
        Some(self.person)
    }
}

/// A session to be begun.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its identifier.
    pub id: SessionId,
    /// The domain that it is for.
    pub domain: Option<DomainId>,
    /// The service that takes its access tokens.
    pub audience: Service,
    /// The role of the person.
    pub role: Option<Role>,
    /// The state of the person who proved themself.
    pub version: Version,
    /// How the person proved themself.
    pub amr: Amr,
    /// When.
    pub auth_time: Timestamp,
    /// The second factor that they showed, to be used up.
    pub factor: Option<FactorUse>,
    /// The session that it comes in place of.
    pub replaces: Option<SessionId>,
    /// SHA-256 of its first refresh token.
    pub refresh: TokenDigest,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
    /// When it begins.
    pub at: Timestamp,
}
