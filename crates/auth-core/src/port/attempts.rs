//! Guesses of secrets that people choose, or read off: counted, so that the next one waits.

use super::Answer;
use crate::{attempts::Trial, time::Timestamp};
use std::time::Duration;

/// Counts of guesses.
#[async_trait::async_trait]
pub trait Attempts: Send + Sync {
    /// Counts a guess against all its subjects before it is judged, if none of them has to wait; else it is counted against
    /// none, and the answer is how long. However many guess at the same time, of whatever processes, each is held against
    /// those that were counted before it.
    async fn take(&self, trial: &Trial, at: Timestamp) -> Answer<Result<(), Duration>>;
    /// Says that a guess that was counted was right: what waits for it is forgotten, and one guess given back to the rest.
    async fn succeeded(&self, trial: &Trial) -> Answer<()>;
    /// Says that a guess that was counted was not judged: one is given back to each of its subjects.
    async fn unjudged(&self, trial: &Trial) -> Answer<()>;
    /// Forgets those whose last guess was before a time.
    async fn purge(&self, before: Timestamp) -> Answer<()>;
}
