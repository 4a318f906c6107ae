//! The revocation stream: its numbers, its notices, and who must acknowledge them.
//!
//! Numbers are handed out inside the transaction of what they announce, beside which no other runs: commit order, no
//! gaps.

use crate::Conn;
use auth_core::{
    id::{AccountId, DomainId, KeyId, TokenId},
    port::{About, Notice, ReplicaId, Seq, Standing},
};
use auth_store_sql::{
    Done, row,
    schema::{notice_head, notices, replicas, tokens},
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, IntoSql as _, QueryDsl as _,
    dsl::{case_when, sql},
    sql_types::{BigInt, Text},
};
use diesel_async::RunQueryDsl;
use std::time::{Duration, Instant};

/// Notices that are kept for processes that are behind; one that is further behind starts anew.
const KEPT: i64 = 100_000;
/// Notices that are read at once.
const AT_ONCE: i64 = 4096;

/// The number that the transaction's next notice will have.
pub(crate) async fn next(conn: &mut Conn) -> Done<Seq> {
    Ok(Seq(head(conn).await?.0 + 1))
}

pub(crate) async fn head(conn: &mut Conn) -> Done<Seq> {
    Ok(Seq(notice_head::table.select(notice_head::seq).first(conn).await?))
}

/// Announces within the transaction that is under way.
pub(crate) async fn announce(conn: &mut Conn, about: About, ended: bool) -> Done<Seq> {
    let head = diesel::update(notice_head::table).set(notice_head::seq.eq(notice_head::seq + 1));
    let seq = Seq(head.returning(notice_head::seq).get_result(conn).await?);
    let (word, subject) = write_about(about);
    let row = (
        notices::seq.eq(seq.0),
        notices::about.eq(word),
        notices::subject.eq(subject),
        notices::ended.eq(i64::from(ended)),
    );
    diesel::insert_into(notices::table).values(row).execute(conn).await?;
    forget_old(conn, seq.0 - 1, seq.0).await?;
    Ok(seq)
}

/// Announces the end of all sessions that a token opened and that were not ended before, within the transaction that is
/// under way, before it ends them. It takes the same few statements however many they are. `None` where there are none.
pub(crate) async fn announce_opened_by(conn: &mut Conn, opener: TokenId) -> Done<Option<Seq>> {
    let open = tokens::table
        .filter(tokens::opened_by.eq(opener.as_bytes().to_vec()))
        .filter(tokens::revoked_at.is_null());
    let count: i64 = open.clone().count().get_result(conn).await?;
    if count == 0 {
        return Ok(None);
    }
    let head = diesel::update(notice_head::table).set(notice_head::seq.eq(notice_head::seq + count));
    let last: i64 = head.returning(notice_head::seq).get_result(conn).await?;
    let before = last - count;
    let (word, _) = write_about(About::Token(opener));
    let number = sql::<BigInt>("ROW_NUMBER() OVER (ORDER BY id) + ").bind::<BigInt, _>(before);
    let rows = open.select((number, word.into_sql::<Text>(), tokens::id, 1_i64.into_sql::<BigInt>()));
    let columns = (notices::seq, notices::about, notices::subject, notices::ended);
    diesel::insert_into(notices::table).values(rows).into_columns(columns).execute(conn).await?;
    forget_old(conn, before, last).await?;
    Ok(Some(Seq(last)))
}

/// Forgets what is too old to be asked for, once in a thousand numbers.
async fn forget_old(conn: &mut Conn, before: i64, last: i64) -> Done<()> {
    if before / 1024 < last / 1024 {
        diesel::delete(notices::table.filter(notices::seq.le(last - KEPT))).execute(conn).await?;
    }
    Ok(())
}

fn write_about(about: About) -> (&'static str, Vec<u8>) {
    match about {
        About::Key(id) => ("key", id.as_bytes().to_vec()),
        About::Token(id) => ("token", id.as_bytes().to_vec()),
        About::Session(id) => ("session", id.as_bytes().to_vec()),
        About::Person(id) => ("person", id.as_bytes().to_vec()),
        About::Account(id) => ("account", id.as_bytes().to_vec()),
        About::Domain(id) => ("domain", id.as_bytes().to_vec()),
        About::SigningKeys => ("signing_keys", Vec::new()),
        About::NewSecrets => ("secrets", Vec::new()),
    }
}

fn read_about(word: &str, subject: &[u8]) -> Done<About> {
    Ok(match word {
        "key" => About::Key(KeyId::from_bytes(row::bytes(subject)?)),
        "token" => About::Token(TokenId::from_bytes(row::bytes(subject)?)),
        "session" => About::Session(row::session_id(subject)?),
        "person" => About::Person(row::person_id(subject)?),
        "account" => About::Account(AccountId::from_bytes(row::bytes(subject)?)),
        "domain" => About::Domain(DomainId::from_bytes(row::bytes(subject)?)),
        "signing_keys" => About::SigningKeys,
        "secrets" => About::NewSecrets,
        other => return row::word(None, other),
    })
}

/// Notices after a number, in order.
pub(crate) async fn since(conn: &mut Conn, after: Seq) -> Done<Vec<Notice>> {
    let query = notices::table
        .filter(notices::seq.gt(after.0))
        .order(notices::seq.asc())
        .limit(AT_ONCE)
        .select((notices::seq, notices::about, notices::subject, notices::ended));
    let rows: Vec<(i64, String, Vec<u8>, i64)> = query.load(conn).await?;
    rows.into_iter()
        .map(|(seq, about, subject, ended)| {
            Ok(Notice { seq: Seq(seq), about: read_about(&about, &subject)?, ended: ended != 0 })
        })
        .collect()
}

/// The row that marks the list of members as whole: it holds the number of the list, which also stands with the head of
/// the stream. Where the two differ, or it is not there, the list was lost.
const MARK: [u8; 16] = [0; 16];

/// Whether a process is a member, and the number of the list. The number is read first: a list that is mended between the
/// two readings is taken for lost by the number that it had.
pub(crate) async fn standing(conn: &mut Conn, replica: ReplicaId) -> Done<(Standing, i64)> {
    let list = list(conn).await?;
    let either = replicas::table.filter(replicas::id.eq_any([MARK.to_vec(), replica.0.to_vec()]));
    let rows: Vec<(Vec<u8>, i64)> = either.load(conn).await?;
    let of = |id: [u8; 16]| rows.iter().find(|(found, _)| *found == id).map(|(_, applied)| *applied);
    Ok(match of(replica.0) {
        _ if of(MARK) != Some(list) => (Standing::Lost, list),
        Some(applied) => (Standing::Member(Seq(applied)), list),
        None => (Standing::Stranger, list),
    })
}

async fn list(conn: &mut Conn) -> Done<i64> {
    Ok(notice_head::table.select(notice_head::list).first(conn).await?)
}

/// Begins the list anew, if it has this number still.
pub(crate) async fn mend(conn: &mut Conn, lost: i64) -> Done<()> {
    let same = diesel::update(notice_head::table).filter(notice_head::list.eq(lost));
    if same.set(notice_head::list.eq(lost + 1)).execute(conn).await? > 0 {
        join(conn, ReplicaId(MARK), Seq(lost + 1)).await?;
    }
    Ok(())
}

/// Since when a list is seen to be lost: by its number, and on one clock.
#[derive(Debug)]
pub(crate) struct Lost(Option<(i64, Instant)>);

impl Lost {
    /// No list was seen to be lost.
    pub(crate) const NEVER: Self = Self(None);

    /// Notes what was seen; answers whether this list has been seen to be lost for as long as a lease, and a hundredth
    /// for clocks that run apart.
    #[expect(clippy::disallowed_methods, reason = "a length of time, on the clock that does not jump")]
    pub(crate) fn note(&mut self, standing: Standing, list: i64, lease: Duration) -> bool {
        let since = match (self.0, standing) {
            (_, Standing::Member(_) | Standing::Stranger) => {
                self.0 = None;
                return false;
            }
            (Some((seen, since)), Standing::Lost) if seen == list => since,
            (_, Standing::Lost) => Instant::now(),
        };
        self.0 = Some((list, since));
        since.elapsed() > lease + lease / 100
    }
}

/// Makes a process a member, by a name that it has not had, or sets where one is.
pub(crate) async fn join(conn: &mut Conn, replica: ReplicaId, applied: Seq) -> Done<()> {
    let row = (replicas::id.eq(replica.0.to_vec()), replicas::applied.eq(applied.0));
    let insert = diesel::insert_into(replicas::table).values(row).on_conflict(replicas::id);
    insert.do_update().set(replicas::applied.eq(applied.0)).execute(conn).await?;
    Ok(())
}

/// Notes up to where a process has applied, never less than before; `false` where it is no member.
pub(crate) async fn acknowledge(conn: &mut Conn, replica: ReplicaId, applied: Seq) -> Done<bool> {
    let later =
        case_when::<_, _, BigInt>(replicas::applied.lt(applied.0), applied.0).otherwise(replicas::applied);
    let member = replicas::table.find(replica.0.to_vec());
    Ok(diesel::update(member).set(replicas::applied.eq(later)).execute(conn).await? > 0)
}

/// Whether the list is whole, and all its members have acknowledged a number.
pub(crate) async fn all_know(conn: &mut Conn, seq: Seq) -> Done<bool> {
    let list = list(conn).await?;
    let behind = replicas::applied.lt(seq.0).or(replicas::id.eq(MARK.to_vec()));
    let rows: Vec<(Vec<u8>, i64)> = replicas::table.filter(behind).limit(2).load(conn).await?;
    let [(id, number)] = rows.as_slice() else { return Ok(false) };
    Ok(*id == MARK && *number == list)
}

/// Strikes those that have not acknowledged a number from the list of members.
pub(crate) async fn strike(conn: &mut Conn, seq: Seq) -> Done<()> {
    let silent = replicas::applied.lt(seq.0).and(replicas::id.ne(MARK.to_vec()));
    diesel::delete(replicas::table.filter(silent)).execute(conn).await?;
    Ok(())
}

/// Takes a process from the list of members.
pub(crate) async fn leave(conn: &mut Conn, replica: ReplicaId) -> Done<()> {
    diesel::delete(replicas::table.find(replica.0.to_vec())).execute(conn).await?;
    Ok(())
}
