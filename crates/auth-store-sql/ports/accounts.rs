//! Accounts.

use super::{
    audit, domains as belonging, notices,
    once::{self, answer_if_seen},
};
use crate::{Conn, Store};
use auth_core::{
    audit::{ChainKey, Event},
    id::AccountId,
    model::{Account, AccountPatch, NewAccount, NewDomain, Page, Status, Version},
    policy::{Granted, Scope},
    port::{
        About, Accounts, Answer, Change, ChangeAccount, CreateAccount, Creation, Once, Seq, SuspendAccount,
    },
    principal::Tenant,
    service::Service,
    time::Timestamp,
};
use auth_store_sql::{
    Done, row,
    schema::accounts::{self, dsl},
    scoped,
};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, dsl::exists};
use diesel_async::RunQueryDsl;

#[derive(Queryable)]
struct AccountRow {
    id: Vec<u8>,
    name: String,
    contact: Option<String>,
    status: String,
    created_at: i64,
    version: i64,
}

impl AccountRow {
    fn read(self) -> Done<Account> {
        Ok(Account {
            id: row::account_id(&self.id)?,
            name: row::text(&self.name)?,
            contact: self.contact.as_deref().map(row::text).transpose()?,
            status: row::word(Status::parse(&self.status), &self.status)?,
            created_at: row::time(self.created_at),
            version: row::version(self.version),
        })
    }
}

/// All accounts but that of the platform's own keys, which is nobody's.
macro_rules! anybodys {
    () => {
        accounts::table.filter(dsl::id.ne(Tenant::PLATFORM.account.as_bytes().to_vec()))
    };
}

async fn find(conn: &mut Conn, scope: Scope, id: AccountId) -> Done<Option<Account>> {
    let query = anybodys!().filter(dsl::id.eq(id.as_bytes().to_vec())).into_boxed();
    let found: Option<AccountRow> =
        scoped!(query, scope, account: dsl::id, domain: none).first(conn).await.optional()?;
    found.map(AccountRow::read).transpose()
}

async fn create(
    conn: &mut Conn,
    chain: &ChainKey,
    grant: &Granted<CreateAccount>,
    new: NewAccount,
) -> Done<()> {
    let row = (
        dsl::id.eq(new.id.as_bytes().to_vec()),
        dsl::name.eq(new.name.as_str()),
        dsl::contact.eq(new.contact.as_ref().map(|contact| contact.as_str())),
        dsl::status.eq(Status::Active.name()),
        dsl::created_at.eq(new.at.millis()),
        dsl::version.eq(Version::FIRST.number()),
    );
    diesel::insert_into(accounts::table).values(row).execute(conn).await?;
    let tenant = Tenant { account: new.id, domain: None };
    audit::write_of(conn, chain, grant, tenant, new.at, Event::AccountCreated { account: new.id }).await
}

#[async_trait::async_trait]
impl Accounts for Store {
    async fn read(&self, scope: Scope, id: AccountId) -> Answer<Option<Account>> {
        self.read(async move |conn| find(conn, scope, id).await).await
    }

    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Account>> {
        self.read(async move |conn| {
            let mut query = scoped!(anybodys!().into_boxed(), scope, account: dsl::id, domain: none);
            if let Some(before) = page.before {
                query = query.filter(dsl::id.lt(before.to_vec()));
            }
            let rows: Vec<AccountRow> =
                query.order(dsl::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(AccountRow::read).collect()
        })
        .await
    }

    async fn create(
        &self,
        grant: &Granted<CreateAccount>,
        new: NewAccount,
        domains: Vec<NewDomain>,
        once: Option<Once>,
    ) -> Answer<Creation> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            answer_if_seen!(conn, once.as_ref(), new.at);
            if belonging::any_taken(conn, &domains).await? {
                return Ok(Creation::Taken);
            }
            once::remember(conn, Service::Hub, once, new.at).await?;
            let account = new.id;
            create(conn, &chain, &grant, new).await?;
            for domain in domains {
                belonging::insert(conn, account, &domain).await?;
                let event = Event::DomainCreated { domain: domain.id, name: domain.name.to_string() };
                let tenant = Tenant { account, domain: Some(domain.id) };
                audit::write_of(conn, &chain, &grant, tenant, domain.at, event).await?;
            }
            Ok(Creation::Done(()))
        })
        .await
    }

    async fn create_first(&self, grant: &Granted<CreateAccount>, new: NewAccount) -> Answer<bool> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            if diesel::select(exists(anybodys!().select(dsl::id))).get_result(conn).await? {
                return Ok(false);
            }
            create(conn, &chain, &grant, new).await.map(|()| true)
        })
        .await
    }

    async fn change(
        &self,
        grant: &Granted<ChangeAccount>,
        version: Version,
        patch: AccountPatch,
        at: Timestamp,
    ) -> Answer<Change<Account>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let id = grant.target();
            let Some(now) = find(conn, grant.scope(), id).await?.filter(|now| now.version == version) else {
                return Ok(Change::Stale);
            };
            let changed = Account {
                name: patch.name.over(&now.name),
                contact: patch.contact.over(&now.contact),
                version: version.next(),
                ..now
            };
            let row = (
                dsl::name.eq(changed.name.as_str()),
                dsl::contact.eq(changed.contact.as_ref().map(|contact| contact.as_str())),
                dsl::version.eq(changed.version.number()),
            );
            diesel::update(accounts::table.find(id.as_bytes().to_vec())).set(row).execute(conn).await?;
            audit::write(conn, &chain, &grant, at, Event::AccountChanged { account: id }).await?;
            Ok(Change::Done(changed))
        })
        .await
    }

    async fn set_status(
        &self,
        grant: &Granted<SuspendAccount>,
        status: Status,
        at: Timestamp,
    ) -> Answer<Seq> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let account = grant.target();
            let row = (dsl::status.eq(status.name()), dsl::version.eq(dsl::version + 1));
            diesel::update(accounts::table.find(account.as_bytes().to_vec())).set(row).execute(conn).await?;
            let event = match status {
                Status::Active => Event::AccountRevived { account },
                Status::Suspended => Event::AccountSuspended { account },
            };
            audit::write(conn, &chain, &grant, at, event).await?;
            notices::announce(conn, About::Account(account), false).await
        })
        .await
    }
}
