//! The chatbot service, as the issuer of the access tokens that the Hub takes of super admins.

use auth_core::{
    error::StoreError,
    jwt::{JwkSet, PublicKey, TokenState},
    port::{Answer, TokenIssuer},
};
use auth_web::outgoing::Client;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long it may take to answer: whoever waits for it waits no longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most that it may answer.
const MOST_BYTES: usize = 64 * 1024;
/// Questions that are with it at once.
const MOST_ASKED: usize = 64;

/// The chatbot service at a URL. Whoever answers there, over TLS or on this machine, is the issuer.
#[derive(Debug)]
pub struct Chatbot {
    client: Client,
    asked: Semaphore,
}

impl Chatbot {
    /// The service at a base URL, which takes this key to be asked (`introspect`).
    ///
    /// # Errors
    /// One line: the URL is none of HTTP, or the key would go over the network in the clear.
    pub fn new(url: &str, key: String) -> Result<Self, String> {
        let client = Client::new("chatbot.url", url, Some(key), (PATIENCE, MOST_BYTES))?;
        Ok(Self { client, asked: Semaphore::new(MOST_ASKED) })
    }

    async fn ask(&self, answer: impl Future<Output = Result<Vec<u8>, String>>) -> Answer<Vec<u8>> {
        let busy = |_| StoreError::Unavailable("the chatbot service is asked too much at once".to_owned());
        let _place = self.asked.try_acquire().map_err(busy)?;
        answer.await.map_err(|why| StoreError::Unavailable(format!("the chatbot service: {why}")))
    }
}

fn strange(why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("the chatbot service answers what no issuer does: {why}"))
}

#[async_trait::async_trait]
impl TokenIssuer for Chatbot {
    async fn keys(&self) -> Answer<Vec<PublicKey>> {
        let json = self.ask(self.client.get("/.well-known/jwks.json")).await?;
        JwkSet::parse(&json).map(JwkSet::into_keys).map_err(strange)
    }

    async fn state(&self, token: &str) -> Answer<TokenState> {
        let json = self.ask(self.client.post_form("/auth/introspect", &[("token", token)])).await?;
        serde_json::from_slice(&json).map_err(|_| strange("not the state of a token"))
    }
}
