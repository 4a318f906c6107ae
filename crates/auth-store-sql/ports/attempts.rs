//! Counts of guesses.

use crate::Store;
use auth_core::{
    attempts::{Trial, Tried},
    port::{Answer, Attempts},
    secret::TokenDigest,
    time::Timestamp,
};
use auth_store_sql::{BATCH, row, schema::attempts::dsl};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl;
use std::time::Duration;

fn keys<'a>(subjects: impl Iterator<Item = &'a TokenDigest>) -> Vec<Vec<u8>> {
    subjects.map(|subject| subject.as_bytes().to_vec()).collect()
}

#[async_trait::async_trait]
impl Attempts for Store {
    async fn take(&self, trial: &Trial, at: Timestamp) -> Answer<Result<(), Duration>> {
        let trial = trial.clone();
        self.write(async move |conn| {
            let mut before = Vec::new();
            for subject in keys(trial.subjects()) {
                let counted = dsl::attempts.find(subject).select((dsl::failures, dsl::last_at));
                let counted: Option<(i64, i64)> = counted.first(conn).await.optional()?;
                before.push(counted.map(|(failures, last)| Tried {
                    failures: u32::try_from(failures).unwrap_or(u32::MAX),
                    last: row::time(last),
                }));
            }
            if let Err(wait) = trial.judge(&before, at) {
                return Ok(Err(wait));
            }
            for (subject, before) in keys(trial.subjects()).into_iter().zip(before) {
                let Tried { failures, last } = Trial::counted(before, at);
                let counted = (dsl::failures.eq(i64::from(failures)), dsl::last_at.eq(last.millis()));
                let insert = diesel::insert_into(dsl::attempts).values((dsl::subject.eq(subject), counted));
                insert.on_conflict(dsl::subject).do_update().set(counted).execute(conn).await?;
            }
            Ok(Ok(()))
        })
        .await
    }

    async fn succeeded(&self, trial: &Trial) -> Answer<()> {
        let (forgotten, given_back) = (keys(trial.forgotten()), keys(trial.given_back()));
        self.write(async move |conn| {
            diesel::delete(dsl::attempts.filter(dsl::subject.eq_any(forgotten))).execute(conn).await?;
            let given_back =
                dsl::attempts.filter(dsl::subject.eq_any(given_back)).filter(dsl::failures.gt(0));
            diesel::update(given_back).set(dsl::failures.eq(dsl::failures - 1)).execute(conn).await?;
            Ok(())
        })
        .await
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
