//! The authentication and access-control core: credentials, policy, ports, flows and the in-memory
//! validator. No I/O, no HTTP, no ambient clock or randomness: everything is passed in.
//!
//! Read top-down: [`credential`] says what a credential looks like, [`validate`] whose it is, [`policy`]
//! what it may do, [`flow`] what happens then, [`port`] what a store must promise, [`audit`] what is
//! written down.

pub mod amr;
pub mod attacks;
pub mod attempts;
pub mod audit;
mod by_name;
pub mod credential;
pub mod entropy;
pub mod error;
mod fetched;
mod flights;
pub mod flow;
pub mod id;
pub mod jwt;
pub mod model;
pub mod oidc;
pub mod policy;
pub mod port;
pub mod principal;
pub mod seal;
pub mod secret;
pub mod service;
pub mod throttle;
pub mod time;
pub mod validate;
pub mod vault;
pub mod webauthn;
