//! What SQLite does in its own way.

use crate::Conn;
use auth_core::{id::KeyId, time::Timestamp};
use auth_store_sql::{Done, schema::keys};
use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, sql_types::Text};
use diesel_async::RunQueryDsl;

/// The month that a call counts in, as `2026-11`.
pub(crate) const MONTH_OF_CALL: &str =
    "strftime('%Y-%m', coalesce(scheduled_time, created_at) / 1000, 'unixepoch')";

diesel::define_sql_function! {
    /// Where a text holds a part, from 1; 0 where it does not. Compares bytes, unlike LIKE, which takes no
    /// notice of case.
    #[sql_name = "instr"]
    fn position(text: Text, part: Text) -> Integer;
}

/// Notes when keys were last used, where that is later than what is noted.
pub(crate) async fn touch(conn: &mut Conn, uses: Vec<(KeyId, Timestamp)>) -> Done<()> {
    for (key, at) in uses {
        let older = keys::last_used_at.is_null().or(keys::last_used_at.lt(at.millis()));
        let key = keys::table.filter(keys::id.eq(key.as_bytes().to_vec())).filter(older);
        diesel::update(key).set(keys::last_used_at.eq(at.millis())).execute(conn).await?;
    }
    Ok(())
}
