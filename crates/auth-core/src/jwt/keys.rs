//! The signing keys as one process of the chatbot service knows them: opened, parsed, and current as its validator is.

use super::{Claims, EarlierTokens, Issuer, JwkSet, SigningKey, Verifier, VerifyingKey, marks::Marks};
use crate::{
    error::{Denial, FlowError, Refusal, StoreError},
    model::SigningKeyRecord,
    port,
    seal::Keyring,
    secret::{PlainToken, TokenDigest},
    service::Service,
    time::Timestamp,
};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The signing keys, and whoever issues with them.
#[derive(Debug)]
pub struct SigningKeys {
    issuer: Issuer,
    keyring: Arc<Keyring>,
    known: ArcSwap<Known>,
    marks: Marks,
    earlier: Option<EarlierTokens>,
}

#[derive(Debug, Default)]
struct Known {
    /// Oldest first.
    signing: Vec<Held>,
    verifying: Vec<VerifyingKey>,
}

/// A key that was opened.
#[derive(Debug)]
struct Held {
    key: Arc<SigningKey>,
    /// What it was opened from: as long as the row is this one, it is not opened anew.
    record: SigningKeyRecord,
}

impl Known {
    /// The newest key that signs at a time.
    fn signs(&self, now: Timestamp) -> Option<&SigningKey> {
        let signs =
            |held: &&Held| held.record.signs_from <= now && held.record.ends_at.is_none_or(|end| end > now);
        self.signing.iter().rev().find(signs).map(|held| held.key.as_ref())
    }

    fn opened(&self, record: &SigningKeyRecord) -> Option<Arc<SigningKey>> {
        let same = |held: &&Held| held.record.kid == record.kid && held.record.sealed == record.sealed;
        self.signing.iter().find(same).map(|held| Arc::clone(&held.key))
    }
}

impl SigningKeys {
    /// None yet: they come with the first [`reload`](Self::reload).
    pub fn new(issuer: Issuer, keyring: Arc<Keyring>) -> Self {
        let marks = Marks::new(&keyring.tag("the marks of access tokens", b""));
        Self { issuer, keyring, known: ArcSwap::from_pointee(Known::default()), marks, earlier: None }
    }

    /// The same, which also takes tokens of the earlier system.
    #[must_use]
    pub fn taking(self, earlier: EarlierTokens) -> Self {
        Self { earlier: Some(earlier), ..self }
    }

    /// What the tokens of the earlier system are like, where a text says that it is one and they are taken.
    pub(crate) fn earlier(&self, token: &[u8]) -> Option<&EarlierTokens> {
        self.earlier.as_ref().filter(|_| EarlierTokens::are_named_by(token))
    }

    /// Who issues.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What seals the private halves.
    pub const fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Reads them anew. By one task at a time, which follows the stream of revocations, so that no slower reader puts
    /// back what has ended.
    ///
    /// # Errors
    /// The store's; a key that does not open, or is not the one that its row says. Then those that were known before are
    /// still.
    pub async fn reload(&self, store: &dyn port::SigningKeys) -> Result<(), FlowError> {
        self.known.store(Arc::new(self.read(store).await?));
        Ok(())
    }

    /// Whether all keys of the store open with this keyring. Whoever adds one with another leaves the services with keys
    /// that they cannot open.
    ///
    /// # Errors
    /// As of [`reload`](Self::reload).
    pub(crate) async fn open_all(&self, store: &dyn port::SigningKeys) -> Result<(), FlowError> {
        self.read(store).await.map(|_| ())
    }

    async fn read(&self, store: &dyn port::SigningKeys) -> Result<Known, FlowError> {
        let (before, mut known) = (self.known.load_full(), Known::default());
        for record in store.list().await? {
            let key = match before.opened(&record) {
                Some(key) => key,
                None => Arc::new(self.open(&record)?),
            };
            known.verifying.push(VerifyingKey { key: Arc::clone(key.public()), ends_at: record.ends_at });
            known.signing.push(Held { key, record });
        }
        Ok(known)
    }

    fn open(&self, record: &SigningKeyRecord) -> Result<SigningKey, StoreError> {
        let SigningKeyRecord { kid, algorithm, sealed, .. } = record;
        let damaged = |why: String| StoreError::Damaged(format!("the signing key {kid}: {why}"));
        let der = self.keyring.open(&SigningKeyRecord::cell(kid), sealed);
        let der = der.map_err(|error| damaged(error.to_string()))?;
        let key = SigningKey::from_pkcs8(*algorithm, &der).map_err(|error| damaged(error.to_string()))?;
        if key.public().kid() == kid { Ok(key) } else { Err(damaged("is another one".to_owned())) }
    }

    /// Whether there is one that signs now.
    pub fn can_sign(&self, now: Timestamp) -> bool {
        self.known.load().signs(now).is_some()
    }

    /// Issues a token, with the newest key that signs at this time.
    ///
    /// # Errors
    /// There is none, or the library could not sign.
    pub fn issue(&self, claims: &Claims, now: Timestamp) -> Result<PlainToken, FlowError> {
        let known = self.known.load();
        let key = known.signs(now).ok_or_else(|| StoreError::Unavailable("no key signs now".to_owned()))?;
        Ok(self.issuer.issue(key, claims).map_err(|error| StoreError::Damaged(error.to_string()))?)
    }

    /// What a token of this issuer says, if it is good for a service now.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify(&self, token: &[u8], audience: Service, now: Timestamp) -> Result<Claims, Refusal> {
        Verifier::verify_for(&self.issuer, audience, token, &self.known.load().verifying, now)
    }

    /// What a token is remembered by in memory: it is told to nobody, and kept nowhere else.
    #[inline]
    pub(crate) fn mark(&self, token: &[u8]) -> TokenDigest {
        self.marks.of(token)
    }

    /// Whether a token names a key that is known here.
    pub(crate) fn knows(&self, token: &[u8]) -> bool {
        self.known.load().verifying.iter().any(|known| known.key.is_named_by(token))
    }

    /// As [`verify`](Self::verify), by the keys that the store has now, whatever is known here: where there is no lease.
    ///
    /// # Errors
    /// The store's, and as there.
    pub(crate) async fn verify_afresh(
        &self,
        store: &dyn port::SigningKeys,
        token: &[u8],
        audience: Service,
        now: Timestamp,
    ) -> Result<Claims, FlowError> {
        let known = self.read(store).await?;
        let claims = Verifier::verify_for(&self.issuer, audience, token, &known.verifying, now);
        Ok(claims.map_err(Denial::Unauthenticated)?)
    }

    /// What a token says, if one of the keys that the store has now made it and it is good now, for whichever service.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn read_afresh(
        &self,
        store: &dyn port::SigningKeys,
        token: &[u8],
        now: Timestamp,
    ) -> Result<Option<Claims>, FlowError> {
        let known = self.read(store).await?;
        let of = |audience| Verifier::verify_for(&self.issuer, audience, token, &known.verifying, now).ok();
        Ok(Service::ALL.into_iter().find_map(of))
    }

    /// The public halves of those whose tokens are taken, also of one that does not sign yet, as they are published
    /// (RFC 7517 §5).
    pub fn published(&self, now: Timestamp) -> String {
        let known = self.known.load();
        let taken = known.verifying.iter().filter(|known| known.ends_at.is_none_or(|end| end > now));
        JwkSet::to_json(taken.map(|known| known.key.as_ref()))
    }
}
