//! What SQLite does in its own way.

use crate::Conn;
use auth_core::model::KeyUse;
use auth_store_sql::{Done, schema::keys};
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, QueryDsl as _,
    sql_types::{BigInt, Nullable, Text},
};
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

diesel::define_sql_function! {
    /// The first of two that is not null.
    fn coalesce(one: Nullable<BigInt>, other: BigInt) -> BigInt;
}

diesel::define_sql_function! {
    /// The greater of two.
    #[sql_name = "max"]
    fn greatest(one: BigInt, other: BigInt) -> BigInt;
}

/// Adds uses of keys, within the transaction of its caller.
pub(crate) async fn touch(conn: &mut Conn, uses: Vec<KeyUse>) -> Done<()> {
    for KeyUse { key, times, last } in uses {
        let (times, last) = (i64::from(times), last.millis());
        let noted = coalesce(keys::last_used_at, last);
        diesel::update(keys::table.find(key.as_bytes().to_vec()))
            .set((
                keys::use_count.eq(keys::use_count + times),
                keys::last_used_at.eq(greatest(noted, last).nullable()),
            ))
            .execute(conn)
            .await?;
    }
    Ok(())
}
