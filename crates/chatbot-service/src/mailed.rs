//! Letters that are asked for, and what the tokens in them do.

use crate::{Chatbot, people::TRIED_PER_MINUTE, rules::Anybody};
use auth_core::{flow::Asked, model::Address, policy::Proof, port::Occasion};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::Json,
    reply::{Accepted, Done},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

impl Chatbot {
    /// Asks for a letter, at once: whether anybody gets it is looked at when the request was answered.
    pub(crate) fn write_to(&self, address: Address, occasion: Occasion, who: &Proof<'_, Anybody>) {
        self.outbox.ask(Asked { address, occasion, source: who.origin().source });
    }
}

/// A token that was mailed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    token: String,
}

/// `POST /auth/email/verify`.
pub struct VerifyEmail;

impl Endpoint<Chatbot> for VerifyEmail {
    type Auth = Anybody;
    type Input = Json<VerifyBody>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "email_verify",
        Method::Post,
        "/auth/email/verify",
        "Shows that an address is its person's, by the token that was mailed there.",
    )
    .audited("person.address_verified")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"token":"{verify_token}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        Json(body): Self::Input,
    ) -> Result<Done, Problem> {
        chatbot.logins.verify_address(chatbot.platform(), who.origin(), &body.token).await?;
        Ok(Done)
    }
}

/// Whose password was forgotten.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotBody {
    #[schemars(with = "String")]
    email: Address,
}

/// The same for everybody.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LetterAsked {
    /// `accepted`.
    status: &'static str,
}

/// `POST /auth/password/forgot`.
pub struct ForgotPassword;

impl Endpoint<Chatbot> for ForgotPassword {
    type Auth = Anybody;
    type Input = Json<ForgotBody>;
    type Output = Accepted<LetterAsked>;
    const SPEC: Spec = Spec::new(
        "password_forgot",
        Method::Post,
        "/auth/password/forgot",
        "Mails a token that sets another password, where somebody has the address; says the same of any.",
    )
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"email":"{email}"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        Json(body): Self::Input,
    ) -> Result<Self::Output, Problem> {
        if !chatbot.people.password_reset.is_on() {
            return Err(Problem::absent());
        }
        chatbot.write_to(body.email, Occasion::Forgot, &who);
        Ok(Accepted(LetterAsked { status: "accepted" }))
    }
}

/// Another password, by a token that was mailed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    token: String,
    /// 12 to 72 bytes, and not among those that are guessed first.
    password: String,
}

/// `POST /auth/password/reset`.
pub struct ResetPassword;

impl Endpoint<Chatbot> for ResetPassword {
    type Auth = Anybody;
    type Input = Json<ResetBody>;
    type Output = Done;
    const SPEC: Spec = Spec::new(
        "password_reset",
        Method::Post,
        "/auth/password/reset",
        "Sets another password by the token that was mailed, and ends all sessions of the person.",
    )
    .audited("person.password_reset")
    .throttled(TRIED_PER_MINUTE)
    .body(r#"{"token":"{reset_token}","password":"quietly violet tapirs"}"#);

    async fn call(
        chatbot: &Chatbot,
        who: Proof<'_, Anybody>,
        Json(body): Self::Input,
    ) -> Result<Done, Problem> {
        if !chatbot.people.password_reset.is_on() {
            return Err(Problem::absent());
        }
        let (platform, origin) = (chatbot.platform(), who.origin());
        chatbot.logins.reset_password(platform, origin, &body.token, &body.password).await?;
        Ok(Done)
    }
}
