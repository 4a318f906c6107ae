//! What the provider does over HTTP, well and badly, and what the application does with the Hub.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod application;
mod google;
mod microsoft;
mod misbehaviours;
mod page;
mod stand_in;
mod strictness;
mod visitor;
