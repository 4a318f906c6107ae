//! Access tokens of the earlier system: verified each time, since their MAC costs no more than to remember them by. Each
//! stands for a session, which begins when it is first seen, and from then on is one like any other: whatever ends a session
//! ends it.

use super::{Glance, Validator, people::place_of, record::Record, state};
use crate::{
    amr::{Amr, Method},
    error::{Denial, FlowError, Refusal},
    flow::{Wanted, place},
    jwt::{EarlierToken, EarlierTokens},
    model::{NewSession, Person, Status},
    policy::Granted,
    port::{BeginSession, Creation, FoundSession},
    principal::{Origin, PersonPrincipal, Principal},
    throttle::Subject,
    time::{Monotonic, Timestamp},
};
use std::{net::IpAddr, num::NonZeroU32};

/// Sessions that tokens of one address may begin a minute: a whole office that opens its clients at once.
const FIRST_SIGHTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(600).unwrap();

/// The person in a session, by a token that ends then.
fn person(session: PersonPrincipal, ends: Timestamp, now: Timestamp) -> Principal {
    let expires_at = ends.min(session.expires_at);
    Principal::Person(PersonPrincipal { expires_at, judged_at: now, ..session })
}

impl Validator {
    /// MAC, lease and table.
    pub(super) fn glance_at_earlier(
        &self,
        earlier: &EarlierTokens,
        text: &[u8],
        asked: Monotonic,
        who: &mut Option<Principal>,
    ) -> Glance {
        let current = self.lease.wall(asked);
        let now = current.unwrap_or_else(|| self.clock.now());
        let seen = match earlier.verify(text, now) {
            Ok(seen) => seen,
            Err(cause) => return Glance::Refused(cause),
        };
        if current.is_some()
            && let Some(record) = self.table.read().find(place_of(seen.session).words(), now)
        {
            return match (record.refusal(now), record.principal()) {
                (None, Some(Principal::Person(session))) => {
                    *who = Some(person(session, seen.expires_at, now));
                    Glance::Good { limited: false, at: now }
                }
                (cause, _) => Glance::Refused(cause.unwrap_or(Refusal::Unknown)),
            };
        }
        match earlier.read(text, now) {
            Ok(token) => Glance::AskEarlier(Box::new(token)),
            Err(cause) => Glance::Refused(cause),
        }
    }

    /// Asks the store for the session that a token stands for, begins it where there was none, and remembers it.
    pub(super) async fn ask_earlier(
        &self,
        token: &EarlierToken,
        source: Option<IpAddr>,
        who: &mut Option<Principal>,
    ) -> Result<(), FlowError> {
        self.check_guesses(source)?;
        self.figures.lookups.inc();
        let refused = |cause| FlowError::from(Denial::Unauthenticated(cause));
        let noted = self.table.applied();
        let found = match self.stores.sessions.find(token.session()).await? {
            None => {
                self.count_first_sight(source)?;
                self.begin_for(token, source).await?
            }
            found => found,
        };
        let Some(found) = found else {
            self.count_guess(source);
            return Err(refused(Refusal::Revoked));
        };
        let now = self.clock.now();
        let principal = Principal::Person(found.principal);
        let record = Record { principal, state: state(found.ended), limited: false };
        self.table.fill(noted, &place_of(token.session()), record, now);
        if let Some(cause) = record.refusal(now) {
            return Err(refused(cause));
        }
        *who = Some(person(found.principal, token.expires_at(), now));
        Ok(())
    }

    /// Counts a session that a token may begin: each is a write, and whoever the earlier system still serves has as many
    /// tokens as they like.
    fn count_first_sight(&self, source: Option<IpAddr>) -> Result<(), Denial> {
        let (subject, now) = (Subject::source("first sight", source), self.clock.monotonic());
        let admitted = self.throttle.admit(subject, FIRST_SIGHTS_PER_MINUTE, now);
        admitted.map_err(|retry_after| Denial::Throttled { retry_after })
    }

    /// Begins the session of a token, if its person was taken over from the earlier system and is as they were then: whatever
    /// ends a person's sessions ends all of these tokens, also those that were never seen. `None` where they are not.
    async fn begin_for(
        &self,
        token: &EarlierToken,
        source: Option<IpAddr>,
    ) -> Result<Option<FoundSession>, FlowError> {
        let login = self.stores.people.by_address(token.address()).await?;
        let as_imported = |person: &Person| person.is_as_imported() && person.status == Status::Active;
        let Some(login) = login.filter(|login| as_imported(&login.person)) else { return Ok(None) };
        let wanted = Wanted { domain: token.domain().cloned(), audience: self.service };
        let Ok(place) = place(&login, &wanted) else { return Ok(None) };
        let (at, id) = (self.clock.now(), token.session());
        let principal = PersonPrincipal {
            session: id,
            person: login.person.id,
            tenant: place.map(|membership| membership.tenant),
            role: place.map(|membership| membership.role),
            amr: Amr::of([Method::Password]),
            auth_time: token.auth_time(),
            audience: self.service,
            expires_at: token.expires_at(),
            judged_at: Timestamp::MAX,
        };
        let new = NewSession {
            id,
            domain: place.map(|membership| membership.domain),
            audience: self.service,
            role: principal.role,
            version: login.person.version,
            amr: principal.amr,
            auth_time: principal.auth_time,
            factor: None,
            replaces: None,
            // Of nothing that is a refresh token.
            refresh: place_of(id),
            ends_at: token.expires_at(),
            at,
        };
        let origin = Origin { source, request_id: String::new() };
        let granted = Granted::<BeginSession>::to_proven(principal, login.person.id, &origin);
        match self.stores.sessions.begin(&granted, new).await? {
            Creation::Done(_) => Ok(Some(FoundSession { principal, ended: false })),
            // Somebody presented it at the same time; or the person is not who they were.
            _ => Ok(self.stores.sessions.find(id).await?),
        }
    }
}
