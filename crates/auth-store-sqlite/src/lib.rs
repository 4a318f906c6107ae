//! Every port on SQLite: one file, durable when answered, no server to start. Several processes may share it.
//!
//! Writes go through one thread a process that commits in groups (`lane`); reads through a few connections
//! that see committed states; the revocation stream through a connection that watches the file
//! (`notices`).

mod accounts;
mod anchor;
mod audit;
mod calls;
mod domains;
mod file;
mod keys;
mod lane;
mod notices;
mod once;
mod row;
mod schema;
mod tokens;
mod users;

use anchor::Anchor;
pub use audit::Trail;
use auth_core::{audit::ChainKey, error::StoreError, port::Stores};
use lane::{Conn, Done, Readers, Writer};
use notices::Watch;
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
pub(crate) struct Sqlite {
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
    file::is_new(&file::resolve(path)?)
}

/// Takes from a file of ours what others than its owner may do with it; a file that is not there is left alone.
///
/// # Errors
/// It is readable by others, and belongs to somebody else.
pub fn keep_private(path: &Path) -> Result<(), StoreError> {
    file::keep_private(path)
}

/// Makes what was done to the names in a file's folder outlast a loss of power.
///
/// # Errors
/// The folder cannot be opened or written.
pub fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    file::sync_folder_of(path)
}

/// The audit trail of a store that is there, to be checked: nothing is written, and nothing is made.
///
/// # Errors
/// One line that says what is wrong.
pub fn open_trail(path: &Path) -> Result<Trail, StoreError> {
    let conn = file::open_to_read(&file::resolve(path)?)?;
    Ok(Trail::new(lane::wrapped(conn)))
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
    let anchored = anchor::newest(&options.anchor).map_err(|error| failed(&options.anchor, error))?;
    let head = lane::now(audit::prove(&mut conn, &options.chain, anchored))?;
    file::keep_private(&options.anchor)?;
    let anchor = Anchor::open(&options.anchor, head).map_err(|error| failed(&options.anchor, error))?;
    let writer = Writer::start(conn, anchor).map_err(|error| failed(&path, error))?;
    let readers = |count| -> Result<_, StoreError> {
        let conns = (0..count).map(|_| lane::connect(&path)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Readers::new(conns)))
    };
    let store = Arc::new(Sqlite {
        writer,
        readers: readers(READERS)?,
        watch: Arc::new(Mutex::new(Watch::new(lane::connect(&path)?))),
        chain: Arc::new(options.chain.clone()),
    });
    let with = |readers| Arc::new(Sqlite { readers, ..Sqlite::clone(&store) });
    let (stream, reports) = (with(readers(STREAM_READERS)?), with(readers(REPORT_READERS)?));
    Ok(Stores {
        accounts: Arc::clone(&store) as _,
        users: Arc::clone(&store) as _,
        domains: Arc::clone(&store) as _,
        keys: Arc::clone(&store) as _,
        key_index: Arc::clone(&stream) as _,
        tokens: store,
        calls: Arc::clone(&reports) as _,
        audit: reports,
        revocations: stream,
    })
}

impl Sqlite {
    async fn write<T, F>(&self, command: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + Send + 'static,
    {
        self.writer.run(command).await
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
