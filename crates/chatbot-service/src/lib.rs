//! The domain chatbot: temporary tokens, browser chat, widget, queries. [`Chatbot::TABLE`] is all of its
//! routes.

pub mod audit;
pub mod chat;
pub mod query;
pub mod responder;
pub mod rules;
pub mod settings;
pub mod tokens;
pub mod widget;

use auth_core::{flow::Platform, principal::Principal, service::Service as Kind};
use auth_web::{Service, Table, own, row};
use responder::Responder;

/// The chatbot service.
pub struct Chatbot {
    platform: Platform,
    responder: Responder,
}

impl Chatbot {
    /// A chatbot service on a platform, answered for by a responder.
    pub const fn new(platform: Platform, responder: Responder) -> Self {
        Self { platform, responder }
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
