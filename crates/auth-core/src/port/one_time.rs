//! What is good once: a mailed token, a challenge.

use super::Answer;
use crate::{secret::TokenDigest, time::Timestamp};

/// What something that is good once is for: it is good for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A mailed token that shows that an address is its owner's.
    EmailVerification,
    /// A mailed token that sets a new password.
    PasswordReset,
    /// A challenge of WebAuthn (Level 3 §13.4.3).
    WebauthnChallenge,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::EmailVerification, Self::PasswordReset, Self::WebauthnChallenge];

    /// Its name, as stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EmailVerification => "email_verification",
            Self::PasswordReset => "password_reset",
            Self::WebauthnChallenge => "webauthn_challenge",
        }
    }
}

/// Something that is to be good once.
#[derive(Debug, Clone)]
pub struct NewOneTime {
    /// What for.
    pub purpose: Purpose,
    /// SHA-256 of the secret that its bearer will show. No two have the same.
    pub digest: TokenDigest,
    /// What its maker will want to know again; no secret is in it. A few hundred bytes.
    pub content: Vec<u8>,
    /// When it is made.
    pub at: Timestamp,
    /// When it ends, taken or not.
    pub expires_at: Timestamp,
}

/// Things that are good once.
///
/// However many take one at the same time, of whatever processes, at most one gets it, and one that was taken does not
/// come back: not with what Redis loses or is restored to, nor with a crash of a database. (A database that somebody puts
/// back to an earlier state is refused as a whole where an event is missing, ADR 8. Taking is none: whoever puts one back
/// empties this by hand.) A store may forget what it keeps: then nobody gets it.
#[async_trait::async_trait]
pub trait OneTime: Send + Sync {
    /// Keeps it. One round trip.
    async fn keep(&self, new: NewOneTime) -> Answer<()>;
    /// Takes it: what was kept, for the one that comes first and before its end. One round trip. Where this fails, it may
    /// have been taken, and nobody gets it.
    async fn take(&self, purpose: Purpose, digest: &TokenDigest, at: Timestamp) -> Answer<Option<Vec<u8>>>;
    /// Forgets what ended before a time.
    async fn purge(&self, before: Timestamp) -> Answer<()>;
}
