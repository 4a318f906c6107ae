//! The conformance suite: what the tests of this crate share.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite fails by panicking")]

pub mod ambient;
pub mod authenticator;
pub mod browser;
pub mod caller;
pub mod client;
pub mod contract;
pub mod earlier;
pub mod endings;
pub mod faults;
pub mod hidden;
pub mod history;
mod holdings;
pub mod linking;
pub mod mail_server;
pub mod mailbox;
pub mod operator;
pub mod oracle;
pub mod place;
pub mod process;
pub mod servers;
mod settled;
pub mod stand_in;
pub mod visitor;
pub mod world;

#[doc = include_str!("../../../README.md")]
#[cfg(doctest)]
pub struct Readme;
