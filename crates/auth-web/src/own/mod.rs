//! The routes that every service has: health, the route table, OpenAPI and its page.

pub mod audit;
mod docs;
mod health;
mod routes;

pub use docs::{Docs, OpenApi, Problems};
pub use health::{Live, Ready};
pub use routes::{RouteView, Routes};
