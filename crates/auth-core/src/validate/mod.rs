//! The hot path: whose credential is this? Answered from memory while the lease is live, by the store
//! otherwise, and never by what may be out of date.

mod filter;
mod lease;
mod record;
mod replica;
mod table;

use crate::{
    credential::{Form, classify},
    error::{Denial, FlowError, Refusal},
    id::KeyId,
    port::{Limits, Seq, Stores},
    principal::{KeyPrincipal, Principal, TokenKind},
    secret::TokenDigest,
    service::Service,
    throttle::{Subject, Throttle},
    time::{Clock, Monotonic, Timestamp},
};
use filter::Filter;
use lease::Lease;
use record::{Record, State};
use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use table::Table;

/// How long a process may serve from memory after it last knew to be current.
pub const LEASE: Duration = Duration::from_secs(2);

/// At most this many credentials are held in memory by default: about 150 MB.
pub const MOST_HELD: usize = 1_000_000;

/// Lookups of credentials that turn out unknown, a source and minute: guessing is not worth a store's time.
const UNKNOWN_PER_MINUTE: NonZeroU32 = NonZeroU32::new(300).unwrap();
const UNKNOWN: &str = "unknown credential";

/// At most this many uses wait to be written; beyond, they are dropped: `last_used` is an approximation.
const MOST_USES: usize = 100_000;

/// Knows whose a credential is.
pub struct Validator {
    service: Service,
    stores: Stores,
    clock: Arc<dyn Clock>,
    throttle: Throttle,
    table: Table,
    filter: Filter,
    lease: Lease,
    replica: replica::Membership,
    /// Networks and rates of the few keys that have any. Read by those keys' requests alone.
    limits: RwLock<HashMap<KeyId, (Seq, Arc<Limits>)>>,
    uses: Mutex<HashMap<KeyId, Timestamp>>,
}

/// What memory knows of a text.
#[derive(Debug)]
enum Glance {
    /// Good; `true` where the key has limits to look up.
    Good(Principal, bool),
    /// Refused without a lookup.
    Refused(Refusal),
    /// The store must be asked, for this digest and form.
    Ask(TokenDigest, Form),
}

/// A lookup that may wait.
type Looking<'a> = Pin<Box<dyn Future<Output = Result<Principal, FlowError>> + Send + 'a>>;

impl Validator {
    /// A validator of one service that holds at most about `most` credentials. It serves from memory once
    /// [`Validator::renew`] has been called, and for [`LEASE`] after each time.
    pub fn new(
        service: Service,
        stores: Stores,
        clock: Arc<dyn Clock>,
        replica: [u8; 16],
        most: usize,
    ) -> Self {
        Self {
            service,
            stores,
            clock,
            throttle: Throttle::default(),
            table: Table::new(most),
            filter: Filter::default(),
            lease: Lease::default(),
            replica: replica::Membership::new(replica),
            limits: RwLock::default(),
            uses: Mutex::default(),
        }
    }

    /// The service whose credentials it accepts.
    pub const fn service(&self) -> Service {
        self.service
    }

    /// The counters of this process.
    pub const fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// A reading of its clock.
    pub fn reading(&self) -> Monotonic {
        self.clock.monotonic()
    }

    /// Whose credential a text is. `source` is the caller's address, `asked` a [`reading`](Self::reading)
    /// since the request came in: a lease that was live then is live for this request, since a
    /// revocation that waited for its end was not answered before.
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`] with the cause, for the audit trail; [`Denial::Network`] and
    /// [`Denial::Throttled`] for a good key outside its limits; [`FlowError::Store`] where memory could not
    /// tell and the store did not answer.
    #[inline]
    pub async fn authenticate(
        &self,
        text: &[u8],
        source: Option<IpAddr>,
        asked: Monotonic,
    ) -> Result<Principal, FlowError> {
        match self.glance(text, asked) {
            Glance::Good(principal, false) => Ok(principal),
            Glance::Refused(cause) => Err(Denial::Unauthenticated(cause).into()),
            rare => self.look_further(rare, source).await,
        }
    }

    /// The rare ways, apart from the common one, so that its code and its future stay small.
    #[cold]
    #[inline(never)]
    fn look_further(&self, rare: Glance, source: Option<IpAddr>) -> Looking<'_> {
        Box::pin(async move {
            match rare {
                Glance::Good(principal, false) => Ok(principal),
                Glance::Good(principal, true) => self.within_limits(principal, source).await,
                Glance::Refused(cause) => Err(Denial::Unauthenticated(cause).into()),
                Glance::Ask(digest, form) => self.ask(&digest, form, source).await,
            }
        })
    }

    /// Form, digest, lease, table: no I/O, no lock, no allocation.
    #[inline]
    fn glance(&self, text: &[u8], asked: Monotonic) -> Glance {
        let form = match classify(text) {
            Ok(form) if self.accepts(form) => form,
            Ok(_) => return Glance::Refused(Refusal::Unknown),
            Err(_) => return Glance::Refused(Refusal::Malformed),
        };
        let digest = TokenDigest::of(text);
        let Some(now) = self.lease.wall(asked) else {
            return Glance::Ask(digest, form);
        };
        let words = digest.words();
        let Some(hit) = self.table.find(words, now) else {
            let key = matches!(form, Form::Key(_) | Form::Legacy);
            return if key && !self.filter.may_hold(words) {
                Glance::Refused(Refusal::Unknown)
            } else {
                Glance::Ask(digest, form)
            };
        };
        if hit.first_use {
            self.note_use(&hit.record.principal, now);
        }
        match verdict(&hit.record, now) {
            Ok(principal) => Glance::Good(principal, hit.record.limited),
            Err(cause) => Glance::Refused(cause),
        }
    }

    /// Whether this service ever issues credentials of a form.
    #[inline]
    fn accepts(&self, form: Form) -> bool {
        match form {
            Form::Key(service) => service == self.service,
            Form::Widget | Form::Chat | Form::Temp => self.service == Service::Chatbot,
            Form::Legacy => true,
        }
    }

    #[cold]
    async fn ask(
        &self,
        digest: &TokenDigest,
        form: Form,
        source: Option<IpAddr>,
    ) -> Result<Principal, FlowError> {
        let subject = source.map(|source| Subject::source(UNKNOWN, source));
        let throttled = |retry_after| Denial::Throttled { retry_after };
        if let Some(subject) = subject {
            self.throttle.check(subject, UNKNOWN_PER_MINUTE, self.clock.monotonic()).map_err(throttled)?;
        }
        let noted = self.table.applied();
        let Some((record, limits)) = self.look_up(digest, form).await? else {
            if let Some(subject) = subject {
                let _ = self.throttle.admit(subject, UNKNOWN_PER_MINUTE, self.clock.monotonic());
            }
            return Err(Denial::Unauthenticated(Refusal::Unknown).into());
        };
        let now = self.clock.now();
        if let (Principal::Key(key), Some(limits)) = (&record.principal, &limits) {
            self.remember_limits(key.id, noted, limits);
        }
        self.table.fill(noted, digest, record, now);
        self.note_use(&record.principal, now);
        let principal = verdict(&record, now).map_err(Denial::Unauthenticated)?;
        match limits {
            Some(limits) => Ok(self.admit(principal, &limits, source)?),
            None => Ok(principal),
        }
    }

    async fn look_up(
        &self,
        digest: &TokenDigest,
        form: Form,
    ) -> Result<Option<(Record, Option<Arc<Limits>>)>, FlowError> {
        let state = |ended| if ended { State::Ended } else { State::Live };
        let kind = match form {
            Form::Key(_) | Form::Legacy => {
                let found = self.stores.key_index.find(self.service, digest).await?;
                return Ok(found.map(|found| {
                    let limits = (!found.limits.are_none()).then(|| Arc::new(found.limits));
                    let principal = Principal::Key(found.principal);
                    (Record { principal, state: state(found.ended), limited: limits.is_some() }, limits)
                }));
            }
            Form::Temp => TokenKind::Temp,
            Form::Widget => TokenKind::Widget,
            Form::Chat => TokenKind::Chat,
        };
        let found = self.stores.tokens.find(digest).await?.filter(|found| found.principal.kind == kind);
        Ok(found.map(|found| {
            let principal = Principal::Token(found.principal);
            (Record { principal, state: state(found.ended), limited: false }, None)
        }))
    }

    #[cold]
    async fn within_limits(&self, who: Principal, source: Option<IpAddr>) -> Result<Principal, FlowError> {
        let Principal::Key(key) = who else { return Ok(who) };
        let limits = match self.known_limits(key.id) {
            Some(limits) => limits,
            None => self.read_limits(&key).await?,
        };
        Ok(self.admit(who, &limits, source)?)
    }

    /// Reads the limits of a key that memory holds without them.
    async fn read_limits(&self, key: &KeyPrincipal) -> Result<Arc<Limits>, FlowError> {
        let scope = crate::policy::Scope::of(Some(&Principal::Key(*key)));
        let found = self.stores.keys.read(key.service, scope, key.id).await?;
        let rights = found.ok_or(Denial::Unauthenticated(Refusal::Revoked))?.rights;
        Ok(Arc::new(Limits { networks: rights.networks, rate_limit: rights.rate_limit }))
    }

    fn admit(&self, who: Principal, limits: &Limits, source: Option<IpAddr>) -> Result<Principal, Denial> {
        if source.is_none_or(|source| !limits.networks.contains(source)) && !limits.networks.is_any() {
            return Err(Denial::Network);
        }
        if let (Some(rate), Principal::Key(key)) = (limits.rate_limit, &who) {
            self.throttle
                .admit(Subject::Key(key.id), rate, self.clock.monotonic())
                .map_err(|retry_after| Denial::Throttled { retry_after })?;
        }
        Ok(who)
    }

    fn known_limits(&self, key: KeyId) -> Option<Arc<Limits>> {
        let limits = self.limits.read().unwrap_or_else(PoisonError::into_inner);
        limits.get(&key).map(|(_, limits)| Arc::clone(limits))
    }
    /// Remembers limits that were read after `noted`, unless some that were read later are known: a slow
    /// reader does not bring back what was changed meanwhile.
    fn remember_limits(&self, key: KeyId, noted: Seq, limits: &Arc<Limits>) {
        let mut known = self.limits.write().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(key).or_insert_with(|| (noted, Arc::clone(limits)));
        if noted > entry.0 {
            *entry = (noted, Arc::clone(limits));
        }
    }
    fn forget_limits(&self) {
        self.limits.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn note_use(&self, who: &Principal, now: Timestamp) {
        if let Principal::Key(key) = who {
            let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            if uses.len() < MOST_USES || uses.contains_key(&key.id) {
                uses.insert(key.id, now);
            }
        }
    }

    /// Writes what `last_used` is to say. Called once in a while by the process that runs the validator; what
    /// was noted since the last call is lost in a crash.
    ///
    /// # Errors
    /// The store's; what was noted is kept for the next call.
    pub async fn flush_uses(&self) -> Result<(), FlowError> {
        let uses: Vec<_> = {
            let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            uses.drain().collect()
        };
        if uses.is_empty() {
            return Ok(());
        }
        let written = self.stores.key_index.touch(&uses).await;
        if written.is_err() {
            let mut kept = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, at) in uses {
                kept.entry(key).or_insert(at);
            }
        }
        Ok(written?)
    }
}

/// What a record says at a time.
#[inline]
fn verdict(record: &Record, now: Timestamp) -> Result<Principal, Refusal> {
    match record.state {
        State::Live if record.principal.expires_at().is_some_and(|end| end <= now) => Err(Refusal::Expired),
        State::Live => Ok(record.principal),
        State::Ended | State::Stale => Err(Refusal::Revoked),
    }
}
