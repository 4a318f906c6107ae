//! The login page: a cookie that names the session that a person's login began.

use super::{Logins, Platform, revoke::settle_all};
use crate::{
    credential::{PAGE_LIFE, PageSession},
    error::FlowError,
    model::{Session, SessionEnd},
    policy::Granted,
    port::EndSession,
    principal::Origin,
    secret::PlainToken,
    time::Timestamp,
};

impl Logins {
    /// The cookie of a page that is in this session, and when it is over. The session's tokens are for nobody then.
    pub fn page(&self, platform: &Platform, session: &Session) -> (PlainToken, Timestamp) {
        let expires_at = (platform.now() + PAGE_LIFE).min(session.expires_at);
        let page = PageSession { session: session.id, expires_at };
        (page.seal(self.keys.keyring(), platform.entropy.as_ref()).reveal(), expires_at)
    }

    /// Ends the session of a page that the login of somebody takes the place of, whoever's it was: once this has answered,
    /// nobody accepts it, also once whatever is suspended is revived. What is no cookie of a page, or of one whose session
    /// has ended, is as it should be already.
    ///
    /// # Errors
    /// The store's.
    pub async fn replace_page(
        &self,
        platform: &Platform,
        origin: &Origin,
        by: &Session,
        text: &str,
    ) -> Result<(), FlowError> {
        let Some(page) = PageSession::open(text, self.keys.keyring()) else { return Ok(()) };
        let sessions = &platform.stores.sessions;
        let granted = Granted::<EndSession>::to_proven(by.principal(), page.session, origin);
        settle_all(platform, sessions.end(&granted, SessionEnd::Replaced, platform.now()).await?).await
    }
}
