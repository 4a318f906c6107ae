//! User records.

use super::{
    audit, connections,
    once::{self, answer_if_seen},
};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    id::UserId,
    model::{NewUser, Page, User, UserPatch, Version},
    policy::{Granted, Scope},
    port::{Answer, Change, ChangeUser, CreateUser, Creation, Once, RemoveUser, Users},
    service::Service,
    time::Timestamp,
};
use auth_store_sql::{
    Done, row,
    schema::{
        authorizations,
        users::{self, dsl},
    },
    scoped,
};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable};
use diesel_async::RunQueryDsl;

#[derive(Queryable)]
struct UserRow {
    id: Vec<u8>,
    account_id: Vec<u8>,
    name: String,
    email: String,
    created_at: i64,
    version: i64,
}

impl UserRow {
    fn read(self) -> Done<User> {
        Ok(User {
            id: row::user_id(&self.id)?,
            account: row::account_id(&self.account_id)?,
            name: row::text(&self.name)?,
            email: row::text(&self.email)?,
            created_at: row::time(self.created_at),
            version: row::version(self.version),
        })
    }
}

async fn find(conn: &mut Conn, scope: Scope, id: UserId) -> Done<Option<User>> {
    let query = users::table.filter(dsl::id.eq(id.as_bytes().to_vec())).into_boxed();
    let found: Option<UserRow> =
        scoped!(query, scope, account: dsl::account_id, domain: none).first(conn).await.optional()?;
    found.map(UserRow::read).transpose()
}

/// Whether an address of an account belongs to somebody else.
async fn taken(conn: &mut Conn, account: &[u8], email: &str, but: UserId) -> Done<bool> {
    let others = users::table
        .filter(dsl::account_id.eq(account.to_vec()))
        .filter(dsl::email.eq(email.to_owned()))
        .filter(dsl::id.ne(but.as_bytes().to_vec()));
    Ok(others.count().get_result::<i64>(conn).await? > 0)
}

#[async_trait::async_trait]
impl Users for Store {
    async fn read(&self, scope: Scope, id: UserId) -> Answer<Option<User>> {
        self.read(async move |conn| find(conn, scope, id).await).await
    }

    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<User>> {
        self.read(async move |conn| {
            let mut query = scoped!(users::table.into_boxed(), scope, account: dsl::account_id, domain: none);
            if let Some(before) = page.before {
                query = query.filter(dsl::id.lt(before.to_vec()));
            }
            let rows: Vec<UserRow> = query.order(dsl::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(UserRow::read).collect()
        })
        .await
    }

    async fn create(
        &self,
        grant: &Granted<CreateUser>,
        new: NewUser,
        once: Option<Once>,
    ) -> Answer<Creation> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            answer_if_seen!(conn, once.as_ref(), new.at);
            let account = grant.target().account.as_bytes().to_vec();
            if taken(conn, &account, new.email.as_str(), new.id).await? {
                return Ok(Creation::Taken);
            }
            let row = (
                dsl::id.eq(new.id.as_bytes().to_vec()),
                dsl::account_id.eq(account),
                dsl::name.eq(new.name.as_str()),
                dsl::email.eq(new.email.as_str()),
                dsl::created_at.eq(new.at.millis()),
                dsl::version.eq(Version::FIRST.number()),
            );
            diesel::insert_into(users::table).values(row).execute(conn).await?;
            once::remember(conn, Service::Hub, once, new.at).await?;
            audit::write(conn, &chain, &grant, new.at, Event::UserCreated { user: new.id }).await?;
            Ok(Creation::Done(()))
        })
        .await
    }

    async fn change(
        &self,
        grant: &Granted<ChangeUser>,
        version: Version,
        patch: UserPatch,
        at: Timestamp,
    ) -> Answer<Change<User>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let id = grant.target();
            let Some(now) = find(conn, grant.scope(), id).await?.filter(|now| now.version == version) else {
                return Ok(Change::Stale);
            };
            let changed = User {
                name: patch.name.over(&now.name),
                email: patch.email.over(&now.email),
                version: version.next(),
                ..now
            };
            if taken(conn, changed.account.as_bytes(), changed.email.as_str(), id).await? {
                return Ok(Change::Taken);
            }
            let row = (
                dsl::name.eq(changed.name.as_str()),
                dsl::email.eq(changed.email.as_str()),
                dsl::version.eq(changed.version.number()),
            );
            diesel::update(users::table.find(id.as_bytes().to_vec())).set(row).execute(conn).await?;
            audit::write(conn, &chain, &grant, at, Event::UserChanged { user: id }).await?;
            Ok(Change::Done(changed))
        })
        .await
    }

    async fn remove(&self, grant: &Granted<RemoveUser>, at: Timestamp) -> Answer<bool> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let user = grant.target();
            let open = authorizations::table.filter(authorizations::user_id.eq(user.as_bytes().to_vec()));
            diesel::delete(open).execute(conn).await?;
            let gone = diesel::delete(users::table.find(user.as_bytes().to_vec())).execute(conn).await?;
            if gone == 0 {
                return Ok(false);
            }
            audit::write(conn, &chain, &grant, at, Event::UserRemoved { user }).await?;
            connections::end_all(conn, &chain, &grant, user, at).await?;
            Ok(true)
        })
        .await
    }
}
