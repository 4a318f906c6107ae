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
