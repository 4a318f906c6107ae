//! The revocation stream in the file that processes share.
//!
//! A process hears of commits by watching `PRAGMA data_version`, which changes when any other connection has committed;
//! that costs no read of the file while nothing happens.

use crate::{
    Conn, Store,
    lane::{self, now},
    ports::notices::{self, Lost},
};
use auth_core::{
    error::StoreError,
    port::{Answer, Notice, Renewal, ReplicaId, Revocations, Seq},
};
use auth_store_sql::{Done, Failure};
use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::RunQueryDsl;
use std::{sync::PoisonError, time::Duration};

/// How often a process looks for news.
const NEWS_EVERY: Duration = Duration::from_millis(10);
/// How often a revocation looks whether all have acknowledged.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What was last read of the file for each process that asked (two services may run in one), and at which
/// of its versions.
pub(crate) struct Watch {
    conn: Conn,
    version: i64,
    seen: Vec<(ReplicaId, Seen)>,
    lost: Lost,
}

#[derive(Clone, Copy)]
struct Seen {
    renewal: Renewal,
    list: i64,
}

impl Watch {
    pub(crate) const fn new(conn: Conn) -> Self {
        Self { conn, version: 0, seen: Vec::new(), lost: Lost::NEVER }
    }

    /// The version is read before the head: what is committed between the two is seen at the latest by the
    /// next look.
    fn look(&mut self, replica: ReplicaId) -> Done<Seen> {
        #[derive(QueryableByName)]
        struct Pragma {
            #[diesel(sql_type = BigInt)]
            data_version: i64,
        }
        let pragma: Pragma = now(diesel::sql_query("PRAGMA data_version").get_result(&mut self.conn))?;
        if self.version != pragma.data_version {
            self.version = pragma.data_version;
            self.seen.clear();
        }
        if let Some((_, seen)) = self.seen.iter().find(|(of, _)| *of == replica) {
            return Ok(*seen);
        }
        let (standing, list) = now(notices::standing(&mut self.conn, replica))?;
        let seen = Seen { renewal: Renewal { head: now(notices::head(&mut self.conn))?, standing }, list };
        self.seen.push((replica, seen));
        Ok(seen)
    }
}

#[async_trait::async_trait]
impl Revocations for Store {
    async fn join(&self, replica: ReplicaId, applied: Seq) -> Answer<()> {
        self.write(async move |conn| notices::join(conn, replica, applied).await).await
    }

    async fn news(&self, _: Seq) {
        tokio::time::sleep(NEWS_EVERY).await;
    }

    async fn renew(&self, replica: ReplicaId, lease: Duration) -> Answer<Renewal> {
        let watch = self.watch();
        let look = move || {
            let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = watch.look(replica)?;
            Ok::<_, Failure>((seen, watch.lost.note(seen.renewal.standing, seen.list, lease)))
        };
        let looked = tokio::task::spawn_blocking(look).await;
        let (Seen { renewal, list }, mend) =
            looked.map_err(|error| StoreError::Unavailable(error.to_string()))?.map_err(lane::told)?;
        if mend {
            self.write(async move |conn| notices::mend(conn, list).await).await?;
        }
        Ok(renewal)
    }

    async fn head(&self) -> Answer<Seq> {
        self.read(async |conn| notices::head(conn).await).await
    }

    async fn since(&self, after: Seq) -> Answer<Vec<Notice>> {
        self.read(async move |conn| notices::since(conn, after).await).await
    }

    async fn acknowledge(&self, replica: ReplicaId, applied: Seq) -> Answer<bool> {
        self.write(async move |conn| notices::acknowledge(conn, replica, applied).await).await
    }

    async fn settled(&self, seq: Seq, lease: Duration) -> Answer<()> {
        let all_know = async {
            while !self.read(async move |conn| notices::all_know(conn, seq).await).await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        // A hundredth for clocks that run apart.
        match tokio::time::timeout(lease + lease / 100, all_know).await {
            Ok(done) => done,
            Err(_) => self.write(async move |conn| notices::strike(conn, seq).await).await,
        }
    }

    async fn leave(&self, replica: ReplicaId) -> Answer<()> {
        self.write(async move |conn| notices::leave(conn, replica).await).await
    }
}
