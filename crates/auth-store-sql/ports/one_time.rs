//! What is good once.

use crate::Store;
use auth_core::{
    port::{Answer, NewOneTime, OneTime, Purpose},
    secret::TokenDigest,
    time::Timestamp,
};
use auth_store_sql::{BATCH, schema::one_time::dsl};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl;

#[async_trait::async_trait]
impl OneTime for Store {
    async fn keep(&self, new: NewOneTime) -> Answer<()> {
        self.statement(async move |conn| {
            let row = (
                dsl::digest.eq(new.digest.as_bytes().to_vec()),
                dsl::purpose.eq(new.purpose.name()),
                dsl::content.eq(new.content),
                dsl::expires_at.eq(new.expires_at.millis()),
            );
            diesel::insert_into(dsl::one_time).values(row).execute(conn).await?;
            Ok(())
        })
        .await
    }

    async fn take(&self, purpose: Purpose, digest: &TokenDigest, at: Timestamp) -> Answer<Option<Vec<u8>>> {
        let digest = digest.as_bytes().to_vec();
        self.statement(async move |conn| {
            let this = dsl::one_time
                .filter(dsl::digest.eq(digest))
                .filter(dsl::purpose.eq(purpose.name()))
                .filter(dsl::expires_at.gt(at.millis()));
            Ok(diesel::delete(this).returning(dsl::content).get_result(conn).await.optional()?)
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Answer<()> {
        loop {
            let some = self.write(async move |conn| {
                let over = dsl::one_time
                    .filter(dsl::expires_at.lt(before.millis()))
                    .order(dsl::expires_at.asc())
                    .limit(BATCH.into())
                    .select(dsl::digest);
                let over: Vec<Vec<u8>> = over.load(conn).await?;
                Ok(diesel::delete(dsl::one_time.filter(dsl::digest.eq_any(over))).execute(conn).await?)
            });
            if some.await? < usize::from(BATCH) {
                return Ok(());
            }
        }
    }
}
