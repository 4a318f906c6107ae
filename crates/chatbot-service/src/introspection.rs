//! Tokens that somebody presents to have them judged (RFC 7662), or ended (RFC 7009).

use crate::{
    Chatbot,
    people::TRIED_PER_MINUTE,
    rules::{Anybody, Introspects},
};
use auth_core::{jwt::TokenState, policy::Proof};
use auth_web::{Endpoint, Method, Problem, Service as _, Spec, input::Form, reply::Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A token. What else these RFCs let a client send is taken and not used.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct TokenForm {
    /// An access token, or, to end its session, a refresh token.
    token: String,
    /// What kind of token the client takes it for.
    #[serde(default, rename = "token_type_hint")]
    _hint: Option<String>,
}

/// The state of a token (RFC 7662 §2.2).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct StateView(#[schemars(with = "serde_json::Value")] TokenState);

/// `POST /auth/introspect`.
pub struct Introspect;

impl Endpoint<Chatbot> for Introspect {
    type Auth = Introspects;
    type Input = Form<TokenForm>;
    type Output = Shown<StateView>;
    const SPEC: Spec = Spec::new(
        "introspect",
        Method::Post,
        "/auth/introspect",
        "In which state an access token is now (RFC 7662); of what is not good, nothing else.",
    )
    .body("token={access_token}");

    async fn call(
        chatbot: &Chatbot,
        _: Proof<'_, Introspects>,
        Form(form): Self::Input,
    ) -> Result<Self::Output, Problem> {
        Ok(Shown(StateView(chatbot.logins.introspect(chatbot.platform(), &form.token).await?)))
    }
}

/// Nothing: the same for every token.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RevokedView {}

/// `POST /auth/revoke`.
pub struct Revoke;

impl Endpoint<Chatbot> for Revoke {
    type Auth = Anybody;
    type Input = Form<TokenForm>;
    type Output = Shown<RevokedView>;
    const SPEC: Spec = Spec::new(
        "revoke",
        Method::Post,
        "/auth/revoke",
        "Ends the session of a token (RFC 7009): once answered, nobody accepts its tokens.",
    )
    .audited("person.session_ended")
    .throttled(TRIED_PER_MINUTE * 10)
    .body("token={access_token}");

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        Form(form): Self::Input,
    ) -> Result<Self::Output, Problem> {
        chatbot.logins.revoke(chatbot.platform(), who.origin(), &form.token).await?;
        Ok(Shown(RevokedView {}))
    }
}
