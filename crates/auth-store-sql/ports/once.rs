//! Requests that may be sent twice.

use crate::Conn;
use auth_core::{port::Once, service::Service, time::Timestamp};
use auth_store_sql::{BATCH, Done, schema::requests_once::dsl};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl;

/// How long a request is remembered.
const KEPT_MS: i64 = 24 * 3600 * 1000;

/// What is known of a request.
pub(crate) enum Seen {
    /// Nothing: it is to be carried out.
    New,
    /// It was answered with this.
    Before(String),
    /// Its key was used for another body.
    Otherwise,
}

/// Whether a request was seen before.
pub(crate) async fn seen(conn: &mut Conn, once: Option<&Once>, at: Timestamp) -> Done<Seen> {
    let Some(once) = once else { return Ok(Seen::New) };
    let query = dsl::requests_once
        .filter(dsl::key.eq(once.key.as_bytes().to_vec()))
        .filter(dsl::created_at.gt(at.millis() - KEPT_MS))
        .select((dsl::body, dsl::answer));
    let found: Option<(Vec<u8>, String)> = query.first(conn).await.optional()?;
    Ok(match found {
        None => Seen::New,
        Some((body, answer)) if body == once.body.as_bytes() => Seen::Before(answer),
        Some(_) => Seen::Otherwise,
    })
}

/// Remembers a request to a service, in the transaction of what it made; forgets a few that are over.
pub(crate) async fn remember(
    conn: &mut Conn,
    service: Service,
    once: Option<Once>,
    at: Timestamp,
) -> Done<()> {
    let Some(once) = once else { return Ok(()) };
    let over = dsl::requests_once
        .filter(dsl::created_at.le(at.millis() - KEPT_MS))
        .filter(dsl::key.ne(once.key.as_bytes().to_vec()))
        .limit(BATCH.into())
        .select(dsl::key);
    let mut over: Vec<Vec<u8>> = over.load(conn).await?;
    // Its own key, if that is over.
    over.push(once.key.as_bytes().to_vec());
    diesel::delete(dsl::requests_once.filter(dsl::key.eq_any(over))).execute(conn).await?;
    let row = (
        dsl::key.eq(once.key.as_bytes().to_vec()),
        dsl::body.eq(once.body.as_bytes().to_vec()),
        dsl::answer.eq(once.answer),
        dsl::created_at.eq(at.millis()),
        dsl::service.eq(service.name()),
    );
    diesel::insert_into(dsl::requests_once).values(row).execute(conn).await?;
    Ok(())
}

/// Answers a request that was seen before, from a command that answers a `Creation`.
macro_rules! answer_if_seen {
    ($conn:expr, $once:expr, $at:expr) => {
        match $crate::ports::once::seen($conn, $once, $at).await? {
            $crate::ports::once::Seen::New => {}
            $crate::ports::once::Seen::Before(answer) => {
                return Ok(auth_core::port::Creation::Repeated(answer))
            }
            $crate::ports::once::Seen::Otherwise => return Ok(auth_core::port::Creation::Mismatched),
        }
    };
}
pub(crate) use answer_if_seen;
