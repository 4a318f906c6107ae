//! Letters to people, by electronic mail.

use crate::{id::PersonId, model::Address, secret::PlainToken, time::Timestamp};

/// A letter. Nothing that whoever asked for it chose is in it: not even a name, which could be a message to a stranger.
#[derive(Debug, Clone)]
pub struct Letter {
    /// To whom.
    pub to: Address,
    /// Who that is, for the log.
    pub person: PersonId,
    /// What it says.
    pub content: Content,
}

/// What a letter says.
#[derive(Debug, Clone)]
pub enum Content {
    /// That this token shows the address to be theirs.
    Verify {
        /// The token.
        token: PlainToken,
        /// When it is over.
        expires_at: Timestamp,
    },
    /// That this token sets another password.
    Reset {
        /// The token.
        token: PlainToken,
        /// When it is over.
        expires_at: Timestamp,
    },
    /// That somebody wanted to register with their address, which has an account. It holds no token.
    Taken,
}

/// Why a letter was not sent. Neither its text nor its address is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It will not be taken, however often it is tried.
    #[error("refused: {0}")]
    Refused(String),
    /// It may be taken later.
    #[error("not taken now: {0}")]
    Later(String),
}

/// Why somebody gets a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// They registered.
    Registered,
    /// Somebody wanted to register with their address.
    Taken,
    /// Somebody said that they forgot their password.
    Forgot,
}

/// Whoever carries letters.
#[async_trait::async_trait]
pub trait Post: Send + Sync {
    /// Carries a letter to the next server on its way.
    ///
    /// # Errors
    /// [`Undelivered`] says whether it is worth another try.
    async fn carry(&self, letter: &Letter) -> Result<(), Undelivered>;
}
