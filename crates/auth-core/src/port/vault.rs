//! The keys that seal the tokens of connections: which of them the store knows, and what each of them sealed.

use super::Answer;
use crate::{
    id::ConnectionId,
    model::{SealedTokens, StoredConnection},
    policy::{Action, Granted, Installation},
    seal::{KeyName, Sealed},
    time::Timestamp,
};

/// To seal everything with the newest key.
#[derive(Debug)]
pub enum Rekey {}

impl Action for Rekey {
    type Object = Installation;
}

/// A key of the vault, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultKey {
    /// Its name.
    pub name: KeyName,
    /// A text that it sealed: whoever opens it has the key.
    pub proof: Sealed,
}

/// The vault.
#[async_trait::async_trait]
pub trait Vault: Send + Sync {
    /// The keys that anything may be sealed with.
    async fn keys(&self) -> Answer<Vec<VaultKey>>;
    /// Makes a key one of them, where they are these and no others: `false` where they are not. One that is among them stays as
    /// it is.
    async fn add_key(&self, key: VaultKey, beside: &[KeyName], at: Timestamp) -> Answer<bool>;
    /// How many connections another key than this one sealed.
    async fn count_sealed_before(&self, newest: KeyName) -> Answer<u64>;
    /// Some of them, in their order, after one.
    async fn sealed_before(
        &self,
        newest: KeyName,
        after: Option<ConnectionId>,
        limit: u16,
    ) -> Answer<Vec<StoredConnection>>;
    /// Puts tokens that another key sealed in the place of the same ones. `false` where the place holds others by now.
    async fn reseal(
        &self,
        grant: &Granted<Rekey>,
        id: ConnectionId,
        before: &SealedTokens,
        after: SealedTokens,
    ) -> Answer<bool>;
    /// Takes from the vault all keys but this one that seal nothing any more: from then on nothing is sealed with them.
    /// Answers those that stay, since something is sealed with them.
    async fn retire_keys(
        &self,
        grant: &Granted<Rekey>,
        newest: KeyName,
        at: Timestamp,
    ) -> Answer<Vec<KeyName>>;
}

/// Where the keys of the vault are read from, outside the store.
pub trait KeySource: Send + Sync {
    /// The keyring as it is there now.
    ///
    /// # Errors
    /// One line: it cannot be read, or holds no keys.
    fn keyring(&self) -> Answer<crate::seal::Keyring>;
}
