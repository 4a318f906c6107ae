//! What is measured and how: a service with one handler behind a guard and without one, keys held in memory,
//! thread CPU time, and figures beside their floors.
//!
//! - [`service`]: the service;
//! - [`world`]: its platform, with as many keys as are wanted;
//! - [`floor`]: what cannot be done for less;
//! - [`postgres`]: the bare statement;
//! - [`claims`]: what access tokens say;
//! - [`answer`]: reading what is answered;
//! - [`replica`]: processes of a service;
//! - [`figure`]: measuring in rounds, and the lines that are printed;
//! - [`turns`]: the rounds of a program.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

pub mod answer;
pub mod claims;
pub mod figure;
pub mod floor;
mod memory;
pub mod postgres;
pub mod replica;
pub mod service;
pub mod turns;
pub mod world;
