//! What a provider is started with.

use auth_core::{entropy::Entropy, time::Clock};
use std::sync::Arc;

/// Somebody who can consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What ID tokens say in `sub`; never the address.
    pub subject: String,
    /// The address of mail, which names the account on the page and in [`crate::Provider::consent`].
    pub address: String,
}

/// What a provider is started with.
#[derive(Clone)]
pub struct Config {
    /// The one client that it knows.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// Where the client is called back: exactly these, without a fragment.
    pub redirect_uris: Vec<String>,
    /// Who can consent.
    pub accounts: Vec<Account>,
    /// What all times are taken from.
    pub clock: Arc<dyn Clock>,
    /// What codes and tokens are drawn from. Keys are not.
    pub entropy: Arc<dyn Entropy>,
}

impl Config {
    /// One client, and the accounts of Alice and Bob.
    pub fn demo(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, redirect_uris: Vec<String>) -> Self {
        let account = |subject: &str, address: &str| Account {
            subject: subject.to_owned(),
            address: address.to_owned(),
        };
        Self {
            client_id: "demo-client".to_owned(),
            client_secret: "only for demonstrations: 100% known".to_owned(),
            redirect_uris,
            accounts: vec![
                account("100000000000000000001", "alice@example.com"),
                account("100000000000000000002", "bob@example.com"),
            ],
            clock,
            entropy,
        }
    }

    /// The account of an address.
    pub(crate) fn account(&self, address: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.address == address)
    }
}
