//! Access tokens at a service that does not issue them: keys that the issuer publishes, and what it says of a token now.

use super::{Claims, Issuer, TokenState, Verifier, VerifyingKey};
use crate::{
    error::{Denial, FlowError, Refusal, StoreError},
    fetched::Fetched,
    port::TokenIssuer,
    service::Service,
    time::Clock,
};
use std::{fmt, sync::Arc, time::Duration};

/// How long after the keys were asked for a token of a key that is none of them has them asked for again.
pub const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// A service that relies on tokens of an issuer (RFC 9068 §4).
pub struct RelyingParty {
    issuer: Issuer,
    source: Arc<dyn TokenIssuer>,
    keys: Fetched<Vec<VerifyingKey>, StoreError>,
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl RelyingParty {
    /// One that knows no key yet.
    pub fn new(issuer: Issuer, source: Arc<dyn TokenIssuer>) -> Self {
        Self { issuer, source, keys: Fetched::new(AGAIN_AFTER) }
    }

    /// What a token says, if a key of the issuer made it and it is good now by itself; the issuer is asked for its keys
    /// where the token names one that is not known, and that was not done in the last [`AGAIN_AFTER`].
    async fn verify(&self, token: &[u8], audience: Service, clock: &dyn Clock) -> Result<Claims, FlowError> {
        let names_one = |keys: &Vec<VerifyingKey>| keys.iter().any(|known| known.key.is_named_by(token));
        let keys = self.keys.get(names_one, clock, self.ask_for_keys()).await?;
        let claims = Verifier::verify_for(&self.issuer, audience, token, &keys, clock.now());
        Ok(claims.map_err(Denial::Unauthenticated)?)
    }

    async fn ask_for_keys(&self) -> Result<Vec<VerifyingKey>, StoreError> {
        let keys = self.source.keys().await?;
        Ok(keys.into_iter().map(|key| VerifyingKey { key: Arc::new(key), ends_at: None }).collect())
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
