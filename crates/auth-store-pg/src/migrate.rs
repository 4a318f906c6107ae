//! The tables: made once, told from foreign and newer ones before anything is written.

use crate::{
    Address, Conn, audit,
    lane::{unavailable, within},
};
use auth_core::{audit::Head, error::StoreError};
use auth_store_sql::{Done, Failure, schema::audit_key};
use diesel::{
    QueryDsl as _, QueryableByName,
    migration::MigrationSource,
    pg::Pg,
    sql_types::{BigInt, Bool, Text},
};
use diesel_async::{
    RunQueryDsl, SimpleAsyncConnection as _, async_connection_wrapper::AsyncConnectionWrapper,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The lock that whoever migrates holds: "auth".
pub(crate) const LOCK: &str = "SELECT pg_advisory_lock(1635087464)";

/// What the database holds.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Older,
    Current,
}

/// Whether the database holds no store, or one that has not been opened yet.
///
/// # Errors
/// One line: it cannot be reached, holds something else, or is of a newer version.
pub(crate) async fn is_new(address: &Address) -> Result<bool, StoreError> {
    let mut conn = address.connect().await?;
    match look(&mut conn, address).await? {
        Found::Nothing => Ok(true),
        Found::Older => Ok(false),
        Found::Current => within(is_untouched(&mut conn)).await,
    }
}

/// That the database holds a store of this version.
///
/// # Errors
/// One line: it does not.
pub(crate) async fn expect_current(address: &Address) -> Result<(), StoreError> {
    let mut conn = address.connect().await?;
    match look(&mut conn, address).await? {
        Found::Current => Ok(()),
        Found::Nothing => Err(refuse(address, "holds no store")),
        Found::Older => {
            Err(refuse(address, "of an older version of this program; `authctl migrate` brings it up"))
        }
    }
}

/// Brings the tables to this version behind a lock: of several processes one does it. Where they are of this version,
/// nothing is locked.
///
/// # Errors
/// One line; each migration stands whole or not at all.
pub(crate) async fn migrate(address: &Address) -> Result<bool, StoreError> {
    let mut conn = address.connect().await?;
    if look(&mut conn, address).await? == Found::Current {
        return Ok(false);
    }
    let mut conn = address.patient().connect().await?;
    conn.batch_execute(LOCK).await.map_err(Failure::from)?;
    if look(&mut conn, address).await? == Found::Current {
        return Ok(false);
    }
    // The lock ends with the connection.
    let migrated = tokio::task::spawn_blocking(move || {
        let mut conn = AsyncConnectionWrapper::<Conn>::from(conn);
        conn.run_pending_migrations(MIGRATIONS).map(|_| ()).map_err(|error| error.to_string())
    });
    match migrated.await.map_err(unavailable)? {
        Ok(()) => Ok(true),
        Err(error) => Err(refuse(address, error)),
    }
}

/// Whether a store has neither a key nor an entry: nobody has opened it.
async fn is_untouched(conn: &mut Conn) -> Done<bool> {
    let keys: i64 = audit_key::table.count().get_result(conn).await?;
    Ok(keys == 0 && audit::head(conn).await? == Head::START)
}

pub(crate) fn refuse(address: &Address, what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("{address}: {what}"))
}

#[derive(QueryableByName)]
struct Look {
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = BigInt)]
    tables: i64,
    #[diesel(sql_type = Bool)]
    migrated: bool,
    #[diesel(sql_type = Bool)]
    ours: bool,
}

async fn look_once(conn: &mut Conn) -> Result<Look, StoreError> {
    let look = "SELECT current_setting('server_encoding') AS encoding, \
                (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()) AS tables, \
                to_regclass('__diesel_schema_migrations') IS NOT NULL AS migrated, \
                to_regclass('audit_head') IS NOT NULL AND to_regclass('notice_head') IS NOT NULL AS ours";
    within(diesel::sql_query(look).get_result(conn)).await
}

async fn look(conn: &mut Conn, address: &Address) -> Result<Found, StoreError> {
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let mut place = look_once(conn).await?;
    if place.encoding != "UTF8" {
        return Err(refuse(address, format!("its encoding is {}, and UTF8 is expected", place.encoding)));
    }
    let something_else = || refuse(address, "a database of something else");
    if place.tables == 0 {
        return Ok(Found::Nothing);
    }
    if !place.migrated {
        return Err(something_else());
    }
    let known = diesel::sql_query("SELECT version FROM __diesel_schema_migrations");
    let known: Vec<Applied> = within(known.load(conn)).await?;
    if !place.ours && !known.is_empty() {
        // Another may have made the tables just now: they are there with their version, and not before.
        place = look_once(conn).await?;
    }
    match (place.tables, known.len(), place.ours) {
        // Whoever began to make the tables was stopped.
        (1, 0, false) => return Ok(Found::Nothing),
        (.., false) => return Err(something_else()),
        _ => {}
    }
    let ours = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(unavailable)?;
    let ours: Vec<String> = ours.iter().map(|own| own.name().version().to_string()).collect();
    if known.iter().any(|applied| !ours.contains(&applied.version)) {
        return Err(refuse(address, "made by a newer version of this program"));
    }
    let current = ours.iter().all(|own| known.iter().any(|applied| applied.version == *own));
    Ok(if current { Found::Current } else { Found::Older })
}
