//! How a validator keeps current: it renews its lease, and applies what it missed before the lease counts.

use super::{LEASE, Validator};
use crate::{
    error::{FlowError, StoreError},
    port::{About, ReplicaId, Seq, Standing},
    time::Monotonic,
};
use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};
use tokio::sync::{Mutex, MutexGuard};

/// A process that was struck from the list joins and looks again, at once but not without end.
const MOST_ROUNDS: usize = 4;

/// Whether this process is among those that a revocation waits for.
#[derive(Debug)]
pub(super) struct Membership {
    id: [u8; 16],
    /// How often it has joined: each time under a new name, so that a call to join that lands late, when it was struck
    /// and has joined again, does not speak for it.
    joined: AtomicU64,
    begun: AtomicBool,
    /// Up to where the store knows that this process has applied: it is not told again.
    known: AtomicI64,
    /// One task at a time follows the stream: what is read of it is applied in order, and no slower reader of
    /// all secrets undoes what a faster one added.
    turn: Mutex<()>,
}

impl Membership {
    pub(super) const fn new(id: [u8; 16]) -> Self {
        Self {
            id,
            joined: AtomicU64::new(0),
            begun: AtomicBool::new(false),
            known: AtomicI64::new(0),
            turn: Mutex::const_new(()),
        }
    }

    /// Its present name.
    fn name(&self) -> ReplicaId {
        let number = u128::from(self.joined.load(Ordering::Acquire));
        ReplicaId(u128::from_be_bytes(self.id).wrapping_add(number).to_be_bytes())
    }

    /// A name that it has not had.
    fn new_name(&self) -> ReplicaId {
        self.joined.fetch_add(1, Ordering::AcqRel);
        self.name()
    }
}

impl Validator {
    /// Renews the lease, and first applies what was committed since. To be called several times a lease; from
    /// the first call on, revocations wait for this process.
    ///
    /// The lease is extended only where the store knows that this process has applied everything up to the
    /// head that it told. Whoever was struck from the list for its silence has then no lease any more: it
    /// was struck because of a number that was committed after the reading its lease counts from, and not
    /// before a lease had passed since.
    ///
    /// # Errors
    /// The store's: the lease runs out if this goes on. A gap in the numbers, or numbers that went back, end
    /// the lease at once, and the next call begins anew with nothing in memory.
    pub async fn renew(&self) -> Result<(), FlowError> {
        let renewed = self.renew_once().await;
        let count = if renewed.is_ok() { &self.figures.renewals } else { &self.figures.failed };
        count.inc();
        renewed
    }

    async fn renew_once(&self) -> Result<(), FlowError> {
        let _turn = self.replica.turn.lock().await;
        if !self.replica.begun.load(Ordering::Acquire) {
            self.begin().await?;
            self.replica.begun.store(true, Ordering::Release);
        }
        for _ in 0..MOST_ROUNDS {
            let asked = self.clock.monotonic();
            let renewal = self.stores.revocations.renew(self.replica.name(), LEASE).await?;
            if renewal.head < self.table.applied() {
                // A store that went back in time: what it says cannot be trusted to be all there was.
                return Err(self.start_over("the revocation stream went back"));
            }
            let before = self.table.applied();
            self.figures.lag.set(renewal.head.0 - before.0);
            self.reach(renewal.head).await?;
            self.figures.lag.set(0);
            let applied = self.table.applied();
            let known = match renewal.standing {
                Standing::Member(known) => known >= applied || self.acknowledge(applied).await?,
                Standing::Stranger => false,
                Standing::Lost => {
                    self.lease.end();
                    return Err(StoreError::Unavailable("the list of processes was lost".to_owned()).into());
                }
            };
            if known {
                if applied > before {
                    self.figures.acknowledged.observe(self.seconds_since(asked));
                }
                self.lease.extend(self.clock.as_ref(), asked, LEASE);
                return Ok(());
            }
            self.lease.end();
            self.stores.revocations.join(self.replica.new_name(), applied).await?;
        }
        Err(StoreError::Unavailable("the list of processes does not keep this one".to_owned()).into())
    }

    /// Waits until it is time for the next [`renew`](Self::renew).
    pub async fn news(&self) {
        self.stores.revocations.news(self.table.applied()).await;
    }

    /// Whether it serves from memory now.
    pub fn is_current(&self) -> bool {
        self.lease.wall(self.clock.monotonic()).is_some()
    }

    /// Waits until nobody serves from memory what `seq` ended: neither this process nor any other.
    ///
    /// # Errors
    /// The store's: the command was committed, and who knows is unknown.
    pub async fn settle(&self, seq: Seq) -> Result<(), FlowError> {
        let begun = self.clock.monotonic();
        let settled = self.settle_once(seq).await;
        self.figures.settled.observe(self.seconds_since(begun));
        settled
    }

    async fn settle_once(&self, seq: Seq) -> Result<(), FlowError> {
        if let Ok(turn) = self.replica.turn.try_lock() {
            self.apply_own(turn, seq).await;
            return Ok(self.stores.revocations.settled(seq, LEASE).await?);
        }
        // A renewal is under way. Should it hang, then it is waited for as another process is: until the lease that
        // it does not renew is over.
        let mut own = pin!(async { self.apply_own(self.replica.turn.lock().await, seq).await });
        let mut settled = self.stores.revocations.settled(seq, LEASE);
        let mut applied = false;
        let both = poll_fn(|context| {
            applied = applied || own.as_mut().poll(context).is_ready();
            settled.as_mut().poll(context)
        });
        Ok(both.await?)
    }

    /// Serves nothing from memory any more, and no revocation waits for this process.
    ///
    /// # Errors
    /// The store's: others wait for the length of a lease once.
    pub async fn retire(&self) -> Result<(), FlowError> {
        let _turn = self.replica.turn.lock().await;
        self.lease.end();
        Ok(self.stores.revocations.leave(self.replica.name()).await?)
    }

    fn seconds_since(&self, then: Monotonic) -> f64 {
        self.clock.monotonic().since(then).as_secs_f64()
    }

    /// Applies what this process committed itself, without waiting for the next renewal. Where that fails, it asks the
    /// store from here on, which knows.
    async fn apply_own(&self, _turn: MutexGuard<'_, ()>, seq: Seq) {
        if !self.replica.begun.load(Ordering::Acquire) {
            return;
        }
        let applied = async {
            self.reach(seq).await?;
            let applied = self.table.applied();
            // Whoever ends what was ended long ago costs no write, and holds up no renewal.
            if self.replica.known.load(Ordering::Acquire) < applied.0 {
                self.acknowledge(applied).await?;
            }
            Ok::<_, FlowError>(())
        };
        if applied.await.is_err() {
            self.lease.end();
        }
    }

    /// Says up to where this process has applied; `false` where it is no member.
    async fn acknowledge(&self, applied: Seq) -> Result<bool, FlowError> {
        let is_member = self.stores.revocations.acknowledge(self.replica.name(), applied).await?;
        let known = if is_member { applied.0 } else { 0 };
        self.replica.known.store(known, Ordering::Release);
        Ok(is_member)
    }

    /// Starts empty at the head of the stream. All secrets are read after the head was, so none is missed; the signing
    /// keys also before the head counts as applied: what an older one made is not remembered as of then.
    async fn begin(&self) -> Result<(), FlowError> {
        let head = self.stores.revocations.renew(self.replica.name(), LEASE).await?.head;
        self.read_signing_keys().await?;
        self.table.begin(head);
        self.replica.known.store(0, Ordering::Release);
        self.limits.clear(head);
        self.filter.refill(&self.stores.key_index.digests_since(self.service, Seq(0)).await?);
        Ok(())
    }

    /// Reads the signing keys, where this service has any.
    async fn read_signing_keys(&self) -> Result<(), FlowError> {
        match &self.signing {
            Some(keys) => keys.reload(self.stores.signing_keys.as_ref()).await,
            None => Ok(()),
        }
    }

    /// Applies what was committed up to a number, at least.
    async fn reach(&self, seq: Seq) -> Result<(), FlowError> {
        loop {
            let applied = self.table.applied();
            if applied >= seq {
                return Ok(());
            }
            let notices = self.stores.revocations.since(applied).await?;
            if notices.is_empty() {
                return Err(self.start_over("the revocation stream has no numbers up to its head"));
            }
            if notices.iter().any(|notice| notice.about == About::NewSecrets) {
                let added = self.stores.key_index.digests_since(self.service, applied).await?;
                if !self.filter.add(&added) {
                    self.filter.refill(&self.stores.key_index.digests_since(self.service, Seq(0)).await?);
                }
            }
            if notices.iter().any(|notice| notice.about == About::SigningKeys) {
                self.read_signing_keys().await?;
            }
            self.limits.forget(&notices);
            if self.table.apply(&notices).is_err() {
                // Too far behind.
                return Err(self.start_over("a number is missing in the revocation stream"));
            }
        }
    }

    /// Nothing from memory until the next renewal, which begins anew.
    fn start_over(&self, why: &str) -> FlowError {
        self.lease.end();
        self.replica.begun.store(false, Ordering::Release);
        StoreError::Damaged(why.to_owned()).into()
    }
}
