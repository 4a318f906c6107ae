//! Secrets that must be read again, sealed before they reach a store: with a key that lies outside the database, and
//! bound to the cell they lie in, so that neither a copy of the database nor whoever can write it has use of them.
//!
//! XChaCha20-Poly1305: its nonces are so long that drawing them never meets one that was drawn before, however many
//! secrets one key seals.

use crate::entropy::Entropy;
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

const ID_LEN: usize = 8;
const NONCE_LEN: usize = 24;

/// What names a key of a keyring, and says nothing of it: the beginning of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyName([u8; ID_LEN]);

impl KeyName {
    /// The name that a store kept.
    pub const fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
        Self(bytes)
    }
    /// The bytes that a store keeps.
    pub const fn as_bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// The place of one sealed secret. It opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What names the row for good.
    pub row: &'a [u8],
}

impl Cell<'_> {
    /// All of it, so that no two cells read the same: each part with its length in front.
    fn name(&self) -> Vec<u8> {
        let parts = [self.table.as_bytes(), self.column.as_bytes(), self.row];
        parts
            .iter()
            .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied()))
            .collect()
    }
}

/// A sealed secret, as a store keeps it: which key sealed it, the nonce, and the ciphertext with its tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// What a store kept.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
    /// The bytes that a store keeps.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Why a sealed secret does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It was sealed with a key that the keyring does not hold.
    #[error("sealed with a key that is not on the keyring")]
    UnknownKey,
    /// It was altered, or lies in another cell than it was sealed for.
    #[error("altered, or moved from another place")]
    Altered,
}

impl Unopened {
    /// The word for it in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::Altered => "altered",
        }
    }
}

/// The keys of one service: the newest one seals, and each opens what it sealed.
pub struct Keyring {
    newest: SealingKey,
    older: Vec<SealingKey>,
}

struct SealingKey {
    id: [u8; ID_LEN],
    cipher: XChaCha20Poly1305,
    /// A key of its own for tags.
    tags: Zeroizing<[u8; 32]>,
}

/// Bytes of a tag.
pub const TAG_LEN: usize = 16;

impl SealingKey {
    fn new(key: &[u8; 32]) -> Self {
        let digest = |what: &str| Sha256::new().chain_update(what).chain_update(key).finalize();
        let id = digest("the name of this sealing key").first_chunk().copied().unwrap_or_default();
        let tags = Zeroizing::new(digest("the key of its tags").into());
        Self { id, cipher: XChaCha20Poly1305::new(key.into()), tags }
    }

    /// HMAC-SHA-256 (RFC 2104), cut to 128 bits.
    fn tag(&self, purpose: &str, text: &[u8]) -> [u8; TAG_LEN] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.tags.as_slice()) else { return [0; TAG_LEN] };
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(text);
        mac.finalize().into_bytes().first_chunk().copied().unwrap_or_default()
    }
}

impl Keyring {
    /// A keyring of these keys, oldest first; `None` where there is none, or one is all zeros.
    pub fn new(keys: &[Zeroizing<[u8; 32]>]) -> Option<Self> {
        if keys.iter().any(|key| **key == [0; 32]) {
            return None;
        }
        let (newest, older) = keys.split_last()?;
        Some(Self {
            newest: SealingKey::new(newest),
            older: older.iter().map(|key| SealingKey::new(key)).collect(),
        })
    }

    /// Seals a secret for its cell.
    pub fn seal(&self, cell: &Cell<'_>, secret: &[u8], entropy: &dyn Entropy) -> Sealed {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: secret, aad: &cell.name() };
        // It fails for more than the 256 GiB that one nonce is good for; then it opens for nobody.
        let text = self.newest.cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        Sealed([self.newest.id.as_slice(), &nonce, &text].concat())
    }

    /// Opens what lies in a cell.
    ///
    /// # Errors
    /// [`Unopened`] says why it does not open.
    pub fn open(&self, cell: &Cell<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (id, rest) = sealed.0.split_first_chunk::<ID_LEN>().ok_or(Unopened::Altered)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unopened::Altered)?;
        let key = std::iter::once(&self.newest).chain(&self.older).find(|key| key.id == *id);
        let payload = Payload { msg: text, aad: &cell.name() };
        let opened = key.ok_or(Unopened::UnknownKey)?.cipher.decrypt(&XNonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| Unopened::Altered)
    }

    /// The tag of a text for a purpose: only whoever has the keyring can make it.
    pub fn tag(&self, purpose: &str, text: &[u8]) -> [u8; TAG_LEN] {
        self.newest.tag(purpose, text)
    }

    /// Whether a tag was made here, with whichever key. In constant time for each key.
    pub fn made(&self, purpose: &str, text: &[u8], tag: &[u8; TAG_LEN]) -> bool {
        let mut keys = std::iter::once(&self.newest).chain(&self.older);
        keys.any(|key| constant_time_eq::constant_time_eq_16(&key.tag(purpose, text), tag))
    }

    /// The name of the key that seals.
    pub const fn newest(&self) -> KeyName {
        KeyName(self.newest.id)
    }

    /// Whether the newest key sealed it: what an older one sealed is to be sealed anew.
    pub fn is_newest(&self, sealed: &Sealed) -> bool {
        sealed.0.starts_with(&self.newest.id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.older.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Never the same bytes twice.
    struct Counting(AtomicU64);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            out.iter_mut().zip(number.iter().cycle()).for_each(|(place, byte)| *place = *byte);
        }
    }

    fn counting() -> Counting {
        Counting(AtomicU64::new(1))
    }

    fn key(byte: u8) -> Zeroizing<[u8; 32]> {
        Zeroizing::new([byte; 32])
    }

    const fn cell(row: &[u8]) -> Cell<'_> {
        Cell { table: "factors", column: "secret", row }
    }

    #[test]
    fn a_secret_opens_in_its_own_cell_alone() {
        let ring = Keyring::new(&[key(1)]).unwrap();
        let sealed = ring.seal(&cell(b"row"), b"canary", &counting());
        assert_eq!(ring.open(&cell(b"row"), &sealed).unwrap().as_slice(), b"canary");
        for other in [
            cell(b"rows"),
            cell(b""),
            Cell { table: "factor", column: "ssecret", row: b"row" },
            Cell { column: "secre", ..cell(b"trow") },
            Cell { table: "sessions", ..cell(b"row") },
        ] {
            assert_eq!(ring.open(&other, &sealed), Err(Unopened::Altered), "{other:?}");
        }
        assert!(!format!("{sealed:?} {ring:?}").contains("canary"));
    }

    #[test]
    fn older_keys_open_and_the_newest_seals() {
        let old = Keyring::new(&[key(1)]).unwrap();
        let both = Keyring::new(&[key(1), key(2)]).unwrap();
        let new = Keyring::new(&[key(2)]).unwrap();
        let entropy = counting();
        let before = old.seal(&cell(b"row"), b"secret", &entropy);
        assert!(both.open(&cell(b"row"), &before).is_ok() && !both.is_newest(&before));
        let after = both.seal(&cell(b"row"), b"secret", &entropy);
        assert!(new.open(&cell(b"row"), &after).is_ok() && both.is_newest(&after));
        assert_eq!(new.open(&cell(b"row"), &before), Err(Unopened::UnknownKey));
    }

    #[test]
    fn no_keyring_is_empty_or_holds_a_key_of_zeros() {
        assert!(Keyring::new(&[]).is_none() && Keyring::new(&[key(0), key(1)]).is_none());
    }

    #[test]
    fn the_same_secret_is_never_sealed_to_the_same_bytes() {
        let (ring, entropy) = (Keyring::new(&[key(1)]).unwrap(), counting());
        let first = ring.seal(&cell(b"row"), b"secret", &entropy);
        assert_ne!(ring.seal(&cell(b"row"), b"secret", &entropy), first);
    }

    #[test]
    fn a_tag_is_of_its_keyring_its_purpose_and_its_text() {
        let (old, new) = (Keyring::new(&[key(1)]).unwrap(), Keyring::new(&[key(2)]).unwrap());
        let both = Keyring::new(&[key(1), key(2)]).unwrap();
        let tag = old.tag("a", b"text");
        assert!(
            old.made("a", b"text", &tag) && both.made("a", b"text", &tag) && !new.made("a", b"text", &tag)
        );
        assert!(
            !old.made("b", b"text", &tag) && !old.made("a", b"texts", &tag) && !old.made("at", b"ext", &tag)
        );
        assert!(new.made("a", b"text", &both.tag("a", b"text")), "the newest one makes them");
    }

    proptest! {
        #[test]
        fn any_changed_byte_fails(secret: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8) {
            let ring = Keyring::new(&[key(1)]).unwrap();
            let Sealed(mut bytes) = ring.seal(&cell(b"row"), &secret, &counting());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(ring.open(&cell(b"row"), &Sealed(bytes.clone())).is_err());
            bytes[at] ^= 1 << bit;
            bytes.truncate(at);
            prop_assert!(ring.open(&cell(b"row"), &Sealed(bytes)).is_err());
        }
    }
}
