//! What is kept of a passkey: its identifier and its public key, sealed for its row and its person.

use super::PublicKey;
use crate::{
    entropy::Entropy,
    id::{PasskeyId, PersonId},
    seal::{Cell, Keyring, Sealed, Unopened},
    secret::TokenDigest,
};

/// The most that one person may have.
pub const MOST_PASSKEYS: usize = 10;
/// The most bytes of a credential's identifier (§7.1, step 25).
pub const MOST_ID: usize = 1023;

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// The identifier that its authenticator gave it.
    pub credential: Vec<u8>,
    /// The public key in COSE.
    pub key: Vec<u8>,
    /// Whether it may be on several devices: that does not change.
    pub is_backup_eligible: bool,
}

impl Passkey {
    /// The digest of a credential's identifier: no two passkeys have the same.
    pub fn digest(credential: &[u8]) -> TokenDigest {
        TokenDigest::of(credential)
    }
    /// Its public key; `None` where what was kept is none.
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::parse(&self.key)
    }
    /// What names its row for good: in another person's hands it opens as little as in another row.
    fn row(person: &PersonId, id: &PasskeyId) -> [u8; 32] {
        let mut row = [0; 32];
        let parts = person.as_bytes().iter().chain(id.as_bytes());
        row.iter_mut().zip(parts).for_each(|(place, byte)| *place = *byte);
        row
    }
    /// Seals it for its row.
    pub fn seal(
        &self,
        person: &PersonId,
        id: &PasskeyId,
        keyring: &Keyring,
        entropy: &dyn Entropy,
    ) -> Sealed {
        let length = u16::try_from(self.credential.len()).unwrap_or(u16::MAX).to_be_bytes();
        let head = [u8::from(self.is_backup_eligible), length[0], length[1]];
        let bytes = [head.as_slice(), &self.credential, &self.key].concat();
        let row = Self::row(person, id);
        keyring.seal(&Cell { table: "passkeys", column: "sealed", row: &row }, &bytes, entropy)
    }
    /// Opens that of a row.
    ///
    /// # Errors
    /// It is not sealed for that.
    pub fn open(
        sealed: &Sealed,
        person: &PersonId,
        id: &PasskeyId,
        keyring: &Keyring,
    ) -> Result<Self, Unopened> {
        let row = Self::row(person, id);
        let bytes = keyring.open(&Cell { table: "passkeys", column: "sealed", row: &row }, sealed)?;
        let parts = || {
            let ([eligible, length @ ..], rest) = bytes.split_first_chunk::<3>()?;
            let (credential, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let (credential, key) = (credential.to_vec(), key.to_vec());
            Some(Self { credential, key, is_backup_eligible: *eligible == 1 })
        };
        parts().ok_or(Unopened::Altered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn a_passkey_opens_in_its_row_for_its_person_alone() {
        let ring = |key: u8| Keyring::new(&[Zeroizing::new([key; 32])]).unwrap();
        let (person, id) = (PersonId::from_bytes([1; 16]), PasskeyId::from_bytes([2; 16]));
        for (length, is_backup_eligible) in [(1, false), (MOST_ID, true)] {
            let passkey = Passkey { credential: vec![7; length], key: vec![8; 77], is_backup_eligible };
            let sealed = passkey.seal(&person, &id, &ring(1), &Fixed(3));
            assert_eq!(Passkey::open(&sealed, &person, &id, &ring(1)), Ok(passkey));
            let other = PersonId::from_bytes([2; 16]);
            assert_eq!(Passkey::open(&sealed, &other, &id, &ring(1)), Err(Unopened::Altered));
            let other = PasskeyId::from_bytes([1; 16]);
            assert_eq!(Passkey::open(&sealed, &person, &other, &ring(1)), Err(Unopened::Altered));
            let swapped = (PersonId::from_bytes([2; 16]), PasskeyId::from_bytes([1; 16]));
            assert_eq!(Passkey::open(&sealed, &swapped.0, &swapped.1, &ring(1)), Err(Unopened::Altered));
            assert_eq!(Passkey::open(&sealed, &person, &id, &ring(2)), Err(Unopened::UnknownKey));
        }
    }
}
