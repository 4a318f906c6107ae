//! A strict OpenID provider for demonstrations and tests. It behaves like Google's and like Microsoft's, each with its
//! calendar, on one loopback origin over plain HTTP; and it misbehaves where it is told to.
//!
//! | endpoint | like Google's | like Microsoft's |
//! |---|---|---|
//! | authorization | `GET /o/oauth2/v2/auth` | `GET /{tenant}/oauth2/v2.0/authorize` |
//! | tokens | `POST /token` | `POST /{tenant}/oauth2/v2.0/token` |
//! | revocation | `POST /revoke` | none |
//! | keys | `GET /oauth2/v3/certs` | `GET /{tenant}/discovery/v2.0/keys` |
//! | discovery | `GET /.well-known/openid-configuration` | `GET /{tenant}/v2.0/.well-known/openid-configuration` |
//! | calendar | `GET /calendar/v3/calendars/primary/events` | `GET /v1.0/me/calendarView` |
//!
//! A tenant is `common`, `organizations` or [`DIRECTORY`]. What a client does wrong is refused, and told by
//! [`Provider::seen`].
//!
//! Beside it is the [`Application`]: the stand-in for an account's own web site, from whose pages a person links a calendar
//! through the Hub.

mod answer;
mod application;
mod authorize;
mod bomb;
mod calendar;
mod client;
mod config;
mod desk;
mod discovery;
mod google_calendar;
mod graph_calendar;
mod html;
mod id_token;
mod keys;
mod ledger;
mod like;
mod listen;
mod misbehaviour;
mod page;
mod parameters;
mod provider;
mod revoke;
mod seen;
mod serve;
mod token;

pub use application::{Application, ApplicationConfig};
pub use calendar::{Event, When};
pub use config::{Account, Config};
pub use like::DIRECTORY;
pub use misbehaviour::{Misbehaviour, Part};
pub use provider::Provider;
pub use seen::Seen;
