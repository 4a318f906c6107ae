//! Counts of guesses.

use crate::{Conn, Store};
use auth_core::{
    attempts::{Trial, Tried},
    port::{Answer, Attempts},
    secret::TokenDigest,
    time::Timestamp,
};
use auth_store_sql::{BATCH, Done, row, schema::attempts::dsl};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl;
use std::time::Duration;

fn keys<'a>(subjects: impl Iterator<Item = &'a TokenDigest>) -> Vec<Vec<u8>> {
    subjects.map(|subject| subject.as_bytes().to_vec()).collect()
}

/// What was counted of the subjects of a trial, in their order.
async fn tried(conn: &mut Conn, trial: &Trial) -> Done<Vec<Option<Tried>>> {
    let subjects = keys(trial.subjects());
    let counted = dsl::attempts.filter(dsl::subject.eq_any(subjects.clone()));
    let counted: Vec<(Vec<u8>, i64, i64)> = counted.load(conn).await?;
    let of = |subject: Vec<u8>| {
        let (_, failures, last) = counted.iter().find(|(found, ..)| *found == subject)?;
        Some(Tried { failures: u32::try_from(*failures).unwrap_or(u32::MAX), last: row::time(*last) })
    };
    Ok(subjects.into_iter().map(of).collect())
}

async fn give_back(conn: &mut Conn, subjects: Vec<Vec<u8>>) -> Done<()> {
    let counted = dsl::attempts.filter(dsl::subject.eq_any(subjects)).filter(dsl::failures.gt(0));
    diesel::update(counted).set(dsl::failures.eq(dsl::failures - 1)).execute(conn).await?;
    Ok(())
}

#[async_trait::async_trait]
impl Attempts for Store {
    async fn take(&self, trial: &Trial, at: Timestamp) -> Answer<Result<(), Duration>> {
        // Who has to wait costs no write.
        let looked = trial.clone();
        let before = self.read(async move |conn| tried(conn, &looked).await).await?;
        if let Err(wait) = trial.judge(&before, at) {
            return Ok(Err(wait));
        }
        let trial = trial.clone();
        self.write(async move |conn| {
            let before = tried(conn, &trial).await?;
            if let Err(wait) = trial.judge(&before, at) {
                return Ok(Err(wait));
            }
            for (subject, Tried { failures, last }) in trial.counted(&before, at) {
                let subject = subject.as_bytes().to_vec();
                let counted = (dsl::failures.eq(i64::from(failures)), dsl::last_at.eq(last.millis()));
                let insert = diesel::insert_into(dsl::attempts).values((dsl::subject.eq(subject), counted));
                insert.on_conflict(dsl::subject).do_update().set(counted).execute(conn).await?;
            }
            Ok(Ok(()))
        })
        .await
    }

    async fn succeeded(&self, trial: &Trial) -> Answer<()> {
        let forgotten = keys(trial.forgotten());
        let rest = keys(trial.subjects()).into_iter().filter(|key| !forgotten.contains(key)).collect();
        self.write(async move |conn| {
            diesel::delete(dsl::attempts.filter(dsl::subject.eq_any(forgotten))).execute(conn).await?;
            give_back(conn, rest).await
        })
        .await
    }

    async fn unjudged(&self, trial: &Trial) -> Answer<()> {
        let all = keys(trial.subjects());
        self.write(async move |conn| give_back(conn, all).await).await
    }

    async fn purge(&self, before: Timestamp) -> Answer<()> {
        loop {
            let some = self.write(async move |conn| {
                let over = dsl::attempts
                    .filter(dsl::last_at.lt(before.millis()))
                    .order(dsl::last_at.asc())
                    .limit(BATCH.into())
                    .select(dsl::subject);
                let over: Vec<Vec<u8>> = over.load(conn).await?;
                Ok(diesel::delete(dsl::attempts.filter(dsl::subject.eq_any(over))).execute(conn).await?)
            });
            if some.await? < usize::from(BATCH) {
                return Ok(());
            }
        }
    }
}
