//! Structured logs: one JSON object a line, on standard error.

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Starts logging, at `info` unless `RUST_LOG` says otherwise (its syntax is that of `tracing`'s `EnvFilter`).
/// JSON for machines, panics too; `plain` for people at a terminal.
pub fn start(plain: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    if !plain {
        std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a panic")));
    }
    // A second start in one process changes nothing.
    let _ = if plain {
        registry.with(fmt::layer().compact().with_writer(std::io::stderr)).try_init()
    } else {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
    };
}
