//! Access tokens of people: judged by their signature at first sight, and by memory from then on. What a session is,
//! and whether it is still one, only the store says; a token says whose it is.

use super::{
    Glance, Validator,
    record::{Record, State},
    state,
};
use crate::{
    error::{Denial, FlowError, Refusal},
    id::SessionId,
    jwt::Claims,
    port::Seq,
    principal::{PersonPrincipal, Principal},
    secret::TokenDigest,
    time::{Monotonic, Timestamp},
};
use std::net::IpAddr;

/// A token whose session is to be asked for.
#[derive(Debug)]
pub(super) struct Token {
    digest: TokenDigest,
    proof: TokenProof,
}

#[derive(Debug)]
enum TokenProof {
    /// One of our keys made it, as they were at a number of the stream: what has ended since is not remembered.
    Made(Claims, Seq),
    /// There was no lease: a key of memory may have ended, and there may be newer ones. The text is to be judged by the
    /// keys of the store.
    Unknown(Vec<u8>),
}

/// Where the table holds a session: under what no text has that is presented.
pub(super) fn place_of(session: SessionId) -> TokenDigest {
    TokenDigest::of([b"session ".as_slice(), session.as_bytes()].concat())
}

impl Validator {
    /// Lease and table, for the token itself; then its signature, and the table for its session.
    pub(super) fn glance_at_token(
        &self,
        text: &[u8],
        asked: Monotonic,
        who: &mut Option<Principal>,
    ) -> Glance {
        if self.relying.is_some() {
            return self.glance_at_foreign(text, asked, who);
        }
        let Some(keys) = &self.signing else { return Glance::Refused(Refusal::Unknown) };
        if let Some(earlier) = keys.earlier(text) {
            return self.glance_at_earlier(earlier, text, asked, who);
        }
        let digest = keys.mark(text);
        let current = self.lease.wall(asked);
        if let Some(now) = current
            && let Some(record) = self.table.read().find(digest.words(), now)
        {
            return match record.refusal(now) {
                Some(cause) => Glance::Refused(cause),
                None => {
                    record.tell(who);
                    stamp(who, now);
                    Glance::Good { limited: false, at: now }
                }
            };
        }
        let now = current.unwrap_or_else(|| self.clock.now());
        // Before the keys are looked at: should one end meanwhile, the fill is dropped.
        let noted = self.table.applied();
        let ask = |proof| Glance::AskSession(Box::new(Token { digest, proof }));
        let claims = match keys.verify(text, self.service, now) {
            Ok(claims) => claims,
            // There may be a key that this process has not heard of.
            Err(Refusal::Unknown) if current.is_none() && !keys.knows(text) => {
                return ask(TokenProof::Unknown(text.to_vec()));
            }
            Err(cause) => return Glance::Refused(cause),
        };
        if current.is_none() {
            return ask(TokenProof::Unknown(text.to_vec()));
        }
        let Some(record) = self.table.read().find(place_of(claims.session).words(), now) else {
            return ask(TokenProof::Made(claims, noted));
        };
        match (record.refusal(now), record.principal()) {
            (None, Some(Principal::Person(session))) => {
                match self.take(noted, &digest, &claims, session, now) {
                    Ok(person) => {
                        *who = Some(person);
                        Glance::Good { limited: false, at: now }
                    }
                    Err(cause) => Glance::Refused(cause),
                }
            }
            // A session that was refreshed since ends later than is known here.
            (Some(cause), _) if cause != Refusal::Expired => Glance::Refused(cause),
            _ => ask(TokenProof::Made(claims, noted)),
        }
    }

    /// Takes a good token of a session that is one, and remembers it.
    fn take(
        &self,
        noted: Seq,
        digest: &TokenDigest,
        claims: &Claims,
        session: PersonPrincipal,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        if claims.person != session.person {
            return Err(Refusal::Unknown);
        }
        let expires_at = claims.expires_at.min(session.expires_at);
        let principal = Principal::Person(PersonPrincipal { expires_at, judged_at: now, ..session });
        self.table.fill(noted, digest, Record { principal, state: State::Live, limited: false }, now);
        Ok(principal)
    }

    /// Asks the store for a session, and remembers its answer.
    pub(super) async fn ask_session(
        &self,
        Token { digest, proof }: &Token,
        source: Option<IpAddr>,
        who: &mut Option<Principal>,
    ) -> Result<(), FlowError> {
        self.figures.lookups.inc();
        let noted = self.table.applied();
        let refused = |cause| FlowError::from(Denial::Unauthenticated(cause));
        let (claims, proved) = match proof {
            TokenProof::Made(claims, then) => (claims.clone(), *then),
            TokenProof::Unknown(text) => (self.judge_afresh(text, source).await?, noted),
        };
        let found = self.stores.sessions.find(claims.session).await?.ok_or(refused(Refusal::Revoked))?;
        let now = self.clock.now();
        let principal = Principal::Person(found.principal);
        let record = Record { principal, state: state(found.ended), limited: false };
        self.table.fill(noted, &place_of(claims.session), record, now);
        if found.principal.audience != self.service {
            return Err(refused(Refusal::Unknown));
        }
        if let Some(cause) = record.refusal(now) {
            return Err(refused(cause));
        }
        *who = Some(self.take(proved, digest, &claims, found.principal, now).map_err(refused)?);
        Ok(())
    }

    /// Judges a token by the keys that the store has now. An address that presents such as none of them made is soon not
    /// worth the store's time.
    async fn judge_afresh(&self, text: &[u8], source: Option<IpAddr>) -> Result<Claims, FlowError> {
        let unknown = || FlowError::from(Denial::Unauthenticated(Refusal::Unknown));
        let keys = self.signing.as_ref().ok_or_else(unknown)?;
        self.check_guesses(source)?;
        let store = self.stores.signing_keys.as_ref();
        let judged = keys.verify_afresh(store, text, self.service, self.clock.now()).await;
        if judged == Err(unknown()) {
            self.count_guess(source);
        }
        judged
    }
}

/// Notes when a person was judged.
pub(super) fn stamp(who: &mut Option<Principal>, now: Timestamp) {
    if let Some(Principal::Person(person)) = who {
        person.judged_at = now;
    }
}
