//! Providers of calendars, over HTTP: Google, Microsoft, and any other that speaks OpenID Connect.
//!
//! [`open`] makes one of its settings. It is asked by a [`Stranger`](auth_web::outgoing::Stranger), at addresses that are
//! known before or that its own document names within what was configured; what it answers is read strictly, and no text
//! of it gets into an error.

mod calendar;
mod discovery;
mod google;
mod microsoft;
mod oidc;
mod places;
mod provider;
mod settings;
mod tokens;

pub use settings::{CalendarApi, Google, Microsoft, Oidc, ProviderSettings, open, open_with};
