//! The Hub: accounts, users, their calendars, API keys, calls, billing. [`Hub::TABLE`] is all of its routes.

pub mod accounts;
pub mod audit;
pub mod billing;
pub mod calendars;
pub mod calls;
pub mod chatbot;
pub mod keys;
pub mod rules;
pub mod settings;
pub mod users;

use auth_core::{
    flow::{Calendars, Platform, Tariff},
    principal::Principal,
    service::Service as Kind,
};
use auth_web::{Problem, Service, Table, own, page::Page, row};
use calendars::Underway;

/// The Hub.
pub struct Hub {
    platform: Platform,
    tariff: Tariff,
    underway: Option<Underway>,
}

impl Hub {
    /// A Hub on a platform, which bills by a tariff, and links no calendars.
    pub const fn new(platform: Platform, tariff: Tariff) -> Self {
        Self { platform, tariff, underway: None }
    }

    /// The same, which links calendars. It is made in the runtime in which what providers are asked for goes on.
    #[must_use]
    pub fn linking(self, calendars: Calendars) -> Self {
        Self { underway: Some(Underway::new(calendars)), ..self }
    }

    /// What is under way with providers, to be [finished](Underway::finish) at the end.
    pub fn underway(&self) -> Option<Underway> {
        self.underway.clone()
    }
}

impl Service for Hub {
    const KIND: Kind = Kind::Hub;
    const TABLE: Table<Self> = Table(&[
        row::<Self, calls::Start>(),
        row::<Self, calls::List>(),
        row::<Self, calls::Read>(),
        row::<Self, calls::Cancel>(),
        row::<Self, accounts::OfDomain>(),
        row::<Self, accounts::Create>(),
        row::<Self, accounts::List>(),
        row::<Self, accounts::Read>(),
        row::<Self, accounts::Change>(),
        row::<Self, billing::Usage>(),
        row::<Self, billing::Invoices>(),
        row::<Self, users::Create>(),
        row::<Self, users::List>(),
        row::<Self, users::Read>(),
        row::<Self, users::Change>(),
        row::<Self, users::Remove>(),
        row::<Self, calendars::Authorize>(),
        row::<Self, calendars::Callback>(),
        row::<Self, calendars::List>(),
        row::<Self, calendars::Token>(),
        row::<Self, calendars::Events>(),
        row::<Self, calendars::Disconnect>(),
        row::<Self, keys::Create>(),
        row::<Self, keys::List>(),
        row::<Self, keys::Verify>(),
        row::<Self, keys::Read>(),
        row::<Self, keys::Change>(),
        row::<Self, keys::Rotate>(),
        row::<Self, keys::Revoke>(),
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

    async fn upkeep(&self) {
        if let Some(underway) = &self.underway
            && let Err(error) = underway.calendars().upkeep(&self.platform).await
        {
            tracing::warn!(%error, "providers of ended connections could not be told");
        }
    }

    /// Of the one page: its address holds what a provider sent.
    fn problem_page(&self, _: &'static str, _: Option<Principal>, problem: &Problem) -> Page {
        Page::of(problem).without_referrer()
    }
}
