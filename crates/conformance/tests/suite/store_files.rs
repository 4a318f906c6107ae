//! The files of a store: what is not ours, damaged or newer is refused as it is, and left as it is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{audit::ChainKey, entropy::Entropy as _, port::Stores, service::Service};
use auth_store::Location;
use conformance::{
    ambient::SeededEntropy,
    contract::{
        Fixture,
        fixture::{ALL, everything, hub},
    },
    world::until,
};
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query,
    sql_types::Text, sqlite::SqliteConnection,
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// Every file of a folder, with its bytes.
type Folder = BTreeMap<String, Vec<u8>>;

fn look(dir: &Path) -> Folder {
    let mut folder = Folder::new();
    for entry in fs::read_dir(dir).unwrap() {
        let (path, mut bytes) = (entry.unwrap().path(), Vec::new());
        if path.is_file() {
            File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
        }
        folder.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), bytes);
    }
    folder
}

fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

fn location(dir: &Path) -> Location {
    Location::at(&format!("sqlite://{}", dir.join("auth.db").display()))
}

async fn open(dir: &Path, seed: u64) -> Result<Stores, String> {
    auth_store::open(&location(dir), &SeededEntropy::new(seed)).await.map_err(|error| error.to_string())
}

/// A folder with a store that holds a little, and that nobody has open.
async fn a_store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let stores = open(dir.path(), 1).await.unwrap();
    let chain = ChainKey::new([0; 32]);
    let fixture = Fixture::new(stores.clone(), stores, chain, None);
    let account = fixture.account().await;
    for _ in 0..50 {
        fixture.key(hub(&account)).await;
    }
    drop(fixture);
    closed(dir.path()).await;
    dir
}

/// Waits until the last connection has closed: its log is gone then. Where the last two closed at once, neither was
/// the last; then one that comes and goes takes the log away.
async fn closed(dir: &Path) {
    until("the last connection has closed", || {
        let mut last = SqliteConnection::establish(dir.join("auth.db").to_str().unwrap()).unwrap();
        let _ = last.batch_execute("SELECT count(*) FROM sqlite_master");
        drop(last);
        !dir.join("auth.db-wal").exists()
    })
    .await;
}

/// Asserts that opening is refused in one line that names the file and says what is wrong, twice, and that
/// nothing in the folder changed.
async fn refused(dir: &Path, what: &str) {
    let before = look(dir);
    for seed in 0..2 {
        let error = open(dir, seed).await.map(|_| ()).unwrap_err();
        assert!(error.contains(what) && error.contains("auth.db"), "expected {what:?}: {error}");
        assert!(!error.contains('\n') && error.len() < 300, "{error}");
        let after = look(dir);
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{error}");
        assert!(after == before, "a byte changed: {error}");
    }
}

/// Writes over a part of the database.
fn damage(dir: &Path, from: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(dir.join("auth.db")).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(bytes).unwrap();
}

fn by_hand(dir: &Path, sql: &str) {
    let path = dir.join("auth.db");
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000;").unwrap();
    conn.batch_execute(sql).unwrap();
}

#[tokio::test]
async fn a_database_of_something_else_is_refused() {
    for journal in ["DELETE", "WAL"] {
        let dir = tempfile::tempdir().unwrap();
        by_hand(dir.path(), &format!("PRAGMA journal_mode = {journal}; CREATE TABLE notes (text TEXT);"));
        refused(dir.path(), "an SQLite database of something else").await;
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    for bytes in [&b"hello\n"[..], &[b'x'; 5000], b"SQLite format 3\0", &[0; 200]] {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("auth.db"), bytes);
        refused(dir.path(), "not an SQLite database").await;
        write(&dir.path().join("audit.key"), "a".repeat(64).as_bytes());
        refused(dir.path(), "not an SQLite database").await;
    }
}

#[tokio::test]
async fn a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("auth.db")).unwrap();
    refused(dir.path(), "not a file").await;
}

#[tokio::test]
async fn a_damaged_header_is_refused() {
    let dir = a_store().await;
    damage(dir.path(), 0, b"XXXXXXXX");
    refused(dir.path(), "not an SQLite database").await;
    let dir = a_store().await;
    damage(dir.path(), 16, &[0xFF; 20]);
    refused(dir.path(), "damaged").await;
}

#[tokio::test]
async fn damage_in_the_middle_is_refused() {
    let whole = a_store().await;
    let pages = fs::metadata(whole.path().join("auth.db")).unwrap().len() / 4096;
    assert!(pages > 20, "{pages}");
    let entropy = SeededEntropy::new(3);
    for page in 1..pages {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in look(whole.path()) {
            write(&dir.path().join(name), &bytes);
        }
        let mut noise = [0; 4096];
        entropy.fill(&mut noise);
        damage(dir.path(), page * 4096, &noise);
        refused(dir.path(), "damaged").await;
    }
}

#[tokio::test]
async fn a_database_that_was_cut_off_is_refused() {
    let dir = a_store().await;
    let file = OpenOptions::new().write(true).open(dir.path().join("auth.db")).unwrap();
    file.set_len(10 * 4096).unwrap();
    refused(dir.path(), "damaged").await;
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The lists of the services, as they are asked for: what is listed, of whom.
const LISTS: &[&str] = &[
    "users WHERE account_id = x'00' AND id < x'ff'",
    "calls WHERE account_id = x'00' AND id < x'ff'",
    "domains WHERE account_id = x'00' AND id < x'ff'",
    "keys WHERE service = 'hub' AND account_id = x'00' AND id < x'ff'",
    "keys WHERE service = 'chatbot' AND domain_id = x'00' AND id < x'ff'",
    "tokens JOIN domains ON domains.id = tokens.domain_id LEFT JOIN keys ON keys.id = tokens.parent \
     WHERE tokens.kind = 'temp' AND tokens.domain_id = x'00' AND tokens.id < x'ff'",
];

#[tokio::test]
async fn an_older_schema_is_brought_up_and_no_list_is_sorted_out_of_all_that_a_tenant_has() {
    let dir = a_store().await;
    by_hand(
        dir.path(),
        "DROP INDEX users_of_account; DROP INDEX keys_of_account; DROP INDEX calls_of_account;
         CREATE INDEX keys_of_account ON keys (account_id, service);
         CREATE INDEX calls_of_account ON calls (account_id, created_at);
         DELETE FROM __diesel_schema_migrations WHERE version = '00000000000002';",
    );
    let sorts = |list: &&&str| {
        let table = list.split(' ').next().unwrap();
        let plan = format!("EXPLAIN QUERY PLAN SELECT * FROM {list} ORDER BY {table}.id DESC LIMIT 51");
        let mut conn = SqliteConnection::establish(dir.path().join("auth.db").to_str().unwrap()).unwrap();
        let steps: Vec<Step> = sql_query(plan).load(&mut conn).unwrap();
        steps.iter().any(|step| step.detail.contains("TEMP B-TREE"))
    };
    assert_eq!(LISTS.iter().filter(sorts).count(), 3, "as it was");
    let stores = open(dir.path(), 2).await.unwrap();
    let keys = stores.keys.list(Service::Hub, everything(), ALL).await.unwrap();
    assert_eq!(keys.len(), 50, "it holds what it held");
    assert_eq!(LISTS.iter().filter(sorts).collect::<Vec<_>>(), [&""; 0]);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = a_store().await;
    by_hand(dir.path(), "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999');");
    refused(dir.path(), "made by a newer version of this program").await;
}

#[tokio::test]
async fn a_store_without_its_key_or_with_another_is_refused() {
    let dir = a_store().await;
    let key = dir.path().join("audit.key");
    write(&key, "a".repeat(64).as_bytes());
    let before = look(dir.path());
    let error = open(dir.path(), 9).await.map(|_| ()).unwrap_err();
    assert!(error.contains("the audit key is not the one"), "{error}");
    closed(dir.path()).await;
    assert!(look(dir.path()) == before, "refused as it was");

    fs::remove_file(&key).unwrap();
    let before = look(dir.path());
    let error = open(dir.path(), 9).await.map(|_| ()).unwrap_err();
    assert!(error.contains("audit.key") && error.contains("missing"), "{error}");
    assert!(look(dir.path()) == before, "no new key is drawn for an old trail");
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.db");
    for url in [
        format!("{}", path.display()),
        format!("file://{}", path.display()),
        format!("SQLITE://{}", path.display()),
        format!("mysql://alice:s3cret@{}", path.display()),
        format!("sqlite://{}?mode=memory", path.display()),
        "sqlite://".to_owned(),
        String::new(),
    ] {
        let opened = auth_store::open(&Location::at(&url), &SeededEntropy::new(1)).await;
        let error = opened.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("expected") || error.contains("names no file"), "{error}");
        assert!(!error.contains('\n') && !error.contains("s3cret"), "{error}");
    }
    assert!(look(dir.path()).is_empty());
}

#[tokio::test]
async fn a_place_that_is_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = open(&dir.path().join("nowhere"), 1).await.map(|_| ()).unwrap_err();
    assert!(error.contains("nowhere") && !error.contains('\n'), "{error}");
    assert!(look(dir.path()).is_empty());
}

#[tokio::test]
async fn new_files_are_their_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let _stores = open(dir.path(), 1).await.unwrap();
    let files = look(dir.path());
    for expected in ["auth.db", "auth.db-wal", "auth.db-shm", "audit.key", "audit.anchor"] {
        assert!(files.contains_key(expected), "{expected}: {:?}", files.keys());
    }
    for name in files.keys() {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn an_empty_file_is_an_empty_place() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("auth.db"), b"");
    open(dir.path(), 1).await.unwrap();
}

#[tokio::test]
async fn who_opens_again_finds_what_was_there() {
    let dir = a_store().await;
    let first = open(dir.path(), 2).await.unwrap();
    let head = first.audit.head().await.unwrap();
    assert_eq!(head.seq, 51);
    let second = open(dir.path(), 3).await.unwrap();
    assert_eq!(second.audit.head().await.unwrap(), head);
    let accounts = second.accounts.list(everything(), ALL).await.unwrap();
    assert_eq!(first.accounts.list(everything(), ALL).await.unwrap(), accounts);
    assert_eq!(accounts.len(), 1);
}

/// Opens a store at a URL.
async fn open_url(url: &str) -> Result<Stores, String> {
    let opened = auth_store::open(&Location::at(url), &SeededEntropy::new(4)).await;
    opened.map_err(|error| error.to_string())
}

#[tokio::test]
async fn whatever_leads_to_a_file_it_is_the_same_store() {
    let dir = a_store().await;
    let path = dir.path().join("auth.db");
    let head = open(dir.path(), 2).await.unwrap().audit.head().await.unwrap();
    closed(dir.path()).await;
    std::os::unix::fs::symlink(&path, dir.path().join("link.db")).unwrap();
    for url in [
        format!("sqlite:///{}", path.display()),
        format!("sqlite://{}//auth.db", dir.path().display()),
        format!("sqlite://{}/./auth.db", dir.path().display()),
        format!("sqlite://{}/link.db", dir.path().display()),
    ] {
        for _ in 0..2 {
            let stores = open_url(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(stores.audit.head().await.unwrap(), head, "{url}");
            drop(stores);
            closed(dir.path()).await;
        }
    }
}

#[tokio::test]
async fn what_is_no_path_of_a_file_is_refused() {
    for url in ["sqlite://:memory:", "sqlite://file:auth.db", "sqlite://file::memory:"] {
        let error = open_url(url).await.map(|_| ()).unwrap_err();
        assert!(error.contains("expected a path of a file"), "{error}");
    }
}

#[tokio::test]
async fn who_opens_a_store_of_this_version_waits_for_no_writer() {
    let dir = a_store().await;
    let _held = open(dir.path(), 1).await.unwrap();
    let mut other = SqliteConnection::establish(dir.path().join("auth.db").to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let opening = tokio::time::timeout(std::time::Duration::from_secs(3), open(dir.path(), 2)).await;
    opening.expect("it waits for the lock").unwrap();
}

#[tokio::test]
async fn a_file_that_stays_locked_is_not_called_damaged() {
    let dir = a_store().await;
    let mut other = SqliteConnection::establish(dir.path().join("auth.db").to_str().unwrap()).unwrap();
    other
        .batch_execute("PRAGMA busy_timeout = 5000; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;")
        .unwrap();
    let error =
        auth_store::open(&location(dir.path()), &SeededEntropy::new(1)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, auth_core::error::StoreError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("locked by another process"), "{error}");
}

#[tokio::test]
async fn files_that_others_could_read_are_their_owners_alone_once_opened() {
    let dir = a_store().await;
    let names = ["auth.db", "audit.key", "audit.anchor"];
    for name in names {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let _stores = open(dir.path(), 1).await.unwrap();
    for name in names {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
