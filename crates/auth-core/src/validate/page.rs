//! Cookies of the login page. Nothing of them is remembered: the store is asked each time, so that a page ends with its
//! session, whatever ends that, at every process at once.

use super::Validator;
use crate::{
    credential::PageSession,
    error::{Denial, FlowError, Refusal},
    principal::{PersonPrincipal, Principal},
};

impl Validator {
    /// Notes in `who` the person whose page presents this cookie. What is no such cookie costs no lookup.
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`] with the cause, also for every credential of another kind; the store's.
    pub async fn identify_page(&self, text: &[u8], who: &mut Option<Principal>) -> Result<(), FlowError> {
        *who = None;
        let refused = |cause| FlowError::from(Denial::Unauthenticated(cause));
        let keys = self.signing.as_ref().ok_or_else(|| refused(Refusal::Unknown))?;
        let page = std::str::from_utf8(text).ok().and_then(|text| PageSession::open(text, keys.keyring()));
        let page = page.ok_or_else(|| refused(Refusal::Malformed))?;
        let now = self.clock.now();
        if page.expires_at <= now {
            return Err(refused(Refusal::Expired));
        }
        self.figures.lookups.inc();
        let found =
            self.stores.sessions.find(page.session).await?.ok_or_else(|| refused(Refusal::Revoked))?;
        let person = found.principal;
        if person.audience != self.service {
            return Err(refused(Refusal::Unknown));
        }
        if found.ended {
            return Err(refused(Refusal::Revoked));
        }
        if person.expires_at <= now {
            return Err(refused(Refusal::Expired));
        }
        let expires_at = page.expires_at.min(person.expires_at);
        *who = Some(Principal::Person(PersonPrincipal { expires_at, judged_at: now, ..person }));
        Ok(())
    }
}
