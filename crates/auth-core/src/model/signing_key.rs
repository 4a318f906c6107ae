//! Keys that sign access tokens.

use crate::{
    jwt::{Algorithm, Kid},
    seal::{Cell, Sealed},
    time::Timestamp,
};

/// A signing key, its private half sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Which one it is: each has the number after the one before it.
    pub number: i64,
    /// What names it in tokens.
    pub kid: Kid,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Its private half, sealed for [`cell`](Self::cell): none but the keyring's owner can make a key that is taken.
    pub sealed: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs: it is published before.
    pub signs_from: Timestamp,
    /// From when on its tokens are refused; `None` for the newest.
    pub ends_at: Option<Timestamp>,
}

impl SigningKeyRecord {
    /// Where the private half of a key lies.
    pub fn cell(kid: &Kid) -> Cell<'_> {
        Cell { table: "signing_keys", column: "sealed", row: kid.as_str().as_bytes() }
    }
}
