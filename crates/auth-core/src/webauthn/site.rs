//! The relying party: it judges what authenticators answer.

use super::{Passkey, PublicKey, Wrong, client, data::AuthenticatorData, data::unattested};
use crate::{id::PersonId, jwt::Issuer};
use sha2::{Digest as _, Sha256};

/// What an authenticator answers that made a credential.
#[derive(Debug, Clone)]
pub struct Attestation {
    /// The credential's identifier.
    pub id: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub object: Vec<u8>,
}

/// What an authenticator answers that shows a credential.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// The credential's identifier.
    pub id: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub data: Vec<u8>,
    /// The signature over both.
    pub signature: Vec<u8>,
    /// Whose it is, where the authenticator says so.
    pub user: Option<Vec<u8>>,
}

/// A new passkey that was judged good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The passkey.
    pub passkey: Passkey,
    /// Where its counter begins.
    pub counter: u32,
}

/// That a passkey was shown. Whether its counter has risen, the store says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asserted {
    /// Its counter.
    pub counter: u32,
}

/// The relying party of passkeys: its origin, and the host in it as its identifier (§5.1.3).
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    origin: &'a str,
}

impl<'a> Site<'a> {
    /// The site whose pages people log in at.
    pub fn of(issuer: &'a Issuer) -> Self {
        Self { origin: issuer.as_str() }
    }
    /// Its identifier: the host.
    pub fn id(&self) -> &'a str {
        let host = self.origin.split_once("://").map_or(self.origin, |(_, host)| host);
        host.split_once(':').map_or(host, |(host, _)| host)
    }

    fn judge(&self, data: &AuthenticatorData) -> Result<(), Wrong> {
        if data.site != <[u8; 32]>::from(Sha256::digest(self.id())) {
            return Err(Wrong::Site);
        }
        data.judge_user()
    }

    /// Judges a new credential, but for its challenge and whether it is somebody's already (§7.1).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn registered(&self, answer: &Attestation) -> Result<Registered, Wrong> {
        client::judge(&answer.client_data, "webauthn.create", self.origin)?;
        let data = AuthenticatorData::parse(&unattested(&answer.object)?)?;
        self.judge(&data)?;
        let (counter, is_backup_eligible) = (data.counter, data.is_backup_eligible());
        let attested = data.attested.filter(|new| new.id == answer.id).ok_or(Wrong::Credential)?;
        PublicKey::parse(&attested.key).ok_or(Wrong::Key)?;
        let passkey = Passkey { credential: attested.id, key: attested.key, is_backup_eligible };
        Ok(Registered { passkey, counter })
    }

    /// Judges that a person's passkey was shown, but for its challenge and its counter (§7.2).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn asserted(
        &self,
        person: PersonId,
        passkey: &Passkey,
        answer: &Assertion,
    ) -> Result<Asserted, Wrong> {
        if answer.id != passkey.credential
            || answer.user.as_ref().is_some_and(|user| user != person.as_bytes())
        {
            return Err(Wrong::Another);
        }
        client::judge(&answer.client_data, "webauthn.get", self.origin)?;
        let data = AuthenticatorData::parse(&answer.data)?;
        self.judge(&data)?;
        if data.is_backup_eligible() != passkey.is_backup_eligible {
            return Err(Wrong::Backup);
        }
        if data.attested.is_some() {
            return Err(Wrong::Credential);
        }
        let message = [answer.data.as_slice(), &Sha256::digest(&answer.client_data)].concat();
        let key = passkey.public_key().ok_or(Wrong::Key)?;
        if !key.verifies(&message, &answer.signature) {
            return Err(Wrong::Signature);
        }
        Ok(Asserted { counter: data.counter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    /// The test vectors of the standard (§16.2: ES256, without attestation). In them nobody was verified: that alone is wrong.
    #[test]
    fn the_vectors_of_the_standard_are_read_and_their_signature_is_the_keys() {
        let (issuer, id) = (Issuer::parse("https://example.org").unwrap(), PersonId::from_bytes([1; 16]));
        let site = Site::of(&issuer);
        let credential = hex("f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4");
        let made = Attestation {
            id: credential.clone(),
            client_data: hex(
                "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22414d4d5074345578784754\
                 53746e63647134313759447742466938767049612d7077386f4f755657345441222c226f726967696e223a2268747470733a\
                 2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c\
                 69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c64\
                 7320696e20746865206675747572652c207375636820617320746869733a20426b5165446a646354427258426941774a544c\
                 453551227d",
            ),
            object: hex(
                "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8\
                 edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3f\
                 b63f579ba6122b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb2\
                 49c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
            ),
        };
        assert_eq!(site.registered(&made), Err(Wrong::Unverified));
        let data = AuthenticatorData::parse(&unattested(&made.object).unwrap()).unwrap();
        let attested = data.attested.unwrap();
        assert_eq!((attested.id.as_slice(), data.counter), (credential.as_slice(), 0));
        let passkey = Passkey { credential: credential.clone(), key: attested.key, is_backup_eligible: true };
        let shown = Assertion {
            id: credential,
            client_data: hex(
                "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e55685158756c5455506f\
                 334a5558543049393770767a7a59425039745a63685879617630314167222c226f726967696e223a2268747470733a2f2f65\
                 78616d706c652e6f7267222c2263726f73734f726967696e223a66616c73657d",
            ),
            data: hex("bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000"),
            signature: hex(
                "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f5\
                 75bf11a1dd5d78c6e486013f937295ea13653e331e87",
            ),
            user: None,
        };
        assert_eq!(site.asserted(id, &passkey, &shown), Err(Wrong::Unverified));
        let message = [shown.data.as_slice(), &Sha256::digest(&shown.client_data)].concat();
        assert!(passkey.public_key().unwrap().verifies(&message, &shown.signature));
        assert!(!passkey.public_key().unwrap().verifies(&message[1..], &shown.signature));
    }
}
