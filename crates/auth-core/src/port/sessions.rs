//! Sessions of people, and the refresh tokens that carry them on.

use super::{Answer, Creation, Seq};
use crate::{
    credential::Refresh,
    id::{PersonId, SessionId},
    model::{NewSession, Page, Person, Session, SessionEnd},
    policy::{Action, Granted, OwnPerson, OwnTarget},
    principal::{Origin, PersonPrincipal, Principal},
    seal::Sealed,
    secret::TokenDigest,
    time::Timestamp,
};

/// To begin a session of a person who has proved who they are.
#[derive(Debug)]
pub enum BeginSession {}
/// To end a session.
#[derive(Debug)]
pub enum EndSession {}
/// To end all sessions of the caller.
#[derive(Debug)]
pub enum EndSessions {}

impl Action for BeginSession {
    type Object = Person;
}
impl Action for EndSession {
    type Object = Session;
}
impl OwnTarget for EndSession {
    fn own(who: &Principal) -> Option<SessionId> {
        match who {
            Principal::Person(person) => Some(person.session),
            _ => None,
        }
    }
}
impl Action for EndSessions {
    type Object = Person;
}
impl OwnTarget for EndSessions {
    fn own(who: &Principal) -> Option<PersonId> {
        match who {
            Principal::Person(person) => Some(person.person),
            _ => None,
        }
    }
}

/// What becomes of a refresh token that is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was the session's: from now on the successor is.
    Done(Session),
    /// It was used within the last seconds, its successor was not, and the session is one: here is that same successor,
    /// sealed.
    Replayed(Session, Sealed),
    /// It was used before that: somebody else has it, too. The session and its access tokens have ended now.
    Burnt(Seq),
    /// Its session has ended, or never was; or its person, domain or account is suspended, or the role not theirs.
    Ended,
}

/// What a session is to a validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSession {
    /// The person in it.
    pub principal: PersonPrincipal,
    /// It was ended; or its person, domain or account was; or the person's role is not what it was.
    pub ended: bool,
}

/// Sessions.
#[async_trait::async_trait]
pub trait Sessions: Send + Sync {
    /// The session, as a validator judges it.
    async fn find(&self, id: SessionId) -> Answer<Option<FoundSession>>;
    /// The session, if it is the person's own and has not ended.
    async fn read(&self, own: OwnPerson, id: SessionId, at: Timestamp) -> Answer<Option<Session>>;
    /// The person's own sessions that have not ended, newest first.
    async fn list(&self, own: OwnPerson, at: Timestamp, page: Page) -> Answer<Vec<Session>>;
    /// Begins a session. *Stale* where the person is not in the state in which they proved themself (their password is
    /// another one), or the domain or its account was suspended meanwhile, or the role is not theirs any more.
    ///
    /// In the same transaction, the factor that was shown is used up, and the session that this one replaces is ended; where
    /// an authenticator or a passkey becomes a factor by this, all other sessions of the person are. *Stale* also where the
    /// factor was used before, or is none any more, or there is a session of that identifier; and where the counter of a
    /// passkey has not risen, which the trail tells, or a new one is somebody's already, or one too many. The number is that
    /// of what was ended.
    async fn begin(&self, grant: &Granted<BeginSession>, new: NewSession) -> Answer<Creation<Option<Seq>>>;
    /// Puts the successor in place of a refresh token: one statement, where it is the session's. However many present one
    /// at the same time, one of them gets [`Rotation::Done`], and the others its successor.
    async fn rotate(
        &self,
        presented: &Refresh,
        next: &TokenDigest,
        sealed: Sealed,
        origin: &Origin,
        at: Timestamp,
    ) -> Answer<Rotation>;
    /// The session whose refresh token this is, or the one before it, if it has not ended.
    async fn of_refresh(&self, presented: &Refresh, at: Timestamp) -> Answer<Option<Session>>;
    /// Ends a session. `None` where it was ended already.
    async fn end(&self, grant: &Granted<EndSession>, why: SessionEnd, at: Timestamp) -> Answer<Option<Seq>>;
    /// Ends all sessions of a person, and every login that has yet to begin one; in the trail also where there is no session.
    async fn end_all(&self, grant: &Granted<EndSessions>, why: SessionEnd, at: Timestamp) -> Answer<Seq>;
    /// Forgets sessions that ended before a time, in whatever way.
    async fn purge(&self, before: Timestamp) -> Answer<()>;
}
