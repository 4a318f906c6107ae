//! The contract's cases notice: a store that breaks one promise fails the case of that promise.

use crate::contract::each_is_noticed;
use async_trait::async_trait;
use auth_core::{
    audit::{Chained, Entry, Head},
    credential::NewSecret,
    id::{KeyId, UserId},
    model::{Key, KeyPatch, KeyUse, NewKey, NewUser, Page, User, UserPatch, Version},
    policy::{Bounded, Granted, Scope},
    port::{
        Answer, AuditFilter, AuditTrail, Change, ChangeKey, ChangeUser, CreateKey, CreateUser, Creation,
        FoundKey, ImportKeys, KeyIndex, Keys, Notice, Once, RemoveUser, Renewal, ReplicaId, Revocations,
        RevokeKey, RotateKey, Seq, Stores, Users,
    },
    principal::Tenant,
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use conformance::contract::{Fixture, fixture::everything};
use conformance::place::{Backend, Place};
use std::{sync::Arc, time::Duration};

/// One promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Reads ignore their scope.
    Unscoped,
    /// A request that is sent twice is carried out twice.
    Forgetful,
    /// What was done already is done again.
    Repeating,
    /// A change is made whatever was read.
    Versionless,
    /// Pages are a row short.
    Short,
    /// Revoked keys are not listed.
    Hiding,
    /// Ended keys are found live.
    Undead,
    /// All secrets are new ones.
    Unnumbered,
    /// Keys are never used.
    Untouched,
    /// Nobody is waited for.
    Hasty,
    /// Who was silent for a lease stays a member.
    Lingering,
    /// An acknowledgement may go back.
    Backward,
    /// The first notice is left out.
    Gap,
    /// Entries are written twice.
    Twice,
    /// Filters are not looked at.
    Unfiltered,
    /// The events of commands are not written.
    Eventless,
    /// Nothing is announced.
    Noticeless,
}
use Fault::{
    Backward, Eventless, Forgetful, Gap, Hasty, Hiding, Lingering, Noticeless, Repeating, Short, Twice,
    Undead, Unfiltered, Unnumbered, Unscoped, Untouched, Versionless,
};

/// Every fault, with a case that must notice.
const NOTICED: &[(Fault, &str)] = &[
    (Unscoped, "users::a_scope_holds_its_own_account_alone"),
    (Unscoped, "keys::a_scope_holds_what_is_its_own"),
    (Unscoped, "audit::a_scope_holds_its_own_entries_alone"),
    (Forgetful, "users::a_repeated_request_is_answered_as_the_first_for_a_day"),
    (Forgetful, "users::one_request_sent_many_times_makes_one_user"),
    (Forgetful, "keys::a_repeated_request_is_answered_as_the_first_for_a_day"),
    (Forgetful, "keys::one_request_sent_many_times_makes_one_key"),
    (Repeating, "users::removing_is_final_and_frees_the_address"),
    (Repeating, "users::of_many_removals_one_removes"),
    (Repeating, "keys::revoking_is_terminal"),
    (Repeating, "keys::of_many_revocations_one_revokes"),
    (Versionless, "users::a_change_is_made_at_the_version_that_was_read"),
    (Versionless, "users::of_many_changes_of_one_version_one_is_made"),
    (Versionless, "keys::a_change_is_made_at_the_version_that_was_read"),
    (Versionless, "keys::of_many_changes_of_one_version_one_is_made"),
    (Versionless, "keys::of_many_rotations_of_one_version_one_is_made"),
    (Short, "users::lists_are_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Short, "keys::lists_are_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Short, "audit::lists_are_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Hiding, "keys::lists_are_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Undead, "keys::revoking_is_terminal"),
    (Undead, "keys::a_key_ends_with_its_owners_and_comes_back_with_them"),
    (Unnumbered, "key_index::a_new_key_is_announced_with_its_secret"),
    (Repeating, "key_index::uses_told_at_the_same_time_all_count"),
    (Untouched, "key_index::uses_add_up_and_the_last_never_goes_back"),
    (Hasty, "revocations::a_revocation_waits_for_each_member"),
    (Hasty, "revocations::who_left_is_not_waited_for"),
    (Hasty, "revocations::a_silent_member_is_waited_for_a_lease_and_no_longer"),
    (Lingering, "revocations::a_silent_member_is_waited_for_a_lease_and_no_longer"),
    (Backward, "revocations::an_acknowledgement_never_goes_back"),
    (Gap, "revocations::numbers_follow_without_gaps_in_the_order_of_commits"),
    (Gap, "revocations::notices_after_a_number_come_in_order"),
    (Twice, "audit::entries_are_kept_as_they_were_and_chained_with_the_key"),
    (Twice, "audit::of_many_writers_each_finds_its_place"),
    (Unfiltered, "audit::filters_are_exact"),
    (Eventless, "accounts::one_opening_reads_what_another_made"),
    (Eventless, "accounts::a_change_is_made_at_the_version_that_was_read"),
    (Eventless, "accounts::suspending_and_reviving_are_announced"),
    (Eventless, "domains::one_opening_reads_what_another_made"),
    (Eventless, "domains::a_change_is_made_at_the_version_that_was_read"),
    (Eventless, "domains::suspending_and_reviving_are_announced"),
    (Eventless, "users::one_opening_reads_what_another_made"),
    (Eventless, "users::a_change_is_made_at_the_version_that_was_read"),
    (Eventless, "users::removing_is_final_and_frees_the_address"),
    (Eventless, "calls::one_opening_reads_what_another_made"),
    (Eventless, "calls::a_call_is_cancelled_once"),
    (Eventless, "keys::one_opening_reads_what_another_made"),
    (Eventless, "keys::an_import_takes_over_what_is_not_known"),
    (Eventless, "keys::a_change_is_made_at_the_version_that_was_read"),
    (Eventless, "keys::a_rotated_key_has_two_secrets_for_a_while"),
    (Eventless, "keys::revoking_is_terminal"),
    (Eventless, "people::an_import_takes_over_whom_nobody_knows"),
    (Eventless, "mailed::a_reset_is_done_once_and_ends_every_session"),
    (Eventless, "mailed::an_address_is_verified_once"),
    (Eventless, "tokens::one_opening_finds_what_another_minted"),
    (Eventless, "tokens::revoking_is_terminal"),
    (Noticeless, "accounts::suspending_and_reviving_are_announced"),
    (Noticeless, "domains::suspending_and_reviving_are_announced"),
    (Noticeless, "key_index::a_new_key_is_announced_with_its_secret"),
    (Noticeless, "keys::a_change_is_made_at_the_version_that_was_read"),
    (Noticeless, "keys::a_rotated_key_has_two_secrets_for_a_while"),
    (Noticeless, "keys::revoking_is_terminal"),
    (Noticeless, "mailed::a_reset_is_done_once_and_ends_every_session"),
    (Noticeless, "tokens::revoking_is_terminal"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_promise_is_noticed() {
    each_is_noticed(NOTICED, broken).await;
}

async fn broken(fault: Fault) -> Fixture {
    let place = Place::on(&Backend::Sqlite).await;
    let open = async || with_fault(place.open().await, fault);
    Fixture::new(open().await, open().await, Place::chain(), Some(place))
}

fn with_fault(stores: Stores, fault: Fault) -> Stores {
    let broken = Arc::new(Broken { inner: stores.clone(), fault, turn: tokio::sync::Mutex::default() });
    Stores {
        users: Arc::clone(&broken) as _,
        keys: Arc::clone(&broken) as _,
        key_index: Arc::clone(&broken) as _,
        audit: Arc::clone(&broken) as _,
        revocations: broken,
        ..stores
    }
}

/// A store that keeps all promises but one.
struct Broken {
    inner: Stores,
    fault: Fault,
    /// Held by who tries a change again and again.
    turn: tokio::sync::Mutex<()>,
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }
    fn scope(&self, scope: Scope) -> Scope {
        if self.is(Unscoped) { everything() } else { scope }
    }
    fn once(&self, once: Option<Once>) -> Option<Once> {
        once.filter(|_| !self.is(Forgetful))
    }
    fn rows<T>(&self, mut rows: Vec<T>, limit: u16) -> Vec<T> {
        if self.is(Short) && rows.len() == usize::from(limit) {
            rows.remove(0);
        }
        rows
    }
    /// How often a change is tried at the version that stands, whatever was read.
    const fn tries(&self) -> usize {
        if matches!(self.fault, Versionless) { 10_000 } else { 0 }
    }
    async fn version_of(&self, id: KeyId) -> Answer<Version> {
        let now = self.inner.keys.read(Service::Hub, everything(), id).await?;
        Ok(now.map_or(Version::FIRST, |key| key.version))
    }
}

#[async_trait]
impl Users for Broken {
    async fn read(&self, scope: Scope, id: UserId) -> Answer<Option<User>> {
        self.inner.users.read(self.scope(scope), id).await
    }
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<User>> {
        Ok(self.rows(self.inner.users.list(self.scope(scope), page).await?, page.limit))
    }
    async fn create(
        &self,
        grant: &Granted<CreateUser>,
        new: NewUser,
        once: Option<Once>,
    ) -> Answer<Creation> {
        self.inner.users.create(grant, new, self.once(once)).await
    }
    async fn change(
        &self,
        grant: &Granted<ChangeUser>,
        version: Version,
        patch: UserPatch,
        at: Timestamp,
    ) -> Answer<Change<User>> {
        let _turn = self.turn.lock().await;
        for _ in 0..self.tries() {
            let now = self.inner.users.read(everything(), grant.target()).await?;
            let version = now.map_or(version, |user| user.version);
            let done = self.inner.users.change(grant, version, patch.clone(), at).await?;
            if done != Change::Stale {
                return Ok(done);
            }
        }
        self.inner.users.change(grant, version, patch, at).await
    }
    async fn remove(&self, grant: &Granted<RemoveUser>, at: Timestamp) -> Answer<bool> {
        Ok(self.inner.users.remove(grant, at).await? || self.is(Repeating))
    }
}

#[async_trait]
impl Keys for Broken {
    async fn read(&self, service: Service, scope: Scope, id: KeyId) -> Answer<Option<Key>> {
        self.inner.keys.read(service, self.scope(scope), id).await
    }
    async fn list(&self, service: Service, scope: Scope, page: Page) -> Answer<Vec<Key>> {
        let mut keys = self.inner.keys.list(service, self.scope(scope), page).await?;
        keys.retain(|key| !self.is(Hiding) || key.revoked_at.is_none());
        Ok(self.rows(keys, page.limit))
    }
    async fn create(
        &self,
        grant: &Granted<CreateKey>,
        new: NewKey,
        once: Option<Once>,
    ) -> Answer<Creation<Seq>> {
        self.inner.keys.create(grant, new, self.once(once)).await
    }
    async fn import(
        &self,
        grant: &Granted<ImportKeys>,
        new: Vec<(Tenant, NewKey)>,
    ) -> Answer<(Vec<bool>, Seq)> {
        self.inner.keys.import(grant, new).await
    }
    async fn change(
        &self,
        grant: &Granted<ChangeKey>,
        version: Version,
        patch: KeyPatch,
        rights: Bounded,
        at: Timestamp,
    ) -> Answer<Change<(Key, Seq)>> {
        let _turn = self.turn.lock().await;
        for _ in 0..self.tries() {
            let version = self.version_of(grant.target()).await?;
            let (patch, rights) = (patch.clone(), rights.clone());
            let done = self.inner.keys.change(grant, version, patch, rights, at).await?;
            if done != Change::Stale {
                return Ok(done);
            }
        }
        self.inner.keys.change(grant, version, patch, rights, at).await
    }
    async fn rotate(
        &self,
        grant: &Granted<RotateKey>,
        version: Version,
        rights: Bounded,
        secret: NewSecret,
        old_until: Timestamp,
        at: Timestamp,
    ) -> Answer<Change<(Key, Seq)>> {
        let _turn = self.turn.lock().await;
        for _ in 0..self.tries() {
            let version = self.version_of(grant.target()).await?;
            let (rights, secret) = (rights.clone(), secret.clone());
            let done = self.inner.keys.rotate(grant, version, rights, secret, old_until, at).await?;
            if done != Change::Stale {
                return Ok(done);
            }
        }
        self.inner.keys.rotate(grant, version, rights, secret, old_until, at).await
    }
    async fn revoke(&self, grant: &Granted<RevokeKey>, at: Timestamp) -> Answer<Option<Seq>> {
        let seq = self.inner.keys.revoke(grant, at).await?;
        Ok(seq.or_else(|| self.is(Repeating).then_some(Seq(1))))
    }
}

#[async_trait]
impl KeyIndex for Broken {
    async fn find(&self, service: Service, digest: &TokenDigest) -> Answer<Option<FoundKey>> {
        let found = self.inner.key_index.find(service, digest).await?;
        Ok(found.map(|found| FoundKey { ended: found.ended && !self.is(Undead), ..found }))
    }
    async fn digests_since(&self, service: Service, after: Seq) -> Answer<Vec<TokenDigest>> {
        let after = if self.is(Unnumbered) { Seq(0) } else { after };
        self.inner.key_index.digests_since(service, after).await
    }
    async fn touch(&self, uses: &[KeyUse]) -> Answer<()> {
        if self.is(Repeating) {
            self.inner.key_index.touch(uses).await?;
        }
        if self.is(Untouched) { Ok(()) } else { self.inner.key_index.touch(uses).await }
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
        let none = AuditFilter::default();
        let filter = if self.is(Unfiltered) { &none } else { filter };
        Ok(self.rows(self.inner.audit.list(self.scope(scope), filter, before, limit).await?, limit))
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
        if self.is(Twice) {
            self.inner.audit.append(entries.clone()).await?;
        }
        self.inner.audit.append(entries).await
    }
}

#[async_trait]
impl Revocations for Broken {
    async fn join(&self, replica: ReplicaId, applied: Seq) -> Answer<()> {
        self.inner.revocations.join(replica, applied).await
    }
    async fn news(&self, applied: Seq) {
        self.inner.revocations.news(applied).await;
    }
    async fn renew(&self, replica: ReplicaId, lease: Duration) -> Answer<Renewal> {
        self.inner.revocations.renew(replica, lease).await
    }
    async fn head(&self) -> Answer<Seq> {
        self.inner.revocations.head().await
    }
    async fn since(&self, after: Seq) -> Answer<Vec<Notice>> {
        let notices = self.inner.revocations.since(after).await?;
        let lost = |notice: &Notice| self.is(Noticeless) || self.is(Gap) && notice.seq == Seq(1);
        Ok(notices.into_iter().filter(|notice| !lost(notice)).collect())
    }
    async fn acknowledge(&self, replica: ReplicaId, applied: Seq) -> Answer<bool> {
        if self.is(Backward) {
            self.inner.revocations.join(replica, applied).await?;
            return Ok(true);
        }
        self.inner.revocations.acknowledge(replica, applied).await
    }
    async fn settled(&self, seq: Seq, lease: Duration) -> Answer<()> {
        match self.fault {
            Hasty => Ok(()),
            Lingering => {
                let _ = tokio::time::timeout(lease, self.inner.revocations.settled(seq, 9 * lease)).await;
                Ok(())
            }
            _ => self.inner.revocations.settled(seq, lease).await,
        }
    }
    async fn leave(&self, replica: ReplicaId) -> Answer<()> {
        self.inner.revocations.leave(replica).await
    }
}
