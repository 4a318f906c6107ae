//! Calls.

use super::{
    audit,
    once::{self, answer_if_seen},
};
use crate::{Conn, Store, dialect};
use auth_core::{
    audit::Event,
    id::CallId,
    model::{Call, CallStatus, Channel, NewCall, Page, Usage},
    policy::{Granted, Scope},
    port::{Answer, Calls, CancelCall, Change, Creation, Once, StartCall},
    service::Service,
    time::Timestamp,
};
use auth_store_sql::{
    Done, row,
    schema::calls::{self, dsl},
    scoped,
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    dsl::sql,
    sql_types::{BigInt, Text},
};
use diesel_async::RunQueryDsl;

#[derive(Queryable)]
struct CallRow {
    id: Vec<u8>,
    account_id: Vec<u8>,
    status: String,
    call_type: String,
    channel: String,
    phone_number: String,
    client_name: String,
    client_email: String,
    instruction: String,
    domain_name: String,
    language: String,
    scheduled_time: Option<i64>,
    created_at: i64,
    cancelled_at: Option<i64>,
}

impl CallRow {
    fn read(self) -> Done<Call> {
        Ok(Call {
            id: row::call_id(&self.id)?,
            account: row::account_id(&self.account_id)?,
            status: row::word(CallStatus::parse(&self.status), &self.status)?,
            cancelled_at: row::maybe_time(self.cancelled_at),
            order: NewCall {
                id: row::call_id(&self.id)?,
                call_type: row::text(&self.call_type)?,
                channel: row::word(Channel::parse(&self.channel), &self.channel)?,
                phone_number: row::text(&self.phone_number)?,
                client_name: row::text(&self.client_name)?,
                client_email: row::text(&self.client_email)?,
                instruction: row::text(&self.instruction)?,
                domain_name: row::text(&self.domain_name)?,
                language: row::text(&self.language)?,
                scheduled_time: row::maybe_time(self.scheduled_time),
                at: row::time(self.created_at),
            },
        })
    }
}

async fn find(conn: &mut Conn, scope: Scope, id: CallId) -> Done<Option<Call>> {
    let query = calls::table.filter(dsl::id.eq(id.as_bytes().to_vec())).into_boxed();
    let found: Option<CallRow> =
        scoped!(query, scope, account: dsl::account_id, domain: none).first(conn).await.optional()?;
    found.map(CallRow::read).transpose()
}

#[async_trait::async_trait]
impl Calls for Store {
    async fn read(&self, scope: Scope, id: CallId) -> Answer<Option<Call>> {
        self.read(async move |conn| find(conn, scope, id).await).await
    }

    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Call>> {
        self.read(async move |conn| {
            let mut query = scoped!(calls::table.into_boxed(), scope, account: dsl::account_id, domain: none);
            if let Some(before) = page.before {
                query = query.filter(dsl::id.lt(before.to_vec()));
            }
            let rows: Vec<CallRow> = query.order(dsl::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(CallRow::read).collect()
        })
        .await
    }

    async fn start(&self, grant: &Granted<StartCall>, new: NewCall, once: Option<Once>) -> Answer<Creation> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            answer_if_seen!(conn, once.as_ref(), new.at);
            let row = (
                dsl::id.eq(new.id.as_bytes().to_vec()),
                dsl::account_id.eq(grant.target().account.as_bytes().to_vec()),
                dsl::status.eq(new.status().name()),
                dsl::call_type.eq(new.call_type.as_str()),
                dsl::channel.eq(new.channel.name()),
                dsl::phone_number.eq(new.phone_number.as_str()),
                dsl::client_name.eq(new.client_name.as_str()),
                dsl::client_email.eq(new.client_email.as_str()),
                dsl::instruction.eq(new.instruction.as_str()),
                dsl::domain_name.eq(new.domain_name.as_str()),
                dsl::language.eq(new.language.as_str()),
                dsl::scheduled_time.eq(new.scheduled_time.map(Timestamp::millis)),
                dsl::created_at.eq(new.at.millis()),
            );
            diesel::insert_into(calls::table).values(row).execute(conn).await?;
            once::remember(conn, Service::Hub, once, new.at).await?;
            audit::write(conn, &chain, &grant, new.at, Event::CallStarted { call: new.id }).await?;
            Ok(Creation::Done(()))
        })
        .await
    }

    async fn cancel(&self, grant: &Granted<CancelCall>, at: Timestamp) -> Answer<Change<Call>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let call = grant.target();
            let open = calls::table
                .filter(dsl::id.eq(call.as_bytes().to_vec()))
                .filter(dsl::status.ne(CallStatus::Cancelled.name()));
            let cancelled = (dsl::status.eq(CallStatus::Cancelled.name()), dsl::cancelled_at.eq(at.millis()));
            if diesel::update(open).set(cancelled).execute(conn).await? == 0 {
                return Ok(Change::Stale);
            }
            audit::write(conn, &chain, &grant, at, Event::CallCancelled { call }).await?;
            Ok(find(conn, grant.scope(), call).await?.map_or(Change::Stale, Change::Done))
        })
        .await
    }

    async fn usage(&self, scope: Scope, from: Timestamp, to: Timestamp) -> Answer<Vec<Usage>> {
        self.read(async move |conn| {
            let (from, to) = (from.millis(), to.millis());
            let at_once =
                dsl::scheduled_time.is_null().and(dsl::created_at.ge(from)).and(dsl::created_at.lt(to));
            let at_its_time = dsl::scheduled_time.ge(from).and(dsl::scheduled_time.lt(to));
            let made = dsl::cancelled_at.is_null().or(dsl::cancelled_at.ge(dsl::scheduled_time));
            // A comparison with a time that is not set is neither true nor false: a call to be made at once was.
            let billed = at_once.or(at_its_time.and(made));
            let query = calls::table
                .filter(billed)
                .select(sql::<(Text, Text, BigInt)>(&format!(
                    "{}, channel, count(*)",
                    dialect::MONTH_OF_CALL
                )))
                .group_by(sql::<Text>("1, 2"))
                .order(sql::<Text>("1, 2"))
                .into_boxed();
            let query = scoped!(query, scope, account: dsl::account_id, domain: none);
            let rows: Vec<(String, String, i64)> = query.load(conn).await?;
            let usage = |(month, channel, calls): (String, String, i64)| {
                let channel = row::word(Channel::parse(&channel), &channel)?;
                Ok(Usage { month, channel, calls: calls.unsigned_abs() })
            };
            rows.into_iter().map(usage).collect()
        })
        .await
    }
}
