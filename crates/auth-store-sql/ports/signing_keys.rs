//! The keys that sign access tokens.

use super::{audit, notices};
use crate::Store;
use auth_core::{
    audit::Event,
    jwt::Algorithm,
    model::SigningKeyRecord,
    policy::Granted,
    port::{About, Answer, Change, RotateSigningKey, Seq, SigningKeys},
    seal::Sealed,
    time::Timestamp,
};
use auth_store_sql::{Done, row, schema::signing_keys::dsl};
use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, Queryable, dsl::max};
use diesel_async::RunQueryDsl;

#[derive(Queryable)]
struct SigningKeyRow {
    number: i64,
    kid: String,
    algorithm: String,
    sealed: Vec<u8>,
    created_at: i64,
    signs_from: i64,
    ends_at: Option<i64>,
}

impl SigningKeyRow {
    fn read(self) -> Done<SigningKeyRecord> {
        Ok(SigningKeyRecord {
            number: self.number,
            kid: row::text(&self.kid)?,
            algorithm: row::word(Algorithm::parse(&self.algorithm), &self.algorithm)?,
            sealed: Sealed::from_bytes(self.sealed),
            created_at: row::time(self.created_at),
            signs_from: row::time(self.signs_from),
            ends_at: row::maybe_time(self.ends_at),
        })
    }
}

#[async_trait::async_trait]
impl SigningKeys for Store {
    async fn list(&self) -> Answer<Vec<SigningKeyRecord>> {
        self.read(async move |conn| {
            let rows: Vec<SigningKeyRow> = dsl::signing_keys.order(dsl::number.asc()).load(conn).await?;
            rows.into_iter().map(SigningKeyRow::read).collect()
        })
        .await
    }

    async fn add(
        &self,
        grant: &Granted<RotateSigningKey>,
        new: SigningKeyRecord,
        old_until: Timestamp,
    ) -> Answer<Change<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let newest: Option<i64> = dsl::signing_keys.select(max(dsl::number)).first(conn).await?;
            if new.number != newest.unwrap_or(0) + 1 {
                return Ok(Change::Stale);
            }
            let longer = dsl::ends_at.is_null().or(dsl::ends_at.gt(old_until.millis()));
            let older = diesel::update(dsl::signing_keys.filter(longer));
            older.set(dsl::ends_at.eq(old_until.millis())).execute(conn).await?;
            let row = (
                dsl::number.eq(new.number),
                dsl::kid.eq(new.kid.as_str()),
                dsl::algorithm.eq(new.algorithm.name()),
                dsl::sealed.eq(new.sealed.as_bytes()),
                dsl::created_at.eq(new.created_at.millis()),
                dsl::signs_from.eq(new.signs_from.millis()),
                dsl::ends_at.eq(new.ends_at.map(Timestamp::millis)),
            );
            diesel::insert_into(dsl::signing_keys).values(row).execute(conn).await?;
            let (kid, algorithm) = (new.kid.to_string(), new.algorithm.name());
            let event = Event::SigningKeyRotated { kid, algorithm, signs_from: new.signs_from, old_until };
            audit::write(conn, &chain, &grant, new.created_at, event).await?;
            Ok(Change::Done(notices::announce(conn, About::SigningKeys, false).await?))
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Answer<()> {
        self.write(async move |conn| {
            let over = dsl::signing_keys.filter(dsl::ends_at.lt(before.millis()));
            diesel::delete(over).execute(conn).await?;
            Ok(())
        })
        .await
    }
}
