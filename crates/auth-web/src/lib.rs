//! The web layer: a service is a table of endpoints, and the table is the only way to mount one.
//!
//! - [`endpoint`]: what an endpoint declares, and the table;
//! - `enter`: the one path that every request takes: throttle, authenticate, decide, parse, call;
//! - [`problem`]: the one table of statuses (RFC 9457);
//! - [`input`], [`reply`], [`page`]: what endpoints take and give;
//! - [`own`]: the routes that every service has;
//! - [`serve`](mod@serve): listening, background work, graceful stop;
//! - [`in_process`]: the same without a network, for tests and measurements.
#![expect(clippy::future_not_send, reason = "a request stays on the thread that accepted it")]

pub mod config;
mod cors;
mod credential;
pub mod endpoint;
mod enter;
pub mod front;
pub mod in_process;
pub mod input;
pub mod log;
pub mod metrics;
pub mod openapi;
pub mod outgoing;
pub mod own;
pub mod page;
pub mod problem;
mod refusals;
pub mod reply;
mod request_id;
pub mod serve;
pub mod system;

pub use credential::Place;
pub use endpoint::{Endpoint, Method, Row, Service, Spec, Table, row};
pub use front::{App, Front};
pub use problem::Problem;
