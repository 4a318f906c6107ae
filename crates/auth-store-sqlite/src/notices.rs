//! The revocation stream in the file that processes share.
//!
//! Numbers are handed out inside the transaction of what they announce, and SQLite has one writer: commit
//! order, no gaps. A process hears of commits by watching `PRAGMA data_version`, which changes when any other
//! connection has committed; that costs no read of the file while nothing happens.

use crate::{
    Sqlite,
    lane::{Conn, Done, now},
    row,
    schema::{notice_head, notices, replicas},
};
use auth_core::{
    error::StoreError,
    id::{AccountId, DomainId, KeyId, TokenId},
    port::{About, Answer, Notice, Renewal, ReplicaId, Revocations, Seq},
};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryableByName, sql_types::BigInt,
};
use diesel_async::RunQueryDsl;
use std::{sync::PoisonError, time::Duration};

/// Notices that are kept for processes that are behind; one that is further behind starts anew.
const KEPT: i64 = 100_000;
/// Notices that are read at once.
const AT_ONCE: i64 = 4096;
/// How often a revocation looks whether all have acknowledged.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The number that the transaction's next notice will have.
pub(crate) async fn next(conn: &mut Conn) -> Done<Seq> {
    Ok(Seq(head(conn).await?.0 + 1))
}

async fn head(conn: &mut Conn) -> Done<Seq> {
    Ok(Seq(notice_head::table.select(notice_head::seq).first(conn).await?))
}

/// Announces within the transaction that is under way.
pub(crate) async fn announce(conn: &mut Conn, about: About, ended: bool) -> Done<Seq> {
    let seq = next(conn).await?;
    let (word, subject) = write_about(about);
    let row = (
        notices::seq.eq(seq.0),
        notices::about.eq(word),
        notices::subject.eq(subject),
        notices::ended.eq(i64::from(ended)),
    );
    diesel::insert_into(notices::table).values(row).execute(conn).await?;
    diesel::update(notice_head::table).set(notice_head::seq.eq(seq.0)).execute(conn).await?;
    if seq.0 % 1024 == 0 {
        diesel::delete(notices::table.filter(notices::seq.le(seq.0 - KEPT))).execute(conn).await?;
    }
    Ok(seq)
}

fn write_about(about: About) -> (&'static str, Vec<u8>) {
    match about {
        About::Key(id) => ("key", id.as_bytes().to_vec()),
        About::Token(id) => ("token", id.as_bytes().to_vec()),
        About::Account(id) => ("account", id.as_bytes().to_vec()),
        About::Domain(id) => ("domain", id.as_bytes().to_vec()),
        About::NewSecrets => ("secrets", Vec::new()),
    }
}

fn read_about(word: &str, subject: &[u8]) -> Done<About> {
    Ok(match word {
        "key" => About::Key(KeyId::from_bytes(row::bytes(subject)?)),
        "token" => About::Token(TokenId::from_bytes(row::bytes(subject)?)),
        "account" => About::Account(AccountId::from_bytes(row::bytes(subject)?)),
        "domain" => About::Domain(DomainId::from_bytes(row::bytes(subject)?)),
        "secrets" => About::NewSecrets,
        other => return row::word(None, other),
    })
}

/// What was last read of the file for each process that asked (two services may run in one), and at which
/// of its versions.
pub(crate) struct Watch {
    conn: Conn,
    version: i64,
    seen: Vec<(ReplicaId, Renewal)>,
}

impl Watch {
    pub(crate) const fn new(conn: Conn) -> Self {
        Self { conn, version: 0, seen: Vec::new() }
    }

    /// The version is read before the head: what is committed between the two is seen at the latest by the
    /// next look.
    fn look(&mut self, replica: ReplicaId) -> Done<Renewal> {
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
        if let Some((_, renewal)) = self.seen.iter().find(|(of, _)| *of == replica) {
            return Ok(*renewal);
        }
        let known = replicas::table.find(replica.0.to_vec()).select(replicas::applied);
        let known: Option<i64> =
            now(async { Ok::<_, crate::lane::Failure>(known.first(&mut self.conn).await.optional()?) })?;
        let renewal = Renewal { head: now(head(&mut self.conn))?, acknowledged: known.map(Seq) };
        self.seen.push((replica, renewal));
        Ok(renewal)
    }
}

#[async_trait::async_trait]
impl Revocations for Sqlite {
    async fn join(&self, replica: ReplicaId, applied: Seq) -> Answer<()> {
        self.write(async move |conn| {
            let row = (replicas::id.eq(replica.0.to_vec()), replicas::applied.eq(applied.0));
            let insert = diesel::insert_into(replicas::table).values(row).on_conflict(replicas::id);
            insert.do_update().set(replicas::applied.eq(applied.0)).execute(conn).await?;
            Ok(())
        })
        .await
    }

    async fn renew(&self, replica: ReplicaId) -> Answer<Renewal> {
        let watch = self.watch();
        let look = move || watch.lock().unwrap_or_else(PoisonError::into_inner).look(replica);
        let looked = tokio::task::spawn_blocking(look).await;
        Ok(looked.map_err(|error| StoreError::Unavailable(error.to_string()))??)
    }

    async fn head(&self) -> Answer<Seq> {
        self.read(async |conn| head(conn).await).await
    }

    async fn since(&self, after: Seq) -> Answer<Vec<Notice>> {
        self.read(async move |conn| {
            let query = notices::table
                .filter(notices::seq.gt(after.0))
                .order(notices::seq.asc())
                .limit(AT_ONCE)
                .select((notices::seq, notices::about, notices::subject, notices::ended));
            let rows: Vec<(i64, String, Vec<u8>, i64)> = query.load(conn).await?;
            rows.into_iter()
                .map(|(seq, about, subject, ended)| {
                    Ok(Notice { seq: Seq(seq), about: read_about(&about, &subject)?, ended: ended != 0 })
                })
                .collect()
        })
        .await
    }

    async fn acknowledge(&self, replica: ReplicaId, applied: Seq) -> Answer<bool> {
        self.write(async move |conn| {
            let member = || replicas::table.find(replica.0.to_vec());
            let known: Option<i64> = member().select(replicas::applied).first(conn).await.optional()?;
            if known.is_some_and(|known| known < applied.0) {
                diesel::update(member()).set(replicas::applied.eq(applied.0)).execute(conn).await?;
            }
            Ok(known.is_some())
        })
        .await
    }

    async fn settled(&self, seq: Seq, lease: Duration) -> Answer<()> {
        let all_know = async {
            loop {
                let behind = replicas::table.filter(replicas::applied.lt(seq.0)).count();
                let waiting: i64 = self.read(async move |conn| Ok(behind.get_result(conn).await?)).await?;
                if waiting == 0 {
                    return Ok::<_, StoreError>(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // A hundredth for clocks that run apart.
        match tokio::time::timeout(lease + lease / 100, all_know).await {
            Ok(done) => done,
            Err(_) => {
                self.write(async move |conn| {
                    let silent = replicas::table.filter(replicas::applied.lt(seq.0));
                    diesel::delete(silent).execute(conn).await?;
                    Ok(())
                })
                .await
            }
        }
    }

    async fn leave(&self, replica: ReplicaId) -> Answer<()> {
        self.write(async move |conn| {
            diesel::delete(replicas::table.find(replica.0.to_vec())).execute(conn).await?;
            Ok(())
        })
        .await
    }
}
