//! Whoever issues access tokens, as a service asks it that takes them and shares no keys with it.

use super::Answer;
use crate::jwt::{PublicKey, TokenState};

/// The issuer of access tokens. An answer that cannot be one is an error, as none is.
#[async_trait::async_trait]
pub trait TokenIssuer: Send + Sync {
    /// The keys that verify its tokens now (RFC 7517 §5).
    async fn keys(&self) -> Answer<Vec<PublicKey>>;
    /// What it says of a token now (RFC 7662), from what its store says now.
    async fn state(&self, token: &str) -> Answer<TokenState>;
}
