//! What Postgres does in its own way.

use crate::Conn;
use auth_core::{id::KeyId, time::Timestamp};
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

/// Notes when keys were last used, where that is later than what is noted: one statement.
pub(crate) async fn touch(conn: &mut Conn, uses: Vec<(KeyId, Timestamp)>) -> Done<()> {
    let (keys, times): (Vec<_>, Vec<_>) =
        uses.into_iter().map(|(key, at)| (key.as_bytes().to_vec(), at.millis())).unzip();
    let update = "UPDATE keys SET last_used_at = used.at FROM unnest($1, $2) AS used (id, at) \
                  WHERE keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)";
    let update = diesel::sql_query(update).bind::<Array<Binary>, _>(keys).bind::<Array<BigInt>, _>(times);
    update.execute(conn).await?;
    Ok(())
}
