//! Use cases that are more than one command of a store.

mod administer;
mod calendars;
mod change_key;
mod factors;
mod introspect;
mod invoice;
mod issue_key;
mod letters;
mod members;
mod mint_token;
mod open_session;
mod page;
mod passkeys;
mod people;
mod rekey;
mod revoke;
mod rotate_key;
mod rotate_signing_key;
mod verify_key;

pub use administer::{change_domain, change_person, create_account, create_domain, remove_person};
pub use calendars::{
    AccessToken, Arrival, Begun, Calendars, Disconnected, EventWindow, Order, Taken, Target, Targets,
};
pub use change_key::change_key;
pub use factors::{Enrolment, Typed, draw_recovery_codes, remove_totp};
pub use invoice::{Invoice, InvoiceLine, Tariff, invoices};
pub use issue_key::{IssuedKey, KeyOrder, issue_key};
pub use letters::Asked;
pub use members::{admit_member, change_role, remove_from_domain};
pub use mint_token::{Minted, TokenOrder, mint_token};
pub use open_session::{Opened, open_session};
pub use passkeys::{NewPasskeyQuestion, PasskeyQuestion, remove_passkey};
pub(crate) use people::place;
pub use people::{LoggedIn, Logins, Registration, Tokens, Wanted, end_session, log_out, log_out_everywhere};
pub use rekey::{Rekeyed, rekey};
pub use revoke::{revoke_key, revoke_token, set_account_status, set_domain_status};
pub use rotate_key::{MOST_OVERLAP, RotatedKey, rotate_key};
pub use rotate_signing_key::{Handover, PUBLISHED_BEFORE, RotatedSigningKey, rotate_signing_key};
pub use verify_key::{Verified, verify_key};

use crate::{
    entropy::Entropy,
    error::{Denial, FlowError, Refusal},
    jwt::{RelyingParty, SigningKeys},
    model::Key,
    policy::{Ceiling, Proof, Requirement, Rights, Role, Scope},
    port::Stores,
    principal::{KeyPrincipal, Principal},
    service::Service,
    time::{Clock, Timestamp},
    validate::{MOST_HELD, Validator},
};
use std::sync::Arc;

/// What every use case needs: the ports, the validator, the clock and the entropy.
#[derive(Clone)]
pub struct Platform {
    /// The store.
    pub stores: Stores,
    /// Whose a credential is; told of every revocation.
    pub validator: Arc<Validator>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The entropy.
    pub entropy: Arc<dyn Entropy>,
}

impl Platform {
    /// The core of one service on a store.
    pub fn new(service: Service, stores: Stores, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let validator = validator(service, &stores, &clock, entropy.as_ref());
        Self { stores, validator: Arc::new(validator), clock, entropy }
    }

    /// The core of the service that issues access tokens, on a store.
    pub fn issuing(
        stores: Stores,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        keys: Arc<SigningKeys>,
    ) -> Self {
        let validator =
            validator(Service::Chatbot, &stores, &clock, entropy.as_ref()).with_signing_keys(keys);
        Self { stores, validator: Arc::new(validator), clock, entropy }
    }

    /// The core of a service on a store that relies on access tokens that another service issues.
    pub fn relying(
        service: Service,
        stores: Stores,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        issuer: Arc<RelyingParty>,
    ) -> Self {
        let validator = validator(service, &stores, &clock, entropy.as_ref()).relying_on(issuer);
        Self { stores, validator: Arc::new(validator), clock, entropy }
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The most that a caller may give: what its own key holds now, as the store says, until the end of the
    /// secret that was presented.
    ///
    /// # Errors
    /// A caller whose key is gone or was changed since it was judged, or that is no key and administers nothing.
    pub async fn ceiling<R: Requirement>(&self, proof: &Proof<'_, R>) -> Result<Ceiling, FlowError> {
        match proof.principal() {
            Some(Principal::Operator) => Ok(Ceiling::NONE),
            Some(Principal::Key(key)) => {
                let own = self.own_key(key, proof.scope()).await?;
                // An old secret that works beside a new one ends sooner than its key: so does what it makes.
                let expires_at = [own.rights.expires_at, key.expires_at].into_iter().flatten().min();
                Ok(Ceiling::of_key(Rights { expires_at, ..own.rights }, own.id, own.version))
            }
            // Whether they may make keys at all, their role says; and that it is theirs still, the store.
            Some(Principal::Person(person)) if person.role.is_some_and(Role::is_privileged) => {
                Ok(Ceiling::NONE)
            }
            _ => Err(Denial::Forbidden { missing: &[] }.into()),
        }
    }

    /// The caller's own key, if it is as it was when the caller was judged: one that was rotated since may have been
    /// presented with a secret that is none any more.
    async fn own_key(&self, key: &KeyPrincipal, scope: Scope) -> Result<Key, FlowError> {
        let own = self.stores.keys.read(key.service, scope, key.id).await?;
        let own = own.filter(|own| own.revoked_at.is_none());
        let own = own.ok_or(Denial::Unauthenticated(Refusal::Revoked))?;
        if own.version == key.version { Ok(own) } else { Err(busy()) }
    }
}

fn validator(service: Service, stores: &Stores, clock: &Arc<dyn Clock>, entropy: &dyn Entropy) -> Validator {
    let mut replica = [0; 16];
    entropy.fill(&mut replica);
    Validator::new(service, stores.clone(), Arc::clone(clock), replica, MOST_HELD)
}

/// The answer where an object changed between its reading and its writing more often than we try again.
fn busy() -> FlowError {
    FlowError::Conflict("the object, or the caller's key, was changed at the same time: try again".to_owned())
}

/// How often a read-decide-write is tried.
const TRIES: usize = 4;

/// The answer where an idempotency key was used for another request.
pub fn mismatched() -> FlowError {
    FlowError::Conflict("this Idempotency-Key was used for another request".to_owned())
}
