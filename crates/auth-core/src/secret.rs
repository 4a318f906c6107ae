//! Secrets in memory: masked when printed, wiped when dropped, compared in constant time, shown once.

use sha2::{Digest, Sha256, block_api::compress256};
use std::fmt;
use zeroize::Zeroizing;

/// The text of a credential. No `Display`, no `Serialize`; `Debug` masks it; wiped on drop.
#[derive(Clone)]
pub struct PlainToken(Zeroizing<String>);

impl PlainToken {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
    /// The text, for hashing or for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(…)")
    }
}

/// A secret that was just made and leaves the platform once: taking it consumes the wrapper.
#[derive(Debug)]
pub struct RevealOnce(PlainToken);

impl RevealOnce {
    pub(crate) fn new(token: PlainToken) -> Self {
        Self(token)
    }
    /// Gives the secret to the one answer that shows it.
    pub fn reveal(self) -> PlainToken {
        self.0
    }
    /// What will be stored of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.0.expose())
    }
}

/// SHA-256 of a credential's text as it was sent: the only form of a secret that is stored or looked up.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a text. One SHA-256 block where the text has at most 55 bytes.
    #[inline]
    pub fn of(text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        padded(text).map_or_else(|| Self::of_blocks(text), |block| Self::of_block(&block))
    }
    /// The digest of one padded block: every credential that this platform makes. The library's way for texts of
    /// any length, with its buffer, takes about a fifth longer (`benches`).
    #[inline]
    fn of_block(block: &[u8; 64]) -> Self {
        let mut state = INITIAL;
        compress256(&mut state, std::slice::from_ref(block));
        let mut digest = [0; 32];
        let (words, _) = digest.as_chunks_mut();
        words.iter_mut().zip(state).for_each(|(place, word)| *place = word.to_be_bytes());
        Self(digest)
    }
    #[cold]
    #[inline(never)]
    fn of_blocks(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
    /// The digest that a store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// Reads 64 hexadecimal digits, as the earlier system wrote digests.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
    /// The bytes that a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// The digest as four words, the first of which places it in a table.
    #[inline]
    pub(crate) fn words(&self) -> [u64; 4] {
        let (chunks, _) = self.0.as_chunks::<8>();
        std::array::from_fn(|at| chunks.get(at).map_or(0, |chunk| u64::from_le_bytes(*chunk)))
    }
}

/// The initial hash value of SHA-256 (FIPS 180-4 §5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A text padded to one block (FIPS 180-4 §5.1.1); `None` where it is too long for one.
#[inline]
fn padded(text: &[u8]) -> Option<[u8; 64]> {
    let mut block = [0; 64];
    let (content, length) = block.split_last_chunk_mut()?;
    content.get_mut(..text.len())?.copy_from_slice(text);
    *content.get_mut(text.len())? = 0x80;
    *length = (text.len() as u64 * 8).to_be_bytes();
    Some(block)
}

/// Compared in constant time.
impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq::constant_time_eq_32(&self.0, &other.0)
    }
}
impl Eq for TokenDigest {}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_when_printed() {
        let token = PlainToken::new("canary".to_owned());
        assert!(!format!("{token:?} {:?}", RevealOnce::new(token.clone())).contains("canary"));
        assert_eq!(format!("{:?}", TokenDigest::of("canary")), "TokenDigest(…)");
    }

    #[test]
    fn digests_are_those_of_the_library_at_every_length() {
        let text = [0_u8, 0x80, 0xff, b'a'].repeat(40);
        for length in 0..=text.len() {
            let (text, _) = text.split_at(length);
            assert_eq!(TokenDigest::of(text), TokenDigest(Sha256::digest(text).into()), "{length}");
        }
    }

    #[test]
    fn hex_digests_of_the_earlier_system_read_in_either_case() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenDigest::from_hex(hex), Some(TokenDigest::of("abc")));
        assert_eq!(TokenDigest::from_hex(&hex.to_uppercase()), Some(TokenDigest::of("abc")));
        assert_eq!(TokenDigest::from_hex(hex.get(1..).unwrap_or_default()), None);
        assert_eq!(TokenDigest::from_hex(&hex.replace('b', "g")), None);
    }
}
