//! Domains.

use super::{
    audit, notices,
    once::{self, answer_if_seen},
    sessions,
};
use crate::{Conn, Store};
use auth_core::{
    audit::Event,
    id::{AccountId, DomainId},
    model::{
        Domain, DomainName, DomainOwner, DomainPatch, Joining, NewDomain, Page, Status, Version, WebOrigin,
    },
    policy::{Granted, Scope},
    port::{About, Answer, Change, ChangeDomain, CreateDomain, Creation, Domains, Once, Seq, SuspendDomain},
    principal::Tenant,
    service::Service,
    time::Timestamp,
};
use auth_store_sql::{
    Done, row,
    schema::{
        accounts,
        domains::{self, dsl},
    },
    scoped,
};
use diesel::{
    ExpressionMethods as _, IntoSql as _, OptionalExtension as _, QueryDsl as _, Queryable,
    TextExpressionMethods as _, sql_types::Text,
};
use diesel_async::RunQueryDsl;

#[derive(Queryable)]
struct DomainRow {
    id: Vec<u8>,
    account_id: Vec<u8>,
    name: String,
    status: String,
    origins: String,
    created_at: i64,
    version: i64,
    joining: String,
}

impl DomainRow {
    fn read(self) -> Done<Domain> {
        let origins = self.origins.split(' ').filter(|origin| !origin.is_empty()).map(row::text);
        Ok(Domain {
            id: row::domain_id(&self.id)?,
            account: row::account_id(&self.account_id)?,
            name: row::text(&self.name)?,
            status: row::word(Status::parse(&self.status), &self.status)?,
            origins: origins.collect::<Done<_>>()?,
            joining: row::word(Joining::parse(&self.joining), &self.joining)?,
            created_at: row::time(self.created_at),
            version: row::version(self.version),
        })
    }
}

fn stored(origins: &[WebOrigin]) -> String {
    origins.iter().map(WebOrigin::as_str).collect::<Vec<_>>().join(" ")
}

/// Domains in use, of accounts in use.
macro_rules! in_use {
    () => {
        domains::table
            .inner_join(accounts::table)
            .filter(dsl::status.eq(Status::Active.name()))
            .filter(accounts::status.eq(Status::Active.name()))
            .select(domains::all_columns)
    };
}

/// Whether one of these names is taken.
pub(super) async fn any_taken(conn: &mut Conn, wanted: &[NewDomain]) -> Done<bool> {
    let names: Vec<_> = wanted.iter().map(|domain| domain.name.as_str().to_owned()).collect();
    let taken = domains::table.filter(dsl::name.eq_any(names)).select(dsl::version);
    Ok(taken.first::<i64>(conn).await.optional()?.is_some())
}

/// Makes a domain of an account; `false` where the name is taken.
pub(super) async fn insert(conn: &mut Conn, account: AccountId, new: &NewDomain) -> Done<bool> {
    let row = (
        dsl::id.eq(new.id.as_bytes().to_vec()),
        dsl::account_id.eq(account.as_bytes().to_vec()),
        dsl::name.eq(new.name.as_str().to_owned()),
        dsl::status.eq(Status::Active.name()),
        dsl::origins.eq(""),
        dsl::created_at.eq(new.at.millis()),
        dsl::version.eq(Version::FIRST.number()),
        dsl::joining.eq(Joining::ByApproval.name()),
    );
    let insert = diesel::insert_into(domains::table).values(row).on_conflict(dsl::name).do_nothing();
    Ok(insert.execute(conn).await? == 1)
}

#[async_trait::async_trait]
impl Domains for Store {
    async fn read(&self, scope: Scope, id: DomainId) -> Answer<Option<Domain>> {
        self.read(async move |conn| {
            let query = domains::table.filter(dsl::id.eq(id.as_bytes().to_vec())).into_boxed();
            let query = scoped!(query, scope, account: dsl::account_id, domain: dsl::id);
            let found: Option<DomainRow> = query.first(conn).await.optional()?;
            found.map(DomainRow::read).transpose()
        })
        .await
    }

    async fn by_name(&self, scope: Scope, name: &DomainName) -> Answer<Option<Domain>> {
        let name = name.clone();
        self.read(async move |conn| {
            let query = domains::table.filter(dsl::name.eq(name.as_str().to_owned())).into_boxed();
            let query = scoped!(query, scope, account: dsl::account_id, domain: dsl::id);
            let found: Option<DomainRow> = query.first(conn).await.optional()?;
            found.map(DomainRow::read).transpose()
        })
        .await
    }

    async fn widget_home(&self, name: &DomainName) -> Answer<Option<Domain>> {
        let name = name.clone();
        self.read(async move |conn| {
            let query = in_use!().filter(dsl::name.eq(name.as_str().to_owned()));
            let found: Option<DomainRow> = query.first(conn).await.optional()?;
            found.map(DomainRow::read).transpose()
        })
        .await
    }

    async fn lists_page(&self, page: &WebOrigin) -> Answer<bool> {
        // A whole word of the list. A page is a domain's name with a scheme and a port, so no wildcard is in it.
        let word = format!("% {page} %");
        self.read(async move |conn| {
            let list = " ".into_sql::<Text>().concat(dsl::origins).concat(" ");
            let found = in_use!().filter(list.like(word)).select(dsl::id);
            Ok(found.first::<Vec<u8>>(conn).await.optional()?.is_some())
        })
        .await
    }

    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Domain>> {
        self.read(async move |conn| {
            // But that of the platform's own keys, which is nobody's.
            let named = domains::table.filter(dsl::name.ne("")).into_boxed();
            let mut query = scoped!(named, scope, account: dsl::account_id, domain: dsl::id);
            if let Some(before) = page.before {
                query = query.filter(dsl::id.lt(before.to_vec()));
            }
            let rows: Vec<DomainRow> =
                query.order(dsl::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(DomainRow::read).collect()
        })
        .await
    }

    async fn owner(&self, scope: Scope, account: AccountId) -> Answer<Option<DomainOwner>> {
        self.read(async move |conn| {
            let anybodys = accounts::id.ne(Tenant::PLATFORM.account.as_bytes().to_vec());
            let query = accounts::table.filter(accounts::id.eq(account.as_bytes().to_vec())).filter(anybodys);
            let query = query.select(accounts::id).into_boxed();
            let query = scoped!(query, scope, account: accounts::id, domain: none);
            let found: Option<Vec<u8>> = query.first(conn).await.optional()?;
            found.map(|id| row::account_id(&id).map(DomainOwner::stored)).transpose()
        })
        .await
    }

    async fn create(
        &self,
        grant: &Granted<CreateDomain>,
        new: NewDomain,
        once: Option<Once>,
    ) -> Answer<Creation> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            answer_if_seen!(conn, once.as_ref(), new.at);
            if !sessions::stands(conn, grant.who(), new.at).await? {
                return Ok(Creation::Stale);
            }
            if !insert(conn, grant.target(), &new).await? {
                return Ok(Creation::Taken);
            }
            once::remember(conn, Service::Chatbot, once, new.at).await?;
            let event = Event::DomainCreated { domain: new.id, name: new.name.to_string() };
            audit::write(conn, &chain, &grant, new.at, event).await?;
            Ok(Creation::Done(()))
        })
        .await
    }

    async fn change(
        &self,
        grant: &Granted<ChangeDomain>,
        version: Version,
        patch: DomainPatch,
        at: Timestamp,
    ) -> Answer<Change<Domain>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            if !sessions::stands(conn, grant.who(), at).await? {
                return Ok(Change::Stale);
            }
            let id = grant.target();
            let query = domains::table
                .filter(dsl::id.eq(id.as_bytes().to_vec()))
                .filter(dsl::version.eq(version.number()));
            let found: Option<DomainRow> = query.first(conn).await.optional()?;
            let Some(now) = found.map(DomainRow::read).transpose()? else { return Ok(Change::Stale) };
            let changed = Domain {
                origins: patch.origins.over(&now.origins),
                joining: patch.joining.over(&now.joining),
                version: version.next(),
                ..now
            };
            let row = (
                dsl::origins.eq(stored(&changed.origins)),
                dsl::joining.eq(changed.joining.name()),
                dsl::version.eq(changed.version.number()),
            );
            diesel::update(domains::table.find(id.as_bytes().to_vec())).set(row).execute(conn).await?;
            audit::write(conn, &chain, &grant, at, Event::DomainChanged { domain: id }).await?;
            Ok(Change::Done(changed))
        })
        .await
    }

    async fn set_status(&self, grant: &Granted<SuspendDomain>, status: Status, at: Timestamp) -> Answer<Seq> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let domain = grant.target();
            let row = (dsl::status.eq(status.name()), dsl::version.eq(dsl::version + 1));
            diesel::update(domains::table.find(domain.as_bytes().to_vec())).set(row).execute(conn).await?;
            let event = match status {
                Status::Active => Event::DomainRevived { domain },
                Status::Suspended => Event::DomainSuspended { domain },
            };
            audit::write(conn, &chain, &grant, at, event).await?;
            notices::announce(conn, About::Domain(domain), false).await
        })
        .await
    }
}
