//! Every port on Postgres: what several replicas share.
//!
//! Writes go through one lane a process that commits in groups (`lane`), one writer in the whole database at a time;
//! reads through pools; the revocation stream by `LISTEN` and `NOTIFY` (`listen`), which wake, and are not relied on.

mod address;
mod dialect;
mod lane;
mod listen;
mod migrate;
#[path = "../../auth-store-sql/ports/mod.rs"]
mod ports;
mod revocations;
mod roles;

pub use address::Address;
use auth_core::{audit::ChainKey, error::StoreError, port::Stores};
use auth_store_sql::{Anchor, Done, newest_anchored};
use diesel_async::AsyncPgConnection as Conn;
use lane::{Command, Readers, Writer};
use listen::Heard;
pub use ports::audit::Trail;
use ports::{audit, notices::Lost};
pub use roles::Roles;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// Connections for reading, a process. All are opened when they are needed first.
const READERS: usize = 6;
/// Connections for what may go through much of a tenant's: its calls, its audit trail.
const REPORT_READERS: usize = 2;
/// Connections for lookups of keys that are presented.
const LOOKUP_READERS: usize = 4;
/// Connections for the stream of revocations: neither tenants that read slowly nor strangers who guess hold it up.
const STREAM_READERS: usize = 2;
/// Connections on which revocations look who knows of them: however many wait, leases are renewed.
const SETTLING_READERS: usize = 2;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub address: Address,
    /// The key of the audit chain, kept outside the database: the same for every process that opens it.
    pub chain: ChainKey,
    /// The file that heads of the audit trail are anchored in; it only grows.
    pub anchor: PathBuf,
}

/// A store in one database.
#[derive(Clone)]
pub(crate) struct Store {
    writer: Writer,
    readers: Arc<Readers>,
    settling: Arc<Readers>,
    heard: Heard,
    lost: Arc<Mutex<Lost>>,
    chain: Arc<ChainKey>,
}

/// Whether the database is empty: opening would make a store in it.
///
/// # Errors
/// One line: the database cannot be reached, holds something else, or is of a newer version.
pub async fn is_new(address: &Address) -> Result<bool, StoreError> {
    migrate::is_new(address).await
}

/// Makes the tables, or brings them to this version; answers whether there was anything to do. Of several processes
/// one does it, and the others wait for that.
///
/// # Errors
/// One line; nothing was written to what holds something else or is of a newer version.
pub async fn migrate(address: &Address) -> Result<bool, StoreError> {
    migrate::migrate(address).await
}

/// As [`migrate()`], and gives each service's role what its service needs of the tables, and takes from it what else the
/// owner gave it, in one transaction.
///
/// # Errors
/// One line. Nothing was written where a role is not there, or could do what its rights do not say, as a superuser or
/// an owner can; and no right was given or taken where that is seen later, or something else fails.
pub async fn migrate_for(roles: &Roles, address: &Address) -> Result<bool, StoreError> {
    roles.check(address).await?;
    let changed = migrate::migrate(address).await?;
    roles.grant(address).await?;
    Ok(changed)
}

/// The audit trail of a store that is there, to be checked: nothing is written, and nothing is made.
///
/// # Errors
/// One line that says what is wrong.
pub async fn open_trail(address: &Address) -> Result<Trail, StoreError> {
    migrate::expect_current(address).await?;
    Ok(Trail::new(Arc::new(Readers::new(&address.read_only(), 1)?)))
}

/// Opens a store, making its tables or bringing them to this version where needed. To be called in a runtime, which
/// then keeps the store's tasks.
///
/// # Errors
/// One line that says what is wrong. A database that is foreign or of a newer version was not touched; one that is older
/// than its anchor is an old copy put back, in which what was revoked since would be live again.
pub async fn open(options: &Options) -> Result<Stores, StoreError> {
    let address = &options.address;
    let failed =
        |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", options.anchor.display()));
    migrate::migrate(address).await?;
    // Read before the trail, which only grows: another process may be writing both.
    let anchored = newest_anchored(&options.anchor).map_err(failed)?;
    let mut conn = address.connect().await?;
    let head = lane::within(audit::prove(&mut conn, &options.chain, anchored)).await?;
    auth_store_sql::keep_private(&options.anchor)?;
    let anchor = Anchor::open(&options.anchor, head).map_err(failed)?;
    let readers = |count| Ok::<_, StoreError>(Arc::new(Readers::new(address, count)?));
    let store = Arc::new(Store {
        writer: Writer::start(address.clone(), conn, anchor),
        readers: readers(READERS)?,
        settling: readers(SETTLING_READERS)?,
        heard: listen::start(address.clone()),
        lost: Arc::new(Mutex::new(Lost::NEVER)),
        chain: Arc::new(options.chain.clone()),
    });
    let with = |readers| Arc::new(Store { readers, ..Store::clone(&store) });
    let (lookups, stream) = (with(readers(LOOKUP_READERS)?), with(readers(STREAM_READERS)?));
    let reports = with(readers(REPORT_READERS)?);
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
        key_index: lookups,
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
        F: AsyncFnOnce(&mut Conn) -> Done<T> + for<'c> Command<&'c mut Conn, T> + 'static,
    {
        self.writer.run(command).await
    }

    /// One statement, as a transaction of its own, that needs no other's order: it waits for no turn to write.
    async fn statement<T, F>(&self, statement: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + for<'c> Command<&'c mut Conn, T> + 'static,
    {
        self.readers.run(statement).await
    }

    async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + for<'c> Command<&'c mut Conn, T> + 'static,
    {
        self.readers.run(query).await
    }

    fn chain(&self) -> Arc<ChainKey> {
        Arc::clone(&self.chain)
    }
}
