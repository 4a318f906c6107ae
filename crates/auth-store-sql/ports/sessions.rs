//! Sessions of people, and the refresh tokens that carry them on.

use super::{audit, factors, notices};
use crate::{Conn, Store};
use auth_core::{
    amr::Amr,
    audit::{Entry, Event},
    credential::Refresh,
    id::{DomainId, PersonId, SessionId},
    model::{FactorUse, NewSession, Page, REPLAY, SESSION_IDLE, Session, SessionEnd, Status},
    policy::{Granted, OwnPerson, Role},
    port::{
        About, Answer, BeginSession, Creation, EndSession, EndSessions, FoundSession, Rotation, Seq, Sessions,
    },
    principal::{Origin, Principal},
    seal::Sealed,
    secret::TokenDigest,
    service::Service,
    time::Timestamp,
};
use auth_store_sql::{
    BATCH, Done, Failure, row,
    schema::{
        accounts, domains, members, people,
        sessions::{self, dsl},
    },
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, QueryResult, Queryable, Selectable, SelectableHelper as _,
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Binary, HasSqlType, Nullable, Text},
};
use diesel_async::RunQueryDsl;

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct SessionRow {
    id: Vec<u8>,
    person_id: Vec<u8>,
    audience: String,
    role: Option<String>,
    amr: i64,
    source: String,
    created_at: i64,
    refreshed_at: Option<i64>,
    idle_ends_at: i64,
}

/// A session with its domain: its identifier, its account, its name.
type Joined = (SessionRow, Option<(Vec<u8>, Vec<u8>, String)>);

fn read((session, domain): Joined) -> Done<Session> {
    let tenant = |(id, account, _): &(Vec<u8>, Vec<u8>, String)| row::tenant(account, Some(id));
    let name = |(_, _, name): &(Vec<u8>, Vec<u8>, String)| row::text(name);
    Ok(Session {
        id: row::session_id(&session.id)?,
        person: row::person_id(&session.person_id)?,
        tenant: domain.as_ref().map(tenant).transpose()?,
        domain: domain.as_ref().map(name).transpose()?,
        audience: row::word(Service::parse(&session.audience), &session.audience)?,
        role: session.role.as_deref().map(|role| row::word(Role::parse(role), role)).transpose()?,
        amr: amr(session.amr)?,
        auth_time: row::time(session.created_at),
        source: session.source,
        created_at: row::time(session.created_at),
        refreshed_at: row::maybe_time(session.refreshed_at),
        expires_at: row::time(session.idle_ends_at),
    })
}

fn amr(bits: i64) -> Done<Amr> {
    let known = u8::try_from(bits).ok().and_then(Amr::from_bits);
    known.ok_or_else(|| Failure::Damaged(format!("the methods of a login are none: {bits}")))
}

/// Sessions with what [`read`] needs.
macro_rules! joined {
    () => {
        sessions::table
            .left_join(domains::table)
            .select((SessionRow::as_select(), (domains::id, domains::account_id, domains::name).nullable()))
    };
}

/// Ends what a condition says and was not ended before.
macro_rules! end {
    ($conn:expr, $which:expr, $why:expr, $at:expr) => {{
        // Over for whoever looks at its end alone, too.
        let over = dsl::idle_ends_at.eq($at.millis());
        let row = (dsl::ended_at.eq($at.millis()), dsl::ended_why.eq($why.name()), over);
        diesel::update($which.filter(dsl::ended_at.is_null())).set(row).execute($conn).await?
    }};
}

/// Whether the person is as they were when they proved themself, and the role theirs: on the platform, or in the domain.
async fn has_role(conn: &mut Conn, person: PersonId, new: &NewSession) -> Done<bool> {
    let person = person.as_bytes().to_vec();
    let active = people::table
        .find(person.clone())
        .filter(people::status.eq(Status::Active.name()))
        .filter(people::version.eq(new.version.number()));
    let is_super: Option<i64> = active.select(people::super_admin).first(conn).await.optional()?;
    let role = match (new.domain, is_super) {
        (_, None) => return Ok(false),
        (None, Some(is_super)) => (is_super == 1).then_some(Role::SuperAdmin),
        (Some(domain), Some(_)) => {
            let member = members::table
                .inner_join(domains::table.inner_join(accounts::table))
                .filter(members::domain_id.eq(domain.as_bytes().to_vec()))
                .filter(members::person_id.eq(person))
                .filter(domains::status.eq(Status::Active.name()))
                .filter(accounts::status.eq(Status::Active.name()));
            let role: Option<String> = member.select(members::role).first(conn).await.optional()?;
            let Some(role) = role else { return Ok(false) };
            Some(row::word(Role::parse(&role), &role)?)
        }
    };
    Ok(role == new.role)
}

/// Whether a session is the person's, and has not ended.
pub(super) async fn is_open(conn: &mut Conn, person: PersonId, id: SessionId, at: Timestamp) -> Done<bool> {
    let session =
        sessions::table.find(id.as_bytes().to_vec()).filter(dsl::person_id.eq(person.as_bytes().to_vec()));
    let open = session.filter(dsl::ended_at.is_null()).filter(dsl::idle_ends_at.gt(at.millis()));
    Ok(open.select(dsl::id).first::<Vec<u8>>(conn).await.optional()?.is_some())
}

/// Whether a person who does something is still who they were when they were judged, in a session that has not ended.
/// Whatever else does it is judged by what it is done with.
pub(super) async fn stands(conn: &mut Conn, who: Option<&Principal>, at: Timestamp) -> Done<bool> {
    let Some(Principal::Person(person)) = who else { return Ok(true) };
    if person.audience != Service::Chatbot {
        // The sessions of the other service are not its to read: it has asked whoever issued the token, a moment ago.
        return Ok(true);
    }
    let found = judged(conn, person.session).await?;
    Ok(found.is_some_and(|found| !found.ended && found.session.expires_at > at))
}

/// Ends the sessions of a person at a domain, or at the platform. Who calls announces it.
pub(super) async fn end_at(
    conn: &mut Conn,
    person: PersonId,
    domain: Option<DomainId>,
    why: SessionEnd,
    at: Timestamp,
) -> Done<()> {
    let of = sessions::table.filter(dsl::person_id.eq(person.as_bytes().to_vec()));
    match domain {
        Some(domain) => end!(conn, of.filter(dsl::domain_id.eq(domain.as_bytes().to_vec())), why, at),
        None => end!(conn, of.filter(dsl::domain_id.is_null()), why, at),
    };
    Ok(())
}

/// Whether there is or was a session.
async fn is_there(conn: &mut Conn, id: SessionId) -> Done<bool> {
    let found = sessions::table.find(id.as_bytes().to_vec()).select(dsl::id);
    Ok(found.first::<Vec<u8>>(conn).await.optional()?.is_some())
}

/// Ends what a session that begins comes in place of, and announces that: all sessions of the person, where an
/// authenticator or a passkey becomes a factor of theirs by it.
async fn end_before(conn: &mut Conn, person: PersonId, new: &NewSession) -> Done<Option<Seq>> {
    if new.factor.as_ref().is_some_and(FactorUse::is_new) {
        return end_others(conn, person, None, SessionEnd::FactorsChanged, new.at).await;
    }
    let Some(replaced) = new.replaces else { return Ok(None) };
    let old = sessions::table.filter(dsl::id.eq(replaced.as_bytes().to_vec()));
    end!(conn, old, SessionEnd::Replaced, new.at);
    Ok(Some(notices::announce(conn, About::Session(replaced), true).await?))
}

/// Ends the sessions of a person but one, and announces that: of the person, so that one that begins meanwhile is asked
/// for again; `None` where there were none.
pub(super) async fn end_others(
    conn: &mut Conn,
    person: PersonId,
    kept: Option<SessionId>,
    why: SessionEnd,
    at: Timestamp,
) -> Done<Option<Seq>> {
    let all = sessions::table.filter(dsl::person_id.eq(person.as_bytes().to_vec()));
    let ended = match kept {
        Some(kept) => end!(conn, all.filter(dsl::id.ne(kept.as_bytes().to_vec())), why, at),
        None => end!(conn, all, why, at),
    };
    if ended == 0 {
        return Ok(None);
    }
    Ok(Some(notices::announce(conn, About::Person(person), false).await?))
}

/// Puts the successor in place of a refresh token that is its session's, of a session that is still one. Written out: to
/// put a statement together from its parts, anew for each step, takes a good part of what the step takes.
#[derive(QueryId)]
struct Rotate {
    id: Vec<u8>,
    presented: Vec<u8>,
    next: Vec<u8>,
    sealed: Vec<u8>,
    at: i64,
    idle_ends_at: i64,
}

impl Query for Rotate {
    type SqlType = (
        (Binary, Binary, Text, Nullable<Text>, BigInt, Text, BigInt, Nullable<BigInt>, BigInt),
        Nullable<(Binary, Binary, Text)>,
    );
}

impl<DB: Backend> QueryFragment<DB> for Rotate
where
    Vec<u8>: ToSql<Binary, DB>,
    i64: ToSql<BigInt, DB>,
    DB: HasSqlType<Binary> + HasSqlType<Text> + HasSqlType<BigInt>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET parent = refresh, refresh = ");
        out.push_bind_param::<Binary, _>(&self.next)?;
        out.push_sql(", successor = ");
        out.push_bind_param::<Binary, _>(&self.sealed)?;
        out.push_sql(", refreshed_at = ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(", idle_ends_at = CASE WHEN ends_at < ");
        out.push_bind_param::<BigInt, _>(&self.idle_ends_at)?;
        out.push_sql(" THEN ends_at ELSE ");
        out.push_bind_param::<BigInt, _>(&self.idle_ends_at)?;
        out.push_sql(" END WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        out.push_sql(" AND refresh = ");
        out.push_bind_param::<Binary, _>(&self.presented)?;
        out.push_sql(" AND ended_at IS NULL AND idle_ends_at > ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(
            " AND EXISTS (SELECT 1 FROM people WHERE people.id = sessions.person_id AND people.status = 'active' \
             AND (sessions.domain_id IS NOT NULL \
             OR (super_admin = 1) = (COALESCE(sessions.role, '') = 'super_admin'))) \
             AND (domain_id IS NULL OR EXISTS (SELECT 1 FROM members \
             JOIN domains ON domains.id = members.domain_id JOIN accounts ON accounts.id = domains.account_id \
             WHERE members.domain_id = sessions.domain_id AND members.person_id = sessions.person_id \
             AND members.role = sessions.role AND domains.status = 'active' AND accounts.status = 'active')) \
             RETURNING id, person_id, audience, role, amr, source, created_at, refreshed_at, idle_ends_at, domain_id, (SELECT account_id FROM domains WHERE domains.id = domain_id), \
             (SELECT name FROM domains WHERE domains.id = domain_id)",
        );
        Ok(())
    }
}

/// A session as it is judged.
struct Judged {
    session: Session,
    /// It was ended.
    was_ended: bool,
    /// It is none any more, however long it would have lived: it was ended, or person, domain or account are suspended, or
    /// the role is another.
    ended: bool,
    /// The digest of its refresh token, that of the one before it, and the sealed text of the good one.
    tokens: (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>),
}

async fn judged(conn: &mut Conn, id: SessionId) -> Done<Option<Judged>> {
    type Found = (
        SessionRow,
        Option<(Vec<u8>, Vec<u8>, String)>,
        Option<(String, String)>,
        Option<String>,
        (String, i64),
        Option<i64>,
        (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>),
    );
    let member = members::domain_id.nullable().eq(dsl::domain_id).and(members::person_id.eq(dsl::person_id));
    let query = sessions::table
        .inner_join(people::table)
        .left_join(domains::table.inner_join(accounts::table))
        .left_join(members::table.on(member))
        .filter(dsl::id.eq(id.as_bytes().to_vec()))
        .select((
            SessionRow::as_select(),
            (domains::id, domains::account_id, domains::name).nullable(),
            (domains::status, accounts::status).nullable(),
            members::role.nullable(),
            (people::status, people::super_admin),
            dsl::ended_at,
            (dsl::refresh, dsl::parent, dsl::successor),
        ));
    let found: Option<Found> = query.first(conn).await.optional()?;
    let Some((session, domain, statuses, role, (person, is_super), ended_at, tokens)) = found else {
        return Ok(None);
    };
    let (session, was_ended) = (read((session, domain))?, ended_at.is_some());
    let active = |status: &str| Status::parse(status) == Some(Status::Active);
    let now = match &statuses {
        Some(_) => role.as_deref().and_then(Role::parse),
        None => (is_super == 1).then_some(Role::SuperAdmin),
    };
    let ended = was_ended
        || !active(&person)
        || statuses.is_some_and(|(domain, account)| !active(&domain) || !active(&account))
        || session.tenant.is_some() && now.is_none()
        || now != session.role;
    Ok(Some(Judged { session, was_ended, ended, tokens }))
}

/// What a refresh token is to its session, where it is not the one that is good.
enum Standing {
    /// The one before it, within the time of a lost answer: its successor, sealed.
    Parent(Session, Sealed),
    /// One from before.
    Ancestor,
    /// The session has ended.
    Ended,
}

async fn standing(conn: &mut Conn, presented: &Refresh, at: Timestamp) -> Done<Standing> {
    let Some(found) = judged(conn, presented.session()).await? else { return Ok(Standing::Ended) };
    let (session, (refresh, parent, successor)) = (found.session, found.tokens);
    let digest = presented.digest().as_bytes().as_slice();
    if found.was_ended || session.expires_at <= at || refresh == digest {
        // Where it is the good one, then person or domain are suspended, or the role is another.
        return Ok(Standing::Ended);
    }
    let lost = session.refreshed_at.is_some_and(|then| at < then + REPLAY);
    Ok(match successor.filter(|_| lost && parent.as_deref() == Some(digest)) {
        Some(_) if found.ended => Standing::Ended,
        Some(successor) => Standing::Parent(session, Sealed::from_bytes(successor)),
        None => Standing::Ancestor,
    })
}

#[async_trait::async_trait]
impl Sessions for Store {
    async fn find(&self, id: SessionId) -> Answer<Option<FoundSession>> {
        self.read(async move |conn| {
            Ok(judged(conn, id)
                .await?
                .map(|Judged { session, ended, .. }| FoundSession { principal: session.principal(), ended }))
        })
        .await
    }

    async fn read(&self, own: OwnPerson, id: SessionId, at: Timestamp) -> Answer<Option<Session>> {
        self.read(async move |conn| {
            let query = joined!()
                .filter(dsl::id.eq(id.as_bytes().to_vec()))
                .filter(dsl::person_id.eq(own.id().as_bytes().to_vec()))
                .filter(dsl::ended_at.is_null())
                .filter(dsl::idle_ends_at.gt(at.millis()));
            query.first::<Joined>(conn).await.optional()?.map(read).transpose()
        })
        .await
    }

    async fn list(&self, own: OwnPerson, at: Timestamp, page: Page) -> Answer<Vec<Session>> {
        self.read(async move |conn| {
            let mut query = joined!()
                .filter(dsl::person_id.eq(own.id().as_bytes().to_vec()))
                .filter(dsl::ended_at.is_null())
                .filter(dsl::idle_ends_at.gt(at.millis()))
                .into_boxed();
            if let Some(before) = page.before {
                query = query.filter(dsl::id.lt(before.to_vec()));
            }
            let rows: Vec<Joined> = query.order(dsl::id.desc()).limit(page.limit.into()).load(conn).await?;
            rows.into_iter().map(read).collect()
        })
        .await
    }

    async fn begin(&self, grant: &Granted<BeginSession>, new: NewSession) -> Answer<Creation<Option<Seq>>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let person = grant.target();
            if !has_role(conn, person, &new).await? || is_there(conn, new.id).await? {
                return Ok(Creation::Stale);
            }
            if let Some(replaced) = new.replaces
                && !is_open(conn, person, replaced, new.at).await?
            {
                return Ok(Creation::Stale);
            }
            if let Some(factor) = &new.factor
                && !factors::use_up(conn, person, factor, new.at).await?
            {
                if let Some(passkey) = factors::suspected(conn, person, factor).await? {
                    let event = Event::PasskeySuspected { person, passkey };
                    audit::write(conn, &chain, &grant, new.at, event).await?;
                }
                return Ok(Creation::Stale);
            }
            let ended = end_before(conn, person, &new).await?;
            let source = grant.origin().source.map(|address| address.to_string()).unwrap_or_default();
            let row = (
                dsl::id.eq(new.id.as_bytes().to_vec()),
                dsl::person_id.eq(person.as_bytes().to_vec()),
                dsl::domain_id.eq(new.domain.map(|domain| domain.as_bytes().to_vec())),
                dsl::audience.eq(new.audience.name()),
                dsl::role.eq(new.role.map(Role::name)),
                dsl::amr.eq(i64::from(new.amr.bits())),
                dsl::source.eq(source),
                dsl::created_at.eq(new.auth_time.millis()),
                dsl::refresh.eq(new.refresh.as_bytes().to_vec()),
                dsl::idle_ends_at.eq(new.ends_at.min(new.at + SESSION_IDLE).millis()),
                dsl::ends_at.eq(new.ends_at.millis()),
            );
            diesel::insert_into(sessions::table).values(row).execute(conn).await?;
            let (session, audience, acr) = (new.id, new.audience.name(), new.amr.acr());
            let factor = new.factor.as_ref().map(FactorUse::name);
            let event = match (&new.factor, factor) {
                (Some(used), Some(factor)) if used.is_new() => {
                    Event::FactorEnrolled { person, factor, session, passkey: used.passkey() }
                }
                _ => Event::LoggedIn { person, session, audience, acr, factor, replaced: new.replaces },
            };
            audit::write(conn, &chain, &grant, new.at, event).await?;
            Ok(Creation::Done(ended))
        })
        .await
    }

    async fn rotate(
        &self,
        presented: &Refresh,
        next: &TokenDigest,
        sealed: Sealed,
        origin: &Origin,
        at: Timestamp,
    ) -> Answer<Rotation> {
        let rotate = Rotate {
            id: presented.session().as_bytes().to_vec(),
            presented: presented.digest().as_bytes().to_vec(),
            next: next.as_bytes().to_vec(),
            sealed: sealed.as_bytes().to_vec(),
            at: at.millis(),
            idle_ends_at: (at + SESSION_IDLE).millis(),
        };
        let done: Option<Joined> =
            self.statement(async move |conn| Ok(rotate.get_result(conn).await.optional()?)).await?;
        if let Some(session) = done {
            return Ok(Rotation::Done(read(session)?));
        }
        let (presented, origin, chain) = (presented.clone(), origin.clone(), self.chain());
        let id = presented.session();
        let (of, then) = (presented.clone(), at);
        let standing_now = self.read(async move |conn| standing(conn, &of, then).await).await?;
        match standing_now {
            Standing::Ended => Ok(Rotation::Ended),
            Standing::Parent(session, sealed) => Ok(Rotation::Replayed(session, sealed)),
            Standing::Ancestor => {
                self.write(async move |conn| {
                    // Others may have refreshed the session since, or ended it: an ancestor stays one.
                    let found =
                        joined!().filter(dsl::id.eq(id.as_bytes().to_vec())).first::<Joined>(conn).await;
                    let Some(session) = found.optional()?.map(read).transpose()? else {
                        return Ok(Rotation::Ended);
                    };
                    let own = sessions::table.filter(dsl::id.eq(session.id.as_bytes().to_vec()));
                    if end!(conn, own, SessionEnd::Replayed, at) == 0 {
                        return Ok(Rotation::Ended);
                    }
                    let (person, why) = (session.person, SessionEnd::Replayed.name());
                    let event = Event::PersonSessionEnded { person, session: session.id, why };
                    let actor = Principal::Person(session.principal()).to_string();
                    let entry = Entry::new(at, actor, session.tenant, &origin, &event);
                    audit::append(conn, &chain, vec![entry]).await?;
                    let seq = notices::announce(conn, About::Session(session.id), true).await?;
                    Ok(Rotation::Burnt(seq))
                })
                .await
            }
        }
    }

    async fn of_refresh(&self, presented: &Refresh, at: Timestamp) -> Answer<Option<Session>> {
        let (id, digest) = (presented.session(), presented.digest().as_bytes().to_vec());
        self.read(async move |conn| {
            let query = joined!()
                .filter(dsl::id.eq(id.as_bytes().to_vec()))
                .filter(dsl::refresh.eq(digest.clone()).or(dsl::parent.eq(digest).assume_not_null()))
                .filter(dsl::ended_at.is_null())
                .filter(dsl::idle_ends_at.gt(at.millis()));
            query.first::<Joined>(conn).await.optional()?.map(read).transpose()
        })
        .await
    }

    async fn end(&self, grant: &Granted<EndSession>, why: SessionEnd, at: Timestamp) -> Answer<Option<Seq>> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let id = grant.target();
            let own = sessions::table.filter(dsl::id.eq(id.as_bytes().to_vec()));
            let person: Option<Vec<u8>> = own.select(dsl::person_id).first(conn).await.optional()?;
            let Some(person) = person else { return Ok(None) };
            let own = sessions::table.filter(dsl::id.eq(id.as_bytes().to_vec()));
            if end!(conn, own, why, at) == 0 {
                return Ok(None);
            }
            let (person, why) = (row::person_id(&person)?, why.name());
            let event = Event::PersonSessionEnded { person, session: id, why };
            audit::write(conn, &chain, &grant, at, event).await?;
            Ok(Some(notices::announce(conn, About::Session(id), true).await?))
        })
        .await
    }

    async fn end_all(&self, grant: &Granted<EndSessions>, why: SessionEnd, at: Timestamp) -> Answer<Seq> {
        let (grant, chain) = (grant.clone(), self.chain());
        self.write(async move |conn| {
            let person = grant.target();
            // Nor does a login that has yet to show a second factor begin one.
            let changed = people::version.eq(people::version + 1);
            diesel::update(people::table.find(person.as_bytes().to_vec())).set(changed).execute(conn).await?;
            let ended = end_others(conn, person, None, why, at).await?;
            let event = Event::PersonSessionsEnded { person, why: why.name() };
            audit::write(conn, &chain, &grant, at, event).await?;
            match ended {
                Some(seq) => Ok(seq),
                None => notices::head(conn).await,
            }
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Answer<()> {
        loop {
            let some = self.write(async move |conn| {
                let over = sessions::table
                    .filter(dsl::idle_ends_at.lt(before.millis()))
                    .order(dsl::idle_ends_at.asc())
                    .limit(BATCH.into())
                    .select(dsl::id);
                let over: Vec<Vec<u8>> = over.load(conn).await?;
                Ok(diesel::delete(sessions::table.filter(dsl::id.eq_any(over))).execute(conn).await?)
            });
            if some.await? < usize::from(BATCH) {
                return Ok(());
            }
        }
    }
}
