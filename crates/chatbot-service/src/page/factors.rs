//! Second factors of whoever is logged in: to enrol an authenticator, to prove oneself anew, recovery codes.

use super::{IN_SESSION, login::FactorFields, out, view};
use crate::{
    Chatbot,
    factors::typed,
    passkeys::ShownPasskey,
    people::TRIED_PER_MINUTE,
    rules::{JustLoggedIn, JustShown, WithFactor},
};
use auth_core::{
    flow::{draw_recovery_codes, remove_totp},
    policy::Proof,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{OwnForm, OwnPage},
    page::Page,
    reply::SeeOther,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// `POST /account/authenticator`.
pub struct EnrollTotp;

impl Endpoint<Chatbot> for EnrollTotp {
    type Auth = JustLoggedIn;
    type Input = OwnPage;
    type Output = Page;
    const SPEC: Spec = Spec::new(
        "page_totp_enroll",
        Method::Post,
        "/account/authenticator",
        "Begins to enrol an authenticator, and shows its secret once, with a QR code.",
    )
    .audited("person.factor_enrolling")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .credential_in(IN_SESSION);

    async fn call(chatbot: &Chatbot, who: Proof<'_, JustLoggedIn>, _: OwnPage) -> Result<Page, Problem> {
        let enrolment = chatbot.logins.enrol_totp(chatbot.platform(), &who, who.subject()).await?;
        Ok(view::enrolment(&enrolment))
    }
}

/// A code of an authenticator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeFields {
    /// Six digits.
    code: String,
}

/// `POST /account/authenticator/confirm`.
pub struct ConfirmTotp;

impl Endpoint<Chatbot> for ConfirmTotp {
    type Auth = JustLoggedIn;
    type Input = OwnForm<CodeFields>;
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_totp_confirm",
        Method::Post,
        "/account/authenticator/confirm",
        "Makes the authenticator a factor: all sessions end, and the page is in one that it has proved.",
    )
    .audited("person.factor_enrolled")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .counted_with("mfa_totp_confirm")
    .credential_in(IN_SESSION)
    .body("code={totp_code}");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, JustLoggedIn>,
        OwnForm(form): Self::Input,
    ) -> Result<SeeOther, Problem> {
        let platform = chatbot.platform();
        let tokens = chatbot.logins.confirm_totp(platform, who.origin(), who.subject(), &form.code).await?;
        chatbot.enter(&who, &tokens.session, None).await
    }
}

/// `POST /account/authenticator/remove`.
pub struct RemoveTotp;

impl Endpoint<Chatbot> for RemoveTotp {
    type Auth = JustShown;
    type Input = OwnPage;
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_totp_remove",
        Method::Post,
        "/account/authenticator/remove",
        "Removes the authenticator, with the recovery codes if it was the last factor, and ends all sessions of the person.",
    )
    .audited("person.factor_removed")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .credential_in(IN_SESSION);

    async fn call(chatbot: &Chatbot, who: Proof<'_, JustShown>, _: OwnPage) -> Result<SeeOther, Problem> {
        remove_totp(chatbot.platform(), &who, who.subject()).await?;
        Ok(out())
    }
}

/// `POST /account/recovery-codes`.
pub struct RecoveryCodes;

impl Endpoint<Chatbot> for RecoveryCodes {
    type Auth = JustShown;
    type Input = OwnPage;
    type Output = Page;
    const SPEC: Spec = Spec::new(
        "page_recovery_codes",
        Method::Post,
        "/account/recovery-codes",
        "Draws ten recovery codes in place of those before them, and shows them once.",
    )
    .audited("person.recovery_codes_drawn")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .credential_in(IN_SESSION);

    async fn call(chatbot: &Chatbot, who: Proof<'_, JustShown>, _: OwnPage) -> Result<Page, Problem> {
        let codes = draw_recovery_codes(chatbot.platform(), &who, who.subject()).await?;
        Ok(view::recovery_codes(&codes))
    }
}

/// `POST /account/proof`.
pub struct StepUp;

impl Endpoint<Chatbot> for StepUp {
    type Auth = WithFactor;
    type Input = OwnForm<FactorFields>;
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_step_up",
        Method::Post,
        "/account/proof",
        "Proves the person anew: the page is in a fresh session in place of this one.",
    )
    .audited("person.logged_in")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .counted_with("mfa_step_up")
    .credential_in(IN_SESSION)
    .body("code={mfa_code}");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, WithFactor>,
        OwnForm(form): Self::Input,
    ) -> Result<SeeOther, Problem> {
        let passkey = form.webauthn.map(ShownPasskey::assertion).transpose()?;
        let typed = typed(form.code.as_deref(), form.recovery_code.as_deref(), passkey.as_ref())?;
        let tokens = chatbot.logins.step_up(chatbot.platform(), who.origin(), who.subject(), typed).await?;
        chatbot.enter(&who, &tokens.session, None).await
    }
}
