//! Passkeys as second factors: registering one, asking for one, and judging what comes back.

use super::{
    Platform,
    factors::in_place_of,
    people::{Logins, Shown, Tokens},
};
use crate::{
    amr::{Amr, Method},
    error::{Denial, FlowError, Refusal, StoreError},
    id::{PasskeyId, PersonId, SessionId},
    model::{Address, FactorUse, Login, Name, NewPasskey, PasskeyFactor, PasskeyName},
    policy::{Allows, Granted, OwnPerson, Proof},
    port::{Change, NewOneTime, Purpose, RemovePasskey},
    principal::{Origin, PersonPrincipal},
    secret::TokenDigest,
    time::Timestamp,
    webauthn::{
        Assertion, Attestation, CHALLENGE_LIFE, Challenge, MOST_PASSKEYS, Passkey, Registered, Site,
        challenge_of,
    },
};

/// What an authenticator is asked for that is to make a passkey.
#[derive(Debug, Clone)]
pub struct NewPasskeyQuestion {
    /// The challenge.
    pub challenge: Challenge,
    /// When it is over.
    pub expires_at: Timestamp,
    /// The relying party's identifier: a host.
    pub site: String,
    /// Whose it will be.
    pub person: PersonId,
    /// What they log in with.
    pub address: Address,
    /// Their name.
    pub name: Name,
    /// The credentials that they have: no authenticator makes a second one.
    pub known: Vec<Vec<u8>>,
}

/// What an authenticator is asked for that is to show a passkey.
#[derive(Debug, Clone)]
pub struct PasskeyQuestion {
    /// The challenge.
    pub challenge: Challenge,
    /// When it is over.
    pub expires_at: Timestamp,
    /// The relying party's identifier: a host.
    pub site: String,
    /// The credentials that the person has: one of them.
    pub known: Vec<Vec<u8>>,
}

/// What a challenge is for: its answer is good for nothing else.
#[derive(Debug, Clone, Copy)]
enum Ceremony {
    Registration = 1,
    Login = 2,
    StepUp = 3,
}

/// Whose a challenge is, and for which session: the one that waits to begin, or the caller's own.
struct Bound(Ceremony, PersonId, SessionId);

impl Bound {
    /// What is kept of it under the challenge.
    fn content(&self) -> Vec<u8> {
        let Self(ceremony, person, session) = self;
        [&[*ceremony as u8], person.as_bytes().as_slice(), session.as_bytes()].concat()
    }
    /// Of a factor that is shown to begin a session.
    fn to_begin(person: PersonId, shown: &Shown) -> Self {
        match shown.replaces {
            Some(own) => Self(Ceremony::StepUp, person, own),
            None => Self(Ceremony::Login, person, shown.session),
        }
    }
}

impl Logins {
    fn site(&self) -> Site<'_> {
        Site::of(self.keys.issuer())
    }

    /// Draws a challenge, and keeps what it is for.
    async fn challenge(
        &self,
        platform: &Platform,
        bound: &Bound,
        expires_at: Timestamp,
    ) -> Result<Challenge, FlowError> {
        let challenge = Challenge::draw(platform.entropy.as_ref());
        let digest = TokenDigest::of(challenge.as_str());
        let (purpose, content, at) = (Purpose::WebauthnChallenge, bound.content(), platform.now());
        platform.stores.one_time.keep(NewOneTime { purpose, digest, content, at, expires_at }).await?;
        Ok(challenge)
    }

    /// Takes the challenge that an answer is to, whatever will come of it; whether it was drawn for this.
    async fn take(&self, platform: &Platform, bound: &Bound, client_data: &[u8]) -> Result<bool, FlowError> {
        let Some(challenge) = challenge_of(client_data) else { return Ok(false) };
        let (digest, at) = (TokenDigest::of(challenge.as_str()), platform.now());
        let content = platform.stores.one_time.take(Purpose::WebauthnChallenge, &digest, at).await?;
        Ok(content.is_some_and(|content| content == bound.content()))
    }

    fn open_passkey(&self, person: PersonId, factor: &PasskeyFactor) -> Result<Passkey, FlowError> {
        let opened = Passkey::open(&factor.sealed, &person, &factor.id, self.keys.keyring());
        let damaged = |why| StoreError::Damaged(format!("the passkey {} of {person}: {why}", factor.id));
        Ok(opened.map_err(damaged)?)
    }

    fn known(&self, login: &Login) -> Result<Vec<Vec<u8>>, FlowError> {
        let credential = |factor| Ok(self.open_passkey(login.person.id, factor)?.credential);
        login.passkeys.iter().map(credential).collect()
    }

    /// What a person can prove themself with.
    ///
    /// # Errors
    /// The store's.
    pub async fn factors(&self, platform: &Platform, who: &PersonPrincipal) -> Result<Login, FlowError> {
        self.login_of(platform, who).await
    }

    /// Begins to register a passkey of the caller.
    ///
    /// # Errors
    /// [`FlowError::Conflict`] where there are as many as may be.
    pub async fn begin_passkey(
        &self,
        platform: &Platform,
        who: &PersonPrincipal,
    ) -> Result<NewPasskeyQuestion, FlowError> {
        let login = self.login_of(platform, who).await?;
        if login.passkeys.len() >= MOST_PASSKEYS {
            return Err(FlowError::Conflict(format!(
                "there are {MOST_PASSKEYS} passkeys already: remove one first"
            )));
        }
        let known = self.known(&login)?;
        let expires_at = platform.now() + CHALLENGE_LIFE;
        let bound = Bound(Ceremony::Registration, who.person, who.session);
        let challenge = self.challenge(platform, &bound, expires_at).await?;
        let (site, person) = (self.site().id().to_owned(), login.person);
        let (id, address, name) = (person.id, person.address, person.name);
        Ok(NewPasskeyQuestion { challenge, expires_at, site, person: id, address, name, known })
    }

    /// Registers a passkey by the answer to the challenge of the caller's session. All sessions of the person end, and the
    /// one that begins has been proved by it.
    ///
    /// # Errors
    /// [`FlowError::Invalid`], whatever is wrong with it.
    pub async fn finish_passkey(
        &self,
        platform: &Platform,
        origin: &Origin,
        who: &PersonPrincipal,
        name: PasskeyName,
        answer: &Attestation,
    ) -> Result<Tokens, FlowError> {
        let wrong = || {
            let reason = "not a new passkey of this session's challenge".to_owned();
            FlowError::Invalid { field: "credential", reason }
        };
        let bound = Bound(Ceremony::Registration, who.person, who.session);
        let login = self.login_of(platform, who).await?;
        let is_ours = self.take(platform, &bound, &answer.client_data).await?;
        let judged = self.site().registered(answer);
        let Registered { passkey, counter } = judged.ok().filter(|_| is_ours).ok_or_else(wrong)?;
        let id = PasskeyId::draw(platform.now(), platform.entropy.as_ref());
        let sealed = passkey.seal(&who.person, &id, self.keys.keyring(), platform.entropy.as_ref());
        let digest = Passkey::digest(&passkey.credential);
        let factor = FactorUse::NewPasskey(NewPasskey { id, digest, name, sealed, counter });
        let (place, shown) = in_place_of(platform, who, &login)?;
        let amr = Amr::of([Method::Password, Method::Passkey]);
        let shown = Shown { amr, factor: Some(factor), ..shown };
        self.begin(platform, origin, &login, place, shown).await?.ok_or_else(wrong)
    }

    /// Asks for a passkey of somebody whose login waits for their second factor.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], also where they have none.
    pub async fn ask_passkey(
        &self,
        platform: &Platform,
        pending: &str,
    ) -> Result<PasskeyQuestion, FlowError> {
        let refused = || FlowError::from(Denial::Unauthenticated(Refusal::Unknown));
        let pending = self.waiting(platform, pending).ok_or_else(refused)?;
        let login = platform.stores.people.login_of(OwnPerson::proven(pending.person)).await?;
        let login = login.filter(|login| login.person.version == pending.version).ok_or_else(refused)?;
        let bound = Bound(Ceremony::Login, pending.person, pending.session);
        let expires_at = pending.expires_at.min(platform.now() + CHALLENGE_LIFE);
        self.ask(platform, &login, &bound, expires_at).await?.ok_or_else(refused)
    }

    /// Asks for a passkey of the caller, to prove them anew; `None` where they have none.
    ///
    /// # Errors
    /// The store's.
    pub async fn ask_passkey_anew(
        &self,
        platform: &Platform,
        who: &PersonPrincipal,
    ) -> Result<Option<PasskeyQuestion>, FlowError> {
        let login = self.login_of(platform, who).await?;
        let bound = Bound(Ceremony::StepUp, who.person, who.session);
        self.ask(platform, &login, &bound, platform.now() + CHALLENGE_LIFE).await
    }

    async fn ask(
        &self,
        platform: &Platform,
        login: &Login,
        bound: &Bound,
        expires_at: Timestamp,
    ) -> Result<Option<PasskeyQuestion>, FlowError> {
        let known = self.known(login)?;
        if known.is_empty() {
            return Ok(None);
        }
        let challenge = self.challenge(platform, bound, expires_at).await?;
        Ok(Some(PasskeyQuestion { challenge, expires_at, site: self.site().id().to_owned(), known }))
    }

    /// The passkey that was shown to begin a session; whether its counter has risen, the store says. One that an older key
    /// sealed is sealed anew.
    pub(super) async fn asserted(
        &self,
        platform: &Platform,
        login: &Login,
        shown: &Shown,
        answer: &Assertion,
    ) -> Result<Option<FactorUse>, FlowError> {
        let person = login.person.id;
        if !self.take(platform, &Bound::to_begin(person, shown), &answer.client_data).await? {
            return Ok(None);
        }
        let digest = Passkey::digest(&answer.id);
        let Some(factor) = login.passkeys.iter().find(|factor| factor.digest == digest) else {
            return Ok(None);
        };
        let passkey = self.open_passkey(person, factor)?;
        let Ok(asserted) = self.site().asserted(person, &passkey, answer) else { return Ok(None) };
        let (keyring, entropy) = (self.keys.keyring(), platform.entropy.as_ref());
        let is_newest = keyring.is_newest(&factor.sealed);
        let resealed = (!is_newest).then(|| passkey.seal(&person, &factor.id, keyring, entropy));
        Ok(Some(FactorUse::Passkey { id: factor.id, counter: asserted.counter, resealed }))
    }
}

/// Removes one of the caller's passkeys, with the recovery codes where it was their last factor, and ends all their sessions.
///
/// # Errors
/// [`Denial::Absent`] for one that is not theirs, or where the caller's session has ended meanwhile.
pub async fn remove_passkey<R: Allows<RemovePasskey>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    who: &PersonPrincipal,
    id: PasskeyId,
) -> Result<(), FlowError> {
    let granted = Granted::<RemovePasskey>::own(proof)?;
    match platform.stores.factors.remove_passkey(&granted, id, who.session, platform.now()).await? {
        Change::Done(seq) => platform.validator.settle(seq).await,
        Change::Stale | Change::Taken => Err(Denial::Absent.into()),
    }
}
