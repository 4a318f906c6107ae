//! The browser chat: a temporary token becomes a cookie, and a page without script takes questions.

use crate::{
    Chatbot,
    responder::Question,
    rules::{Browser, Invited},
};
use auth_core::{
    credential::SessionKind,
    flow::open_session,
    model::{Domain, Language, Prose, Token},
    policy::{Proof, Requirement, grant},
    port::OpenSession,
    principal::TokenPrincipal,
};
use auth_web::{
    Endpoint, Method, Place, Problem, Service as _, Spec,
    input::{self, OwnForm},
    reply::{FormPage, SeeOther, escape},
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// The cookie of a browser chat session. Its prefix binds it to this host, this path and TLS (RFC 6265bis
/// §4.1.3.2).
const COOKIE: &str = "__Host-chat";
/// How long a browser chat lasts, if its token does not end before.
const LIFE: Duration = Duration::from_secs(8 * 3600);

/// Browser chats that one address may open a minute: a whole office behind one address, all at once. Each is a
/// write, so there is an end.
const OPENED_PER_MINUTE: u32 = 120;

/// Questions of browser chats that one address may ask a minute, beside what each visitor may.
const ASKED_PER_MINUTE: u32 = 60;

/// In which language to answer. The token beside it is read as the credential.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ConnectQuery {
    #[schemars(with = "Option<String>")]
    lang: Option<Language>,
}

/// `GET /autoconnect`.
pub struct AutoConnect;

impl Endpoint<Chatbot> for AutoConnect {
    type Auth = Invited;
    type Input = input::Query<ConnectQuery>;
    type Output = SeeOther;
    const SPEC: Spec =
        Spec::get("autoconnect", "/autoconnect", "Opens a browser chat with a temporary token.")
            .audited("session.opened")
            .throttled(OPENED_PER_MINUTE)
            .credential_in(Place::Query("token"))
            .query("token={temp_token}&lang=en");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Invited>,
        input::Query(query): Self::Input,
    ) -> Result<SeeOther, Problem> {
        let token = token_of(chatbot, &who, who.subject()).await?;
        let domain = domain_of(chatbot, &who, who.subject()).await?;
        let granted = grant::<OpenSession, _>(&who, &domain)?;
        let language = query.lang.or(token.language);
        let platform = chatbot.platform();
        let opened =
            open_session(platform, &granted, SessionKind::Chat, token.username, language, LIFE).await?;
        let seconds = opened.expires_at.since(platform.now()).as_secs();
        let value = opened.secret.reveal();
        let cookie =
            format!("{COOKIE}={}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax", value.expose());
        Ok(SeeOther { location: "/chat", cookies: vec![cookie] })
    }
}

async fn token_of<R: Requirement>(
    chatbot: &Chatbot,
    who: &Proof<'_, R>,
    token: &TokenPrincipal,
) -> Result<Token, Problem> {
    chatbot.platform().stores.tokens.read(who.scope(), token.id).await?.ok_or_else(Problem::absent)
}

async fn domain_of<R: Requirement>(
    chatbot: &Chatbot,
    who: &Proof<'_, R>,
    token: &TokenPrincipal,
) -> Result<Domain, Problem> {
    chatbot.platform().stores.domains.read(who.scope(), token.domain).await?.ok_or_else(Problem::absent)
}

/// `GET /chat`.
pub struct Page;

impl Endpoint<Chatbot> for Page {
    type Auth = Browser;
    type Input = ();
    type Output = FormPage;
    const SPEC: Spec =
        Spec::get("chat_page", "/chat", "The chat's page.").credential_in(Place::Cookie(COOKIE));

    async fn call(chatbot: &Chatbot, who: Proof<'_, Browser>, (): ()) -> Result<FormPage, Problem> {
        let domain = domain_of(chatbot, &who, who.subject()).await?;
        Ok(page(&domain, ""))
    }
}

/// A question of the page.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AskForm {
    #[schemars(with = "String")]
    question: Prose,
}

/// `POST /chat`.
pub struct Ask;

impl Endpoint<Chatbot> for Ask {
    type Auth = Browser;
    type Input = OwnForm<AskForm>;
    type Output = FormPage;
    const SPEC: Spec = Spec::new("chat_ask", Method::Post, "/chat", "Answers a question of the chat's page.")
        .credential_in(Place::Cookie(COOKIE))
        .throttled(ASKED_PER_MINUTE)
        .body("question=Hello");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Browser>,
        OwnForm(form): Self::Input,
    ) -> Result<FormPage, Problem> {
        let domain = domain_of(chatbot, &who, who.subject()).await?;
        let token = token_of(chatbot, &who, who.subject()).await?;
        let question =
            Question { text: &form.question, domain: &domain.name, language: token.language.as_ref() };
        let answer = chatbot.answer_visitor(who.subject().id, &question).await?;
        let said = format!("<p><b>{}</b></p>\n<p>{}</p>\n", escape(form.question.as_str()), escape(&answer));
        Ok(page(&domain, &said))
    }
}

fn page(domain: &Domain, said: &str) -> FormPage {
    let name = escape(domain.name.as_str());
    FormPage(format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Chat with {name}</title>\n\
         <h1>Chat with {name}</h1>\n{said}<form method=\"post\" action=\"/chat\">\n\
         <label>Your question <input name=\"question\" required maxlength=\"8000\" autofocus></label>\n\
         <button>Ask</button>\n</form>\n</html>\n"
    ))
}
