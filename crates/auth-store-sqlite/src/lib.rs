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
use auth_core::{audit::ChainKey, error::StoreError, port::Stores};
use lane::{Conn, Done, Readers, Writer};
use notices::Watch;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// Connections for reading, a process.
const READERS: usize = 4;

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

/// A store on one file.
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
    file::is_new(path)
}

/// Opens a store, making the file or bringing it to this version where needed. A process opens a file once, at
/// its start: looking at the file itself lets go of the locks that the process already holds on it (POSIX).
///
/// # Errors
/// One line that says what is wrong. A file that is foreign, damaged, or of a newer version was not touched.
pub fn open(options: &Options) -> Result<Stores, StoreError> {
    file::prepare(&options.path)?;
    let failed =
        |path: &Path, error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let anchor = Anchor::open(&options.anchor).map_err(|error| failed(&options.anchor, error))?;
    let writer =
        Writer::start(lane::connect(&options.path)?, anchor).map_err(|error| failed(&options.path, error))?;
    let readers = (0..READERS).map(|_| lane::connect(&options.path)).collect::<Result<_, _>>()?;
    let store = Arc::new(Sqlite {
        writer,
        readers: Arc::new(Readers::new(readers)),
        watch: Arc::new(Mutex::new(Watch::new(lane::connect(&options.path)?))),
        chain: Arc::new(options.chain.clone()),
    });
    Ok(Stores {
        accounts: Arc::clone(&store) as _,
        users: Arc::clone(&store) as _,
        domains: Arc::clone(&store) as _,
        keys: Arc::clone(&store) as _,
        key_index: Arc::clone(&store) as _,
        tokens: Arc::clone(&store) as _,
        calls: Arc::clone(&store) as _,
        audit: Arc::clone(&store) as _,
        revocations: store,
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
