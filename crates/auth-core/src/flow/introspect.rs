//! What becomes of access and refresh tokens that somebody presents to have them judged, or ended.

use super::{Logins, Platform, revoke::settle_all};
use crate::{
    credential::Refresh,
    error::{Denial, FlowError, StoreError},
    jwt::{Claims, TokenState, begins_as_jwt},
    model::SessionEnd,
    policy::Granted,
    port::{EndSession, FoundSession},
    principal::{Origin, Principal},
};

impl Logins {
    /// Which state an access token is in, of whatever audience, by what the store says now (RFC 7662). Of anything else, and
    /// of one that is not good, that it is not active and no more.
    ///
    /// # Errors
    /// The store's.
    pub async fn introspect(&self, platform: &Platform, text: &str) -> Result<TokenState, FlowError> {
        let state = |(claims, found): (Claims, FoundSession)| {
            let now = platform.now();
            let good = !found.ended && found.principal.expires_at > now;
            good.then(|| TokenState::active(self.keys.issuer().as_str(), &claims))
        };
        Ok(self.session_of(platform, text).await?.and_then(state).unwrap_or(TokenState::INACTIVE))
    }

    /// Ends the session of an access token or a refresh token (RFC 7009): once this has answered, nobody accepts a token of
    /// it. What is no token, or one of a session that has ended, is as it should be already.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke(&self, platform: &Platform, origin: &Origin, text: &str) -> Result<(), FlowError> {
        if self.keys.earlier(text.as_bytes()).is_some() {
            return self.revoke_earlier(platform, origin, text).await;
        }
        let (sessions, at) = (&platform.stores.sessions, platform.now());
        let principal = match Refresh::read(text, self.keys.keyring()) {
            Some(refresh) => sessions.of_refresh(&refresh, at).await?.map(|session| session.principal()),
            None => match self.session_of(platform, text).await? {
                // It may still be on its way at another process.
                Some((_, found)) if found.ended => return settle_all(platform, None).await,
                found => found.map(|(_, found)| found.principal),
            },
        };
        let Some(principal) = principal else { return Ok(()) };
        let granted = Granted::<EndSession>::to_proven(principal, principal.session, origin);
        settle_all(platform, sessions.end(&granted, SessionEnd::Revoked, at).await?).await
    }

    /// Ends the session that a token of the earlier system stands for; it begins, where nobody had seen the token, so that it
    /// has ended for whoever presents it later.
    async fn revoke_earlier(
        &self,
        platform: &Platform,
        origin: &Origin,
        text: &str,
    ) -> Result<(), FlowError> {
        let validator = &platform.validator;
        let seen = validator.authenticate(text.as_bytes(), origin.source, validator.reading()).await;
        let principal = match seen {
            Ok(Principal::Person(principal)) => principal,
            Ok(_) | Err(FlowError::Denied(Denial::Unauthenticated(_))) => {
                return settle_all(platform, None).await;
            }
            Err(error) => return Err(error),
        };
        let granted = Granted::<EndSession>::to_proven(principal, principal.session, origin);
        let ended = platform.stores.sessions.end(&granted, SessionEnd::Revoked, platform.now()).await?;
        settle_all(platform, ended).await
    }

    /// The session of an access token that one of our keys made and whose time is not over, and what the token says.
    async fn session_of(
        &self,
        platform: &Platform,
        text: &str,
    ) -> Result<Option<(Claims, FoundSession)>, FlowError> {
        if !begins_as_jwt(text.as_bytes()) {
            return Ok(None);
        }
        let (stores, now) = (&platform.stores, platform.now());
        let read = self.keys.read_afresh(stores.signing_keys.as_ref(), text.as_bytes(), now).await?;
        let Some(claims) = read else { return Ok(None) };
        let Some(found) = stores.sessions.find(claims.session).await? else { return Ok(None) };
        if found.principal.person != claims.person || found.principal.audience != claims.audience {
            let what = format!("session {} is not of whom its token says", claims.session);
            return Err(StoreError::Damaged(what).into());
        }
        Ok(Some((claims, found)))
    }
}
