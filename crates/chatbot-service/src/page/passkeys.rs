//! Passkeys of whoever is logged in: to set one up, to remove one, and to prove oneself anew. A script of the page hands
//! what a browser answers to a form.

use super::{IN_SESSION, SHOWN_PER_MINUTE, filled_with_json, out, view};
use crate::{
    Chatbot,
    passkeys::{CreationView, MadePasskey},
    people::TRIED_PER_MINUTE,
    rules::{JustLoggedIn, JustShown, WithFactor},
};
use auth_core::{flow::remove_passkey, id::PasskeyId, model::PasskeyName, policy::Proof};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{OwnForm, OwnPage, Path},
    page::Page,
    reply::SeeOther,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// `POST /account/passkeys`.
pub struct EnrollPasskey;

impl Endpoint<Chatbot> for EnrollPasskey {
    type Auth = JustLoggedIn;
    type Input = OwnPage;
    type Output = Page;
    const SPEC: Spec = Spec::new(
        "page_passkey_enroll",
        Method::Post,
        "/account/passkeys",
        "Begins to set up a passkey: the page asks the browser for one.",
    )
    .page()
    .throttled(TRIED_PER_MINUTE)
    .counted_with("mfa_webauthn_register_start")
    .credential_in(IN_SESSION);

    async fn call(chatbot: &Chatbot, who: Proof<'_, JustLoggedIn>, _: OwnPage) -> Result<Page, Problem> {
        let platform = chatbot.platform();
        let question = chatbot.logins.begin_passkey(platform, who.subject()).await?;
        Ok(view::new_passkey(&CreationView::of(question, platform.now())))
    }
}

/// A new passkey.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyFields {
    /// What to call it.
    #[schemars(with = "String")]
    name: PasskeyName,
    /// What the browser answered: `RegistrationResponseJSON`.
    #[serde(deserialize_with = "filled_with_json")]
    #[schemars(with = "String")]
    credential: Option<MadePasskey>,
}

/// `POST /account/passkeys/confirm`.
pub struct ConfirmPasskey;

impl Endpoint<Chatbot> for ConfirmPasskey {
    type Auth = JustLoggedIn;
    type Input = OwnForm<PasskeyFields>;
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_passkey_confirm",
        Method::Post,
        "/account/passkeys/confirm",
        "Makes the passkey a factor: all sessions end, and the page is in one that it has proved.",
    )
    .audited("person.factor_enrolled")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .counted_with("mfa_webauthn_register_finish")
    .credential_in(IN_SESSION)
    .body("name=A telephone&credential={passkey}");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, JustLoggedIn>,
        OwnForm(form): Self::Input,
    ) -> Result<SeeOther, Problem> {
        let (platform, me) = (chatbot.platform(), who.subject());
        let made = form.credential.ok_or_else(|| Problem::invalid("credential", "no passkey was made"))?;
        let answer = made.attestation()?;
        let tokens = chatbot.logins.finish_passkey(platform, who.origin(), me, form.name, &answer).await?;
        chatbot.enter(&who, &tokens.session, None).await
    }
}

/// `POST /account/passkeys/{id}/remove`.
pub struct RemovePasskey;

impl Endpoint<Chatbot> for RemovePasskey {
    type Auth = JustShown;
    type Input = (OwnPage, Path<PasskeyId>);
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_passkey_remove",
        Method::Post,
        "/account/passkeys/{id}/remove",
        "Removes a passkey, with the recovery codes if it was the last factor, and ends all sessions of the person.",
    )
    .audited("person.factor_removed")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .credential_in(IN_SESSION);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, JustShown>,
        (_, Path(id)): Self::Input,
    ) -> Result<SeeOther, Problem> {
        remove_passkey(chatbot.platform(), &who, who.subject(), id).await?;
        Ok(out())
    }
}

/// `GET /account/proof`.
pub struct ProofForm;

impl Endpoint<Chatbot> for ProofForm {
    type Auth = WithFactor;
    type Input = ();
    type Output = Page;
    const SPEC: Spec = Spec::get("page_step_up_form", "/account/proof", "The page to prove oneself anew.")
        .page()
        .throttled(SHOWN_PER_MINUTE)
        .credential_in(IN_SESSION);

    async fn call(chatbot: &Chatbot, who: Proof<'_, WithFactor>, (): ()) -> Result<Page, Problem> {
        let asked = chatbot.logins.ask_passkey_anew(chatbot.platform(), who.subject()).await;
        Ok(view::proof_form(None, chatbot.asked(asked).as_ref()))
    }
}
