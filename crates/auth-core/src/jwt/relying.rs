//! Access tokens at a service that does not issue them: keys that the issuer publishes, and what it says of a token now.

use super::{Claims, Issuer, TokenState, Verifier, VerifyingKey};
use crate::{
    error::{Denial, FlowError, Refusal, StoreError},
    port::TokenIssuer,
    service::Service,
    time::{Clock, Monotonic},
};
use arc_swap::ArcSwap;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// How long after the keys were asked for a token of a key that is none of them has them asked for again.
pub const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How long after they could not be had: until then, whoever needs them is told that they cannot.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A service that relies on tokens of an issuer (RFC 9068 §4).
pub struct RelyingParty {
    issuer: Issuer,
    source: Arc<dyn TokenIssuer>,
    known: ArcSwap<Vec<VerifyingKey>>,
    /// When the keys were asked for last, and whether they came. Whoever asks holds it.
    asked: Mutex<Option<(Monotonic, Result<(), StoreError>)>>,
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl RelyingParty {
    /// One that knows no key yet.
    pub fn new(issuer: Issuer, source: Arc<dyn TokenIssuer>) -> Self {
        Self { issuer, source, known: ArcSwap::default(), asked: Mutex::new(None) }
    }

    /// What a token says, if a key of the issuer made it and it is good now by itself; the issuer is asked for its keys
    /// where the token names one that is not known, and that was not done in the last [`AGAIN_AFTER`].
    async fn verify(&self, token: &[u8], audience: Service, clock: &dyn Clock) -> Result<Claims, FlowError> {
        if !self.knows(token) {
            self.ask_for_keys(token, clock).await?;
        }
        let claims = Verifier::verify_for(&self.issuer, audience, token, &self.known.load(), clock.now());
        Ok(claims.map_err(Denial::Unauthenticated)?)
    }

    fn knows(&self, token: &[u8]) -> bool {
        self.known.load().iter().any(|known| known.key.is_named_by(token))
    }

    async fn ask_for_keys(&self, token: &[u8], clock: &dyn Clock) -> Result<(), FlowError> {
        let mut asked = self.asked.lock().await;
        if self.knows(token) {
            return Ok(());
        }
        if let Some((then, outcome)) = asked.as_ref() {
            let pause = if outcome.is_ok() { AGAIN_AFTER } else { AFTER_FAILURE };
            if clock.monotonic().since(*then) < pause {
                return Ok(outcome.clone()?);
            }
        }
        let keys = self.source.keys().await;
        *asked = Some((clock.monotonic(), keys.as_ref().map(|_| ()).map_err(Clone::clone)));
        let keys = keys?.into_iter().map(|key| VerifyingKey { key: Arc::new(key), ends_at: None });
        self.known.store(Arc::new(keys.collect()));
        Ok(())
    }

    /// What a token says, if it is good now by itself and its issuer, asked now, says so too, of this very token.
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`] where it is not; the store's error where the issuer could not be asked, or did not answer
    /// as an issuer does.
    pub(crate) async fn judge(
        &self,
        token: &[u8],
        audience: Service,
        clock: &dyn Clock,
    ) -> Result<Claims, FlowError> {
        let refused = |cause| FlowError::from(Denial::Unauthenticated(cause));
        let claims = self.verify(token, audience, clock).await?;
        let text = std::str::from_utf8(token).map_err(|_| refused(Refusal::Malformed))?;
        let state: TokenState = self.source.state(text).await?;
        if !state.is_active() {
            return Err(refused(Refusal::Revoked));
        }
        // Whoever says something else than the token itself does is not who issued it.
        if !state.agrees_with(self.issuer.as_str(), &claims) {
            return Err(refused(Refusal::Unknown));
        }
        let expires_at = state.expires_at().map_or(claims.expires_at, |end| end.min(claims.expires_at));
        if expires_at <= clock.now() {
            return Err(refused(Refusal::Expired));
        }
        Ok(Claims { expires_at, ..claims })
    }
}
