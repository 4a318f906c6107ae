//! Letting time pass.

use std::time::Duration;

/// Whoever lets time pass, for what is tried again.
#[async_trait::async_trait]
pub trait Pause: Send + Sync {
    /// Returns after so long.
    async fn pause(&self, span: Duration);
}
