//! The file: made once, told from foreign and damaged ones before anything is written to it.

use crate::lane;
use auth_core::error::StoreError;
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _,
    sqlite::SqliteConnection,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    path::Path,
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Marks our files in the header of SQLite (`PRAGMA application_id`): "auth".
const APPLICATION_ID: i32 = 0x6175_7468;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const APPLICATION_ID_AT: usize = 68;

/// What the file is, by its first bytes.
enum Found {
    Nothing,
    Ours,
}

/// Makes the file or checks it, and brings it to this version's tables.
///
/// # Errors
/// One line that says what is wrong; a file that is not ours, or is damaged, was not touched.
pub(crate) fn prepare(path: &Path) -> Result<(), StoreError> {
    match look(path)? {
        Found::Nothing => create(path)?,
        Found::Ours => check(path)?,
    }
    migrate(path)
}

fn refuse(path: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("{}: {what}", path.display()))
}

fn look(path: &Path) -> Result<Found, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(StoreError::Unavailable(format!("{}: {error}", path.display()))),
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(refuse(path, "not a file"));
    }
    let mut header = [0; 100];
    let mut read = 0;
    while let Some(rest) = header.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) => return Err(refuse(path, error)),
        }
    }
    let id = header.get(APPLICATION_ID_AT..).and_then(|bytes| bytes.first_chunk::<4>());
    match read {
        0 => Ok(Found::Nothing),
        100 if header.starts_with(MAGIC) && id == Some(&APPLICATION_ID.to_be_bytes()) => Ok(Found::Ours),
        100 if header.starts_with(MAGIC) => Err(refuse(path, "an SQLite database of something else")),
        _ => Err(refuse(path, "not an SQLite database")),
    }
}

/// Makes the file, readable by its owner alone, and marks it before anything else is in it.
fn create(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed =
        |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("{}: {error}", path.display()));
    options.open(path).map_err(|error| failed(&error))?;
    let mut conn = establish(path, &path.display().to_string())?;
    let mark = format!("PRAGMA busy_timeout = 10000; PRAGMA application_id = {APPLICATION_ID};");
    conn.batch_execute(&mark).map_err(|error| failed(&error))
}

fn establish(path: &Path, url: &str) -> Result<SqliteConnection, StoreError> {
    SqliteConnection::establish(url).map_err(|error| refuse(path, error))
}

/// Reads through a connection that cannot write: a damaged file stays as it is.
fn check(path: &Path) -> Result<(), StoreError> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        quick_check: String,
    }
    let mut conn = establish(path, &read_only(path))?;
    let ask = |conn: &mut SqliteConnection| {
        conn.batch_execute("PRAGMA busy_timeout = 10000;")?;
        diesel::sql_query("PRAGMA quick_check(1)").get_result::<Line>(conn)
    };
    match ask(&mut conn) {
        Ok(line) if line.quick_check == "ok" => Ok(()),
        Ok(line) => Err(refuse(path, format!("damaged: {}", line.quick_check))),
        Err(error) => Err(refuse(path, format!("damaged: {error}"))),
    }
}

/// The `file:` URL of a path, to be opened for reading alone.
fn read_only(path: &Path) -> String {
    let text = path.display().to_string();
    let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?mode=ro")
}

/// Brings the tables to this version, behind the file's own write lock: of several processes one does it.
fn migrate(path: &Path) -> Result<(), StoreError> {
    let mut conn = establish(path, &path.display().to_string())?;
    let failed =
        |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("{}: {error}", path.display()));
    conn.batch_execute("PRAGMA busy_timeout = 10000;").map_err(|error| failed(&error))?;
    lane::settle_in(&mut conn).map_err(|error| failed(&error))?;
    conn.exclusive_transaction(|conn| {
        let known = conn.applied_migrations()?;
        let ours = diesel::migration::MigrationSource::<diesel::sqlite::Sqlite>::migrations(&MIGRATIONS)?;
        let newer = known.iter().any(|applied| !ours.iter().any(|own| own.name().version() == *applied));
        if newer {
            return Err("made by a newer version of this program".into());
        }
        conn.run_pending_migrations(MIGRATIONS)?;
        Ok(())
    })
    .map_err(|error: Migration| refuse(path, error.0))
}

/// An error of a migration, with the conversions that a transaction asks for.
struct Migration(Box<dyn std::error::Error + Send + Sync>);

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Migration {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}
