//! The contract's cases notice, for connections and what is done with a provider for one: a store that breaks one promise
//! fails the case of that promise.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::contract::each_is_noticed;
use async_trait::async_trait;
use auth_core::{
    audit::{Chained, Entry, Head},
    id::{ConnectionId, UserId},
    model::{Connection, ConnectionStatus, NewConnection, ProviderName, StoredConnection},
    policy::{Granted, Scope},
    port::{
        Answer, AuditFilter, AuditTrail, Claim, Claiming, Claims, Connect, Connecting, Connections,
        Disconnect, Forgotten, Outcome, Renewed, Renewing, Stores, UseConnection,
    },
    seal::KeyName,
    time::Timestamp,
};
use conformance::{
    contract::{
        Fixture,
        fixture::everything,
        fixture_calendars::{bring, ending, using, vault_key},
    },
    place::{Backend, Place},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// One promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Reads ignore their scope.
    Unscoped,
    /// What was linked is not found by whoever links it again.
    Blind,
    /// One calendar is linked by several.
    Twice,
    /// A user has several of one provider.
    Roomy,
    /// Nobody is too late.
    Hasty,
    /// Something is stored for who is gone.
    Posthumous,
    /// Any key seals.
    AnyKey,
    /// A consent leaves the tokens that were there.
    Stale,
    /// A consent leaves it waiting for one.
    Waiting,
    /// A consent leaves the claim.
    Clinging,
    /// What was ended is ended again.
    Repeating,
    /// What is ended is forgotten at once.
    Instant,
    /// Pages are a row short.
    Short,
    /// Lists come in another order.
    Reversed,
    /// What is ended is not listed.
    Hiding,
    /// What is ended seems active.
    Surviving,
    /// The events of commands are not written.
    Eventless,
    /// What fails leaves something.
    Torn,
    /// Several have a claim.
    Shared,
    /// A claim is never over.
    Endless,
    /// A claim is over at once.
    Fleeting,
    /// Who comes late is told that it is done.
    Boasting,
    /// Who comes late is taken for whoever has it.
    Usurping,
    /// Tokens that came are lost.
    Losing,
    /// A claim is not given up.
    Holding,
    /// A refusal of the provider is not kept.
    Indulgent,
    /// Whatever the state, it is claimed.
    Anyhow,
    /// Failures are not counted.
    Uncounted,
    /// What is forgotten stays.
    Leftover,
    /// What is not ended is forgotten.
    Rash,
}
use Fault::{
    AnyKey, Anyhow, Blind, Boasting, Clinging, Endless, Eventless, Fleeting, Hasty, Hiding, Holding,
    Indulgent, Instant, Leftover, Losing, Posthumous, Rash, Repeating, Reversed, Roomy, Shared, Short, Stale,
    Surviving, Torn, Twice, Uncounted, Unscoped, Usurping, Waiting,
};

/// Every fault, with a case that must notice.
const NOTICED: &[(Fault, &str)] = &[
    (Unscoped, "connections::a_scope_holds_its_own_account_alone"),
    (Blind, "connections::one_opening_reads_what_another_stored"),
    (Blind, "connections::a_user_has_one_of_each_provider"),
    (Twice, "connections::a_calendar_is_linked_once_over_all_accounts"),
    (Twice, "connections::of_many_that_link_one_calendar_one_does"),
    (Twice, "claims::what_a_provider_was_told_of_is_forgotten_and_may_be_linked_again"),
    (Roomy, "connections::another_calendar_of_a_provider_is_refused"),
    (Hasty, "connections::one_of_another_number_or_that_is_being_ended_is_busy"),
    (Hasty, "connections::of_many_callbacks_of_one_user_one_is_stored"),
    (Posthumous, "connections::nothing_is_stored_for_who_is_gone"),
    (AnyKey, "connections::what_a_key_sealed_that_is_not_of_the_vault_is_not_stored"),
    (AnyKey, "claims::tokens_of_a_key_that_is_not_of_the_vault_leave_the_claim"),
    (AnyKey, "vault::with_a_key_that_was_retired_nothing_is_sealed"),
    (Stale, "connections::consenting_again_replaces_what_there_is"),
    (Waiting, "connections::consenting_again_replaces_what_there_is"),
    (Clinging, "connections::consenting_again_takes_the_claim_away"),
    (Repeating, "connections::a_connection_is_ended_once"),
    (Repeating, "connections::of_many_that_end_a_connection_one_ends_it"),
    (Instant, "connections::a_connection_is_ended_once"),
    (Short, "connections::those_ended_are_listed_in_their_order"),
    (Reversed, "connections::those_ended_are_listed_in_their_order"),
    (Reversed, "connections::a_user_has_one_of_each_provider"),
    (Hiding, "connections::removing_a_user_ends_what_they_linked"),
    (Surviving, "connections::a_connection_is_ended_once"),
    (Surviving, "connections::removing_a_user_ends_what_they_linked"),
    (Surviving, "connections::what_is_linked_while_its_user_is_removed_ends_with_them"),
    (Surviving, "claims::tokens_that_come_once_it_was_ended_are_stored_and_nothing_else"),
    (Eventless, "connections::one_opening_reads_what_another_stored"),
    (Eventless, "connections::consenting_again_replaces_what_there_is"),
    (Eventless, "connections::a_connection_is_ended_once"),
    (Eventless, "connections::removing_a_user_ends_what_they_linked"),
    (Eventless, "claims::tokens_that_came_are_stored_and_the_claim_given_up"),
    (Eventless, "claims::where_the_provider_refuses_the_user_has_to_consent_again"),
    (Eventless, "claims::a_provider_that_was_told_in_vain_is_told_again"),
    (Eventless, "claims::what_a_provider_was_told_of_is_forgotten_and_may_be_linked_again"),
    (Torn, "connections::what_fails_midway_leaves_nothing"),
    (Torn, "claims::what_fails_midway_leaves_nothing"),
    (Shared, "claims::one_has_it_and_everybody_else_waits"),
    (Shared, "claims::of_many_that_claim_it_one_gets_it"),
    (Endless, "claims::a_claim_is_over_after_its_time_and_then_anothers"),
    (Fleeting, "claims::a_claim_is_over_after_its_time_and_then_anothers"),
    (Fleeting, "claims::of_many_that_claim_it_one_gets_it"),
    (Boasting, "claims::who_comes_late_changes_nothing"),
    (Boasting, "claims::a_claim_is_of_one_connection"),
    (Boasting, "claims::what_is_not_ended_is_not_forgotten"),
    (Boasting, "connections::consenting_again_takes_the_claim_away"),
    (Usurping, "claims::who_comes_late_changes_nothing"),
    (Usurping, "claims::a_claim_is_of_one_connection"),
    (Losing, "claims::tokens_that_came_are_stored_and_the_claim_given_up"),
    (Losing, "claims::tokens_that_come_once_it_was_ended_are_stored_and_nothing_else"),
    (Holding, "claims::tokens_that_came_are_stored_and_the_claim_given_up"),
    (Holding, "claims::what_brought_nothing_leaves_it_as_it_was"),
    (Holding, "claims::a_provider_that_was_told_in_vain_is_told_again"),
    (Indulgent, "claims::where_the_provider_refuses_the_user_has_to_consent_again"),
    (Anyhow, "claims::an_active_one_is_claimed_and_an_ended_one_to_tell_its_provider"),
    (Uncounted, "claims::a_provider_that_was_told_in_vain_is_told_again"),
    (Leftover, "claims::what_a_provider_was_told_of_is_forgotten_and_may_be_linked_again"),
    (Leftover, "claims::of_many_that_forget_it_one_does"),
    (Rash, "claims::what_is_not_ended_is_not_forgotten"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_promise_is_noticed() {
    each_is_noticed(NOTICED, broken).await;
}

async fn broken(fault: Fault) -> Fixture {
    let place = Place::on(&Backend::Sqlite).await;
    let holders = Arc::<Mutex<_>>::default();
    let open = async || {
        let stores = place.open().await;
        let broken = Arc::new(Broken { inner: stores.clone(), fault, holders: Arc::clone(&holders) });
        let (connections, claims) = (Arc::clone(&broken) as _, Arc::clone(&broken) as _);
        Stores { connections, claims, audit: broken, ..stores }
    };
    Fixture::new(open().await, open().await, Place::chain(), Some(place))
}

/// A store that keeps all promises but one.
struct Broken {
    inner: Stores,
    fault: Fault,
    /// Who claimed each connection last.
    holders: Arc<Mutex<BTreeMap<ConnectionId, Claim>>>,
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }
    fn scope(&self, scope: Scope) -> Scope {
        if self.is(Unscoped) { everything() } else { scope }
    }
    fn shown(&self, mut connection: Connection) -> Connection {
        if self.is(Surviving) && connection.status == ConnectionStatus::Disconnecting {
            connection.status = ConnectionStatus::Active;
        }
        connection
    }
    async fn stored(&self, id: ConnectionId) -> Answer<Option<StoredConnection>> {
        let all = self.inner.vault.sealed_before(KeyName::from_bytes([0xfe; 8]), None, u16::MAX).await?;
        Ok(all.into_iter().find(|stored| stored.connection.id == id))
    }
    fn holder(&self, id: ConnectionId) -> Option<Claim> {
        self.holders.lock().unwrap().get(&id).copied()
    }
    /// Whose claim counts.
    fn by(&self, id: ConnectionId, claim: Claim) -> Claim {
        self.holder(id).filter(|_| self.is(Usurping)).unwrap_or(claim)
    }
    const fn time(&self, at: Timestamp) -> Timestamp {
        match self.fault {
            Endless => Timestamp::EPOCH,
            Fleeting => Timestamp::MAX,
            _ => at,
        }
    }
    /// Whoever had it has it again.
    async fn hold_on(&self, id: ConnectionId, claim: Claim, at: Timestamp) -> Answer<()> {
        if let Some(stored) = self.stored(id).await? {
            self.inner.claims.claim(&using(&stored.connection), claim, at).await?;
            self.inner.claims.claim_ended(&ending(&stored.connection), claim, at).await?;
        }
        Ok(())
    }
    async fn fail<T>(&self, answer: Answer<T>) -> Answer<T> {
        if answer.is_err() && self.is(Torn) {
            bring(&self.inner.vault, vault_key(99, b"left"), Timestamp::EPOCH).await?;
        }
        answer
    }
    async fn claiming(&self, id: ConnectionId, claim: Claim, answer: Claiming) -> Answer<Claiming> {
        match answer {
            Claiming::Busy if self.is(Shared) => {
                Ok(self.stored(id).await?.map_or(Claiming::Busy, |found| Claiming::Done(Box::new(found))))
            }
            Claiming::Done(_) => {
                self.holders.lock().unwrap().insert(id, claim);
                Ok(answer)
            }
            answer => Ok(answer),
        }
    }
}

#[async_trait]
impl Connections for Broken {
    async fn list(&self, scope: Scope, user: UserId) -> Answer<Vec<Connection>> {
        let mut listed = self.inner.connections.list(self.scope(scope), user).await?;
        if self.is(Reversed) {
            listed.reverse();
        }
        Ok(listed.into_iter().map(|connection| self.shown(connection)).collect())
    }
    async fn read(
        &self,
        scope: Scope,
        user: UserId,
        provider: &ProviderName,
    ) -> Answer<Option<StoredConnection>> {
        let found = self.inner.connections.read(self.scope(scope), user, provider).await?;
        Ok(found.map(|stored| StoredConnection { connection: self.shown(stored.connection), ..stored }))
    }
    async fn linked(
        &self,
        grant: &Granted<Connect>,
        provider: &ProviderName,
    ) -> Answer<Option<ConnectionId>> {
        let found = self.inner.connections.linked(grant, provider).await?;
        Ok(found.filter(|_| !self.is(Blind)))
    }
    async fn connect(&self, grant: &Granted<Connect>, new: NewConnection) -> Answer<Connecting> {
        let (id, at, mut new) = (new.id, new.at, new);
        if let Some(stored) = self.stored(id).await?.filter(|_| self.is(Stale)) {
            new.tokens = stored.tokens;
        }
        let connected = self.fail(self.inner.connections.connect(grant, new).await).await?;
        if let Some(holder) = self.holder(id).filter(|_| connected == Connecting::Done) {
            if matches!(self.fault, Clinging | Waiting) {
                self.hold_on(id, holder, at).await?;
            }
            if let Some(stored) = self.stored(id).await?.filter(|_| self.is(Waiting)) {
                let (grant, outcome) = (using(&stored.connection), Outcome::NeedsConsent);
                self.inner.claims.release(&grant, holder, outcome, at).await?;
            }
        }
        Ok(match (self.fault, connected) {
            (Twice, Connecting::Linked)
            | (Roomy, Connecting::Occupied)
            | (Hasty, Connecting::Busy)
            | (Posthumous, Connecting::Gone)
            | (AnyKey, Connecting::KeyRetired) => Connecting::Done,
            (_, connected) => connected,
        })
    }
    async fn disconnect(&self, grant: &Granted<Disconnect>, at: Timestamp) -> Answer<bool> {
        let ended = self.fail(self.inner.connections.disconnect(grant, at).await).await?;
        if ended && self.is(Instant) {
            let claim = Claim::draw(at, &auth_web::system::OsEntropy);
            self.inner.claims.claim_ended(grant, claim, at).await?;
            self.inner.claims.forget(grant, claim, Forgotten::Revoked, at).await?;
        }
        Ok(ended || self.is(Repeating))
    }
    async fn ended(&self, after: Option<ConnectionId>, limit: u16) -> Answer<Vec<Connection>> {
        let mut ended = self.inner.connections.ended(after, limit).await?;
        match self.fault {
            Short if ended.len() == usize::from(limit) => drop(ended.remove(0)),
            Reversed => ended.reverse(),
            Hiding => ended.clear(),
            _ => {}
        }
        Ok(ended)
    }
}

#[async_trait]
impl Claims for Broken {
    async fn claim(&self, grant: &Granted<UseConnection>, claim: Claim, at: Timestamp) -> Answer<Claiming> {
        let id = grant.target();
        let answer = self.fail(self.inner.claims.claim(grant, claim, self.time(at)).await).await?;
        if let Some(stored) = self.stored(id).await?.filter(|_| self.is(Anyhow) && answer == Claiming::Gone) {
            return self.inner.claims.claim_ended(&ending(&stored.connection), claim, at).await;
        }
        self.claiming(id, claim, answer).await
    }
    async fn claim_ended(
        &self,
        grant: &Granted<Disconnect>,
        claim: Claim,
        at: Timestamp,
    ) -> Answer<Claiming> {
        let answer = self.fail(self.inner.claims.claim_ended(grant, claim, self.time(at)).await).await?;
        self.claiming(grant.target(), claim, answer).await
    }
    async fn renewed(
        &self,
        grant: &Granted<UseConnection>,
        claim: Claim,
        renewed: Renewed,
        at: Timestamp,
    ) -> Answer<Renewing> {
        let id = grant.target();
        let by = self.by(id, claim);
        if self.is(Losing) {
            let given_up = self.inner.claims.release(grant, by, Outcome::Unknown, at).await?;
            return Ok(if given_up { Renewing::Done } else { Renewing::Lost });
        }
        let answer = self.fail(self.inner.claims.renewed(grant, by, renewed, at).await).await?;
        if self.is(Holding) && answer == Renewing::Done {
            self.hold_on(id, by, at).await?;
        }
        Ok(match (self.fault, answer) {
            (Boasting, Renewing::Lost) | (AnyKey, Renewing::KeyRetired) => Renewing::Done,
            (_, answer) => answer,
        })
    }
    async fn release(
        &self,
        grant: &Granted<UseConnection>,
        claim: Claim,
        outcome: Outcome,
        at: Timestamp,
    ) -> Answer<bool> {
        let (id, outcome) = (grant.target(), if self.is(Indulgent) { Outcome::Unknown } else { outcome });
        let by = self.by(id, claim);
        let released = self.fail(self.inner.claims.release(grant, by, outcome, at).await).await?;
        if self.is(Holding) {
            self.hold_on(id, by, at).await?;
        }
        Ok(released || self.is(Boasting))
    }
    async fn forget(
        &self,
        grant: &Granted<Disconnect>,
        claim: Claim,
        how: Forgotten,
        at: Timestamp,
    ) -> Answer<bool> {
        let id = grant.target();
        let by = self.by(id, claim);
        if self.is(Rash) {
            self.inner.connections.disconnect(grant, at).await?;
        }
        if let Some(stored) = self.stored(id).await?.filter(|_| self.is(Leftover)) {
            let grant = using(&stored.connection);
            return self.inner.claims.release(&grant, by, Outcome::Unknown, at).await;
        }
        let forgotten = self.fail(self.inner.claims.forget(grant, by, how, at).await).await?;
        Ok(forgotten || self.is(Boasting))
    }
    async fn not_revoked(&self, grant: &Granted<Disconnect>, claim: Claim, at: Timestamp) -> Answer<bool> {
        let id = grant.target();
        let by = self.by(id, claim);
        if let Some(stored) = self.stored(id).await?.filter(|_| self.is(Uncounted)) {
            let grant = using(&stored.connection);
            return self.inner.claims.release(&grant, by, Outcome::Unknown, at).await;
        }
        let noted = self.fail(self.inner.claims.not_revoked(grant, by, at).await).await?;
        if self.is(Holding) {
            self.hold_on(id, by, at).await?;
        }
        Ok(noted || self.is(Boasting))
    }
}

#[async_trait]
impl AuditTrail for Broken {
    async fn list(
        &self,
        scope: Scope,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u16,
    ) -> Answer<Vec<Chained>> {
        self.inner.audit.list(scope, filter, before, limit).await
    }
    async fn scan(&self, from: i64, limit: u16) -> Answer<Vec<Chained>> {
        let mut found = self.inner.audit.scan(from, limit).await?;
        found.retain(|_| !self.is(Eventless));
        Ok(found)
    }
    async fn head(&self) -> Answer<Head> {
        self.inner.audit.head().await
    }
    async fn append(&self, entries: Vec<Entry>) -> Answer<()> {
        self.inner.audit.append(entries).await
    }
}
