//! How a validator keeps current: it renews its lease, and applies what it missed before the lease counts.

use super::{LEASE, Validator};
use crate::{
    error::{FlowError, StoreError},
    port::{About, ReplicaId, Seq},
};
use std::sync::atomic::{AtomicBool, Ordering};

/// Renewals that find something new are repeated at once, but not without end.
const MOST_ROUNDS: usize = 16;

/// Whether this process is among those that a revocation waits for.
#[derive(Debug)]
pub(super) struct Membership {
    id: ReplicaId,
    begun: AtomicBool,
}

impl Membership {
    pub(super) const fn new(id: [u8; 16]) -> Self {
        Self { id: ReplicaId(id), begun: AtomicBool::new(false) }
    }
}

impl Validator {
    /// Renews the lease, and first applies what was committed since. To be called several times a lease; from
    /// the first call on, revocations wait for this process.
    ///
    /// # Errors
    /// The store's: the lease runs out if this goes on. A gap in the numbers ends the lease at once.
    pub async fn renew(&self) -> Result<(), FlowError> {
        if !self.replica.begun.swap(true, Ordering::AcqRel)
            && let Err(error) = self.begin().await
        {
            self.replica.begun.store(false, Ordering::Release);
            return Err(error);
        }
        for _ in 0..MOST_ROUNDS {
            let known = self.table.applied();
            let asked = self.clock.monotonic();
            let renewal = self.stores.revocations.renew(self.replica.id).await?;
            if renewal.head < known {
                // A store that went back in time: what it says cannot be trusted to be all there was.
                self.lease.end();
                return Err(FlowError::Store(StoreError::Damaged(
                    "the revocation stream went back".to_owned(),
                )));
            }
            let applied = self.table.applied();
            if !renewal.member {
                self.stores.revocations.join(self.replica.id, applied).await?;
            } else if renewal.head > applied {
                self.catch_up(applied).await?;
            } else {
                self.lease.extend(self.clock.as_ref(), asked, LEASE);
                return Ok(());
            }
        }
        Ok(()) // so much is going on that the lease waits for the next call
    }

    /// Whether it serves from memory now.
    pub fn is_current(&self) -> bool {
        self.lease.wall(self.clock.monotonic()).is_some()
    }

    /// Waits until nobody serves from memory what `seq` ended: neither this process nor any other.
    ///
    /// # Errors
    /// The store's: the command was committed, and whether all others know is unknown.
    pub async fn settle(&self, seq: Seq) -> Result<(), FlowError> {
        if self.replica.begun.load(Ordering::Acquire) && self.reach(seq).await.is_err() {
            self.lease.end(); // from here on it asks the store, which knows
        }
        Ok(self.stores.revocations.settled(seq, LEASE).await?)
    }

    /// Serves nothing from memory any more, and no revocation waits for this process.
    ///
    /// # Errors
    /// The store's: others wait for the length of a lease once.
    pub async fn retire(&self) -> Result<(), FlowError> {
        self.lease.end();
        Ok(self.stores.revocations.leave(self.replica.id).await?)
    }

    /// Applies what was committed up to a number.
    async fn reach(&self, seq: Seq) -> Result<(), FlowError> {
        loop {
            let applied = self.table.applied();
            if applied >= seq {
                return Ok(());
            }
            self.catch_up(applied).await?;
            if self.table.applied() == applied {
                let missing = format!("number {} is missing in the revocation stream", seq.0);
                return Err(StoreError::Damaged(missing).into());
            }
        }
    }

    /// Starts empty at the head of the stream. All secrets are read after the head was, so none is missed.
    async fn begin(&self) -> Result<(), FlowError> {
        let head = self.stores.revocations.renew(self.replica.id).await?.head;
        self.table.begin(head);
        self.filter.refill(&self.stores.key_index.digests_since(self.service, Seq(0)).await?);
        Ok(())
    }

    async fn catch_up(&self, applied: Seq) -> Result<(), FlowError> {
        let notices = self.stores.revocations.since(applied).await?;
        if notices.iter().any(|notice| notice.about == About::NewSecrets) {
            let added = self.stores.key_index.digests_since(self.service, applied).await?;
            if !self.filter.add(&added) {
                self.filter.refill(&self.stores.key_index.digests_since(self.service, Seq(0)).await?);
            }
        }
        if notices.iter().any(|notice| matches!(notice.about, About::Key(_))) {
            self.forget_limits();
        }
        let reached = self.table.apply(&notices).map_err(|missing| {
            // Too far behind: nothing from memory until the next renewal, which starts anew.
            self.lease.end();
            self.replica.begun.store(false, Ordering::Release);
            StoreError::Damaged(format!("number {} is missing in the revocation stream", missing.0))
        })?;
        Ok(self.stores.revocations.acknowledge(self.replica.id, reached).await?)
    }
}
