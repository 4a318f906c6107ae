//! The ports on SQL, written once. Each store compiles these files against its own connection, and gives them what its
//! database does in its own way: `Conn`; `Store` with `read`, `write`, `statement` (one, which is a transaction of its
//! own) and `chain`; `Readers`; and `dialect`.
//!
//! What they rest on: a command runs in a transaction beside which no other command runs, so what it read is still so
//! when it writes.

mod accounts;
mod attempts;
pub(crate) mod audit;
mod authorizations;
mod calls;
mod claims;
mod connections;
mod domains;
mod factors;
mod keys;
mod mailed;
mod members;
pub(crate) mod notices;
mod once;
mod one_time;
mod people;
mod sessions;
mod signing_keys;
mod tokens;
mod users;
mod vault;
