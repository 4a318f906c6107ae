//! The Hub: accounts, users, API keys, calls, billing. [`Hub::TABLE`] is all of its routes.

pub mod accounts;
pub mod audit;
pub mod billing;
pub mod calls;
pub mod chatbot;
pub mod keys;
pub mod rules;
pub mod settings;
pub mod users;

use auth_core::{
    flow::{Platform, Tariff},
    service::Service as Kind,
};
use auth_web::{Service, Table, own, row};

/// The Hub.
pub struct Hub {
    platform: Platform,
    tariff: Tariff,
}

impl Hub {
    /// A Hub on a platform, which bills by a tariff.
    pub const fn new(platform: Platform, tariff: Tariff) -> Self {
        Self { platform, tariff }
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
}
