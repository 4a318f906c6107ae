//! The contract's cases notice, for transactions of authorization and the vault: a store that breaks one promise fails the
//! case of that promise.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::contract::each_is_noticed;
use async_trait::async_trait;
use auth_core::{
    audit::{Chained, Entry, Head},
    id::{ConnectionId, UserId},
    model::{Authorization, NewAuthorization, SealedTokens, StoredConnection},
    policy::{Granted, Scope},
    port::{
        Answer, AuditFilter, AuditTrail, Authorizations, BeginAuthorization, Callback, Creation, MOST_OPEN,
        Rekey, Stores, Vault, VaultKey,
    },
    principal::Principal,
    seal::KeyName,
    time::Timestamp,
};
use conformance::{
    contract::{
        Fixture,
        fixture_calendars::{bring, fitting, vault_key},
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
    /// Whatever browser comes back may take a transaction.
    Unbound,
    /// A callback of any provider may.
    Anywhere,
    /// What does not fit uses it up.
    Greedy,
    /// What was taken is taken again.
    Repeating,
    /// What is over is taken.
    Undead,
    /// It outlives its user, its key, and the suspension of its account.
    Lasting,
    /// A refusal uses up what fits.
    Spiteful,
    /// A user has as many open as they like.
    Boundless,
    /// When a place is free is not known.
    Vague,
    /// All users share their places.
    Lumping,
    /// What was taken keeps its place.
    Sticky,
    /// Nothing is forgotten.
    Hoarding,
    /// Everything is forgotten.
    Careless,
    /// Anybody begins, for anybody.
    Anybody,
    /// The events of commands are not written.
    Eventless,
    /// What fails leaves something.
    Torn,
    /// What fails is told as done.
    Boasting,
    /// The last proof of a key counts.
    Replacing,
    /// A key comes beside whatever others there are.
    Heedless,
    /// Keys come in another order.
    Reversed,
    /// Pages are a row short.
    Short,
    /// Everything counts, whatever sealed it.
    Miscounting,
    /// Whatever lies there is sealed anew.
    Clobbering,
    /// Keys that stay are not told.
    Silent,
    /// Nothing is retired.
    Sluggish,
    /// What was retired comes back.
    Returning,
    /// What was sealed anew is not.
    Idle,
}
use Fault::{
    Anybody, Anywhere, Boasting, Boundless, Careless, Clobbering, Eventless, Greedy, Heedless, Hoarding,
    Idle, Lasting, Lumping, Miscounting, Repeating, Replacing, Returning, Reversed, Short, Silent, Sluggish,
    Spiteful, Sticky, Torn, Unbound, Undead, Vague,
};

/// Every fault, with a case that must notice.
const NOTICED: &[(Fault, &str)] = &[
    (Unbound, "authorizations::a_callback_that_does_not_fit_in_all_takes_nothing"),
    (Unbound, "authorizations::who_does_not_fit_hinders_nobody"),
    (Anywhere, "authorizations::a_callback_that_does_not_fit_in_all_takes_nothing"),
    (Anywhere, "authorizations::who_does_not_fit_hinders_nobody"),
    (Greedy, "authorizations::a_callback_that_does_not_fit_in_all_takes_nothing"),
    (Greedy, "authorizations::one_that_is_taken_or_over_frees_its_place"),
    (Repeating, "authorizations::it_is_taken_once"),
    (Repeating, "authorizations::of_many_that_take_it_one_gets_it"),
    (Undead, "authorizations::it_ends_when_it_is_said_to"),
    (Undead, "authorizations::it_is_good_while_the_key_that_began_it_is"),
    (Undead, "authorizations::a_suspended_account_takes_nothing_until_it_is_revived"),
    (Lasting, "authorizations::it_goes_with_its_user"),
    (Lasting, "authorizations::it_is_good_while_the_key_that_began_it_is"),
    (Lasting, "authorizations::a_suspended_account_takes_nothing_until_it_is_revived"),
    (Lasting, "connections::removing_a_user_ends_what_they_linked"),
    (Spiteful, "authorizations::it_ends_when_it_is_said_to"),
    (Spiteful, "authorizations::a_suspended_account_takes_nothing_until_it_is_revived"),
    (Boundless, "authorizations::a_user_has_so_many_open_and_no_more"),
    (Boundless, "authorizations::of_many_that_begin_together_so_many_are_kept"),
    (Vague, "authorizations::a_user_has_so_many_open_and_no_more"),
    (Vague, "authorizations::one_that_is_taken_or_over_frees_its_place"),
    (Vague, "authorizations::of_many_that_begin_together_so_many_are_kept"),
    (Lumping, "authorizations::a_user_has_so_many_open_and_no_more"),
    (Lumping, "authorizations::of_many_that_begin_together_so_many_are_kept"),
    (Sticky, "authorizations::one_that_is_taken_or_over_frees_its_place"),
    (Hoarding, "authorizations::what_ended_is_forgotten_on_purge_and_no_others"),
    (Careless, "authorizations::what_ended_is_forgotten_on_purge_and_no_others"),
    (Anybody, "authorizations::who_is_no_key_begins_nothing"),
    (Anybody, "authorizations::nothing_is_begun_for_who_is_gone"),
    (Eventless, "authorizations::one_opening_takes_what_another_began"),
    (Eventless, "authorizations::of_many_that_begin_together_so_many_are_kept"),
    (Torn, "authorizations::what_fails_midway_leaves_nothing"),
    (Boasting, "authorizations::what_fails_midway_leaves_nothing"),
    (Replacing, "vault::a_key_that_is_there_keeps_its_first_proof"),
    (Replacing, "vault::of_many_that_bring_a_key_one_is_kept"),
    (Heedless, "vault::a_key_comes_beside_those_that_were_proved_alone"),
    (Reversed, "vault::keys_are_kept_in_the_order_they_came"),
    (Short, "vault::what_other_keys_sealed_is_counted_and_paged"),
    (Miscounting, "vault::what_other_keys_sealed_is_counted_and_paged"),
    (Clobbering, "vault::tokens_are_sealed_anew_where_the_same_ones_lie"),
    (Clobbering, "vault::of_two_that_change_the_tokens_neither_overwrites_the_other"),
    (Idle, "vault::tokens_are_sealed_anew_where_the_same_ones_lie"),
    (Idle, "vault::keys_that_seal_nothing_are_retired_and_no_others"),
    (Silent, "vault::keys_that_seal_nothing_are_retired_and_no_others"),
    (Sluggish, "vault::keys_that_seal_nothing_are_retired_and_no_others"),
    (Sluggish, "vault::with_a_key_that_was_retired_nothing_is_sealed"),
    (Returning, "vault::keys_that_seal_nothing_are_retired_and_no_others"),
    (Returning, "vault::with_a_key_that_was_retired_nothing_is_sealed"),
    (Eventless, "vault::keys_that_seal_nothing_are_retired_and_no_others"),
    (Torn, "vault::what_fails_midway_leaves_nothing"),
    (Boasting, "vault::what_fails_midway_leaves_nothing"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_promise_is_noticed() {
    each_is_noticed(NOTICED, broken).await;
}

async fn broken(fault: Fault) -> Fixture {
    let place = Place::on(&Backend::Sqlite).await;
    let memory = Arc::<Mutex<Memory>>::default();
    let open = async || {
        let stores = place.open().await;
        let broken = Arc::new(Broken { inner: stores.clone(), fault, memory: Arc::clone(&memory) });
        let audit = Arc::clone(&broken) as _;
        Stores { authorizations: Arc::clone(&broken) as _, vault: broken, audit, ..stores }
    };
    Fixture::new(open().await, open().await, Place::chain(), Some(place))
}

/// What faults go by.
#[derive(Default)]
struct Memory {
    /// Transactions, by their `state`.
    begun: BTreeMap<[u8; 32], Begun>,
    /// The last proof of each key.
    proofs: BTreeMap<[u8; 8], VaultKey>,
}

#[derive(Clone)]
struct Begun {
    new: NewAuthorization,
    as_taken: Authorization,
    is_used_up: bool,
}

/// A store that keeps all promises but one.
struct Broken {
    inner: Stores,
    fault: Fault,
    memory: Arc<Mutex<Memory>>,
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }
    /// How many of these users began, and are not over yet.
    fn open(&self, is_counted: impl Fn(UserId) -> bool, at: Timestamp) -> usize {
        let memory = self.memory.lock().unwrap();
        let open = |begun: &&Begun| begun.new.expires_at > at && is_counted(begun.as_taken.user);
        memory.begun.values().filter(open).count()
    }
    async fn fail<T>(&self, answer: Answer<T>, instead: T) -> Answer<T> {
        match answer {
            Err(_) if self.is(Boasting) => Ok(instead),
            Err(error) if self.is(Torn) => {
                bring(&self.inner.vault, vault_key(99, b"left"), Timestamp::EPOCH).await?;
                Err(error)
            }
            answer => answer,
        }
    }
    /// Every connection that some key sealed.
    async fn all(&self) -> Answer<Vec<StoredConnection>> {
        self.inner.vault.sealed_before(KeyName::from_bytes([0xfe; 8]), None, u16::MAX).await
    }
}

#[async_trait]
impl Authorizations for Broken {
    async fn begin(&self, grant: &Granted<BeginAuthorization>, new: NewAuthorization) -> Answer<Creation> {
        let user = grant.target();
        let is_full = match self.fault {
            Lumping => self.open(|_| true, new.at) >= usize::from(MOST_OPEN),
            Sticky => self.open(|whose| whose == user, new.at) >= usize::from(MOST_OPEN),
            _ => false,
        };
        let begun = if is_full {
            Ok(Creation::Full(new.expires_at))
        } else {
            self.inner.authorizations.begin(grant, new.clone()).await
        };
        if let (Ok(Creation::Done(())), Some(Principal::Key(key))) = (&begun, grant.who()) {
            let as_taken = Authorization {
                account: grant.tenant().unwrap().account,
                user,
                begun_by: key.id,
                provider: new.provider.clone(),
                redirect_after: new.redirect_after.clone(),
            };
            let begun = Begun { new: new.clone(), as_taken, is_used_up: false };
            self.memory.lock().unwrap().begun.insert(*new.state.as_bytes(), begun);
        }
        match self.fail(begun, Creation::Done(())).await? {
            Creation::Full(_) if self.is(Boundless) => Ok(Creation::Done(())),
            Creation::Full(_) if self.is(Vague) => Ok(Creation::Full(new.expires_at)),
            Creation::Stale if self.is(Anybody) => Ok(Creation::Done(())),
            begun => Ok(begun),
        }
    }

    async fn take(&self, callback: &Callback, at: Timestamp) -> Answer<Option<Authorization>> {
        let known = self.memory.lock().unwrap().begun.get(callback.state.as_bytes()).cloned();
        let Some(known) = known else { return self.inner.authorizations.take(callback, at).await };
        let right = fitting(&known.new);
        let fits = callback.binding == right.binding && callback.provider == right.provider;
        let (mut callback, mut at) = (callback.clone(), at);
        match self.fault {
            Unbound => callback.binding = right.binding,
            Anywhere => callback.provider = right.provider,
            Greedy if !fits => {
                self.inner.authorizations.take(&right, at).await?;
                return Ok(None);
            }
            Undead => at = known.new.at,
            Spiteful if known.is_used_up => return Ok(None),
            _ => {}
        }
        let taken = self.inner.authorizations.take(&callback, at).await?;
        let was_used_up = {
            let mut memory = self.memory.lock().unwrap();
            let begun = memory.begun.get_mut(callback.state.as_bytes()).unwrap();
            let was_used_up = begun.is_used_up;
            begun.is_used_up |= fits;
            was_used_up
        };
        let remembered = || Some(known.as_taken.clone()).filter(|_| fits);
        Ok(match self.fault {
            Repeating if was_used_up => remembered(),
            Lasting if !was_used_up && at < known.new.expires_at => remembered(),
            _ => taken,
        })
    }

    async fn purge(&self, before: Timestamp) -> Answer<()> {
        match self.fault {
            Hoarding => Ok(()),
            Careless => self.inner.authorizations.purge(Timestamp::MAX).await,
            _ => self.inner.authorizations.purge(before).await,
        }
    }
}

#[async_trait]
impl Vault for Broken {
    async fn keys(&self) -> Answer<Vec<VaultKey>> {
        let mut keys = self.inner.vault.keys().await?;
        if self.is(Replacing) {
            let memory = self.memory.lock().unwrap();
            keys = keys.iter().map(|key| memory.proofs.get(key.name.as_bytes()).unwrap().clone()).collect();
        }
        if self.is(Reversed) {
            keys.reverse();
        }
        Ok(keys)
    }
    async fn add_key(&self, key: VaultKey, beside: &[KeyName], at: Timestamp) -> Answer<bool> {
        self.memory.lock().unwrap().proofs.insert(*key.name.as_bytes(), key.clone());
        let answer = self.inner.vault.add_key(key.clone(), beside, at).await;
        if self.is(Heedless) && answer == Ok(false) {
            bring(&self.inner.vault, key, at).await?;
            return Ok(true);
        }
        self.fail(answer, true).await
    }
    async fn count_sealed_before(&self, newest: KeyName) -> Answer<u64> {
        let newest = if self.is(Miscounting) { KeyName::from_bytes([0xfe; 8]) } else { newest };
        self.inner.vault.count_sealed_before(newest).await
    }
    async fn sealed_before(
        &self,
        newest: KeyName,
        after: Option<ConnectionId>,
        limit: u16,
    ) -> Answer<Vec<StoredConnection>> {
        let mut rows = self.inner.vault.sealed_before(newest, after, limit).await?;
        if self.is(Short) && rows.len() == usize::from(limit) {
            rows.remove(0);
        }
        Ok(rows)
    }
    async fn reseal(
        &self,
        grant: &Granted<Rekey>,
        id: ConnectionId,
        before: &SealedTokens,
        after: SealedTokens,
    ) -> Answer<bool> {
        let mut before = before.clone();
        if self.is(Clobbering) {
            let found = self.all().await?.into_iter().find(|stored| stored.connection.id == id);
            before = found.map_or(before, |stored| stored.tokens);
        }
        if self.is(Idle) {
            return Ok(true);
        }
        self.fail(self.inner.vault.reseal(grant, id, &before, after).await, true).await
    }
    async fn retire_keys(
        &self,
        grant: &Granted<Rekey>,
        newest: KeyName,
        at: Timestamp,
    ) -> Answer<Vec<KeyName>> {
        if self.is(Sluggish) {
            let mut used: Vec<_> = self.all().await?.iter().map(|stored| stored.tokens.key).collect();
            used.sort_by_key(|name| *name.as_bytes());
            used.dedup();
            return Ok(used.into_iter().filter(|name| *name != newest).collect());
        }
        let keys = self.inner.vault.keys().await?;
        let retired = self.inner.vault.retire_keys(grant, newest, at).await;
        let stay = self.fail(retired, Vec::new()).await?;
        if self.is(Returning) {
            for key in keys {
                bring(&self.inner.vault, key, at).await?;
            }
        }
        Ok(if self.is(Silent) { Vec::new() } else { stay })
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
