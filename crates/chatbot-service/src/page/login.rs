//! Logging in: address and password, and then the second factor.

use super::{
    Earlier, LOGIN, SHOWN_PER_MINUTE, Waiting, cookie, filled, filled_with_json, newcomers::domain, view,
};
use crate::{Chatbot, factors::typed, passkeys::ShownPasskey, people::TRIED_PER_MINUTE, rules::Anybody};
use auth_core::{
    error::{Denial, Refusal},
    flow::{LoggedIn, Wanted},
    policy::Proof,
    service::Service as Kind,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{FromCookie, OwnForm},
    page::Page,
    reply::SeeOther,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// `GET /login`.
pub struct LoginForm;

impl Endpoint<Chatbot> for LoginForm {
    type Auth = Anybody;
    type Input = ();
    type Output = Page;
    const SPEC: Spec =
        Spec::get("page_login_form", "/login", "The page to log in.").page().throttled(SHOWN_PER_MINUTE);

    async fn call(chatbot: &Chatbot, _: Proof<'_, Anybody>, (): ()) -> Result<Page, Problem> {
        Ok(view::login_form(None, &view::Links::of(&chatbot.people)))
    }
}

/// A login.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginFields {
    email: String,
    password: String,
    /// The domain that it is for; by default the only one that the person belongs to.
    #[serde(default, deserialize_with = "filled")]
    domain: Option<String>,
}

/// `POST /login`.
pub struct Login;

impl Endpoint<Chatbot> for Login {
    type Auth = Anybody;
    type Input = (OwnForm<LoginFields>, FromCookie<Earlier>);
    type Output = SeeOther;
    const SPEC: Spec =
        Spec::new("page_login", Method::Post, "/login", "Logs a page in, or leads to the second factor.")
            .audited("person.logged_in")
            .page()
            .throttled(TRIED_PER_MINUTE)
            .counted_with("login")
            .body("email={email}&password={password}&domain=");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        (OwnForm(form), earlier): Self::Input,
    ) -> Result<SeeOther, Problem> {
        let wanted = Wanted { domain: domain(form.domain.as_deref())?, audience: Kind::Chatbot };
        match chatbot.log_in(&who, &form.email, &form.password, &wanted).await? {
            LoggedIn::Begun(tokens) => chatbot.enter(&who, &tokens.session, earlier.0.as_ref()).await,
            LoggedIn::SecondFactor { pending, expires_at, .. } => {
                let seconds = expires_at.since(chatbot.platform().now()).as_secs();
                let cookies = vec![cookie(LOGIN, pending.expose(), seconds)];
                Ok(SeeOther { location: "/login/factor", cookies })
            }
        }
    }
}

/// `GET /login/factor`.
pub struct FactorForm;

impl Endpoint<Chatbot> for FactorForm {
    type Auth = Anybody;
    type Input = FromCookie<Waiting>;
    type Output = Page;
    const SPEC: Spec = Spec::get("page_factor_form", "/login/factor", "The page to show a second factor.")
        .page()
        .throttled(SHOWN_PER_MINUTE);

    async fn call(
        chatbot: &Chatbot,
        _: Proof<'_, Anybody>,
        waiting: FromCookie<Waiting>,
    ) -> Result<Page, Problem> {
        let (platform, logins) = (chatbot.platform(), &chatbot.logins);
        // Who waits no more, or has no passkey, sees the same: whether that is so, the next form says.
        let asked = match &waiting.0 {
            Some(pending) => logins.ask_passkey(platform, pending.expose()).await.map(Some),
            None => Ok(None),
        };
        Ok(view::factor_form(None, chatbot.asked(asked).as_ref()))
    }
}

/// A second factor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorFields {
    /// Six digits of the authenticator.
    #[serde(default, deserialize_with = "filled")]
    pub(super) code: Option<String>,
    /// Or one of the recovery codes, which is none any more then.
    #[serde(default, deserialize_with = "filled")]
    pub(super) recovery_code: Option<String>,
    /// Or a passkey, as the browser answered: `AuthenticationResponseJSON`.
    #[serde(default, deserialize_with = "filled_with_json")]
    #[schemars(with = "Option<String>")]
    pub(super) webauthn: Option<ShownPasskey>,
}

/// `POST /login/factor`.
pub struct Factor;

impl Endpoint<Chatbot> for Factor {
    type Auth = Anybody;
    type Input = (OwnForm<FactorFields>, FromCookie<Waiting>, FromCookie<Earlier>);
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_factor",
        Method::Post,
        "/login/factor",
        "Logs a page in whose login waits for its second factor.",
    )
    .audited("person.logged_in")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .counted_with("mfa_verify")
    .body("code={mfa_code}");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        (OwnForm(form), waiting, earlier): Self::Input,
    ) -> Result<SeeOther, Problem> {
        let passkey = form.webauthn.map(ShownPasskey::assertion).transpose()?;
        let typed = typed(form.code.as_deref(), form.recovery_code.as_deref(), passkey.as_ref())?;
        let pending = waiting.0.ok_or(Denial::Unauthenticated(Refusal::NoCredential))?;
        let (platform, logins) = (chatbot.platform(), &chatbot.logins);
        let pending = logins.waiting(platform, pending.expose()).filter(|it| it.audience == Kind::Chatbot);
        let pending = pending.ok_or(Denial::Unauthenticated(Refusal::Unknown))?;
        let tokens = logins.show_second_factor(platform, who.origin(), pending, typed).await?;
        chatbot.enter(&who, &tokens.session, earlier.0.as_ref()).await
    }
}
