//! The revocation stream in the database that replicas share.

use crate::{Store, ports::notices};
use auth_core::port::{Answer, Notice, Renewal, ReplicaId, Revocations, Seq};
use std::{sync::PoisonError, time::Duration};
use tokio::time::timeout;

/// How long a process waits to be woken before it looks all the same: a part of a lease.
const NEWS_WITHIN: Duration = Duration::from_millis(250);
/// How long a revocation waits to be woken by an acknowledgement before it looks all the same.
const LOOK_WITHIN: Duration = Duration::from_millis(50);

#[async_trait::async_trait]
impl Revocations for Store {
    async fn join(&self, replica: ReplicaId, applied: Seq) -> Answer<()> {
        self.read(async move |conn| notices::join(conn, replica, applied).await).await
    }

    async fn news(&self, applied: Seq) {
        let mut head = self.heard.head.clone();
        // It is over early where nobody listens any more, which cannot be while this is there.
        let _ = timeout(NEWS_WITHIN, head.wait_for(|head| *head > applied.0)).await;
    }

    async fn renew(&self, replica: ReplicaId, lease: Duration) -> Answer<Renewal> {
        let heard = *self.heard.head.borrow();
        let (renewal, list) = self
            .read(async move |conn| {
                let (standing, list) = notices::standing(conn, replica).await?;
                Ok((Renewal { standing, head: notices::head(conn).await? }, list))
            })
            .await?;
        self.heard.correct(heard, renewal.head.0);
        let mend = {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            lost.note(renewal.standing, list, lease)
        };
        if mend {
            self.write(async move |conn| notices::mend(conn, list).await).await?;
        }
        Ok(renewal)
    }

    async fn head(&self) -> Answer<Seq> {
        self.settling.run(async |conn| notices::head(conn).await).await
    }

    async fn since(&self, after: Seq) -> Answer<Vec<Notice>> {
        self.read(async move |conn| notices::since(conn, after).await).await
    }

    async fn acknowledge(&self, replica: ReplicaId, applied: Seq) -> Answer<bool> {
        // Durable: a process whose acknowledgement was forgotten could be struck while it holds a lease.
        self.read(async move |conn| notices::acknowledge(conn, replica, applied).await).await
    }

    async fn settled(&self, seq: Seq, lease: Duration) -> Answer<()> {
        let all_know = async {
            let mut acknowledgements = self.heard.acknowledgements.clone();
            loop {
                acknowledgements.mark_unchanged();
                if self.settling.run(async move |conn| notices::all_know(conn, seq).await).await? {
                    return Ok(());
                }
                let _ = timeout(LOOK_WITHIN, acknowledgements.changed()).await;
            }
        };
        // A hundredth for clocks that run apart.
        match timeout(lease + lease / 100, all_know).await {
            Ok(done) => done,
            Err(_) => self.settling.run(async move |conn| notices::strike(conn, seq).await).await,
        }
    }

    async fn leave(&self, replica: ReplicaId) -> Answer<()> {
        self.read(async move |conn| notices::leave(conn, replica).await).await
    }
}
