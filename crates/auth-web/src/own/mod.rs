//! The routes that every service can have: health, the route table, OpenAPI and its page, what problems mean, and the
//! audit trail, the management of keys.

pub mod audit;
mod docs;
mod health;
pub mod keys;
mod routes;

pub use docs::{Docs, OpenApi, Problems};
pub use health::{Live, Ready};
pub use routes::{RouteView, Routes};
