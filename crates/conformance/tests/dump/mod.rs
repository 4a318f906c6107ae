//! Everything that a store holds, read beside the ports: to show what a request changed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use conformance::world::World;
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query,
    sql_types::Text, sqlite::SqliteConnection,
};
use std::collections::BTreeMap;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let lines: Vec<Line> = sql_query(sql).load(conn).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// What changes by itself: who serves, when a key was used last, and where in the chain an event has its place
/// once refusals come between.
fn by_itself(table: &str, column: &str) -> bool {
    matches!(
        (table, column),
        ("replicas" | "audit_head", _)
            | ("keys", "last_used_at")
            | ("audit_events", "seq" | "previous" | "link")
    )
}

/// Every row of every table, as `table|value|…`, but for what changes by itself and for counted refusals.
pub(crate) fn dump(world: &World) -> Vec<String> {
    let path = world.dir.path().join("auth.db");
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000; BEGIN;").unwrap();
    let tables = "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    let mut rows = Vec::new();
    let tables = lines(&mut conn, tables);
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        let columns = format!("SELECT name AS line FROM pragma_table_info('{table}')");
        let columns = lines(&mut conn, &columns);
        let kept = columns.iter().filter(|column| !by_itself(&table, column));
        let quoted: Vec<_> = kept.map(|column| format!("quote({column})")).collect();
        if quoted.is_empty() {
            continue;
        }
        let values = quoted.join(" || '|' || ");
        rows.extend(lines(&mut conn, &format!("SELECT '{table}|' || {values} AS line FROM {table}")));
    }
    rows.retain(|row| !row.contains(r#""action":"request.refused""#));
    rows.sort();
    rows
}

/// What differs between two dumps: `-` before a row that is gone, `+` before a new one, as often as it is.
pub(crate) fn changes(before: &[String], after: &[String]) -> Vec<String> {
    let mut counts = BTreeMap::<&String, isize>::new();
    before.iter().for_each(|row| *counts.entry(row).or_default() -= 1);
    after.iter().for_each(|row| *counts.entry(row).or_default() += 1);
    let signed = |sign: char, unit: isize| {
        let rows = counts.iter().filter(move |(_, count)| **count * unit > 0);
        rows.flat_map(move |(row, count)| std::iter::repeat_n(format!("{sign}{row}"), count.unsigned_abs()))
    };
    signed('-', -1).chain(signed('+', 1)).collect()
}
