//! What each credential looks like: pure text rules, checked before any hash or lookup.

pub mod format;
mod issue;

pub use format::{Form, Malformed, begins_as_own, classify};
pub use issue::{NewSecret, SessionKind, draw_key, draw_session, draw_temp_token};
