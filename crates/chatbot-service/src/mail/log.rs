//! The post of a development run: the log.

use super::{Page, text};
use auth_core::port::{Letter, Post, Undelivered};

/// Writes letters to the log, with their tokens: whoever reads it can do what they are for.
#[derive(Debug, Clone)]
pub struct ToLog {
    /// Where links lead.
    pub page: Page,
}

#[async_trait::async_trait]
impl Post for ToLog {
    async fn carry(&self, letter: &Letter) -> Result<(), Undelivered> {
        let (subject, body) = (text::subject(&letter.content), text::body(&letter.content, &self.page));
        tracing::warn!(to = %letter.to, subject, body, "a letter of a development run, which nobody carries");
        Ok(())
    }
}
