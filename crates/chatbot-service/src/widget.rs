//! The widget on customers' pages.

use crate::{
    Chatbot,
    responder::Question,
    rules::{Asking, Visitor, WidgetPage},
};
use auth_core::{
    credential::SessionKind,
    flow::{Platform, open_session},
    id::{MessageId, TokenId},
    model::{Domain, DomainName, Name, Prose, WebOrigin},
    policy::{Proof, Scope, grant_to_page},
    port::Answer as Answered,
    principal::{Principal, TokenKind, TokenPrincipal},
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{Json, PageOrigin},
    reply::{ForPage, Preflight, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a widget session lasts.
const LIFE: Duration = Duration::from_secs(3600);
/// Sessions that one address may open a minute.
const OPENED_PER_MINUTE: u32 = 30;
/// Messages that one address may send a minute: an office, or a stranger who opens one session after the other. Each
/// costs an answer of the language model, so there is an end.
const ASKED_PER_MINUTE: u32 = 600;

/// A session to be opened.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct OpenBody {
    /// The domain.
    #[schemars(with = "String")]
    tenant: DomainName,
    /// Which of its bots; there is one.
    #[serde(default, rename = "bot")]
    _bot: Option<String>,
    /// The page's origin.
    #[schemars(with = "String")]
    origin: WebOrigin,
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Opened {
    #[schemars(with = "String")]
    session_id: TokenId,
    /// Its token, shown this once.
    token: String,
    /// Seconds.
    expires_in: u64,
}

/// `POST /v1/widget/session`.
pub struct Open;

impl Endpoint<Chatbot> for Open {
    type Auth = WidgetPage;
    type Input = (PageOrigin, Json<OpenBody>);
    type Output = ForPage<Shown<Opened>>;
    const SPEC: Spec = Spec::new(
        "widget_session",
        Method::Post,
        "/v1/widget/session",
        "Opens a session for a page whose origin the domain lists.",
    )
    .audited("session.opened")
    .throttled(OPENED_PER_MINUTE)
    .for_pages()
    .body(r#"{"tenant":"{domain}","origin":"{origin}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, WidgetPage>,
        (PageOrigin(sent), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        if sent.as_deref().is_some_and(|sent| sent != body.origin.as_str()) {
            return Err(Problem::absent());
        }
        let platform = chatbot.platform();
        let domain = platform.stores.domains.widget_home(&body.tenant).await?.ok_or_else(Problem::absent)?;
        let granted = grant_to_page(&who, &domain, &body.origin)?;
        let visitor = Name::parse("visitor").map_err(|wrong| Problem::invalid("", wrong))?;
        let opened = open_session(platform, &granted, SessionKind::Widget, visitor, None, LIFE).await?;
        let view = Opened {
            session_id: opened.id,
            token: opened.secret.reveal().expose().to_owned(),
            expires_in: opened.expires_at.since(platform.now()).as_secs(),
        };
        Ok(ForPage { reply: Shown(view), origin: sent })
    }
}

/// A message of a visitor.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct MessageBody {
    /// The session's own identifier.
    #[schemars(with = "String")]
    session_id: TokenId,
    /// What is asked.
    #[schemars(with = "String")]
    text: Prose,
}

/// An answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    message: String,
    #[schemars(with = "String")]
    message_id: MessageId,
}

/// `POST /v1/widget/message`.
pub struct Message;

impl Endpoint<Chatbot> for Message {
    type Auth = Visitor;
    type Input = (PageOrigin, Json<MessageBody>);
    type Output = ForPage<Shown<Answer>>;
    const SPEC: Spec =
        Spec::new("widget_message", Method::Post, "/v1/widget/message", "Answers a visitor of the widget.")
            .throttled(ASKED_PER_MINUTE)
            .for_pages()
            .body(r#"{"session_id":"{session_id}","text":"Hello"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Visitor>,
        (PageOrigin(sent), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let session = who.subject();
        if body.session_id != session.id {
            return Err(Problem::absent());
        }
        let platform = chatbot.platform();
        let domain =
            platform.stores.domains.read(who.scope(), session.domain).await?.ok_or_else(Problem::absent)?;
        let question = Question { text: &body.text, domain: &domain.name, language: None };
        let message = chatbot.answer_visitor(session.id, &question).await?;
        let message_id = MessageId::draw(platform.now(), platform.entropy.as_ref());
        let origin = sent.filter(|sent| lists(&domain, sent));
        Ok(ForPage { reply: Shown(Answer { message, message_id }), origin })
    }
}

/// Whether any domain in use lists a page.
async fn is_listed(platform: &Platform, sent: &str) -> Answered<bool> {
    match WebOrigin::parse(sent) {
        Ok(page) => platform.stores.domains.lists_page(&page).await,
        Err(_) => Ok(false),
    }
}

/// Whether a page may read a refusal: the domain of the session lists its origin, or, where there is no session,
/// any domain does.
pub(crate) async fn may_read(platform: &Platform, who: Option<Principal>, sent: &str) -> Answered<bool> {
    let Some(Principal::Token(TokenPrincipal { kind: TokenKind::Widget, domain, .. })) = who else {
        return is_listed(platform, sent).await;
    };
    let domain = platform.stores.domains.read(Scope::of(who.as_ref()), domain).await?;
    Ok(domain.is_some_and(|domain| lists(&domain, sent)))
}

fn lists(domain: &Domain, sent: &str) -> bool {
    domain.origins.iter().any(|listed| listed.as_str() == sent)
}

/// What a browser is told of a page: its origin, if any domain lists it.
async fn preflight(chatbot: &Chatbot, sent: Option<String>) -> Result<ForPage<Preflight>, Problem> {
    let listed = match &sent {
        Some(sent) => is_listed(chatbot.platform(), sent).await?,
        None => false,
    };
    Ok(ForPage { reply: Preflight, origin: sent.filter(|_| listed) })
}

macro_rules! preflight_of {
    ($(#[$doc:meta])* $name:ident, $id:literal, $path:literal) => {
        $(#[$doc])*
        pub struct $name;

        impl Endpoint<Chatbot> for $name {
            type Auth = Asking;
            type Input = PageOrigin;
            type Output = ForPage<Preflight>;
            const SPEC: Spec = Spec::new($id, Method::Options, $path, "What a page may send (CORS preflight).")
                .throttled(300)
                .for_pages();

            async fn call(
                chatbot: &Chatbot,
                _: Proof<'_, Asking>,
                PageOrigin(sent): PageOrigin,
            ) -> Result<Self::Output, Problem> {
                preflight(chatbot, sent).await
            }
        }
    };
}

preflight_of! {
    /// `OPTIONS /v1/widget/session`.
    OpenPreflight, "widget_session_preflight", "/v1/widget/session"
}
preflight_of! {
    /// `OPTIONS /v1/widget/message`.
    MessagePreflight, "widget_message_preflight", "/v1/widget/message"
}
