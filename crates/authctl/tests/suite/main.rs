//! The program, run as people run it: as a process.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "the suite fails by panicking, and looks at files"
)]

mod beside;
mod calendars;
mod commands;
mod full;
mod generate;
mod people;
mod program;
mod refreshes;
mod replicas;
mod secrets;
mod up;
