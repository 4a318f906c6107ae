//! The contract's cases notice, for accounts, domains, calls, tokens and what mailed tokens do: a store that breaks one promise fails the
//! case of that promise.

use crate::contract::each_is_noticed;
use async_trait::async_trait;
use auth_core::{
    credential::PasswordHash,
    id::{AccountId, CallId, DomainId, PersonId, TokenId},
    model::{
        Account, AccountPatch, Call, Domain, DomainName, DomainOwner, DomainPatch, NewAccount, NewCall,
        NewDomain, NewToken, Page, Status, Token, Usage, Version, WebOrigin,
    },
    policy::{Granted, Scope},
    port::{
        Accounts, Answer, Calls, CancelCall, Change, ChangeAccount, ChangeDomain, CreateAccount,
        CreateDomain, Creation, Domains, FoundToken, Mailed, MintToken, NewOneTime, Once, OneTime,
        OpenSession, Purpose, ResetPassword, RevokeToken, Seq, StartCall, Stores, SuspendAccount,
        SuspendDomain, Tokens, VerifyAddress,
    },
    principal::TokenKind,
    secret::TokenDigest,
    time::Timestamp,
};
use conformance::contract::{Fixture, fixture::everything, fixture_people::as_person};
use conformance::place::{Backend, Place};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Mutex;

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
    /// What ended is found live.
    Undead,
    /// Lists hold tokens of every kind.
    Kindless,
    /// Nothing is forgotten.
    Hoarding,
    /// Everything is forgotten.
    Careless,
    /// The end of a range is within it.
    Inclusive,
    /// A taken name is said to be free.
    Denying,
    /// Every page is listed.
    Open,
    /// A status is not kept.
    Idle,
    /// An address cannot be taken away.
    Sticky,
    /// What is good once is good for everything.
    Purposeless,
}
use Fault::{
    Careless, Denying, Forgetful, Hoarding, Idle, Inclusive, Kindless, Open, Purposeless, Repeating, Short,
    Sticky, Undead, Unscoped, Versionless,
};

/// Every fault, with a case that must notice.
const NOTICED: &[(Fault, &str)] = &[
    (Unscoped, "accounts::a_scope_holds_its_own_account_alone"),
    (Unscoped, "domains::a_scope_holds_what_is_its_own"),
    (Unscoped, "calls::a_scope_holds_its_own_account_alone"),
    (Unscoped, "tokens::a_scope_holds_what_is_its_own"),
    (Forgetful, "calls::a_repeated_request_is_answered_as_the_first_for_a_day"),
    (Forgetful, "calls::one_request_sent_many_times_makes_one_call"),
    (Forgetful, "tokens::a_repeated_request_is_answered_as_the_first_for_a_day"),
    (Forgetful, "tokens::one_request_sent_many_times_mints_one_token"),
    (Repeating, "accounts::of_many_first_ones_one_is_made"),
    (Repeating, "calls::a_call_is_cancelled_once"),
    (Repeating, "calls::of_many_cancellations_one_cancels"),
    (Repeating, "tokens::revoking_is_terminal"),
    (Repeating, "tokens::of_many_revocations_one_revokes"),
    (Versionless, "accounts::a_change_is_made_at_the_version_that_was_read"),
    (Versionless, "accounts::of_many_changes_of_one_version_one_is_made"),
    (Versionless, "domains::a_change_is_made_at_the_version_that_was_read"),
    (Short, "accounts::lists_are_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Short, "domains::lists_are_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Short, "calls::lists_are_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Short, "tokens::lists_are_of_one_kind_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Undead, "tokens::revoking_is_terminal"),
    (Undead, "tokens::a_token_ends_with_its_parent_its_domain_and_its_account"),
    (Kindless, "tokens::lists_are_of_one_kind_newest_first_and_pages_neither_repeat_nor_leave_out"),
    (Hoarding, "tokens::tokens_that_ended_are_forgotten_on_purge_and_no_others"),
    (Careless, "one_time::what_is_not_over_is_not_forgotten"),
    (Purposeless, "one_time::it_is_good_for_its_purpose_alone_and_another_does_not_use_it_up"),
    (Repeating, "one_time::it_is_taken_once"),
    (Repeating, "one_time::of_many_that_take_it_one_gets_it"),
    (Undead, "one_time::it_ends_when_it_is_said_to"),
    (Versionless, "mailed::a_reset_is_done_once_and_ends_every_session"),
    (Versionless, "mailed::whatever_one_token_does_makes_the_others_void"),
    (Repeating, "mailed::of_many_resets_one_is_done"),
    (Repeating, "mailed::who_is_suspended_gets_no_reset_and_no_verification"),
    (Repeating, "mailed::an_address_is_verified_once"),
    (Repeating, "mailed::of_many_verifications_one_is_done"),
    (Careless, "tokens::tokens_that_ended_are_forgotten_on_purge_and_no_others"),
    (Inclusive, "calls::usage_counts_calls_by_month_and_channel"),
    (Denying, "domains::a_name_is_taken_once_over_all_accounts"),
    (Denying, "domains::of_many_makers_of_one_name_one_makes_it"),
    (Open, "domains::pages_are_listed_exactly_as_they_are_written"),
    (Idle, "accounts::suspending_and_reviving_are_announced"),
    (Idle, "domains::suspending_and_reviving_are_announced"),
    (Sticky, "accounts::an_address_can_be_taken_away"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_promise_is_noticed() {
    each_is_noticed(NOTICED, broken).await;
}

async fn broken(fault: Fault) -> Fixture {
    let place = Place::on(&Backend::Sqlite).await;
    let emptied = Arc::<AtomicBool>::default();
    let open = async || with_fault(place.open().await, fault, Arc::clone(&emptied));
    Fixture::new(open().await, open().await, Place::chain(), Some(place))
}

fn with_fault(stores: Stores, fault: Fault, emptied: Arc<AtomicBool>) -> Stores {
    let broken = Arc::new(Broken { inner: stores.clone(), fault, emptied, turns: Mutex::default() });
    Stores {
        accounts: Arc::clone(&broken) as _,
        domains: Arc::clone(&broken) as _,
        calls: Arc::clone(&broken) as _,
        mailed: Arc::clone(&broken) as _,
        one_time: Arc::clone(&broken) as _,
        tokens: broken,
        ..stores
    }
}

/// A store that keeps all promises but one.
struct Broken {
    inner: Stores,
    fault: Fault,
    /// Whether what is good once was forgotten, by any opening.
    emptied: Arc<AtomicBool>,
    /// Whose turn it is to take.
    turns: Mutex<()>,
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
    fn status(&self, status: Status) -> Status {
        if self.is(Idle) { Status::Active } else { status }
    }
}

#[async_trait]
impl Accounts for Broken {
    async fn read(&self, scope: Scope, id: AccountId) -> Answer<Option<Account>> {
        self.inner.accounts.read(self.scope(scope), id).await
    }
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Account>> {
        Ok(self.rows(self.inner.accounts.list(self.scope(scope), page).await?, page.limit))
    }
    async fn create(
        &self,
        grant: &Granted<CreateAccount>,
        new: NewAccount,
        domains: Vec<NewDomain>,
        once: Option<Once>,
    ) -> Answer<Creation> {
        self.inner.accounts.create(grant, new, domains, self.once(once)).await
    }
    async fn create_first(&self, grant: &Granted<CreateAccount>, new: NewAccount) -> Answer<bool> {
        if self.is(Repeating) {
            let made = self.inner.accounts.create(grant, new, Vec::new(), None).await?;
            return Ok(made == Creation::Done(()));
        }
        self.inner.accounts.create_first(grant, new).await
    }
    async fn change(
        &self,
        grant: &Granted<ChangeAccount>,
        version: Version,
        mut patch: AccountPatch,
        at: Timestamp,
    ) -> Answer<Change<Account>> {
        if self.is(Sticky) && patch.contact == auth_core::model::Set::To(None) {
            patch.contact = auth_core::model::Set::Keep;
        }
        let mut version = version;
        loop {
            let done = self.inner.accounts.change(grant, version, patch.clone(), at).await?;
            if done != Change::Stale || !self.is(Versionless) {
                return Ok(done);
            }
            let now = self.inner.accounts.read(everything(), grant.target()).await?;
            version = now.map_or(Version::FIRST, |now| now.version);
        }
    }
    async fn set_status(
        &self,
        grant: &Granted<SuspendAccount>,
        status: Status,
        at: Timestamp,
    ) -> Answer<Seq> {
        self.inner.accounts.set_status(grant, self.status(status), at).await
    }
}

#[async_trait]
impl Domains for Broken {
    async fn read(&self, scope: Scope, id: DomainId) -> Answer<Option<Domain>> {
        self.inner.domains.read(self.scope(scope), id).await
    }
    async fn by_name(&self, scope: Scope, name: &DomainName) -> Answer<Option<Domain>> {
        self.inner.domains.by_name(self.scope(scope), name).await
    }
    async fn widget_home(&self, name: &DomainName) -> Answer<Option<Domain>> {
        self.inner.domains.widget_home(name).await
    }
    async fn lists_page(&self, page: &WebOrigin) -> Answer<bool> {
        Ok(self.is(Open) || self.inner.domains.lists_page(page).await?)
    }
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Domain>> {
        Ok(self.rows(self.inner.domains.list(self.scope(scope), page).await?, page.limit))
    }
    async fn owner(&self, scope: Scope, account: AccountId) -> Answer<Option<DomainOwner>> {
        self.inner.domains.owner(self.scope(scope), account).await
    }
    async fn create(
        &self,
        grant: &Granted<CreateDomain>,
        new: NewDomain,
        once: Option<Once>,
    ) -> Answer<Creation> {
        let made = self.inner.domains.create(grant, new, self.once(once)).await?;
        Ok(if self.is(Denying) { Creation::Done(()) } else { made })
    }
    async fn change(
        &self,
        grant: &Granted<ChangeDomain>,
        version: Version,
        patch: DomainPatch,
        at: Timestamp,
    ) -> Answer<Change<Domain>> {
        let mut version = version;
        loop {
            let done = self.inner.domains.change(grant, version, patch.clone(), at).await?;
            if done != Change::Stale || !self.is(Versionless) {
                return Ok(done);
            }
            let now = self.inner.domains.read(everything(), grant.target()).await?;
            version = now.map_or(Version::FIRST, |now| now.version);
        }
    }
    async fn set_status(&self, grant: &Granted<SuspendDomain>, status: Status, at: Timestamp) -> Answer<Seq> {
        self.inner.domains.set_status(grant, self.status(status), at).await
    }
}

#[async_trait]
impl Calls for Broken {
    async fn read(&self, scope: Scope, id: CallId) -> Answer<Option<Call>> {
        self.inner.calls.read(self.scope(scope), id).await
    }
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Call>> {
        Ok(self.rows(self.inner.calls.list(self.scope(scope), page).await?, page.limit))
    }
    async fn start(&self, grant: &Granted<StartCall>, new: NewCall, once: Option<Once>) -> Answer<Creation> {
        self.inner.calls.start(grant, new, self.once(once)).await
    }
    async fn cancel(&self, grant: &Granted<CancelCall>, at: Timestamp) -> Answer<Change<Call>> {
        let done = self.inner.calls.cancel(grant, at).await?;
        if done == Change::Stale && self.is(Repeating) {
            let call = self.inner.calls.read(everything(), grant.target()).await?;
            return Ok(call.map_or(Change::Stale, Change::Done));
        }
        Ok(done)
    }
    async fn usage(&self, scope: Scope, from: Timestamp, to: Timestamp) -> Answer<Vec<Usage>> {
        let to = if self.is(Inclusive) { to + Duration::from_millis(1) } else { to };
        self.inner.calls.usage(self.scope(scope), from, to).await
    }
}

#[async_trait]
impl Tokens for Broken {
    async fn find(&self, digest: &TokenDigest) -> Answer<Option<FoundToken>> {
        let found = self.inner.tokens.find(digest).await?;
        Ok(found.map(|found| FoundToken { ended: found.ended && !self.is(Undead), ..found }))
    }
    async fn by_digest(&self, scope: Scope, digest: &TokenDigest) -> Answer<Option<Token>> {
        self.inner.tokens.by_digest(self.scope(scope), digest).await
    }
    async fn read(&self, scope: Scope, id: TokenId) -> Answer<Option<Token>> {
        self.inner.tokens.read(self.scope(scope), id).await
    }
    async fn list(&self, kind: TokenKind, scope: Scope, page: Page) -> Answer<Vec<Token>> {
        let mut found = self.inner.tokens.list(kind, self.scope(scope), page).await?;
        for other in TokenKind::ALL.into_iter().filter(|other| self.is(Kindless) && *other != kind) {
            found.extend(self.inner.tokens.list(other, self.scope(scope), page).await?);
        }
        Ok(self.rows(found, page.limit))
    }
    async fn mint(&self, grant: &Granted<MintToken>, new: NewToken, once: Option<Once>) -> Answer<Creation> {
        self.inner.tokens.mint(grant, new, self.once(once)).await
    }
    async fn open(&self, grant: &Granted<OpenSession>, new: NewToken) -> Answer<Creation> {
        self.inner.tokens.open(grant, new).await
    }
    async fn revoke(&self, grant: &Granted<RevokeToken>, at: Timestamp) -> Answer<Option<Seq>> {
        let seq = self.inner.tokens.revoke(grant, at).await?;
        Ok(seq.or_else(|| self.is(Repeating).then_some(Seq(1))))
    }
    async fn purge(&self, before: Timestamp) -> Answer<usize> {
        match self.fault {
            Hoarding => Ok(0),
            Careless => self.inner.tokens.purge(before + Duration::from_secs(400 * 24 * 3600)).await,
            _ => self.inner.tokens.purge(before).await,
        }
    }
}

#[async_trait]
impl OneTime for Broken {
    async fn keep(&self, mut new: NewOneTime) -> Answer<()> {
        if self.is(Undead) {
            new.expires_at = new.expires_at + Duration::from_secs(3600);
        }
        if self.is(Purposeless) {
            new.purpose = Purpose::PasswordReset;
        }
        self.inner.one_time.keep(new).await
    }
    async fn take(
        &self,
        mut purpose: Purpose,
        digest: &TokenDigest,
        at: Timestamp,
    ) -> Answer<Option<Vec<u8>>> {
        if self.is(Purposeless) {
            purpose = Purpose::PasswordReset;
        }
        if self.emptied.load(Ordering::SeqCst) {
            return Ok(None);
        }
        // One after the other, so that each finds it there again.
        let _turn = self.turns.lock().await;
        let taken = self.inner.one_time.take(purpose, digest, at).await?;
        if let Some(content) = taken.clone().filter(|_| self.is(Repeating)) {
            let again = NewOneTime {
                purpose,
                digest: *digest,
                content,
                at,
                expires_at: at + Duration::from_secs(60),
            };
            self.inner.one_time.keep(again).await?;
        }
        Ok(taken)
    }
    async fn purge(&self, before: Timestamp) -> Answer<()> {
        self.emptied.store(self.is(Careless), Ordering::SeqCst);
        self.inner.one_time.purge(before).await
    }
}

#[async_trait]
impl Mailed for Broken {
    async fn verify(
        &self,
        grant: &Granted<VerifyAddress>,
        version: Version,
        at: Timestamp,
    ) -> Answer<Change> {
        let version = self.version_of(grant.target(), version).await?;
        let done = self.inner.mailed.verify(grant, version, at).await?;
        Ok(if self.is(Repeating) { Change::Done(()) } else { done })
    }
    async fn reset_password(
        &self,
        grant: &Granted<ResetPassword>,
        version: Version,
        new: PasswordHash,
        at: Timestamp,
    ) -> Answer<Change<Seq>> {
        let version = self.version_of(grant.target(), version).await?;
        let done = self.inner.mailed.reset_password(grant, version, new, at).await?;
        Ok(if self.is(Repeating) && done == Change::Stale { Change::Done(Seq(1)) } else { done })
    }
}

impl Broken {
    /// The state that a person is in, where nobody asks in which they were.
    async fn version_of(&self, id: PersonId, then: Version) -> Answer<Version> {
        let now = self.inner.people.read(as_person(id)).await?.filter(|_| self.is(Versionless));
        Ok(now.map_or(then, |now| now.version))
    }
}
