//! Where a test keeps its store: a SQLite file in a folder of its own, or a fresh database of a Postgres server; and what
//! lies there, read and written past the ports.
//!
//! `CONFORMANCE_STORE=postgres://USER:PASSWORD@HOST` has every suite that does not name its backend itself run on that
//! server, whose user makes databases: each is removed with its place, but for the few that others are copied from; and
//! `CONFORMANCE_REDIS=redis://…` with what is ephemeral on that Redis.

mod on_server;

use crate::contract::Fixture;
use auth_core::{audit::ChainKey, entropy::Entropy, port::Stores, seal::Keyring, time::Clock, vault::Vault};
use auth_store::Location;
use auth_web::system::OsEntropy;
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query,
    sql_types::Text, sqlite::SqliteConnection,
};
use std::{collections::BTreeMap, path::PathBuf};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

/// What keeps stores.
#[derive(Debug, Clone)]
pub enum Backend {
    /// Files.
    Sqlite,
    /// A Postgres server, by the URL of one of its databases.
    Postgres(String),
    /// One of these, and what is ephemeral on a Redis. Several stores may share it: their names are random.
    WithRedis(Box<Self>, String),
}

impl Backend {
    /// The one that the environment names.
    #[expect(clippy::disallowed_methods, reason = "the caller of the suite names the backend")]
    pub fn chosen() -> Self {
        let durable = match std::env::var("CONFORMANCE_STORE") {
            Ok(url) if url.starts_with("postgres") => Self::Postgres(url),
            Ok(other) => panic!("CONFORMANCE_STORE: a URL of Postgres is expected, not {other:?}"),
            Err(_) => Self::Sqlite,
        };
        match std::env::var("CONFORMANCE_REDIS") {
            Ok(url) => durable.with_redis(url),
            Err(_) => durable,
        }
    }

    /// What holds what must last, and the URL of the Redis beside it.
    fn parts(&self) -> (&Self, Option<&str>) {
        match self {
            Self::WithRedis(durable, url) => (durable, Some(url)),
            durable => (durable, None),
        }
    }

    /// The URL of its Postgres server, where it has one.
    pub(crate) fn server(&self) -> Option<&str> {
        match self.parts().0 {
            Self::Postgres(server) => Some(server),
            _ => None,
        }
    }

    /// The same, with what is ephemeral on a Redis.
    #[must_use]
    pub fn with_redis(self, url: String) -> Self {
        Self::WithRedis(Box::new(self), url)
    }
}

/// The place of one store.
pub struct Place {
    /// The folder of its files: audit key, audit anchor, and the database where that is a file.
    pub dir: TempDir,
    /// As a service is told it.
    pub location: Location,
    database: Database,
    everything: OnceCell<String>,
}

enum Database {
    File(PathBuf),
    Server(on_server::Database),
}

/// A copy of a place: its rows and its anchor, but for which processes served.
pub(crate) struct Copied {
    anchor: Vec<u8>,
    rows: Rows,
}

enum Rows {
    /// The file.
    File(Vec<u8>),
    /// A database of the server, to be copied.
    Server(String),
}

/// The key that stores of tests chain their trails with.
const CHAIN: [u8; 32] = [5; 32];
/// The key that the chatbot service of tests seals with.
const SEALING: [u8; 32] = [6; 32];
/// The key that the Hub of tests seals with.
const VAULT: [u8; 32] = [7; 32];
/// The Hub's role on a Postgres server.
pub const HUB_ROLE: &str = "conformance_hub";
/// The chatbot service's.
pub const CHATBOT_ROLE: &str = "conformance_chatbot";
/// The password of roles that tests make.
pub const PASSWORD: &str = "only-for-tests";

impl Place {
    /// A fresh one, on the backend that the environment names.
    pub async fn fresh() -> Self {
        Self::on(&Backend::chosen()).await
    }

    /// A fresh one.
    pub async fn on(backend: &Backend) -> Self {
        Self::like(backend, None).await
    }

    /// A fresh one where the services have roles, if there are roles: the tables are there, and divided.
    pub async fn divided(backend: &Backend) -> Self {
        match backend.parts().0 {
            Backend::Postgres(server) => Self::like(backend, Some(&on_server::template(server).await)).await,
            _ => Self::on(backend).await,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test makes its files")]
    async fn like(backend: &Backend, template: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let in_dir = |name| dir.path().join(name);
        for (name, key) in [("audit.key", CHAIN), ("chatbot.keyring", SEALING), ("hub.keyring", VAULT)] {
            std::fs::write(in_dir(name), data_encoding::HEXLOWER.encode(&key)).unwrap();
        }
        let (durable, redis) = backend.parts();
        let database = match durable {
            Backend::WithRedis(..) => panic!("one Redis beside a store"),
            Backend::Sqlite => Database::File(in_dir("auth.db")),
            Backend::Postgres(server) => Database::Server(on_server::Database::make(server, template).await),
        };
        let url = match &database {
            Database::File(path) => format!("sqlite://{}", path.display()),
            Database::Server(database) => database.url().to_owned(),
        };
        let (audit_key, audit_anchor) = (Some(in_dir("audit.key")), Some(in_dir("audit.anchor")));
        Self {
            location: Location {
                redis: redis.map(Into::into),
                audit_key,
                audit_anchor,
                keyring: Some(in_dir("chatbot.keyring")),
                ..Location::at(&url)
            },
            dir,
            database,
            everything: OnceCell::new(),
        }
    }

    /// The keyring of its chatbot service.
    pub fn keyring() -> Keyring {
        Keyring::new(&[Zeroizing::new(SEALING)]).unwrap()
    }

    /// Where the keyring of its Hub is.
    pub fn hub_keyring(&self) -> PathBuf {
        self.dir.path().join("hub.keyring")
    }

    /// The vault of its Hub, by this keyring.
    pub async fn vault(&self, stores: &Stores, clock: &dyn Clock, entropy: &dyn Entropy) -> Vault {
        let location = Location { keyring: Some(self.hub_keyring()), ..self.location.clone() };
        hub_service::calendars::vault(&location, stores, clock, entropy).await.unwrap()
    }

    /// The key of its audit chain.
    pub fn chain() -> ChainKey {
        ChainKey::new(CHAIN)
    }

    /// Opens the store, once more each time, as another process would.
    pub async fn open(&self) -> Stores {
        auth_store::open(&self.location, &OsEntropy).await.unwrap()
    }

    /// Opens a [divided](Self::divided) place as the Hub and the chatbot service do; `None` where there are no roles.
    pub async fn open_by_roles(&self) -> Option<[Stores; 2]> {
        match &self.database {
            Database::File(_) => None,
            Database::Server(_) => Some([self.open_as(HUB_ROLE).await, self.open_as(CHATBOT_ROLE).await]),
        }
    }

    async fn open_as(&self, role: &str) -> Stores {
        let location = Location { url: self.url_as(role).as_str().into(), ..self.location.clone() };
        auth_store::open(&location, &OsEntropy).await.unwrap()
    }

    /// The URL of the store for a role of ours on its server.
    pub fn url_as(&self, role: &str) -> String {
        let url = self.url();
        let (_, place) = url.split_once('@').unwrap();
        format!("postgres://{role}:{PASSWORD}@{place}")
    }

    /// Opens it twice, for the cases of the contract.
    pub async fn fixture(self) -> Fixture {
        Fixture::new(self.open().await, self.open().await, Self::chain(), Some(self))
    }

    /// The URL of the store.
    pub fn url(&self) -> String {
        match &self.database {
            Database::File(path) => format!("sqlite://{}", path.display()),
            Database::Server(database) => database.url().to_owned(),
        }
    }

    /// A fresh one with the rows of a copy.
    #[expect(clippy::disallowed_methods, reason = "a test makes its files")]
    pub(crate) async fn copied(backend: &Backend, copied: &Copied) -> Self {
        let template = match &copied.rows {
            Rows::File(_) => None,
            Rows::Server(name) => Some(name.as_str()),
        };
        let place = Self::like(backend, template).await;
        if let (Rows::File(bytes), Database::File(path)) = (&copied.rows, &place.database) {
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::write(place.dir.path().join("audit.anchor"), &copied.anchor).unwrap();
        place
    }

    /// Copies it, while nobody writes to it.
    #[expect(clippy::disallowed_methods, reason = "a test reads its files")]
    pub(crate) async fn copy(&self, backend: &Backend) -> Copied {
        let rows = match &self.database {
            Database::File(_) => {
                let copy = self.dir.path().join("copy.db");
                self.execute(&format!("VACUUM INTO '{}'", copy.display())).await;
                connect(&copy).batch_execute("DELETE FROM replicas WHERE id <> zeroblob(16)").unwrap();
                let bytes = std::fs::read(&copy).unwrap();
                std::fs::remove_file(copy).unwrap();
                Rows::File(bytes)
            }
            Database::Server(database) => {
                Rows::Server(on_server::copy(database.url(), backend.server().unwrap()).await)
            }
        };
        Copied { anchor: std::fs::read(self.dir.path().join("audit.anchor")).unwrap(), rows }
    }

    /// Runs statements past the store.
    pub async fn execute(&self, sql: &str) {
        match &self.database {
            Database::File(path) => connect(path).batch_execute(sql).unwrap(),
            Database::Server(database) => {
                database.ask(sql).await;
            }
        }
    }

    /// The one column of texts that a query answers.
    pub async fn query(&self, sql: &str) -> Vec<String> {
        match &self.database {
            Database::File(path) => lines(&mut connect(path), sql),
            Database::Server(database) => database.ask(sql).await,
        }
    }

    /// Bytes, by their hexadecimal digits, as this database writes them.
    pub fn bytes(&self, digits: &str) -> String {
        match &self.database {
            Database::File(_) => format!("X'{digits}'"),
            Database::Server(_) => format!("'\\x{digits}'::BYTEA"),
        }
    }

    /// An expression for the hexadecimal digits of a column of bytes, in lower case.
    pub fn digits(&self, column: &str) -> String {
        match &self.database {
            Database::File(_) => format!("lower(hex({column}))"),
            Database::Server(_) => format!("encode({column}, 'hex')"),
        }
    }

    /// Has each write of a kind (`INSERT`, `UPDATE`, `DELETE`) to a table fail, after the row was written.
    pub async fn break_writes(&self, write: &str, table: &str) {
        let sql = match &self.database {
            Database::File(_) => {
                format!("CREATE TRIGGER broken AFTER {write} ON {table} BEGIN SELECT RAISE(ABORT, 'x'); END")
            }
            Database::Server(_) => format!(
                "CREATE OR REPLACE FUNCTION broken() RETURNS TRIGGER LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'check_violation'; END $$; \
                 CREATE TRIGGER broken AFTER {write} ON {table} FOR EACH ROW EXECUTE FUNCTION broken()"
            ),
        };
        self.execute(&sql).await;
    }

    /// Notes from now on which kinds of write there are to which of these tables.
    pub async fn note_writes(&self, writes: &[(&str, &str)]) {
        let mut sql = match &self.database {
            Database::File(_) => "CREATE TABLE noted (line TEXT)".to_owned(),
            Database::Server(_) => "CREATE TABLE noted (line TEXT); GRANT INSERT ON noted TO PUBLIC; \
                 CREATE FUNCTION note() RETURNS TRIGGER LANGUAGE plpgsql AS \
                 $$ BEGIN INSERT INTO noted VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NULL; END $$"
                .to_owned(),
        };
        for (table, write) in writes {
            sql += &match &self.database {
                Database::File(_) => format!(
                    "; CREATE TRIGGER noted_{table}_{write} AFTER {write} ON {table} \
                     BEGIN INSERT INTO noted VALUES ('{table} {write}'); END"
                ),
                Database::Server(_) => format!(
                    "; CREATE TRIGGER noted_{table}_{write} AFTER {write} ON {table} \
                     FOR EACH ROW EXECUTE FUNCTION note()"
                ),
            };
        }
        self.execute(&sql).await;
    }

    /// What [`note_writes`](Self::note_writes) noted: `table WRITE`.
    pub async fn noted(&self) -> Vec<String> {
        self.query("SELECT DISTINCT line FROM noted").await
    }

    /// Undoes [`break_writes`](Self::break_writes).
    pub async fn mend_writes(&self, table: &str) {
        let sql = match &self.database {
            Database::File(_) => "DROP TRIGGER broken".to_owned(),
            Database::Server(_) => format!("DROP TRIGGER broken ON {table}"),
        };
        self.execute(&sql).await;
    }

    /// Every row of every table, as `table|value|…`, but for what changes by itself and for counted refusals.
    pub async fn dump(&self) -> Vec<String> {
        // One statement: one state of the store.
        let everything = self.everything.get_or_init(|| self.all_tables(by_itself)).await;
        let mut rows = self.query(everything).await;
        rows.retain(|row| !row.contains(r#""action":"request.refused""#));
        rows.sort();
        rows
    }

    /// Every row of every table with all its columns, written in the same way.
    pub async fn whole(&self) -> Vec<String> {
        let whole = self.all_tables(|_, _| false).await;
        self.query(&whole).await
    }

    /// The query of all rows of all tables, but for columns that are left out.
    async fn all_tables(&self, left_out: fn(&str, &str) -> bool) -> String {
        let columns = match &self.database {
            Database::File(_) => {
                "SELECT tables.name || ' ' || columns.name || ' ' || columns.type AS line \
                 FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns \
                 WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%'"
            }
            Database::Server(_) => {
                "SELECT table_name || ' ' || column_name || ' ' || data_type AS line \
                 FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
            }
        };
        let mut tables = BTreeMap::<String, Vec<String>>::new();
        for line in self.query(columns).await {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap().to_owned();
            let (table, column, kind) = (word(), word(), word());
            if !left_out(&table, &column) {
                tables.entry(table).or_default().push(self.quoted(&column, &kind));
            }
        }
        assert!(tables.len() > 10, "{tables:?}");
        let rows = |(table, columns): (&String, &Vec<String>)| {
            format!("SELECT '{table}|' || {} AS line FROM {table}", columns.join(" || '|' || "))
        };
        tables.iter().map(rows).collect::<Vec<_>>().join(" UNION ALL ")
    }

    /// A value as SQLite quotes it.
    fn quoted(&self, column: &str, kind: &str) -> String {
        let quoted = match (&self.database, kind) {
            (Database::File(_), _) => return format!("quote({column})"),
            (Database::Server(_), "bytea") => format!("'X''' || upper(encode({column}, 'hex')) || ''''"),
            (Database::Server(_), "bigint") => format!("{column}::TEXT"),
            (Database::Server(_), _) => {
                format!("'''' || replace({column}::TEXT, '''', '''''') || ''''")
            }
        };
        format!("coalesce({quoted}, 'NULL')")
    }
}

/// What changes by itself: who serves, how often a key was used and when last, how often secrets were guessed, which
/// challenges wait for their answer, how far a session was carried on, and where in the chain an event has its place once refusals come between.
fn by_itself(table: &str, column: &str) -> bool {
    matches!(
        (table, column),
        ("replicas" | "audit_head" | "attempts" | "one_time", _)
            | ("keys", "use_count" | "last_used_at")
            | ("audit_events", "seq" | "previous" | "link")
            | ("sessions", "refresh" | "parent" | "successor" | "refreshed_at" | "idle_ends_at")
    )
}

/// What differs between two dumps: `-` before a row that is gone, `+` before a new one, as often as it is.
pub fn changes(before: &[String], after: &[String]) -> Vec<String> {
    let mut counts = BTreeMap::<&String, isize>::new();
    before.iter().for_each(|row| *counts.entry(row).or_default() -= 1);
    after.iter().for_each(|row| *counts.entry(row).or_default() += 1);
    let signed = |sign: char, unit: isize| {
        let rows = counts.iter().filter(move |(_, count)| **count * unit > 0);
        rows.flat_map(move |(row, count)| std::iter::repeat_n(format!("{sign}{row}"), count.unsigned_abs()))
    };
    signed('-', -1).chain(signed('+', 1)).collect()
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn connect(path: &std::path::Path) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    conn
}

fn lines(conn: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let lines: Vec<Line> = sql_query(sql).load(conn).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}
