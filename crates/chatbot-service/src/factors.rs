//! Second factors of people: what they have, enrolling an authenticator, showing one of them, recovery codes.

use crate::{
    Chatbot,
    passkeys::ShownPasskey,
    people::{TRIED_PER_MINUTE, TokensView},
    rules::{Anybody, JustLoggedIn, JustShown, LoggedIn, WithFactor},
};
use auth_core::{
    error::{Denial, Refusal},
    flow::{Typed, draw_recovery_codes, remove_totp},
    id::PasskeyId,
    model::PasskeyName,
    policy::Proof,
    time::Timestamp,
    webauthn::Assertion,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::Json,
    reply::{Done, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the three.
pub(crate) fn typed<'a>(
    code: Option<&'a str>,
    recovery_code: Option<&'a str>,
    passkey: Option<&'a Assertion>,
) -> Result<Typed<'a>, Problem> {
    match (code, recovery_code, passkey) {
        (Some(code), None, None) => Ok(Typed::Code(code)),
        (None, Some(code), None) => Ok(Typed::RecoveryCode(code)),
        (None, None, Some(passkey)) => Ok(Typed::Passkey(passkey)),
        _ => Err(Problem::invalid("code", "expected one of code, recovery_code and webauthn")),
    }
}

/// A passkey.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PasskeyView {
    #[schemars(with = "String")]
    id: PasskeyId,
    #[schemars(with = "String")]
    name: PasskeyName,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "Option<String>")]
    last_used_at: Option<Timestamp>,
}

/// What a person can prove themself with, beside their password.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FactorsView {
    /// Whether there is an authenticator of one-time passwords.
    totp: bool,
    /// How many recovery codes are left.
    recovery_codes: u32,
    /// The oldest first.
    passkeys: Vec<PasskeyView>,
}

/// `GET /auth/mfa`.
pub struct Factors;

impl Endpoint<Chatbot> for Factors {
    type Auth = LoggedIn;
    type Input = ();
    type Output = Shown<FactorsView>;
    const SPEC: Spec = Spec::get("mfa", "/auth/mfa", "The person's second factors.");

    async fn call(chatbot: &Chatbot, who: Proof<'_, LoggedIn>, (): ()) -> Result<Self::Output, Problem> {
        let login = chatbot.logins.factors(chatbot.platform(), who.subject()).await?;
        let (totp, recovery_codes) = (login.has_totp(), login.recovery_codes);
        let passkeys = login.passkeys.into_iter().map(|passkey| PasskeyView {
            id: passkey.id,
            name: passkey.name,
            created_at: passkey.created_at,
            last_used_at: passkey.last_used_at,
        });
        Ok(Shown(FactorsView { totp, recovery_codes, passkeys: passkeys.collect() }))
    }
}

/// The second factor of a login.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// From the answer of the login.
    mfa_token: String,
    /// Six digits of the authenticator.
    code: Option<String>,
    /// Or one of the recovery codes, which is none any more then.
    recovery_code: Option<String>,
    /// Or a passkey, as the browser answered: `AuthenticationResponseJSON`.
    webauthn: Option<ShownPasskey>,
}

/// `POST /auth/mfa/verify`.
pub struct Verify;

impl Endpoint<Chatbot> for Verify {
    type Auth = Anybody;
    type Input = Json<VerifyBody>;
    type Output = Shown<TokensView>;
    const SPEC: Spec = Spec::new(
        "mfa_verify",
        Method::Post,
        "/auth/mfa/verify",
        "Begins the session of a login that waits for its second factor.",
    )
    .audited("person.logged_in")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"mfa_token":"{mfa_token}","code":"{mfa_code}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let platform = chatbot.platform();
        let passkey = body.webauthn.map(ShownPasskey::assertion).transpose()?;
        let typed = typed(body.code.as_deref(), body.recovery_code.as_deref(), passkey.as_ref())?;
        let pending = chatbot.logins.waiting(platform, &body.mfa_token);
        let pending = pending.ok_or(Denial::Unauthenticated(Refusal::Unknown))?;
        let tokens = chatbot.logins.show_second_factor(platform, who.origin(), pending, typed).await?;
        Ok(Shown(TokensView::of(&tokens, platform.now())))
    }
}

/// A second factor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorBody {
    /// Six digits of the authenticator.
    code: Option<String>,
    /// Or one of the recovery codes, which is none any more then.
    recovery_code: Option<String>,
    /// Or a passkey, as the browser answered: `AuthenticationResponseJSON`.
    webauthn: Option<ShownPasskey>,
}

/// `POST /auth/mfa/step-up`.
pub struct StepUp;

impl Endpoint<Chatbot> for StepUp {
    type Auth = WithFactor;
    type Input = Json<FactorBody>;
    type Output = Shown<TokensView>;
    const SPEC: Spec = Spec::new(
        "mfa_step_up",
        Method::Post,
        "/auth/mfa/step-up",
        "Proves the person anew: a fresh session comes in place of this one (RFC 9470).",
    )
    .audited("person.logged_in")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"code":"{mfa_code}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, WithFactor>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let platform = chatbot.platform();
        let passkey = body.webauthn.map(ShownPasskey::assertion).transpose()?;
        let typed = typed(body.code.as_deref(), body.recovery_code.as_deref(), passkey.as_ref())?;
        let tokens = chatbot.logins.step_up(platform, who.origin(), who.subject(), typed).await?;
        Ok(Shown(TokensView::of(&tokens, platform.now())))
    }
}

/// An authenticator that is being enrolled.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EnrolmentView {
    /// In Base32, to be typed in: shown once.
    secret: String,
    /// The same for a QR code.
    otpauth_uri: String,
}

/// `POST /auth/mfa/totp/enroll`.
pub struct EnrollTotp;

impl Endpoint<Chatbot> for EnrollTotp {
    type Auth = JustLoggedIn;
    type Input = ();
    type Output = Shown<EnrolmentView>;
    const SPEC: Spec = Spec::new(
        "mfa_totp_enroll",
        Method::Post,
        "/auth/mfa/totp/enroll",
        "Begins to enrol an authenticator (RFC 6238): it is a factor once a code of it was confirmed.",
    )
    .audited("person.factor_enrolling");

    async fn call(chatbot: &Chatbot, who: Proof<'_, JustLoggedIn>, (): ()) -> Result<Self::Output, Problem> {
        let enrolment = chatbot.logins.enrol_totp(chatbot.platform(), &who, who.subject()).await?;
        let secret = enrolment.secret.text().to_string();
        Ok(Shown(EnrolmentView { secret, otpauth_uri: enrolment.uri.expose().to_owned() }))
    }
}

/// A code of an authenticator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeBody {
    /// Six digits.
    code: String,
}

/// `POST /auth/mfa/totp/confirm`.
pub struct ConfirmTotp;

impl Endpoint<Chatbot> for ConfirmTotp {
    type Auth = JustLoggedIn;
    type Input = Json<CodeBody>;
    type Output = Shown<TokensView>;
    const SPEC: Spec = Spec::new(
        "mfa_totp_confirm",
        Method::Post,
        "/auth/mfa/totp/confirm",
        "Makes the authenticator a factor: all sessions of the person end, and one begins that it has proved.",
    )
    .audited("person.factor_enrolled")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"code":"{totp_code}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, JustLoggedIn>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let platform = chatbot.platform();
        let tokens = chatbot.logins.confirm_totp(platform, who.origin(), who.subject(), &body.code).await?;
        Ok(Shown(TokensView::of(&tokens, platform.now())))
    }
}

/// `DELETE /auth/mfa/totp`.
pub struct RemoveTotp;

impl Endpoint<Chatbot> for RemoveTotp {
    type Auth = JustShown;
    type Input = ();
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "mfa_totp_remove",
        Method::Delete,
        "/auth/mfa/totp",
        "Removes the authenticator and the recovery codes, and ends all sessions of the person.",
    )
    .audited("person.factor_removed");

    async fn call(chatbot: &Chatbot, who: Proof<'_, JustShown>, (): ()) -> Result<Done, Problem> {
        remove_totp(chatbot.platform(), &who, who.subject()).await?;
        Ok(Done)
    }
}

/// Recovery codes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RecoveryCodesView {
    /// Each is good once, in place of the authenticator: shown once.
    recovery_codes: Vec<String>,
}

/// `POST /auth/mfa/recovery-codes`.
pub struct RecoveryCodes;

impl Endpoint<Chatbot> for RecoveryCodes {
    type Auth = JustShown;
    type Input = ();
    type Output = Shown<RecoveryCodesView>;
    const SPEC: Spec = Spec::new(
        "mfa_recovery_codes",
        Method::Post,
        "/auth/mfa/recovery-codes",
        "Draws ten recovery codes, in place of those before them.",
    )
    .audited("person.recovery_codes_drawn");

    async fn call(chatbot: &Chatbot, who: Proof<'_, JustShown>, (): ()) -> Result<Self::Output, Problem> {
        let codes = draw_recovery_codes(chatbot.platform(), &who, who.subject()).await?;
        let recovery_codes = codes.iter().map(|code| code.expose().to_owned()).collect();
        Ok(Shown(RecoveryCodesView { recovery_codes }))
    }
}
