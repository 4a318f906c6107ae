//! Opens a store from a URL, with the key of its audit chain.

mod key_file;
mod location;
mod trail;

pub use auth_store_pg::Roles;
pub use auth_store_sql::{create_private, keep_private, sync_folder_of};
pub use location::Location;
pub use trail::{Unverified, Verified, verify_trail};

use auth_core::{
    entropy::Entropy,
    error::StoreError,
    port::{KeySource, Stores},
    seal::Keyring,
    service::Service,
};
use auth_store_redis::Redis;
use location::Database;
use std::sync::Arc;

/// Opens a store. On an empty place it is made, and a key for its audit chain drawn where its file is not there; a store
/// that was opened before is opened with its own key only.
///
/// # Errors
/// One line that says what is wrong; nothing was written to what is foreign, damaged or newer.
pub async fn open(location: &Location, entropy: &dyn Entropy) -> Result<Stores, StoreError> {
    // Where it does not answer, nothing is made.
    let redis = match location.redis()? {
        Some(address) => Some(Redis::connect(address).await?),
        None => None,
    };
    let fresh = is_new(location).await?;
    let chain = key_file::load_chain(&location.key()?, fresh, entropy)?;
    let anchor = location.anchor()?;
    let durable = match location.database()? {
        Database::Sqlite(path) => {
            auth_store_sqlite::open(&auth_store_sqlite::Options { path, chain, anchor })
        }
        Database::Postgres(address) => {
            auth_store_pg::open(&auth_store_pg::Options { address: *address, chain, anchor }).await
        }
    }?;
    Ok(match redis {
        Some(redis) => redis.beside(durable),
        None => durable,
    })
}

/// The keyring of a service, in a file of its own. Where it is not there, and `fresh` says that nothing was sealed yet, it
/// is made.
///
/// # Errors
/// One line: a file that holds no keys, or one that is missing.
pub fn keyring(
    location: &Location,
    service: Service,
    fresh: bool,
    entropy: &dyn Entropy,
) -> Result<Keyring, StoreError> {
    key_file::load_keyring(&location.keyring(service)?, fresh, entropy)
}

/// Where the keys of a service's vault are read from: its keyring, as [`keyring`] opens it, read again whenever it is asked
/// for.
///
/// # Errors
/// As of [`keyring`].
pub fn key_source(
    location: &Location,
    service: Service,
    fresh: bool,
    entropy: &dyn Entropy,
) -> Result<Arc<dyn KeySource>, StoreError> {
    let path = location.keyring(service)?;
    key_file::load_keyring(&path, fresh, entropy)?;
    Ok(Arc::new(key_file::KeyFile(path)))
}

/// Whether there is no store yet, or one that was never opened.
///
/// # Errors
/// One line that says what is there instead of a store, or why that cannot be told.
pub async fn is_new(location: &Location) -> Result<bool, StoreError> {
    match location.database()? {
        Database::Sqlite(path) => auth_store_sqlite::is_new(&path),
        Database::Postgres(address) => auth_store_pg::is_new(&address).await,
    }
}

/// Makes the tables, or brings them to this version, and answers whether there was anything to do. Opening does the same;
/// this is for whoever wants it done before.
///
/// # Errors
/// One line that says what is wrong; nothing was written to what is foreign, damaged or newer.
pub async fn migrate(location: &Location) -> Result<bool, StoreError> {
    match location.database()? {
        Database::Sqlite(path) => auth_store_sqlite::migrate(&path),
        Database::Postgres(address) => auth_store_pg::migrate(&address).await,
    }
}

/// As [`migrate`], and gives each service's role on Postgres what its service needs of the tables, and no more.
///
/// # Errors
/// One line that says what is wrong; nothing was written where that is who the roles are. SQLite has none.
pub async fn migrate_for(roles: &Roles, location: &Location) -> Result<bool, StoreError> {
    match location.database()? {
        Database::Sqlite(_) => {
            Err(StoreError::Unavailable(format!("{}: a file has no roles, Postgres has", location.url)))
        }
        Database::Postgres(address) => auth_store_pg::migrate_for(roles, &address).await,
    }
}
