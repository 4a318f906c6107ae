//! The audit trail: appended inside the transaction of what it tells of.

use crate::{Conn, Readers, Store, dialect};
use auth_core::{
    audit::{ChainKey, Chained, Entry, Event, Head, Link},
    policy::{Action, Granted, Scope},
    port::{Answer, AuditFilter, AuditTrail},
    principal::Tenant,
    time::Timestamp,
};
use auth_store_sql::{
    Done, Failure, row,
    schema::{audit_events, audit_head, audit_key},
    scoped,
};
use diesel::{ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable};
use diesel_async::RunQueryDsl;
use std::sync::Arc;

#[derive(Queryable, Insertable)]
#[diesel(table_name = audit_events)]
struct EventRow {
    seq: i64,
    at: i64,
    actor: String,
    account_id: Option<Vec<u8>>,
    domain_id: Option<Vec<u8>>,
    source: String,
    request_id: String,
    event: String,
    previous: Vec<u8>,
    link: Vec<u8>,
}

impl EventRow {
    fn read(self) -> Done<Chained> {
        let tenant = match &self.account_id {
            Some(account) => Some(row::tenant(account, self.domain_id.as_deref())?),
            None if self.domain_id.is_none() => None,
            None => return Err(Failure::Damaged("a domain without an account".to_owned())),
        };
        Ok(Chained {
            seq: self.seq,
            entry: Entry {
                at: row::time(self.at),
                actor: self.actor,
                tenant,
                source: self.source,
                request_id: self.request_id,
                event: self.event,
            },
            previous: Link::from_bytes(row::bytes(&self.previous)?),
            link: Link::from_bytes(row::bytes(&self.link)?),
        })
    }

    fn of(chained: &Chained) -> Self {
        let entry = &chained.entry;
        Self {
            seq: chained.seq,
            at: entry.at.millis(),
            actor: entry.actor.clone(),
            account_id: entry.tenant.map(|tenant| tenant.account.as_bytes().to_vec()),
            domain_id: entry.tenant.and_then(|tenant| tenant.domain).map(|domain| domain.as_bytes().to_vec()),
            source: entry.source.clone(),
            request_id: entry.request_id.clone(),
            event: entry.event.clone(),
            previous: chained.previous.as_bytes().to_vec(),
            link: chained.link.as_bytes().to_vec(),
        }
    }
}

/// The head of the chain.
pub(crate) async fn head(conn: &mut Conn) -> Done<Head> {
    let query = audit_head::table.select((audit_head::seq, audit_head::link));
    let (seq, link): (i64, Vec<u8>) = query.first(conn).await?;
    Ok(Head { seq, link: Link::from_bytes(row::bytes(&link)?) })
}

async fn scan(conn: &mut Conn, from: i64, limit: u16) -> Done<Vec<Chained>> {
    use audit_events::dsl;
    let query = dsl::audit_events.filter(dsl::seq.ge(from)).order(dsl::seq.asc()).limit(limit.into());
    let rows: Vec<EventRow> = query.load(conn).await?;
    rows.into_iter().map(EventRow::read).collect()
}

/// Checks that the key is the store's, that it made the last entry of the trail, and that the trail holds the head that
/// its anchor remembers; and answers the head that was proven so. A store without a key takes this one: of several that
/// begin at once, the first.
pub(crate) async fn prove(conn: &mut Conn, chain: &ChainKey, anchored: Option<Head>) -> Done<Head> {
    let head = head(conn).await?;
    let known = is_known(conn, chain).await?;
    let made = head == Head::START || entry(conn, head).await?.is_some_and(|last| chain.made(&last));
    if known == Some(false) || !made {
        return Err(wrong_key());
    }
    if let Some(anchored) = anchored.filter(|anchored| *anchored != Head::START)
        && entry(conn, anchored).await?.is_none()
    {
        return Err(Failure::Damaged(format!(
            "the audit anchor remembers entry {} and the trail ends at {}, or has another one there: this is an older \
             copy of the store, in which what was revoked since is live, or the trail was altered (docs/operations.md \
             says how to restore a backup)",
            anchored.seq, head.seq
        )));
    }
    if known.is_none() {
        let row = (audit_key::id.eq(1_i64), audit_key::proof.eq(chain.proof().as_bytes().to_vec()));
        diesel::insert_into(audit_key::table).values(row).on_conflict_do_nothing().execute(conn).await?;
        if is_known(conn, chain).await? != Some(true) {
            return Err(wrong_key());
        }
    }
    Ok(head)
}

fn wrong_key() -> Failure {
    Failure::Damaged(
        "the audit key is not the one that this store's trail was made with, or the trail was altered"
            .to_owned(),
    )
}

/// Whether the store knows this key as its own; `None` where it has none yet.
async fn is_known(conn: &mut Conn, chain: &ChainKey) -> Done<Option<bool>> {
    let proof: Option<Vec<u8>> = audit_key::table.select(audit_key::proof).first(conn).await.optional()?;
    Ok(proof.map(|proof| proof == chain.proof().as_bytes()))
}

/// The entry that a head stands for.
async fn entry(conn: &mut Conn, head: Head) -> Done<Option<Chained>> {
    let found: Option<EventRow> = audit_events::table.find(head.seq).first(conn).await.optional()?;
    Ok(found.map(EventRow::read).transpose()?.filter(|entry| entry.link == head.link))
}

/// Appends entries. The head is read and written in the transaction that is under way.
pub(crate) async fn append(conn: &mut Conn, chain: &ChainKey, entries: Vec<Entry>) -> Done<()> {
    let mut head = head(conn).await?;
    for entry in entries {
        let chained = chain.chain(head, entry);
        head = Head { seq: chained.seq, link: chained.link };
        diesel::insert_into(audit_events::table).values(EventRow::of(&chained)).execute(conn).await?;
    }
    let end = (audit_head::seq.eq(head.seq), audit_head::link.eq(head.link.as_bytes().to_vec()));
    diesel::update(audit_head::table).set(end).execute(conn).await?;
    Ok(())
}

/// Appends the entry of a granted action.
pub(crate) async fn write<A: Action>(
    conn: &mut Conn,
    chain: &ChainKey,
    grant: &Granted<A>,
    at: Timestamp,
    event: Event,
) -> Done<()> {
    append(conn, chain, vec![Entry::granted(at, grant, &event)]).await
}

/// The same, in the affairs of a tenant that the grant is not about: what is made by it, or what else it touches.
pub(crate) async fn write_of<A: Action>(
    conn: &mut Conn,
    chain: &ChainKey,
    grant: &Granted<A>,
    tenant: Tenant,
    at: Timestamp,
    event: Event,
) -> Done<()> {
    let entry = Entry { tenant: Some(tenant), ..Entry::granted(at, grant, &event) };
    append(conn, chain, vec![entry]).await
}

#[async_trait::async_trait]
impl AuditTrail for Store {
    async fn list(
        &self,
        scope: Scope,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u16,
    ) -> Answer<Vec<Chained>> {
        let filter = filter.clone();
        self.read(async move |conn| {
            use audit_events::dsl;
            let mut query = scoped!(dsl::audit_events.into_boxed(), scope, account: dsl::account_id, domain: dsl::domain_id);
            if let Some(from) = filter.from {
                query = query.filter(dsl::at.ge(from.millis()));
            }
            if let Some(to) = filter.to {
                query = query.filter(dsl::at.lt(to.millis()));
            }
            if let Some(actor) = filter.actor {
                query = query.filter(dsl::actor.eq(actor));
            }
            if let Some(action) = filter.action {
                query = query.filter(dialect::position(dsl::event, format!("{{\"action\":\"{action}\"")).eq(1));
            }
            if let Some(target) = filter.target {
                query = query.filter(dialect::position(dsl::event, format!(":\"{target}\"")).gt(0));
            }
            if let Some(before) = before {
                query = query.filter(dsl::seq.lt(before));
            }
            let rows: Vec<EventRow> = query.order(dsl::seq.desc()).limit(limit.into()).load(conn).await?;
            rows.into_iter().map(EventRow::read).collect()
        })
        .await
    }

    async fn scan(&self, from: i64, limit: u16) -> Answer<Vec<Chained>> {
        self.read(async move |conn| scan(conn, from, limit).await).await
    }

    async fn head(&self) -> Answer<Head> {
        self.read(async |conn| head(conn).await).await
    }

    async fn append(&self, entries: Vec<Entry>) -> Answer<()> {
        let chain = self.chain();
        self.write(async move |conn| append(conn, &chain, entries).await).await
    }
}

/// The trail of a store, for who checks it: nothing can be written through it.
pub struct Trail(Arc<Readers>);

impl Trail {
    pub(crate) const fn new(readers: Arc<Readers>) -> Self {
        Self(readers)
    }

    /// Entries from a number on, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn scan(&self, from: i64, limit: u16) -> Answer<Vec<Chained>> {
        self.0.run(async move |conn| scan(conn, from, limit).await).await
    }

    /// The head that the store keeps.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn head(&self) -> Answer<Head> {
        self.0.run(async |conn| head(conn).await).await
    }
}
