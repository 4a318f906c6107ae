//! What is good once.

use crate::Store;
use auth_core::{
    port::{Answer, NewOneTime, OneTime, Purpose},
    secret::TokenDigest,
    time::Timestamp,
};
use auth_store_sql::{BATCH, schema::one_time::dsl};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Binary, HasSqlType, Text},
};
use diesel_async::RunQueryDsl;

/// Takes one, if it has not ended. Written out: to put a statement together from its parts, anew for each step, takes a
/// good part of what the step takes.
#[derive(QueryId)]
struct Take {
    digest: Vec<u8>,
    purpose: &'static str,
    at: i64,
}

impl Query for Take {
    type SqlType = Binary;
}

impl<DB: Backend> QueryFragment<DB> for Take
where
    Vec<u8>: ToSql<Binary, DB>,
    &'static str: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
    DB: HasSqlType<Binary> + HasSqlType<Text> + HasSqlType<BigInt>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("DELETE FROM one_time WHERE digest = ");
        out.push_bind_param::<Binary, _>(&self.digest)?;
        out.push_sql(" AND purpose = ");
        out.push_bind_param::<Text, _>(&self.purpose)?;
        out.push_sql(" AND expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(" RETURNING content");
        Ok(())
    }
}

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
        let take = Take { digest: digest.as_bytes().to_vec(), purpose: purpose.name(), at: at.millis() };
        self.statement(async move |conn| Ok(take.get_result(conn).await.optional()?)).await
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
