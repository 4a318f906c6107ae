//! What each credential looks like: pure text rules, checked before any hash or lookup.

mod authorization;
pub mod format;
mod guessable;
mod issue;
mod mailed;
mod page;
mod password;
mod pending;
mod recovery;
mod refresh;
mod totp;

pub use authorization::{AUTHORIZATION_LIFE, AuthorizationSecrets};
pub use format::{Form, Malformed, begins_as_own, classify};
pub use issue::{NewSecret, SessionKind, draw_key, draw_session, draw_temp_token};
pub use mailed::{MailedFor, MailedToken};
pub use page::{PAGE_LIFE, PageSession};
pub use password::{Password, PasswordHash, Presented, WrongPassword};
pub use pending::{PENDING, PendingLogin};
pub use recovery::{RECOVERY_CODES, draw_recovery_code, recovery_digest};
pub use refresh::{REFRESH_LEN, Refresh};
pub use totp::TotpSecret;
