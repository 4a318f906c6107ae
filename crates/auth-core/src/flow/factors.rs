//! Second factors: enrolling one, showing it, and being without it.

use super::{
    Platform, busy,
    people::{LoggedIn, Logins, Shown, Tokens, Wanted, guess, place},
};
use crate::{
    amr::{Amr, Method},
    attempts::Trial,
    credential::{PENDING, PendingLogin, RECOVERY_CODES, TotpSecret, draw_recovery_code, recovery_digest},
    error::{Denial, FlowError, Refusal, StoreError},
    id::SessionId,
    model::{FactorUse, Login, Membership, TotpFactor},
    policy::{Allows, Granted, OwnPerson, Proof},
    port::{Change, DrawRecoveryCodes, EnrolTotp, RemoveTotp},
    principal::{Origin, PersonPrincipal},
    secret::PlainToken,
    service::Service,
    webauthn::Assertion,
};

/// A second factor, as somebody shows it.
#[derive(Clone, Copy)]
pub enum Typed<'a> {
    /// What the authenticator shows.
    Code(&'a str),
    /// A recovery code.
    RecoveryCode(&'a str),
    /// What the authenticator of a passkey answers to the challenge of this login, or of this session.
    Passkey(&'a Assertion),
}

/// An authenticator that is being enrolled.
#[derive(Debug)]
pub struct Enrolment {
    /// What it is to hold: shown once.
    pub secret: TotpSecret,
    /// The same, as a QR code says it.
    pub uri: PlainToken,
}

impl Logins {
    /// What a login is answered whose password is right, where the person has a second factor.
    pub(super) fn ask_second_factor(&self, platform: &Platform, login: &Login, wanted: &Wanted) -> LoggedIn {
        let now = platform.now();
        let expires_at = now + PENDING;
        let pending = PendingLogin {
            session: SessionId::draw(now, platform.entropy.as_ref()),
            person: login.person.id,
            version: login.person.version,
            audience: wanted.audience,
            domain: wanted.domain.clone(),
            expires_at,
        };
        let text = pending.seal(self.keys.keyring(), platform.entropy.as_ref()).reveal();
        let methods = [
            login.has_totp().then_some("totp"),
            (!login.passkeys.is_empty()).then_some("webauthn"),
            (login.recovery_codes > 0).then_some("recovery_code"),
        ];
        let methods = methods.into_iter().flatten().collect();
        LoggedIn::SecondFactor { pending: text, expires_at, methods }
    }

    /// The login that waits for its second factor by this text; `None` for what this platform did not make, or whose time
    /// is over.
    pub fn waiting(&self, platform: &Platform, text: &str) -> Option<PendingLogin> {
        PendingLogin::open(text, self.keys.keyring(), platform.now())
    }

    /// Begins the session of a login that waited for its second factor.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], whatever was wrong; [`Denial::Throttled`] after too many wrong codes of this person.
    pub async fn show_second_factor(
        &self,
        platform: &Platform,
        origin: &Origin,
        pending: PendingLogin,
        typed: Typed<'_>,
    ) -> Result<Tokens, FlowError> {
        let refused = || FlowError::from(Denial::Unauthenticated(Refusal::Unknown));
        let login = platform.stores.people.login_of(OwnPerson::proven(pending.person)).await?;
        let login = login.filter(|login| login.person.version == pending.version).ok_or_else(refused)?;
        let wanted = Wanted { domain: pending.domain, audience: pending.audience };
        let place = (place(&login, &wanted).map_err(|_| refused())?, wanted.audience);
        let shown = second_factor(pending.session);
        self.show(platform, origin, &login, place, shown, typed).await?.ok_or_else(refused)
    }

    /// Proves the caller anew by their second factor: another session comes in place of theirs (RFC 9470).
    ///
    /// # Errors
    /// [`FlowError::Invalid`] where it is wrong, or was used; [`Denial::Throttled`] as of a login.
    pub async fn step_up(
        &self,
        platform: &Platform,
        origin: &Origin,
        who: &PersonPrincipal,
        typed: Typed<'_>,
    ) -> Result<Tokens, FlowError> {
        let login = self.login_of(platform, who).await?;
        let (place, shown) = in_place_of(platform, who, &login)?;
        let wrong = || match typed {
            Typed::Passkey(_) => {
                let reason = "not a passkey that was shown for this session".to_owned();
                FlowError::Invalid { field: "webauthn", reason }
            }
            Typed::Code(_) | Typed::RecoveryCode(_) => wrong_code(),
        };
        self.show(platform, origin, &login, place, shown, typed).await?.ok_or_else(wrong)
    }

    /// Begins a session by a second factor that was typed; `None` where it is wrong.
    async fn show(
        &self,
        platform: &Platform,
        origin: &Origin,
        login: &Login,
        place: (Option<&Membership>, Service),
        shown: Shown,
        typed: Typed<'_>,
    ) -> Result<Option<Tokens>, FlowError> {
        let begin = async |factor: FactorUse| {
            let method = match factor.passkey() {
                Some(_) => Method::Passkey,
                None => Method::OneTimePassword,
            };
            let amr = Amr::of([Method::Password, method]);
            let shown = Shown { amr, factor: Some(factor), session: shown.session, replaces: shown.replaces };
            self.begin(platform, origin, login, place, shown).await
        };
        match typed {
            // Nobody guesses one, and who has one gets in whatever others try.
            Typed::RecoveryCode(text) => match recovery_digest(text) {
                Some(digest) => begin(FactorUse::RecoveryCode { digest }).await,
                None => Ok(None),
            },
            Typed::Code(code) => {
                let judged = async {
                    match self.step_of(platform, login, code)? {
                        Some(factor) => begin(factor).await,
                        None => Ok(None),
                    }
                };
                guess(platform, &Trial::code(login.person.id), judged).await
            }
            Typed::Passkey(answer) => {
                let judged = async {
                    match self.asserted(platform, login, &shown, answer).await? {
                        Some(factor) => begin(factor).await,
                        None => Ok(None),
                    }
                };
                guess(platform, &Trial::code(login.person.id), judged).await
            }
        }
    }

    /// Begins to enrol an authenticator of the caller. Until [`confirm_totp`](Self::confirm_totp) it is no factor.
    ///
    /// # Errors
    /// [`FlowError::Conflict`] where there is one.
    pub async fn enrol_totp<R: Allows<EnrolTotp>>(
        &self,
        platform: &Platform,
        proof: &Proof<'_, R>,
        who: &PersonPrincipal,
    ) -> Result<Enrolment, FlowError> {
        let granted = Granted::<EnrolTotp>::own(proof)?;
        let login = self.login_of(platform, who).await?;
        let secret = TotpSecret::draw(platform.entropy.as_ref());
        let sealed = secret.seal(&who.person, self.keys.keyring(), platform.entropy.as_ref());
        match platform.stores.factors.enrol(&granted, sealed, who.session, platform.now()).await? {
            Change::Done(()) => {
                let issuer = self.keys.issuer().as_str();
                let issuer = issuer.split_once("://").map_or(issuer, |(_, host)| host);
                let uri = PlainToken::new(secret.uri(issuer, login.person.address.as_str()).to_string());
                Ok(Enrolment { secret, uri })
            }
            Change::Taken => {
                Err(FlowError::Conflict("there is an authenticator already: remove it first".to_owned()))
            }
            Change::Stale => Err(Denial::Unauthenticated(Refusal::Revoked).into()),
        }
    }

    /// Makes the authenticator a factor that the caller's session is enrolling, by a code of it. All sessions of the person
    /// end, and the one that begins has been proved by it.
    ///
    /// # Errors
    /// [`FlowError::Invalid`] where the code is wrong, or nothing is being enrolled by this session.
    pub async fn confirm_totp(
        &self,
        platform: &Platform,
        origin: &Origin,
        who: &PersonPrincipal,
        code: &str,
    ) -> Result<Tokens, FlowError> {
        let login = self.login_of(platform, who).await?;
        let enrolling = |factor: &&TotpFactor| !factor.is_confirmed && factor.session == who.session;
        let factor = login.totp.as_ref().filter(enrolling).ok_or_else(wrong_code)?;
        let (place, shown) = in_place_of(platform, who, &login)?;
        let judged = async {
            let Some(step) = self.open(factor, &login)?.step_of(code, platform.now()) else {
                return Ok(None);
            };
            let confirmed = FactorUse::NewTotp { step, session: who.session, secret: factor.secret.clone() };
            let shown = Shown { factor: Some(confirmed), ..shown };
            self.begin(platform, origin, &login, place, shown).await
        };
        guess(platform, &Trial::code(who.person), judged).await?.ok_or_else(wrong_code)
    }

    pub(super) async fn login_of(
        &self,
        platform: &Platform,
        who: &PersonPrincipal,
    ) -> Result<Login, FlowError> {
        let login = platform.stores.people.login_of(OwnPerson::of(who)).await?;
        Ok(login.ok_or(Denial::Unauthenticated(Refusal::Revoked))?)
    }

    /// The step whose code was typed; whether it was shown before, the store says. A secret that an older key sealed is
    /// sealed anew with it.
    fn step_of(
        &self,
        platform: &Platform,
        login: &Login,
        code: &str,
    ) -> Result<Option<FactorUse>, FlowError> {
        let Some(factor) = login.totp.as_ref().filter(|factor| factor.is_confirmed) else { return Ok(None) };
        let secret = self.open(factor, login)?;
        let (keyring, entropy) = (self.keys.keyring(), platform.entropy.as_ref());
        let resealed =
            (!keyring.is_newest(&factor.secret)).then(|| secret.seal(&login.person.id, keyring, entropy));
        Ok(secret.step_of(code, platform.now()).map(|step| FactorUse::Totp { step, resealed }))
    }

    fn open(&self, factor: &TotpFactor, login: &Login) -> Result<TotpSecret, FlowError> {
        let person = login.person.id;
        let opened = TotpSecret::open(&factor.secret, &person, self.keys.keyring());
        Ok(opened.map_err(|why| StoreError::Damaged(format!("the authenticator of {person}: {why}")))?)
    }
}

/// Of a session that comes in place of the caller's, for the same domain: where it is for, and how it is proved.
pub(super) fn in_place_of<'a>(
    platform: &Platform,
    who: &PersonPrincipal,
    login: &'a Login,
) -> Result<((Option<&'a Membership>, Service), Shown), FlowError> {
    let place = match who.tenant {
        Some(tenant) => {
            let here = login.memberships.iter().find(|membership| membership.tenant == tenant);
            Some(here.ok_or(Denial::Unauthenticated(Refusal::Revoked))?)
        }
        None => None,
    };
    let session = SessionId::draw(platform.now(), platform.entropy.as_ref());
    let shown = Shown { replaces: Some(who.session), ..second_factor(session) };
    Ok(((place, Service::Chatbot), shown))
}

/// A session that password and one-time password began.
fn second_factor(session: SessionId) -> Shown {
    let amr = Amr::of([Method::Password, Method::OneTimePassword]);
    Shown { session, amr, factor: None, replaces: None }
}

/// Whatever is wrong with it.
fn wrong_code() -> FlowError {
    FlowError::Invalid { field: "code", reason: "not a code that is good now".to_owned() }
}

/// Removes the caller's authenticator, with the recovery codes where it was their last factor, and ends all their sessions.
///
/// # Errors
/// [`Denial::Absent`] where there is none, or the caller's session has ended meanwhile.
pub async fn remove_totp<R: Allows<RemoveTotp>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    who: &PersonPrincipal,
) -> Result<(), FlowError> {
    let granted = Granted::<RemoveTotp>::own(proof)?;
    match platform.stores.factors.remove(&granted, who.session, platform.now()).await? {
        Change::Done(seq) => platform.validator.settle(seq).await,
        Change::Stale | Change::Taken => Err(Denial::Absent.into()),
    }
}

/// Draws recovery codes of the caller, in place of those that they had: shown once.
///
/// # Errors
/// [`FlowError::Conflict`] where the person has no factor any more, or the caller's session has ended meanwhile.
pub async fn draw_recovery_codes<R: Allows<DrawRecoveryCodes>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    who: &PersonPrincipal,
) -> Result<Vec<PlainToken>, FlowError> {
    let granted = Granted::<DrawRecoveryCodes>::own(proof)?;
    let drawn = (0..RECOVERY_CODES).map(|_| draw_recovery_code(platform.entropy.as_ref()));
    let (codes, digests): (Vec<_>, Vec<_>) = drawn.unzip();
    let (factors, at) = (&platform.stores.factors, platform.now());
    match factors.replace_recovery_codes(&granted, who.session, digests, at).await? {
        Change::Done(()) => Ok(codes.into_iter().map(|code| code.reveal()).collect()),
        Change::Stale | Change::Taken => Err(busy()),
    }
}
