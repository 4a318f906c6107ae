//! The hot path: whose credential is this? Answered from memory while the lease is live, by the store
//! otherwise, and never by what may be out of date.

mod earlier;
mod figures;
mod filter;
mod lease;
mod limits;
mod page;
mod people;
mod record;
mod relying;
mod replica;
mod table;
mod uses;

use crate::{
    credential::{Form, classify},
    error::{Denial, FlowError, Refusal, StoreError},
    flights::Flights,
    id::KeyId,
    jwt::{EarlierToken, RelyingParty, SigningKeys},
    port::{Limits, Stores},
    principal::{KeyPrincipal, Principal, TokenKind},
    secret::TokenDigest,
    service::Service,
    throttle::{Subject, Throttle},
    time::{Clock, Monotonic, Timestamp},
};
use figures::Figures;
use filter::Filter;
use lease::Lease;
use limits::KnownLimits;
use record::{Record, State};
use std::{net::IpAddr, num::NonZeroU32, pin::Pin, sync::Arc, time::Duration};
use table::Table;
pub use uses::{MOST_WAITING, Uses};

/// How long a process may serve from memory after it last knew to be current.
pub const LEASE: Duration = Duration::from_secs(2);

/// At most this many credentials are held in memory by default: about 170 MB with filter and uses.
pub const MOST_HELD: usize = 1_000_000;

/// Lookups of credentials that turn out unknown, a source and minute: guessing is not worth a store's time.
const UNKNOWN_PER_MINUTE: NonZeroU32 = NonZeroU32::new(300).unwrap();
const UNKNOWN: &str = "unknown credential";

/// So many keys are written at once of what a flush writes: a store does other things between.
const WRITTEN_AT_ONCE: usize = 500;

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
    limits: KnownLimits,
    flights: Flights<StoreError>,
    figures: Figures,
    uses: Uses,
    signing: Option<Arc<SigningKeys>>,
    relying: Option<Arc<RelyingParty>>,
}

/// What memory knows of a text.
#[derive(Debug)]
enum Glance {
    /// Good: whose it is has been noted.
    Good {
        /// There are limits to look up.
        limited: bool,
        /// When.
        at: Timestamp,
    },
    /// Refused without a lookup.
    Refused(Refusal),
    /// The store must be asked, for this digest and form.
    Ask(TokenDigest, Form),
    /// The store must be asked for the session of an access token that is good.
    AskSession(Box<people::Token>),
    /// The issuer of an access token must be asked.
    AskIssuer(Box<[u8]>),
    /// The store must be asked for the session that a good token of the earlier system stands for.
    AskEarlier(Box<EarlierToken>),
}

/// A look that may wait. Once it is done, whose credential it is has been noted.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<(), FlowError>> + Send + 'a>>;

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
            limits: KnownLimits::default(),
            flights: Flights::default(),
            figures: Figures::default(),
            uses: Uses::default(),
            signing: None,
            relying: None,
        }
    }

    /// The same, of the service that issues access tokens: it knows the signing keys as surely as whose a key is.
    #[must_use]
    pub fn with_signing_keys(self, keys: Arc<SigningKeys>) -> Self {
        Self { signing: Some(keys), ..self }
    }

    /// The same, of a service that relies on access tokens that another one issues.
    #[must_use]
    pub fn relying_on(self, issuer: Arc<RelyingParty>) -> Self {
        Self { relying: Some(issuer), ..self }
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
    /// [`Denial::Throttled`] for a good key outside its limits, and for an address that has guessed too often;
    /// [`FlowError::Store`] where memory could not tell and the store did not answer.
    pub async fn authenticate(
        &self,
        text: &[u8],
        source: Option<IpAddr>,
        asked: Monotonic,
    ) -> Result<Principal, FlowError> {
        let mut who = None;
        if let Some(looking) = self.identify(text, source, asked, &mut who)? {
            looking.await?;
        }
        who.ok_or(Denial::Unauthenticated(Refusal::Unknown).into())
    }

    /// As [`authenticate`](Self::authenticate), and notes in `who` whose credential it is: also where its limits
    /// then refuse it, so that the audit trail can name the key. What memory alone can tell is told at once and
    /// written in place, so that the common way makes no future and copies nothing; else there is a look to be
    /// awaited, which ends with an error as there.
    ///
    /// # Errors
    /// [`Denial::Unauthenticated`] with the cause. `who` is to be judged only where there is no error.
    pub fn identify<'a>(
        &'a self,
        text: &[u8],
        source: Option<IpAddr>,
        asked: Monotonic,
        who: &'a mut Option<Principal>,
    ) -> Result<Option<Looking<'a>>, Denial> {
        match self.glance(text, asked, who) {
            Glance::Good { limited: false, at } => {
                self.note_use(who, at);
                Ok(None)
            }
            Glance::Refused(cause) => Err(Denial::Unauthenticated(cause)),
            rare => Ok(Some(self.look_further(rare, source, who))),
        }
    }

    /// As [`identify`](Self::identify), of a request that had to be waited for since: what it rested on may have
    /// ended or been narrowed meanwhile, so `who` is forgotten and noted as it is now. It is one request still:
    /// against a rate it was counted before.
    ///
    /// # Errors
    /// As of [`authenticate`](Self::authenticate), but for a rate.
    pub async fn identify_again(
        &self,
        text: &[u8],
        source: Option<IpAddr>,
        who: &mut Option<Principal>,
    ) -> Result<(), FlowError> {
        *who = None;
        let limits = match (self.glance(text, self.reading(), who), &who) {
            (Glance::Good { limited: true, .. }, Some(Principal::Key(key))) => {
                Some(self.limits_of(key).await?)
            }
            (Glance::Good { .. }, _) => None,
            (Glance::Refused(cause), _) => return Err(Denial::Unauthenticated(cause).into()),
            (Glance::AskSession(token), _) => return self.ask_session(&token, source, who).await,
            (Glance::AskIssuer(text), _) => return self.ask_issuer(&text, source, who).await,
            (Glance::AskEarlier(token), _) => return self.ask_earlier(&token, source, who).await,
            (Glance::Ask(digest, form), _) => self.ask(&digest, form, source, who).await?,
        };
        Ok(limits.map_or(Ok(()), |limits| within_networks(&limits, source))?)
    }

    /// The rare ways, apart from the common one, so that its code and its future stay small.
    #[cold]
    #[inline(never)]
    fn look_further<'a>(
        &'a self,
        rare: Glance,
        source: Option<IpAddr>,
        who: &'a mut Option<Principal>,
    ) -> Looking<'a> {
        Box::pin(async move {
            match rare {
                Glance::Good { limited, at } => {
                    if let (true, Some(Principal::Key(key))) = (limited, &who) {
                        let limits = self.limits_of(key).await?;
                        self.admit(key.id, &limits, source)?;
                    }
                    self.note_use(who, at);
                    Ok(())
                }
                Glance::Refused(cause) => Err(Denial::Unauthenticated(cause).into()),
                Glance::AskSession(token) => self.ask_session(&token, source, who).await,
                Glance::AskIssuer(text) => self.ask_issuer(&text, source, who).await,
                Glance::AskEarlier(token) => self.ask_earlier(&token, source, who).await,
                Glance::Ask(digest, form) => {
                    let limits = self.ask(&digest, form, source, who).await?;
                    if let (Some(Principal::Key(key)), Some(limits)) = (&who, &limits) {
                        self.admit(key.id, limits, source)?;
                    }
                    self.note_use(who, self.clock.now());
                    Ok(())
                }
            }
        })
    }

    /// Form, digest, lease, table: no I/O, no lock, no allocation.
    #[inline]
    fn glance(&self, text: &[u8], asked: Monotonic, who: &mut Option<Principal>) -> Glance {
        let form = match classify(text) {
            Ok(Form::Jwt) => return self.glance_at_token(text, asked, who),
            Ok(form) if self.accepts(form) => form,
            Ok(_) => return Glance::Refused(Refusal::Unknown),
            Err(_) => return Glance::Refused(Refusal::Malformed),
        };
        self.recall(TokenDigest::of(text), form, asked, who)
    }

    /// Lease and table.
    #[inline]
    fn recall(
        &self,
        digest: TokenDigest,
        form: Form,
        asked: Monotonic,
        who: &mut Option<Principal>,
    ) -> Glance {
        let Some(now) = self.lease.wall(asked) else {
            return Glance::Ask(digest, form);
        };
        let words = digest.words();
        let table = self.table.read();
        let Some(record) = table.find(words, now) else {
            let unknown = self.may_be_key_only(form) && !self.filter.may_hold(words);
            return if unknown { Glance::Refused(Refusal::Unknown) } else { Glance::Ask(digest, form) };
        };
        if let Some(cause) = record.refusal(now) {
            return Glance::Refused(cause);
        }
        record.tell(who);
        Glance::Good { limited: record.is_limited(), at: now }
    }

    /// Whether a text of this form can be a key of this service and nothing else, so that the filter of all
    /// secrets answers for it. The Hub has no temporary tokens: a UUID there is a key of the earlier system.
    #[inline]
    fn may_be_key_only(&self, form: Form) -> bool {
        match form {
            Form::Key(_) | Form::Legacy => true,
            Form::Temp => self.service == Service::Hub,
            Form::Widget | Form::Chat | Form::Jwt => false,
        }
    }

    /// Whether this service knows credentials of a form.
    #[inline]
    fn accepts(&self, form: Form) -> bool {
        match form {
            Form::Key(service) => service == self.service,
            Form::Widget | Form::Chat => self.service == Service::Chatbot,
            Form::Temp | Form::Legacy => true,
            Form::Jwt => self.signing.is_some() || self.relying.is_some(),
        }
    }

    /// Asks the store, and remembers its answer: whose it is, and the limits that are still to be met. Of those that
    /// present the same at the same time one asks, and the others find what it remembered, or are refused with it where
    /// the store fails. Whoever may not believe memory asks for itself: what another asked before it came may have ended
    /// since.
    async fn ask(
        &self,
        digest: &TokenDigest,
        form: Form,
        source: Option<IpAddr>,
        who: &mut Option<Principal>,
    ) -> Result<Option<Arc<Limits>>, FlowError> {
        self.check_guesses(source)?;
        let place = self.is_current().then(|| self.flights.join(digest));
        let mut turn = match &place {
            Some(place) => Some(place.turn(self.reading()).await?),
            None => None,
        };
        if turn.is_some() {
            match self.recall(*digest, form, self.reading(), who) {
                Glance::Good { limited, .. } => {
                    drop(turn);
                    return match who {
                        Some(Principal::Key(key)) if limited => self.limits_of(key).await.map(Some),
                        _ => Ok(None),
                    };
                }
                Glance::Refused(cause) => return Err(Denial::Unauthenticated(cause).into()),
                Glance::AskSession(_) | Glance::AskIssuer(_) | Glance::AskEarlier(_) => {}
                Glance::Ask(..) if self.is_current() => {}
                // The lease has ended meanwhile: nobody may believe what this one finds, so nobody waits for it.
                Glance::Ask(..) => turn = None,
            }
        }
        self.figures.lookups.inc();
        let noted = self.table.applied();
        let found = self.look_up(digest, form).await;
        if let (Some(turn), Err(FlowError::Store(error))) = (&mut turn, &found) {
            turn.fail(self.reading(), error);
        }
        let Some((record, limits)) = found? else {
            self.count_guess(source);
            return Err(Denial::Unauthenticated(Refusal::Unknown).into());
        };
        let now = self.clock.now();
        self.table.fill(noted, digest, record, now);
        if let Some(cause) = record.refusal(now) {
            return Err(Denial::Unauthenticated(cause).into());
        }
        *who = Some(record.principal);
        if let (Principal::Key(key), Some(limits)) = (&record.principal, &limits) {
            self.limits.remember(key.id, noted, limits);
        }
        Ok(limits)
    }

    /// Whether an address may still cause lookups of what turns out unknown.
    fn check_guesses(&self, source: Option<IpAddr>) -> Result<(), Denial> {
        let (subject, now) = (Subject::source(UNKNOWN, source), self.clock.monotonic());
        let checked = self.throttle.check(subject, UNKNOWN_PER_MINUTE, now);
        checked.map_err(|retry_after| Denial::Throttled { retry_after })
    }

    /// Counts one. Where there is no room to, it stays uncounted.
    fn count_guess(&self, source: Option<IpAddr>) {
        let (subject, now) = (Subject::source(UNKNOWN, source), self.clock.monotonic());
        let _ = self.throttle.admit(subject, UNKNOWN_PER_MINUTE, now);
    }

    async fn look_up(
        &self,
        digest: &TokenDigest,
        form: Form,
    ) -> Result<Option<(Record, Option<Arc<Limits>>)>, FlowError> {
        let kind = match form {
            Form::Key(_) | Form::Legacy => return self.look_up_key(digest).await,
            Form::Temp => TokenKind::Temp,
            Form::Widget => TokenKind::Widget,
            Form::Chat => TokenKind::Chat,
            // Of an access token the session is looked up, and not its text.
            Form::Jwt => return Ok(None),
        };
        if self.service == Service::Chatbot {
            let found = self.stores.tokens.find(digest).await?;
            if let Some(found) = found.filter(|found| found.principal.kind == kind) {
                let principal = Principal::Token(found.principal);
                return Ok(Some((Record { principal, state: state(found.ended), limited: false }, None)));
            }
        }
        // A key of the earlier system may look like a UUID, too.
        if form == Form::Temp { self.look_up_key(digest).await } else { Ok(None) }
    }

    async fn look_up_key(
        &self,
        digest: &TokenDigest,
    ) -> Result<Option<(Record, Option<Arc<Limits>>)>, FlowError> {
        let found = self.stores.key_index.find(self.service, digest).await?;
        Ok(found.map(|found| {
            let limits = (!found.limits.are_none()).then(|| Arc::new(found.limits));
            let principal = Principal::Key(found.principal);
            (Record { principal, state: state(found.ended), limited: limits.is_some() }, limits)
        }))
    }

    /// The limits of a key that has some, from memory where they are known.
    async fn limits_of(&self, key: &KeyPrincipal) -> Result<Arc<Limits>, FlowError> {
        if let Some(limits) = self.limits.of(key.id) {
            return Ok(limits);
        }
        let noted = self.table.applied();
        let scope = crate::policy::Scope::of(Some(&Principal::Key(*key)));
        let found = self.stores.keys.read(key.service, scope, key.id).await?;
        let found = found.filter(|found| found.revoked_at.is_none());
        let rights = found.ok_or(Denial::Unauthenticated(Refusal::Revoked))?.rights;
        let limits = Arc::new(Limits { networks: rights.networks, rate_limit: rights.rate_limit });
        self.limits.remember(key.id, noted, &limits);
        Ok(limits)
    }

    fn admit(&self, key: KeyId, limits: &Limits, source: Option<IpAddr>) -> Result<(), Denial> {
        within_networks(limits, source)?;
        let Some(rate) = limits.rate_limit else { return Ok(()) };
        let admitted = self.throttle.admit(Subject::Key(key), rate, self.clock.monotonic());
        admitted.map_err(|retry_after| Denial::Throttled { retry_after })
    }

    #[inline]
    fn note_use(&self, who: &Option<Principal>, at: Timestamp) {
        if let Some(Principal::Key(key)) = who {
            self.uses.note(key.id, at);
        }
    }

    /// Returns once so many uses wait that [`flush_uses`](Self::flush_uses) is due.
    pub async fn many_uses(&self) {
        self.uses.many().await;
    }

    /// Writes how often keys were used, and when last. Called once in a while by the process that runs the
    /// validator; what was noted since the last call is lost in a crash.
    ///
    /// # Errors
    /// The store's. What it has not written is kept for the next call, for up to [`MOST_WAITING`] keys; where its
    /// answer was lost, it may then be counted twice.
    pub async fn flush_uses(&self) -> Result<(), FlowError> {
        let uses = self.uses.take();
        let mut left = uses.as_slice();
        while let Some(some) = left.get(..left.len().min(WRITTEN_AT_ONCE)).filter(|some| !some.is_empty()) {
            if let Err(error) = self.stores.key_index.touch(some).await {
                self.uses.put_back(left.iter().copied());
                return Err(error.into());
            }
            left = left.get(some.len()..).unwrap_or_default();
        }
        Ok(())
    }
}

fn within_networks(limits: &Limits, source: Option<IpAddr>) -> Result<(), Denial> {
    let within = limits.networks.is_any() || source.is_some_and(|source| limits.networks.contains(source));
    if within { Ok(()) } else { Err(Denial::Network) }
}

const fn state(ended: bool) -> State {
    if ended { State::Ended } else { State::Live }
}
