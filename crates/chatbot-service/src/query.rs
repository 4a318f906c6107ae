//! Questions to a domain's chatbot.

use crate::{Chatbot, responder::Question, rules::Chatter};
use auth_core::{
    id::MessageId,
    model::{DomainName, Language, Prose},
    policy::Proof,
    principal::Principal,
};
use auth_web::{Endpoint, Method, Problem, Service as _, Spec, input::Json, reply::Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer as _};
use serde_json::Value;

/// Questions that one address may ask a minute: a hundred a second, for a customer's server that asks for all of its
/// visitors. Each costs an answer of the language model, so there is an end.
const ASKED_PER_MINUTE: u32 = 6000;

/// A question. What deployed clients send beside it is taken and not used.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct QueryBody {
    /// What is asked.
    #[schemars(with = "String")]
    question: Prose,
    /// The credential's own domain; may be left out, or empty.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(with = "Option<String>")]
    domain: Option<DomainName>,
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(with = "Option<String>")]
    language: Option<Language>,
    #[serde(default, rename = "name")]
    _name: Value,
    #[serde(default, rename = "email")]
    _email: Value,
    #[serde(default, rename = "user_id")]
    _user_id: Value,
    #[serde(default, rename = "tts")]
    _tts: Value,
    #[serde(default, rename = "domain_metadata")]
    _domain_metadata: Value,
}

/// What forms send for a field that nobody filled in says nothing.
fn unless_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(sent: D) -> Result<Option<T>, D::Error> {
    match Option::<String>::deserialize(sent)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => T::deserialize(text.into_deserializer()).map(Some),
    }
}

/// An answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    answer: String,
    #[schemars(with = "String")]
    domain: DomainName,
    #[schemars(with = "Option<String>")]
    language: Option<Language>,
    #[schemars(with = "String")]
    message_id: MessageId,
}

/// `POST /query/`.
pub struct Query;

impl Endpoint<Chatbot> for Query {
    type Auth = Chatter;
    type Input = Json<QueryBody>;
    type Output = Shown<Answer>;
    const SPEC: Spec = Spec::new("query", Method::Post, "/query/", "Asks the domain's chatbot.")
        .throttled(ASKED_PER_MINUTE)
        .body(r#"{"question":"When are you open?","domain":"{domain}","language":"en"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Chatter>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let platform = chatbot.platform();
        let own =
            platform.stores.domains.read(who.scope(), *who.subject()).await?.ok_or_else(Problem::absent)?;
        if body.domain.as_ref().is_some_and(|named| *named != own.name) {
            return Err(Problem::absent());
        }
        let question = Question { text: &body.question, domain: &own.name, language: body.language.as_ref() };
        let answer = match who.principal() {
            Some(Principal::Token(token)) => chatbot.answer_visitor(token.id, &question).await?,
            _ => chatbot.responder.answer(&question).await?,
        };
        let message_id = MessageId::draw(platform.now(), platform.entropy.as_ref());
        Ok(Shown(Answer { answer, domain: own.name, language: body.language, message_id }))
    }
}
