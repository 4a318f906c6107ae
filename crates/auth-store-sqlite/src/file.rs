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
    time::{Duration, Instant},
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Marks our files in the header of SQLite (`PRAGMA application_id`): "auth".
const APPLICATION_ID: i32 = 0x6175_7468;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const APPLICATION_ID_AT: usize = 68;

/// How long a start waits for the locks of others.
const PATIENCE: Duration = Duration::from_secs(10);

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
    if matches!(look(path)?, Found::Ours) {
        check(path)?;
    }
    // Also where the check rolled back what a killed process had begun to make.
    if matches!(look(path)?, Found::Nothing) {
        create(path)?;
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
    insist(|| conn.batch_execute(&mark)).map_err(|error| failed(&error))
}

/// Tries for as long as a lock is waited for: where processes that begin at once could wait for each other
/// without end, SQLite does not wait, but answers at once that the file is locked.
#[expect(clippy::disallowed_methods, reason = "no decision hangs on how long a start may wait")]
fn insist(mut run: impl FnMut() -> diesel::QueryResult<()>) -> diesel::QueryResult<()> {
    let begun = Instant::now();
    loop {
        match run() {
            Err(error) if error.to_string().contains("locked") && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

fn establish(path: &Path, url: &str) -> Result<SqliteConnection, StoreError> {
    SqliteConnection::establish(url).map_err(|error| refuse(path, error))
}

/// Whether there is no such file, or an empty one.
///
/// # Errors
/// A file that is not ours.
pub(crate) fn is_new(path: &Path) -> Result<bool, StoreError> {
    Ok(matches!(look(path)?, Found::Nothing))
}

/// Reads in a way that leaves a damaged file, and the folder around it, as they are. Where a journal says that
/// the file is in use, or was when a process was killed, it is read as others do; and what a killed process
/// left is rolled back first, which only a connection that can write may do.
fn check(path: &Path) -> Result<(), StoreError> {
    let text = path.display().to_string();
    let in_use = || ["-journal", "-wal"].iter().any(|end| Path::new(&format!("{text}{end}")).exists());
    let alone = (!in_use()).then(|| quick_check(&read_only(path, "immutable=1")));
    let found = match alone {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) if !in_use() => Err(error),
        _ => match quick_check(&read_only(path, "mode=ro")) {
            Err(error) if needs_to_write(&error) => quick_check(&text),
            found => found,
        },
    };
    found.map_err(|error| refuse(path, format!("damaged: {error}")))
}

fn needs_to_write(error: &str) -> bool {
    error.contains("readonly database") || error.contains("unable to open database file")
}

fn quick_check(url: &str) -> Result<(), String> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        quick_check: String,
    }
    let mut conn = SqliteConnection::establish(url).map_err(|error| error.to_string())?;
    conn.batch_execute("PRAGMA busy_timeout = 10000;").map_err(|error| error.to_string())?;
    let line = diesel::sql_query("PRAGMA quick_check(1)").get_result::<Line>(&mut conn);
    match line.map_err(|error| error.to_string())?.quick_check {
        fine if fine == "ok" => Ok(()),
        fault => Err(fault.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// The `file:` URL of a path, to be opened for reading alone.
fn read_only(path: &Path, how: &str) -> String {
    let text = path.display().to_string();
    let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?{how}")
}

/// Brings the tables to this version, behind the file's own write lock: of several processes one does it.
fn migrate(path: &Path) -> Result<(), StoreError> {
    let mut conn = establish(path, &path.display().to_string())?;
    let failed =
        |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("{}: {error}", path.display()));
    conn.batch_execute("PRAGMA busy_timeout = 10000;").map_err(|error| failed(&error))?;
    insist(|| lane::settle_in(&mut conn)).map_err(|error| failed(&error))?;
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
