//! Providers of calendars, against small servers on this machine that answer what they should and what they should not.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "a test writes the files that it configures")]

mod authorization;
mod calendars;
mod discovery;
mod revocation;
mod server;
mod settings;
mod tokens;
