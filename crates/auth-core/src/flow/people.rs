//! What people do with their logins: register, log in, carry on, log out, set a password.

use super::{Platform, busy, revoke::settle_all};
use crate::{
    amr::{Amr, Method},
    attempts::Trial,
    credential::{Password, Presented, Refresh},
    error::{Denial, FlowError, Refusal, StoreError},
    id::{AccessTokenId, PersonId, SessionId},
    jwt::{Claims, LIFE, SigningKeys},
    model::{
        Address, DomainName, FactorUse, Login, Membership, Name, NewPerson, NewSession, SESSION_IDLE,
        SESSION_LIFE, Session, SessionEnd, Status,
    },
    policy::{Allows, Granted, OwnPerson, Proof, Role, grant},
    port::{
        BeginSession, Change, ChangePassword, Creation, EndSession, EndSessions, Ends, Occasion, Passwords,
        Register, Rotation,
    },
    principal::{Origin, PersonPrincipal},
    secret::{PlainToken, RevealOnce},
    service::Service,
    time::Timestamp,
};
use std::sync::Arc;

/// What logins need beside the platform.
#[derive(Clone)]
pub struct Logins {
    /// What signs access tokens, and seals refresh tokens.
    pub keys: Arc<SigningKeys>,
    /// Whoever hashes passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Whether a person logs in only once their address was shown to be theirs.
    pub verified_alone: bool,
}

/// Somebody who wants to register.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The address that they will log in with.
    pub address: Address,
    /// Their name.
    pub name: Name,
    /// Their password.
    pub password: Password,
    /// The domain that they want to be a member of.
    pub domain: Option<DomainName>,
}

/// What a login is for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The domain; by default the only one that the person belongs to.
    pub domain: Option<DomainName>,
    /// The service that will take the access tokens.
    pub audience: Service,
}

/// The tokens of a session.
#[derive(Debug)]
pub struct Tokens {
    /// The session.
    pub session: Session,
    /// The access token.
    pub access: PlainToken,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The refresh token.
    pub refresh: PlainToken,
}

/// What became of a login.
#[derive(Debug)]
pub enum LoggedIn {
    /// A session began.
    Begun(Tokens),
    /// The password is right, and a second factor is asked for.
    SecondFactor {
        /// What names the login until then: see [`PendingLogin`](crate::credential::PendingLogin).
        pending: PlainToken,
        /// When it is over.
        expires_at: Timestamp,
        /// What the person can show.
        methods: Vec<&'static str>,
    },
}

/// How a person proved themself, and for which session.
pub(super) struct Shown {
    pub(super) session: SessionId,
    pub(super) amr: Amr,
    pub(super) factor: Option<FactorUse>,
    pub(super) replaces: Option<SessionId>,
}

impl Shown {
    fn password(platform: &Platform) -> Self {
        let session = SessionId::draw(platform.now(), platform.entropy.as_ref());
        Self { session, amr: Amr::of([Method::Password]), factor: None, replaces: None }
    }
}

impl Logins {
    /// Registers somebody. What an address that is taken is told is what everybody is told, and it takes as long; the answer
    /// here says which letter goes to the address.
    ///
    /// # Errors
    /// [`FlowError::Busy`]; the store's.
    pub async fn register(
        &self,
        platform: &Platform,
        grant: &Granted<Register>,
        wanted: Registration,
    ) -> Result<Occasion, FlowError> {
        let password = self.passwords.hash(&wanted.password).await?;
        let asks = match &wanted.domain {
            Some(name) => platform.stores.domains.widget_home(name).await?.map(|domain| domain.id),
            None => None,
        };
        let at = platform.now();
        let id = PersonId::draw(at, platform.entropy.as_ref());
        let Registration { address, name, .. } = wanted;
        let new = NewPerson { id, address, name, password, verified: false, asks, at };
        match platform.stores.people.register(grant, new).await? {
            Creation::Done(()) => Ok(Occasion::Registered),
            _ => Ok(Occasion::Taken),
        }
    }

    /// Logs somebody in, or asks for their second factor, where they have one. An address that nobody has, a wrong password
    /// and a suspended person get the same answer, and take the same time but where a stored hash costs more than today's.
    ///
    /// # Errors
    /// [`Refusal::Unknown`]; [`Denial::Unverified`] to whoever has the right password; [`FlowError::Invalid`] for a domain that the person does not belong to; [`FlowError::Busy`];
    /// [`Denial::Throttled`] after too many wrong guesses: then nothing is looked at.
    pub async fn log_in(
        &self,
        platform: &Platform,
        origin: &Origin,
        address: &str,
        password: &str,
        wanted: &Wanted,
    ) -> Result<LoggedIn, FlowError> {
        self.passwords.room()?;
        let address = Address::parse(address).ok();
        let trial = Trial::password(origin.source, address.as_ref());
        let judged = async {
            let login = match &address {
                Some(address) => platform.stores.people.by_address(address).await?,
                None => None,
            };
            let presented = Presented::new(password);
            let hash = login.as_ref().map(|login| &login.password);
            let good = self.passwords.verify(presented.as_ref(), hash).await?;
            Ok(login.filter(|login| good && login.person.status == Status::Active))
        };
        let login = guess(platform, &trial, judged).await?;
        let login = login.ok_or(Denial::Unauthenticated(Refusal::Unknown))?;
        self.keep_current(platform, &login, password).await;
        if self.verified_alone && login.person.verified_at.is_none() {
            return Err(Denial::Unverified.into());
        }
        let place = place(&login, wanted)?;
        if login.has_factor() {
            return Ok(self.ask_second_factor(platform, &login, wanted));
        }
        let shown = Shown::password(platform);
        let tokens = self.begin(platform, origin, &login, (place, wanted.audience), shown).await?;
        tokens.map(LoggedIn::Begun).ok_or_else(|| Denial::Unauthenticated(Refusal::Revoked).into())
    }

    /// Keeps a hash of today's cost, where it was lower. Where that fails, the next login does it.
    async fn keep_current(&self, platform: &Platform, login: &Login, password: &str) {
        if !self.passwords.is_outdated(&login.password) {
            return;
        }
        let Some(password) = Password::presented_before(password) else { return };
        if let Ok(new) = self.passwords.hash(&password).await {
            let _ = platform.stores.people.rehash(&login.person.address, &login.password, new).await;
        }
    }

    /// Begins a session of a person who has proved who they are, for a domain and a service; `None` where the person, the domain or the role is not
    /// what it was a moment ago, or the factor was used.
    pub(super) async fn begin(
        &self,
        platform: &Platform,
        origin: &Origin,
        login: &Login,
        (place, audience): (Option<&Membership>, Service),
        Shown { session: id, amr, factor, replaces }: Shown,
    ) -> Result<Option<Tokens>, FlowError> {
        let at = platform.now();
        let refresh = self.draw(platform, id);
        let role = match place {
            Some(membership) => Some(membership.role),
            None => login.person.is_super_admin.then_some(Role::SuperAdmin),
        };
        let session = Session {
            id,
            person: login.person.id,
            tenant: place.map(|membership| membership.tenant),
            domain: place.map(|membership| membership.domain_name.clone()),
            audience,
            role,
            amr,
            auth_time: at,
            source: origin.source.map(|address| address.to_string()).unwrap_or_default(),
            created_at: at,
            refreshed_at: None,
            expires_at: at + SESSION_IDLE,
        };
        let new = NewSession {
            id,
            domain: place.map(|membership| membership.domain),
            audience,
            role,
            version: login.person.version,
            amr,
            auth_time: at,
            factor,
            replaces,
            refresh: refresh.digest(),
            ends_at: at + SESSION_LIFE,
            at,
        };
        let granted = Granted::<BeginSession>::to_proven(session.principal(), login.person.id, origin);
        match platform.stores.sessions.begin(&granted, new).await? {
            Creation::Done(ended) => {
                if let Some(seq) = ended {
                    platform.validator.settle(seq).await?;
                }
                self.tokens(session, refresh.reveal(), at, platform).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Carries a session on: the refresh token is replaced, and an access token issued. The one before it may be sent
    /// again within seconds, for an answer that was lost, and gets the same successor.
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`]: where a token was used long ago, its session has ended everywhere when this answers.
    pub async fn refresh(
        &self,
        platform: &Platform,
        origin: &Origin,
        text: &str,
    ) -> Result<Tokens, FlowError> {
        let refused = |cause| FlowError::from(Denial::Unauthenticated(cause));
        let presented = Refresh::read(text, self.keys.keyring()).ok_or_else(|| refused(Refusal::Unknown))?;
        let (at, id) = (platform.now(), presented.session());
        let next = self.draw(platform, id);
        let digest = next.digest();
        let next = next.reveal();
        let sealed = self.keys.keyring().seal(
            &Session::cell(&id),
            next.expose().as_bytes(),
            platform.entropy.as_ref(),
        );
        match platform.stores.sessions.rotate(&presented, &digest, sealed, origin, at).await? {
            Rotation::Done(session) => self.tokens(session, next, at, platform),
            Rotation::Replayed(session, sealed) => {
                let opened = self.keys.keyring().open(&Session::cell(&id), &sealed);
                let text = opened.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
                let damaged = || StoreError::Damaged(format!("the successor of session {id} does not open"));
                self.tokens(session, PlainToken::new(text.ok_or_else(damaged)?), at, platform)
            }
            Rotation::Burnt(seq) => {
                platform.validator.settle(seq).await?;
                Err(refused(Refusal::Revoked))
            }
            Rotation::Ended => Err(refused(Refusal::Expired)),
        }
    }

    fn draw(&self, platform: &Platform, session: SessionId) -> RevealOnce {
        Refresh::draw(session, self.keys.keyring(), platform.entropy.as_ref())
    }

    fn tokens(
        &self,
        session: Session,
        refresh: PlainToken,
        at: Timestamp,
        platform: &Platform,
    ) -> Result<Tokens, FlowError> {
        let expires_at = (at + LIFE).min(session.expires_at);
        let claims = Claims {
            id: AccessTokenId::draw(at, platform.entropy.as_ref()),
            person: session.person,
            session: session.id,
            audience: session.audience,
            issued_at: at,
            expires_at,
            role: session.role,
            domain: session.domain.clone(),
            amr: session.amr,
            auth_time: session.auth_time,
        };
        let access = self.keys.issue(&claims, at)?;
        Ok(Tokens { session, access, expires_at, refresh })
    }

    /// Sets another password of the caller, who presents the old one too, and ends all their other sessions, or all.
    ///
    /// # Errors
    /// [`FlowError::Invalid`] where the old one is wrong; [`FlowError::Conflict`] where another was set meanwhile.
    pub async fn change_password<R: Allows<ChangePassword>>(
        &self,
        platform: &Platform,
        proof: &Proof<'_, R>,
        who: &PersonPrincipal,
        current: &str,
        new: &Password,
        ends: Ends,
    ) -> Result<(), FlowError> {
        let granted = Granted::<ChangePassword>::own(proof)?;
        let login = platform.stores.people.login_of(OwnPerson::of(who)).await?;
        let login = login.ok_or(Denial::Unauthenticated(Refusal::Revoked))?;
        let judged = async {
            let presented = Presented::new(current);
            let good = self.passwords.verify(presented.as_ref(), Some(&login.password)).await?;
            Ok(good.then_some(()))
        };
        let wrong = || {
            let reason = "not the password".to_owned();
            FlowError::Invalid { field: "current_password", reason }
        };
        guess(platform, &Trial::own_password(who.person), judged).await?.ok_or_else(wrong)?;
        let hash = self.passwords.hash(new).await?;
        let (people, at) = (&platform.stores.people, platform.now());
        match people.change_password(&granted, &login.password, hash, (who.session, ends), at).await? {
            Change::Done(seq) => platform.validator.settle(seq).await,
            Change::Stale | Change::Taken => Err(busy()),
        }
    }
}

/// Counts a guess, and judges it then: `None` where it is wrong. One that is right is forgotten, and one that could not be
/// judged is given back; where that fails, the next ones wait sooner.
///
/// # Errors
/// [`Denial::Throttled`] where it has to wait.
pub(super) async fn guess<T: Send>(
    platform: &Platform,
    trial: &Trial,
    judged: impl Future<Output = Result<Option<T>, FlowError>> + Send,
) -> Result<Option<T>, FlowError> {
    let attempts = &platform.stores.attempts;
    let taken = attempts.take(trial, platform.now()).await?;
    taken.map_err(|retry_after| Denial::Throttled { retry_after })?;
    let judged = judged.await;
    let _ = match &judged {
        Ok(Some(_)) => attempts.succeeded(trial).await,
        Ok(None) => Ok(()),
        Err(_) => attempts.unjudged(trial).await,
    };
    judged
}

/// The membership that a login is for; `None` for the platform, or for nothing yet.
pub(crate) fn place<'a>(login: &'a Login, wanted: &Wanted) -> Result<Option<&'a Membership>, FlowError> {
    let of = |name: &DomainName| login.memberships.iter().find(|membership| membership.domain_name == *name);
    match (&wanted.domain, login.memberships.as_slice()) {
        (Some(name), _) => of(name).map(Some).ok_or_else(|| FlowError::Invalid {
            field: "domain",
            reason: "you are not a member of it".to_owned(),
        }),
        (None, [only]) if !login.person.is_super_admin => Ok(Some(only)),
        (None, _) => Ok(None),
    }
}

/// Ends the caller's own session: once this has answered, nobody accepts its tokens.
///
/// # Errors
/// The store's.
pub async fn log_out<R: Allows<EndSession>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
) -> Result<(), FlowError> {
    let granted = Granted::<EndSession>::own(proof)?;
    end(platform, &granted).await
}

/// Ends one of the caller's own sessions.
///
/// # Errors
/// [`Denial::Absent`] for one that is not theirs, or has ended.
pub async fn end_session<R: Allows<EndSession>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    own: OwnPerson,
    id: SessionId,
) -> Result<(), FlowError> {
    let session = platform.stores.sessions.read(own, id, platform.now()).await?.ok_or(Denial::Absent)?;
    end(platform, &grant::<EndSession, R>(proof, &session)?).await
}

async fn end(platform: &Platform, granted: &Granted<EndSession>) -> Result<(), FlowError> {
    let ended = platform.stores.sessions.end(granted, SessionEnd::LoggedOut, platform.now()).await?;
    settle_all(platform, ended).await
}

/// Ends all sessions of the caller, this one too.
///
/// # Errors
/// The store's.
pub async fn log_out_everywhere<R: Allows<EndSessions>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
) -> Result<(), FlowError> {
    let granted = Granted::<EndSessions>::own(proof)?;
    let seq = platform.stores.sessions.end_all(&granted, SessionEnd::LoggedOut, platform.now()).await?;
    platform.validator.settle(seq).await
}
