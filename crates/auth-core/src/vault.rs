//! The vault: tokens of providers, sealed before they reach a store, and opened for their own connection alone.
//!
//! The keys lie outside the store, which knows each by its name and by a text that it sealed. What is sealed names its key,
//! so that a key can be followed by another while services run: whoever finds a key's name that it does not hold reads the
//! keys anew.

use crate::{
    entropy::Entropy,
    error::StoreError,
    id::{AccountId, ConnectionId, UserId},
    model::{Connection, ProviderName, SealedTokens},
    port::{Answer, KeySource, Stores, VaultKey},
    seal::{Cell, KeyName, Keyring, Unopened},
    secret::PlainToken,
    time::{Clock, Monotonic},
};
use arc_swap::ArcSwap;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use zeroize::Zeroizing;

/// What every key proves itself by.
const PROOF: &[u8] = b"this key is one of the vault's";
/// How long after the keys were read they are not read again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What the tokens of a connection are bound to: no other opens them, whatever is done to the rows of a store.
#[derive(Debug, Clone)]
pub struct Place {
    /// The connection.
    pub connection: ConnectionId,
    /// Its account.
    pub account: AccountId,
    /// Its user.
    pub user: UserId,
    /// Its provider.
    pub provider: ProviderName,
}

impl Place {
    /// That of a connection.
    pub fn of(connection: &Connection) -> Self {
        let Connection { id, account, user, provider, .. } = connection;
        Self { connection: *id, account: *account, user: *user, provider: provider.clone() }
    }

    /// Identifiers have one length each, so that no two places read the same.
    pub(crate) fn row(&self) -> Vec<u8> {
        let ids = [self.connection.as_bytes(), self.account.as_bytes(), self.user.as_bytes()];
        [ids.map(<[u8; 16]>::as_slice).concat().as_slice(), self.provider.as_str().as_bytes()].concat()
    }
}

const fn cell(row: &[u8]) -> Cell<'_> {
    Cell { table: "connections", column: "tokens", row }
}

const fn proof_cell(name: &KeyName) -> Cell<'_> {
    Cell { table: "vault_keys", column: "proof", row: name.as_bytes() }
}

/// The tokens of a connection.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access: PlainToken,
    /// The refresh token.
    pub refresh: PlainToken,
}

/// The vault.
pub struct Vault {
    keyring: ArcSwap<Keyring>,
    source: Arc<dyn KeySource>,
    /// When the keys were read last.
    read: Mutex<Option<Monotonic>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("keyring", &self.keyring.load()).finish_non_exhaustive()
    }
}

impl Vault {
    /// Opens the vault of a store: with the right keys alone. The newest key becomes one of the store's.
    ///
    /// # Errors
    /// One line: the keys cannot be read, or the store has something that none of them opens; the store does not answer.
    pub async fn open(
        stores: &Stores,
        source: Arc<dyn KeySource>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Answer<Self> {
        let keyring = source.keyring()?;
        introduce(&keyring, stores, clock, entropy).await?;
        Ok(Self { keyring: ArcSwap::from_pointee(keyring), source, read: Mutex::new(None) })
    }

    /// Whether nothing was ever sealed in a store: then a first key may be drawn.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn is_new(stores: &Stores) -> Answer<bool> {
        Ok(stores.vault.keys().await?.is_empty())
    }

    /// The key that seals.
    pub fn newest(&self) -> KeyName {
        self.keyring.load().newest()
    }

    /// Seals the tokens of a connection.
    pub fn seal(&self, place: &Place, tokens: &Tokens, entropy: &dyn Entropy) -> SealedTokens {
        seal(&self.keyring.load(), place, tokens, entropy)
    }

    /// Opens the tokens of a connection. Where a key is missing, the keys are read anew, every few seconds at the most.
    ///
    /// # Errors
    /// [`Unopened`] says why they do not open: then nothing of them is known.
    pub fn unseal(
        &self,
        place: &Place,
        sealed: &SealedTokens,
        clock: &dyn Clock,
    ) -> Result<Tokens, Unopened> {
        let opened = unseal(&self.keyring.load(), place, sealed);
        if matches!(opened, Err(Unopened::UnknownKey)) {
            // Somebody else may have read them at the same time.
            self.read_again(clock);
            return unseal(&self.keyring.load(), place, sealed);
        }
        opened
    }

    /// Has the newest key be one of the store's, where that took none of what it sealed: the keys are read anew, for another
    /// one may have followed it; and one that was written down while this process ran is introduced, as at a start.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn introduce_newest(
        &self,
        stores: &Stores,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Answer<()> {
        self.read_again(clock);
        let keyring = self.keyring.load_full();
        introduce(&keyring, stores, clock, entropy).await
    }

    /// Reads the keys anew, unless that was done just before. Whether it was done now.
    fn read_again(&self, clock: &dyn Clock) -> bool {
        let now = clock.monotonic();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_some_and(|then| now.since(then) < AGAIN_AFTER) {
            return false;
        }
        *read = Some(now);
        // What cannot be read now, or is none, changes nothing: what the old keys open stays open.
        self.source.keyring().is_ok_and(|keyring| {
            self.keyring.store(Arc::new(keyring));
            true
        })
    }
}

/// The length of the access token, it, and the refresh token.
fn seal(keyring: &Keyring, place: &Place, tokens: &Tokens, entropy: &dyn Entropy) -> SealedTokens {
    let (access, refresh) = (tokens.access.expose().as_bytes(), tokens.refresh.expose().as_bytes());
    let length = (access.len() as u64).to_be_bytes();
    let text = Zeroizing::new([length.as_slice(), access, refresh].concat());
    SealedTokens { key: keyring.newest(), sealed: keyring.seal(&cell(&place.row()), &text, entropy) }
}

fn unseal(keyring: &Keyring, place: &Place, tokens: &SealedTokens) -> Result<Tokens, Unopened> {
    let opened = keyring.open(&cell(&place.row()), &tokens.sealed)?;
    let read = || {
        let (length, both) = opened.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (access, refresh) = both.split_at_checked(length)?;
        let token = |bytes| Some(PlainToken::new(std::str::from_utf8(bytes).ok()?.to_owned()));
        Some(Tokens { access: token(access)?, refresh: token(refresh)? })
    };
    read().ok_or(Unopened::Altered)
}

/// That the keyring holds every key of the vault, and that each is what it was.
fn prove(keyring: &Keyring, known: &[VaultKey]) -> Answer<()> {
    let wrong = |key: &VaultKey, why| {
        let name = key.name;
        Err(StoreError::Damaged(format!(
            "the vault has something that the key {name} sealed, and the keyring does not open it ({why}): restore the \
             keyring beside the store"
        )))
    };
    for key in known {
        match keyring.open(&proof_cell(&key.name), &key.proof) {
            Ok(text) if text.as_slice() == PROOF => {}
            Ok(_) => return wrong(key, Unopened::Altered),
            Err(why) => return wrong(key, why),
        }
    }
    Ok(())
}

/// Makes the newest key of a keyring that holds every key of the store one of them.
async fn introduce(
    keyring: &Keyring,
    stores: &Stores,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Answer<()> {
    let name = keyring.newest();
    let proof = keyring.seal(&proof_cell(&name), PROOF, entropy);
    loop {
        let known = stores.vault.keys().await?;
        prove(keyring, &known)?;
        // Another process may bring another key at the same time: then that one is to be proved as well, or this one stays out.
        let beside: Vec<_> = known.iter().map(|key| key.name).collect();
        if stores.vault.add_key(VaultKey { name, proof: proof.clone() }, &beside, clock.now()).await? {
            return Ok(());
        }
    }
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
