//! What cannot be done for less: the least that an answer of the same kind needs.

use auth_core::{
    credential::{Form, Malformed, classify},
    secret::TokenDigest,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// What the validator's table keeps of a key: 16 words, two cache lines.
pub type Record = [u64; 16];

/// What every validation does before it looks anything up: form and digest.
///
/// # Errors
/// A text that is no credential.
#[inline]
pub fn front(text: &str) -> Result<(Form, TokenDigest), Malformed> {
    let form = classify(text)?;
    let digest = TokenDigest::of(text);
    Ok((form, digest))
}

/// SHA-256 of a text, as its library does it in one call.
#[inline]
pub fn raw(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The first eight bytes of a digest.
#[inline]
pub fn word(digest: &TokenDigest) -> u64 {
    digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Records in a row, found by their place.
#[derive(Debug)]
pub struct Row(Vec<Aligned>);

#[derive(Debug, Clone, Copy)]
#[repr(align(128))]
struct Aligned(Record);

impl Row {
    /// So many records.
    pub fn new(count: usize) -> Self {
        Self((0_u64..).take(count).map(|number| Aligned([number; 16])).collect())
    }
    /// The record at the place that a word scales to.
    #[inline]
    pub fn get(&self, word: u64) -> Record {
        let place = (u128::from(word) * self.0.len() as u128) >> 64;
        usize::try_from(place).ok().and_then(|place| self.0.get(place)).map_or([0; 16], |found| found.0)
    }
}

/// A map of the standard library from digests, which are as good as random, so that no hash is computed.
pub type Map = HashMap<[u8; 32], Record, BuildHasherDefault<FirstBytes>>;

/// The hash of a digest: its first eight bytes.
#[derive(Debug, Default)]
pub struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    }
}
