//! The program, run as people run it: as a process.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the suite fails by panicking, and looks at files"
)]

mod beside;
mod commands;
mod program;
mod up;
