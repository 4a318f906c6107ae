//! The routes that every service can have: health, the route table, OpenAPI and its page, what problems mean, and the
//! audit trail.

pub mod audit;
mod docs;
mod health;
mod routes;

pub use docs::{Docs, OpenApi, Problems};
pub use health::{Live, Ready};
pub use routes::{RouteView, Routes};
