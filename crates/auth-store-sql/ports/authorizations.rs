//! Transactions of authorization with providers of calendars.

use super::audit;
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    model::{Authorization, NewAuthorization, Status},
    policy::Granted,
    port::{Answer, Authorizations, BeginAuthorization, Callback, Creation, MOST_OPEN},
    principal::Principal,
    time::Timestamp,
};
use auth_store_sql::{
    BATCH, Done, row,
    schema::{accounts, authorizations, keys, users},
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, dsl::exists,
};
use diesel_async::RunQueryDsl;

/// When the one that is over first of as many as a user may have open is over; `None` where there are fewer.
async fn full_until(conn: &mut Conn, user: &[u8], at: Timestamp) -> Done<Option<Timestamp>> {
    let open = authorizations::table
        .filter(authorizations::user_id.eq(user.to_vec()))
        .filter(authorizations::expires_at.gt(at.millis()))
        .order(authorizations::expires_at.desc())
        .offset(i64::from(MOST_OPEN) - 1)
        .select(authorizations::expires_at);
    Ok(row::maybe_time(open.first(conn).await.optional()?))
}

#[async_trait::async_trait]
impl Authorizations for Store {
    async fn begin(&self, grant: &Granted<BeginAuthorization>, new: NewAuthorization) -> Answer<Creation> {
        let Some(Principal::Key(key)) = grant.who() else { return Ok(Creation::Stale) };
        let (key, user) = (key.id, grant.target());
        // Who has too many open costs no write.
        let (id, at) = (user.as_bytes().to_vec(), new.at);
        if let Some(until) = self.read(async move |conn| full_until(conn, &id, at).await).await? {
            return Ok(Creation::Full(until));
        }
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let id = user.as_bytes().to_vec();
            if let Some(until) = full_until(conn, &id, new.at).await? {
                return Ok(Creation::Full(until));
            }
            let Some(tenant) = grant.tenant() else { return Ok(Creation::Stale) };
            let account = tenant.account.as_bytes().to_vec();
            let found = users::table.find(id.clone()).filter(users::account_id.eq(account.clone()));
            if found.count().get_result::<i64>(conn).await? == 0 {
                return Ok(Creation::Stale);
            }
            let row = (
                authorizations::state.eq(new.state.as_bytes().to_vec()),
                authorizations::binding.eq(new.binding.as_bytes().to_vec()),
                authorizations::account_id.eq(account),
                authorizations::user_id.eq(id),
                authorizations::begun_by.eq(key.as_bytes().to_vec()),
                authorizations::provider.eq(new.provider.as_str()),
                authorizations::redirect_after.eq(new.redirect_after),
                authorizations::expires_at.eq(new.expires_at.millis()),
            );
            diesel::insert_into(authorizations::table).values(row).execute(conn).await?;
            let event = Event::AuthorizationBegun { user, provider: new.provider.as_str().to_owned() };
            audit::write(conn, &chain, &grant, new.at, event).await?;
            Ok(Creation::Done(()))
        })
        .await
    }

    async fn take(&self, callback: &Callback, at: Timestamp) -> Answer<Option<Authorization>> {
        let Callback { state, binding, provider } = callback.clone();
        // What was made up costs no write.
        let known = self.read(async move |conn| {
            let known = authorizations::table.find(state.as_bytes().to_vec()).count();
            Ok(known.get_result::<i64>(conn).await? > 0)
        });
        if !known.await? {
            return Ok(None);
        }
        self.statement(async move |conn| {
            let name = provider.as_str().to_owned();
            let key = keys::table
                .filter(keys::id.eq(authorizations::begun_by))
                .filter(keys::revoked_at.is_null())
                .filter(keys::expires_at.is_null().or(keys::expires_at.gt(at.millis()).assume_not_null()));
            let account = accounts::table
                .filter(accounts::id.eq(authorizations::account_id))
                .filter(accounts::status.eq(Status::Active.name()));
            let fitting = authorizations::table
                .filter(authorizations::state.eq(state.as_bytes().to_vec()))
                .filter(authorizations::binding.eq(binding.as_bytes().to_vec()))
                .filter(authorizations::provider.eq(name))
                .filter(authorizations::expires_at.gt(at.millis()))
                .filter(exists(key))
                .filter(exists(account));
            let taken = diesel::delete(fitting).returning((
                authorizations::account_id,
                authorizations::user_id,
                authorizations::begun_by,
                authorizations::redirect_after,
            ));
            let taken: Option<(Vec<u8>, Vec<u8>, Vec<u8>, String)> =
                taken.get_result(conn).await.optional()?;
            let Some((account, user, key, redirect_after)) = taken else { return Ok(None) };
            Ok(Some(Authorization {
                account: row::account_id(&account)?,
                user: row::user_id(&user)?,
                begun_by: row::key_id(&key)?,
                provider,
                redirect_after,
            }))
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Answer<()> {
        loop {
            let some = self.write(async move |conn| {
                let over = authorizations::table
                    .filter(authorizations::expires_at.lt(before.millis()))
                    .order(authorizations::expires_at.asc())
                    .limit(BATCH.into())
                    .select(authorizations::state);
                let over: Vec<Vec<u8>> = over.load(conn).await?;
                let over = authorizations::table.filter(authorizations::state.eq_any(over));
                Ok(diesel::delete(over).execute(conn).await?)
            });
            if some.await? < usize::from(BATCH) {
                return Ok(());
            }
        }
    }
}
