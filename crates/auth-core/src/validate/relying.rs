//! Access tokens at a service that does not issue them: their issuer is asked, and what it said is believed for as long as
//! a lease, under the lease.

use super::{
    Glance, LEASE, Validator,
    people::stamp,
    record::{Record, State},
};
use crate::{
    error::{Denial, FlowError, Refusal},
    jwt::RelyingParty,
    principal::{PersonPrincipal, Principal},
    secret::TokenDigest,
    time::Monotonic,
};
use std::net::IpAddr;

impl Validator {
    /// Lease and table: what is remembered is not older than a lease, and no notice has touched it since.
    pub(super) fn glance_at_foreign(
        &self,
        text: &[u8],
        asked: Monotonic,
        who: &mut Option<Principal>,
    ) -> Glance {
        if let Some(now) = self.lease.wall(asked)
            && let Some(record) = self.table.read().find(TokenDigest::of(text).words(), now)
            && record.refusal(now).is_none()
        {
            record.tell(who);
            stamp(who, now);
            return Glance::Good { limited: false, at: now };
        }
        Glance::AskIssuer(text.into())
    }

    /// Asks the issuer of a token, and remembers its answer for as long as a lease.
    pub(super) async fn ask_issuer(
        &self,
        text: &[u8],
        source: Option<IpAddr>,
        who: &mut Option<Principal>,
    ) -> Result<(), FlowError> {
        self.check_guesses(source)?;
        let digest = TokenDigest::of(text);
        // Of those that present the same at once one asks, where the others may believe what it found.
        let place = self.is_current().then(|| self.flights.join(&digest));
        let mut turn = match &place {
            Some(place) => Some(place.turn(self.reading()).await?),
            None => None,
        };
        if turn.is_some()
            && let Glance::Good { .. } = self.glance_at_foreign(text, self.reading(), who)
        {
            return Ok(());
        }
        let asked = self.ask_issuer_now(text, &digest, who).await;
        match (&mut turn, &asked) {
            (Some(turn), Err(FlowError::Store(error))) => turn.fail(self.reading(), error),
            // What its issuer does not know any more is not worth asking for without end.
            (_, Err(FlowError::Denied(Denial::Unauthenticated(_)))) => self.count_guess(source),
            _ => {}
        }
        asked
    }

    async fn ask_issuer_now(
        &self,
        text: &[u8],
        digest: &TokenDigest,
        who: &mut Option<Principal>,
    ) -> Result<(), FlowError> {
        let unknown = || FlowError::from(Denial::Unauthenticated(Refusal::Unknown));
        let issuer: &RelyingParty = self.relying.as_deref().ok_or_else(unknown)?;
        // Before it is asked: should something end meanwhile, what it says is not remembered, and nothing is longer than
        // a lease from now, unless the wall clock is set back meanwhile.
        let (noted, asked) = (self.table.applied(), self.clock.now());
        self.figures.lookups.inc();
        let claims = issuer.judge(text, self.service, self.clock.as_ref()).await?;
        let now = self.clock.now();
        let person = PersonPrincipal {
            session: claims.session,
            person: claims.person,
            // Of the domains of the chatbot service no other service knows.
            tenant: None,
            role: claims.role,
            amr: claims.amr,
            auth_time: claims.auth_time,
            audience: claims.audience,
            expires_at: claims.expires_at,
            judged_at: now,
        };
        let remembered = PersonPrincipal { expires_at: claims.expires_at.min(asked + LEASE), ..person };
        let record = Record { principal: Principal::Person(remembered), state: State::Live, limited: false };
        self.table.fill(noted, digest, record, now);
        *who = Some(Principal::Person(person));
        Ok(())
    }
}
