//! The domain chatbot: people and domains, their keys, temporary tokens, browser chat, widget, queries. [`Chatbot::TABLE`] is all of its
//! routes.

pub mod audit;
pub mod chat;
pub mod domains;
pub mod earlier;
pub mod factors;
pub mod introspection;
pub mod issuer;
pub mod keys;
pub mod mail;
pub mod mailed;
pub mod members;
pub mod page;
pub mod passkeys;
pub mod passwords;
pub mod people;
pub mod query;
pub mod responder;
pub mod rules;
pub mod settings;
pub mod tokens;
pub mod users;
pub mod widget;

use auth_core::{
    entropy::Entropy,
    error::{Denial, FlowError, StoreError},
    flow::{Logins, Platform},
    id::TokenId,
    jwt::SigningKeys,
    port::{Post, Stores},
    principal::Principal,
    service::Service as Kind,
    throttle::Subject,
    time::Clock,
};
use auth_web::{Problem, Service, Table, own, page::Page, row};
use issuer::Tokens;
use mail::{Outbox, Patience};
use passwords::Pool;
use responder::{Question, Responder};
use settings::People;
use std::{num::NonZeroU32, sync::Arc};

/// What one visitor may ask a minute: who holds a session, or the temporary token itself.
const ASKED_BY_VISITOR: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// The chatbot service.
pub struct Chatbot {
    platform: Platform,
    responder: Responder,
    logins: Logins,
    tokens: Tokens,
    people: People,
    outbox: Arc<Outbox>,
}

impl Chatbot {
    /// A chatbot service on a store, that issues tokens with these keys, is answered for by a responder, and writes letters
    /// where there is a post. Its first signing key is made where there is none.
    ///
    /// # Errors
    /// The store's; signing keys that the keyring does not open.
    pub async fn open(
        (stores, clock, entropy): (Stores, Arc<dyn Clock>, Arc<dyn Entropy>),
        keys: SigningKeys,
        (tokens, people): (Tokens, People),
        responder: Responder,
        post: Option<Arc<dyn Post>>,
    ) -> Result<Self, FlowError> {
        let keys = Arc::new(keys);
        let passwords = Pool::start(Arc::clone(&entropy), people.password_cost);
        let passwords = passwords.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let platform = Platform::issuing(stores, clock, entropy, Arc::clone(&keys));
        let verified_alone = !people.registration.is_open();
        let logins = Logins { keys, passwords: Arc::new(passwords), verified_alone };
        let outbox = Outbox::start(post, &platform, &logins, Patience::default());
        let outbox = Arc::new(outbox);
        let chatbot = Self { platform, responder, logins, tokens, people, outbox };
        chatbot.rotate_if_due().await?;
        // Nobody follows the stream yet.
        chatbot.logins.keys.reload(chatbot.platform.stores.signing_keys.as_ref()).await?;
        Ok(chatbot)
    }

    /// Where its letters are asked for.
    pub fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Answers a visitor, who may ask so often a minute, with whatever addresses.
    async fn answer_visitor(&self, session: TokenId, question: &Question<'_>) -> Result<String, Problem> {
        let now = self.platform.clock.monotonic();
        let throttle = self.platform.validator.throttle();
        let admitted = throttle.admit(Subject::Session(session), ASKED_BY_VISITOR, now);
        admitted.map_err(|retry_after| Denial::Throttled { retry_after })?;
        self.responder.answer(question).await
    }
}

impl Service for Chatbot {
    const KIND: Kind = Kind::Chatbot;
    const TABLE: Table<Self> = Table(&[
        row::<Self, tokens::Generate>(),
        row::<Self, tokens::Validate>(),
        row::<Self, tokens::List>(),
        row::<Self, tokens::Revoke>(),
        row::<Self, chat::AutoConnect>(),
        row::<Self, chat::Page>(),
        row::<Self, chat::Ask>(),
        row::<Self, widget::Open>(),
        row::<Self, widget::OpenPreflight>(),
        row::<Self, widget::Message>(),
        row::<Self, widget::MessagePreflight>(),
        row::<Self, query::Query>(),
        row::<Self, audit::Events>(),
        row::<Self, people::Register>(),
        row::<Self, people::Login>(),
        row::<Self, factors::Factors>(),
        row::<Self, factors::Verify>(),
        row::<Self, factors::StepUp>(),
        row::<Self, factors::EnrollTotp>(),
        row::<Self, factors::ConfirmTotp>(),
        row::<Self, factors::RemoveTotp>(),
        row::<Self, factors::RecoveryCodes>(),
        row::<Self, passkeys::RegisterStart>(),
        row::<Self, passkeys::RegisterFinish>(),
        row::<Self, passkeys::Challenge>(),
        row::<Self, passkeys::StepUpChallenge>(),
        row::<Self, passkeys::Remove>(),
        row::<Self, people::Refresh>(),
        row::<Self, people::Logout>(),
        row::<Self, people::LogoutAll>(),
        row::<Self, people::Sessions>(),
        row::<Self, people::EndSession>(),
        row::<Self, people::Own>(),
        row::<Self, people::ChangePassword>(),
        row::<Self, keys::Create>(),
        row::<Self, keys::List>(),
        row::<Self, keys::Read>(),
        row::<Self, keys::Change>(),
        row::<Self, keys::Rotate>(),
        row::<Self, keys::Revoke>(),
        row::<Self, domains::Create>(),
        row::<Self, domains::List>(),
        row::<Self, domains::Read>(),
        row::<Self, domains::Change>(),
        row::<Self, members::List>(),
        row::<Self, members::Applicants>(),
        row::<Self, members::Read>(),
        row::<Self, members::Admit>(),
        row::<Self, members::ChangeRole>(),
        row::<Self, members::Remove>(),
        row::<Self, users::List>(),
        row::<Self, users::Read>(),
        row::<Self, users::Change>(),
        row::<Self, users::Remove>(),
        row::<Self, introspection::Introspect>(),
        row::<Self, introspection::Revoke>(),
        row::<Self, mailed::VerifyEmail>(),
        row::<Self, mailed::ForgotPassword>(),
        row::<Self, mailed::ResetPassword>(),
        row::<Self, page::LoginForm>(),
        row::<Self, page::Login>(),
        row::<Self, page::FactorForm>(),
        row::<Self, page::Factor>(),
        row::<Self, page::RegisterForm>(),
        row::<Self, page::Register>(),
        row::<Self, page::ForgottenForm>(),
        row::<Self, page::Forgotten>(),
        row::<Self, page::Account>(),
        row::<Self, page::EnrollTotp>(),
        row::<Self, page::ConfirmTotp>(),
        row::<Self, page::RemoveTotp>(),
        row::<Self, page::EnrollPasskey>(),
        row::<Self, page::ConfirmPasskey>(),
        row::<Self, page::RemovePasskey>(),
        row::<Self, page::RecoveryCodes>(),
        row::<Self, page::ProofForm>(),
        row::<Self, page::StepUp>(),
        row::<Self, page::EndSession>(),
        row::<Self, page::LogoutAll>(),
        row::<Self, page::ChangePassword>(),
        row::<Self, page::Logout>(),
        row::<Self, issuer::Jwks>(),
        row::<Self, issuer::AuthorizationServer>(),
        row::<Self, own::Live>(),
        row::<Self, own::Ready>(),
        row::<Self, own::Routes>(),
        row::<Self, own::OpenApi>(),
        row::<Self, own::Docs>(),
        row::<Self, own::Problems>(),
    ]);

    fn platform(&self) -> &Platform {
        &self.platform
    }

    fn is_ready(&self) -> bool {
        self.logins.keys.can_sign(self.platform.now())
    }

    async fn upkeep(&self) {
        self.keep_keys().await;
    }

    fn problem_page(&self, route: &'static str, who: Option<Principal>, problem: &Problem) -> Page {
        self.page_of(route, who, problem)
    }

    async fn allows_page(&self, who: Option<Principal>, origin: &str) -> bool {
        match widget::may_read(&self.platform, who, origin).await {
            Ok(may) => may,
            Err(error) => {
                tracing::warn!(%error, "whether a page may read an answer is not known");
                false
            }
        }
    }
}
