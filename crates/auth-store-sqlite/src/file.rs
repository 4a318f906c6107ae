//! The file: made once, told from foreign and damaged ones before anything is written to it.

use crate::lane;
use auth_core::error::StoreError;
use auth_store_sql::{PATIENCE, keep_private, sync_folder_of};
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _,
    sqlite::SqliteConnection,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Marks our files in the header of SQLite (`PRAGMA application_id`): "auth".
const APPLICATION_ID: i32 = 0x6175_7468;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const APPLICATION_ID_AT: usize = 68;

/// What is said where that was not enough.
pub(crate) const LOCKED: &str = "the file is locked by another process";

/// Whether an error of SQLite says that another process holds a lock.
pub(crate) fn is_locked(error: &str) -> bool {
    error.contains("locked") || error.contains("busy")
}

/// What the file is, by its first bytes.
enum Found {
    Nothing,
    Ours,
}

/// The one name of a file, whatever symbolic links or repeated slashes lead to it: what lies beside it is found
/// beside the file itself.
///
/// # Errors
/// What is no file on disk, or a folder that is not there.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    if path.as_os_str() == ":memory:" || path.to_string_lossy().starts_with("file:") {
        return Err(refuse(
            path,
            "a path of a file is expected: a store is a file that outlives its process",
        ));
    }
    if path.is_symlink() || path.exists() {
        return path.canonicalize().map_err(failed);
    }
    let name = path.file_name().ok_or_else(|| refuse(path, "names no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize().map_err(failed)?.join(name))
}

/// Makes the file or checks it, and brings it to this version's tables; answers whether there was anything to do.
///
/// # Errors
/// One line that says what is wrong; a file that is not ours, or is damaged, was not touched.
pub(crate) fn prepare(path: &Path) -> Result<bool, StoreError> {
    if matches!(look(path)?, Found::Ours) {
        for beside in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.as_os_str().to_owned();
            name.push(beside);
            keep_private(Path::new(&name))?;
        }
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
    keep_private(path)?;
    sync_folder_of(path).map_err(|error| failed(&error))?;
    let mut conn = establish(&path.display().to_string()).map_err(|error| refuse(path, error))?;
    let mark = format!("PRAGMA application_id = {APPLICATION_ID};");
    insist(|| conn.batch_execute(&mark)).map_err(|error| failed(&error))
}

/// Tries for as long as a lock is waited for: where processes that begin at once could wait for each other
/// without end, SQLite does not wait, but answers at once that the file is locked.
#[expect(clippy::disallowed_methods, reason = "no decision hangs on how long a start may wait")]
fn insist(mut run: impl FnMut() -> diesel::QueryResult<()>) -> diesel::QueryResult<()> {
    let begun = Instant::now();
    loop {
        match run() {
            Err(error) if is_locked(&error.to_string()) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

/// A connection that waits for the locks of others as long as any does here.
pub(crate) fn establish(url: &str) -> Result<SqliteConnection, String> {
    let mut conn = SqliteConnection::establish(url).map_err(|error| error.to_string())?;
    let patience = format!("PRAGMA busy_timeout = {};", PATIENCE.as_millis());
    conn.batch_execute(&patience).map_err(|error| error.to_string())?;
    Ok(conn)
}

/// A connection that cannot write, to a file that is there. Where nobody has the file open and its folder cannot
/// be written either, it is read as one that nobody changes.
///
/// # Errors
/// One line that says what is wrong.
pub(crate) fn open_to_read(path: &Path) -> Result<SqliteConnection, StoreError> {
    let open = |how| -> Result<(i32, SqliteConnection), String> {
        let mut conn = establish(&read_only(path, how))?;
        let id = diesel::sql_query("PRAGMA application_id").get_result::<Mark>(&mut conn);
        Ok((id.map_err(|error| error.to_string())?.application_id, conn))
    };
    let opened = match open("mode=ro") {
        Err(error) if needs_to_write(&error) => open("mode=ro&immutable=1"),
        opened => opened,
    };
    match opened {
        Ok((APPLICATION_ID, conn)) => Ok(conn),
        Ok(_) => Err(refuse(path, "an SQLite database of something else")),
        Err(error) if error.contains("not a database") => Err(refuse(path, "not an SQLite database")),
        Err(error) if is_locked(&error) => Err(locked(path)),
        Err(error) => Err(StoreError::Unavailable(format!("{}: {error}", path.display()))),
    }
}

#[derive(QueryableByName)]
struct Mark {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    application_id: i32,
}

fn locked(path: &Path) -> StoreError {
    StoreError::Unavailable(format!("{}: {LOCKED}", path.display()))
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
    found.map_err(|error| match is_locked(&error) {
        true => locked(path),
        false => refuse(path, format!("damaged: {error}")),
    })
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
    let mut conn = establish(url)?;
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

/// Brings the tables to this version, behind the file's own write lock: of several processes one does it. Where
/// they are of this version, nothing is locked.
fn migrate(path: &Path) -> Result<bool, StoreError> {
    let mut conn = establish(&path.display().to_string()).map_err(|error| refuse(path, error))?;
    insist(|| lane::settle_in(&mut conn)).map_err(|error| match is_locked(&error.to_string()) {
        true => locked(path),
        false => StoreError::Unavailable(format!("{}: {error}", path.display())),
    })?;
    let migrated = is_current(&mut conn).map_err(Migration).and_then(|current| {
        if current {
            return Ok(false);
        }
        conn.exclusive_transaction(|conn| {
            let current = is_current(conn)?;
            if !current {
                conn.run_pending_migrations(MIGRATIONS)?;
            }
            Ok(!current)
        })
    });
    migrated.map_err(|error: Migration| match is_locked(&error.0.to_string()) {
        true => locked(path),
        false => refuse(path, error.0),
    })
}

/// Whether the tables are of this version.
fn is_current(conn: &mut SqliteConnection) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    #[derive(QueryableByName)]
    struct Tables {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        tables: i64,
    }
    let table = "SELECT count(*) AS tables FROM sqlite_master WHERE name = '__diesel_schema_migrations'";
    if diesel::sql_query(table).get_result::<Tables>(conn)?.tables == 0 {
        return Ok(false);
    }
    let known = diesel::sql_query("SELECT version FROM __diesel_schema_migrations");
    let known: Vec<String> = known.load::<Applied>(conn)?.into_iter().map(|one| one.version).collect();
    let ours = diesel::migration::MigrationSource::<diesel::sqlite::Sqlite>::migrations(&MIGRATIONS)?;
    let ours: Vec<String> = ours.iter().map(|own| own.name().version().to_string()).collect();
    if known.iter().any(|applied| !ours.contains(applied)) {
        return Err("made by a newer version of this program".into());
    }
    Ok(ours.iter().all(|own| known.contains(own)))
}

/// An error of a migration, with the conversions that a transaction asks for.
struct Migration(Box<dyn std::error::Error + Send + Sync>);

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Migration {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}
