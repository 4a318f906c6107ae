//! What Postgres does in its own way.

use crate::Conn;
use auth_core::model::KeyUse;
use auth_store_sql::Done;
use diesel::sql_types::{Array, BigInt, Binary, Text};
use diesel_async::RunQueryDsl;

/// The month that a call counts in, as `2026-11`.
pub(crate) const MONTH_OF_CALL: &str =
    "to_char(to_timestamp(coalesce(scheduled_time, created_at) / 1000) AT TIME ZONE 'UTC', 'YYYY-MM')";

diesel::define_sql_function! {
    /// Where a text holds a part, from 1; 0 where it does not.
    #[sql_name = "strpos"]
    fn position(text: Text, part: Text) -> Integer;
}

/// Adds uses of keys: one statement, at the turn of its caller to write.
pub(crate) async fn touch(conn: &mut Conn, uses: Vec<KeyUse>) -> Done<()> {
    let add = "UPDATE keys SET use_count = use_count + told.times, last_used_at = greatest(last_used_at, told.at) \
               FROM (SELECT id, sum(times)::bigint AS times, max(at) AS at \
                     FROM unnest($1, $2, $3) AS each (id, times, at) GROUP BY id) AS told \
               WHERE keys.id = told.id";
    let keys: Vec<_> = uses.iter().map(|one| one.key.as_bytes().to_vec()).collect();
    let times: Vec<_> = uses.iter().map(|one| i64::from(one.times)).collect();
    let last: Vec<_> = uses.iter().map(|one| one.last.millis()).collect();
    let add = diesel::sql_query(add).bind::<Array<Binary>, _>(keys).bind::<Array<BigInt>, _>(times);
    add.bind::<Array<BigInt>, _>(last).execute(conn).await?;
    Ok(())
}
