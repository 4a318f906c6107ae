//! What the provider does over HTTP, well and badly.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod google;
mod microsoft;
mod misbehaviours;
mod page;
mod strictness;
mod visitor;
