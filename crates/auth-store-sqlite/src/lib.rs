//! Every port on SQLite: one file, durable when answered, no server to start. Several processes may share it.
//!
//! Writes go through one thread a process that commits in groups (`lane`); reads through a few connections
//! that see committed states; the revocation stream through a connection that watches the file
//! (`revocations`).

mod dialect;
mod file;
mod lane;
#[path = "../../auth-store-sql/ports/mod.rs"]
mod ports;
mod revocations;

use auth_core::{audit::ChainKey, error::StoreError, port::Stores};
use auth_store_sql::{Anchor, Done, newest_anchored};
use lane::{Conn, Readers, Writer};
use ports::audit;
pub use ports::audit::Trail;
use revocations::Watch;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// Connections for reading, a process.
const READERS: usize = 4;

/// Connections for what may go through much of a tenant's: its calls, its audit trail.
const REPORT_READERS: usize = 2;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file. It is made where there is none.
    pub path: PathBuf,
    /// The key of the audit chain, kept outside the file.
    pub chain: ChainKey,
    /// The file that heads of the audit trail are anchored in; it only grows.
    pub anchor: PathBuf,
}

/// Connections for the stream of revocations: tenants that read slowly do not hold it up.
const STREAM_READERS: usize = 2;

/// A store on one file.
#[derive(Clone)]
pub(crate) struct Store {
    writer: Writer,
    readers: Arc<Readers>,
    watch: Arc<Mutex<Watch>>,
    chain: Arc<ChainKey>,
}

/// Whether there is no file there, or an empty one: opening would make a store.
///
/// # Errors
/// One line that says what is there instead of a store.
pub fn is_new(path: &Path) -> Result<bool, StoreError> {
    if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        return Ok(true);
    }
    file::is_new(&file::resolve(path)?)
}

/// Brings the tables of a store that is there to this version, and answers whether there was anything to do.
///
/// # Errors
/// One line; there is no store, or it is foreign, damaged or newer, and was not touched.
pub fn migrate(path: &Path) -> Result<bool, StoreError> {
    let path = file::resolve(path)?;
    if file::is_new(&path)? {
        return Err(StoreError::Unavailable(format!("{}: there is no store", path.display())));
    }
    file::prepare(&path)
}

/// The audit trail of a store that is there, to be checked: nothing is written, and nothing is made.
///
/// # Errors
/// One line that says what is wrong.
pub fn open_trail(path: &Path) -> Result<Trail, StoreError> {
    let conn = file::open_to_read(&file::resolve(path)?)?;
    Ok(Trail::new(Arc::new(Readers::new(vec![lane::wrapped(conn)]))))
}

/// Opens a store, making the file or bringing it to this version where needed. A process opens a file once, at
/// its start: looking at the file itself lets go of the locks that the process already holds on it (POSIX).
///
/// # Errors
/// One line that says what is wrong. A file that is foreign, damaged, or of a newer version was not touched; one
/// that is older than its anchor is an old copy put back, in which what was revoked since would be live again.
pub fn open(options: &Options) -> Result<Stores, StoreError> {
    let path = file::resolve(&options.path)?;
    file::prepare(&path)?;
    let failed =
        |path: &Path, error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let mut conn = lane::connect(&path)?;
    // Read before the trail, which only grows: another process may be writing both.
    let anchored = newest_anchored(&options.anchor).map_err(|error| failed(&options.anchor, error))?;
    let head = lane::now(audit::prove(&mut conn, &options.chain, anchored)).map_err(lane::told)?;
    auth_store_sql::keep_private(&options.anchor)?;
    let anchor = Anchor::open(&options.anchor, head).map_err(|error| failed(&options.anchor, error))?;
    let writer = Writer::start(conn, anchor).map_err(|error| failed(&path, error))?;
    let readers = |count| -> Result<_, StoreError> {
        let conns = (0..count).map(|_| lane::connect(&path)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Readers::new(conns)))
    };
    let store = Arc::new(Store {
        writer,
        readers: readers(READERS)?,
        watch: Arc::new(Mutex::new(Watch::new(lane::connect(&path)?))),
        chain: Arc::new(options.chain.clone()),
    });
    let with = |readers| Arc::new(Store { readers, ..Store::clone(&store) });
    let (stream, reports) = (with(readers(STREAM_READERS)?), with(readers(REPORT_READERS)?));
    Ok(Stores {
        accounts: Arc::clone(&store) as _,
        users: Arc::clone(&store) as _,
        authorizations: Arc::clone(&store) as _,
        connections: Arc::clone(&store) as _,
        claims: Arc::clone(&store) as _,
        vault: Arc::clone(&store) as _,
        domains: Arc::clone(&store) as _,
        members: Arc::clone(&store) as _,
        keys: Arc::clone(&store) as _,
        key_index: Arc::clone(&stream) as _,
        tokens: Arc::clone(&store) as _,
        one_time: Arc::clone(&store) as _,
        people: Arc::clone(&store) as _,
        sessions: Arc::clone(&store) as _,
        factors: Arc::clone(&store) as _,
        mailed: Arc::clone(&store) as _,
        attempts: Arc::clone(&store) as _,
        signing_keys: store,
        calls: Arc::clone(&reports) as _,
        audit: reports,
        revocations: stream,
    })
}

impl Store {
    async fn write<T, F>(&self, command: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + Send + 'static,
    {
        self.writer.run(command).await
    }

    /// One statement, as a transaction of its own: here, beside others in the writer's next one.
    async fn statement<T, F>(&self, statement: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + Send + 'static,
    {
        self.writer.run(statement).await
    }

    async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + Send + 'static,
    {
        self.readers.run(query).await
    }

    fn chain(&self) -> Arc<ChainKey> {
        Arc::clone(&self.chain)
    }

    fn watch(&self) -> Arc<Mutex<Watch>> {
        Arc::clone(&self.watch)
    }
}
