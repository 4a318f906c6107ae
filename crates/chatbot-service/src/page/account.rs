//! The page of one's account: who one is, one's sessions, one's password.

use super::{IN_SESSION, SHOWN_PER_MINUTE, back, out, view};
use crate::{Chatbot, people::TRIED_PER_MINUTE, rules::LoggedIn};
use auth_core::{
    flow::{end_session, log_out, log_out_everywhere},
    id::SessionId,
    model::Page as Listed,
    policy::{OwnPerson, Proof},
    port::Ends,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{OwnForm, OwnPage, Path},
    page::Page,
    reply::SeeOther,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// `GET /account`.
pub struct Account;

impl Endpoint<Chatbot> for Account {
    type Auth = LoggedIn;
    type Input = ();
    type Output = Page;
    const SPEC: Spec = Spec::get("page_account", "/account", "The page of one's account.")
        .page()
        .throttled(SHOWN_PER_MINUTE)
        .credential_in(IN_SESSION);

    async fn call(chatbot: &Chatbot, who: Proof<'_, LoggedIn>, (): ()) -> Result<Page, Problem> {
        let (platform, me) = (chatbot.platform(), who.subject());
        let own = OwnPerson::of(me);
        let login = platform.stores.people.login_of(own).await?.ok_or_else(Problem::absent)?;
        // Who has more than a page of them ends all at once.
        let newest = Listed { limit: Listed::MOST, before: None };
        let sessions = platform.stores.sessions.list(own, platform.now(), newest).await?;
        Ok(view::account(me, &login, &sessions))
    }
}

/// `POST /account/sessions/{id}/end`.
pub struct EndSession;

impl Endpoint<Chatbot> for EndSession {
    type Auth = LoggedIn;
    type Input = (OwnPage, Path<SessionId>);
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_session_end",
        Method::Post,
        "/account/sessions/{id}/end",
        "Ends one of the person's sessions: once answered, nobody accepts its tokens.",
    )
    .audited("person.session_ended")
    .page()
    .throttled(SHOWN_PER_MINUTE)
    .credential_in(IN_SESSION);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, LoggedIn>,
        (_, Path(id)): Self::Input,
    ) -> Result<SeeOther, Problem> {
        let me = who.subject();
        end_session(chatbot.platform(), &who, OwnPerson::of(me), id).await?;
        Ok(if id == me.session { out() } else { back() })
    }
}

/// `POST /account/sessions/end`.
pub struct LogoutAll;

impl Endpoint<Chatbot> for LogoutAll {
    type Auth = LoggedIn;
    type Input = OwnPage;
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_logout_all",
        Method::Post,
        "/account/sessions/end",
        "Ends all sessions of the person.",
    )
    .audited("person.sessions_ended")
    .page()
    .throttled(SHOWN_PER_MINUTE)
    .credential_in(IN_SESSION);

    async fn call(chatbot: &Chatbot, who: Proof<'_, LoggedIn>, _: OwnPage) -> Result<SeeOther, Problem> {
        log_out_everywhere(chatbot.platform(), &who).await?;
        Ok(out())
    }
}

/// `POST /logout`.
pub struct Logout;

impl Endpoint<Chatbot> for Logout {
    type Auth = LoggedIn;
    type Input = OwnPage;
    type Output = SeeOther;
    const SPEC: Spec = Spec::new("page_logout", Method::Post, "/logout", "Ends the page's session.")
        .audited("person.session_ended")
        .page()
        .throttled(SHOWN_PER_MINUTE)
        .credential_in(IN_SESSION);

    async fn call(chatbot: &Chatbot, who: Proof<'_, LoggedIn>, _: OwnPage) -> Result<SeeOther, Problem> {
        log_out(chatbot.platform(), &who).await?;
        Ok(out())
    }
}

/// Another password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordFields {
    current_password: String,
    /// 12 to 72 bytes, and not among those that are guessed first.
    new_password: String,
}

/// `POST /account/password`.
pub struct ChangePassword;

impl Endpoint<Chatbot> for ChangePassword {
    type Auth = LoggedIn;
    type Input = OwnForm<PasswordFields>;
    type Output = SeeOther;
    const SPEC: Spec = Spec::new(
        "page_password",
        Method::Post,
        "/account/password",
        "Sets another password, and ends all sessions of the person, this one too: whoever has a copy of its cookie is out.",
    )
    .audited("person.password_changed")
    .page()
    .throttled(TRIED_PER_MINUTE)
    .counted_with("password_change")
    .credential_in(IN_SESSION)
    .body("current_password={password}&new_password=quietly violet tapirs");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, LoggedIn>,
        OwnForm(form): Self::Input,
    ) -> Result<SeeOther, Problem> {
        chatbot.change_password(&who, &form.current_password, &form.new_password, Ends::All).await?;
        Ok(out())
    }
}
