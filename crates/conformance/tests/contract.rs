//! Every case of the contract, on every backend.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::audit::ChainKey;
use auth_store_pg::Address;
use conformance::{
    contract::{self, Fixture},
    servers::{Postgres, unless_missing},
};
use std::sync::Arc;

const CHAIN: [u8; 32] = [5; 32];

/// A file in a folder of its own.
async fn sqlite() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let chain = ChainKey::new(CHAIN);
    let (path, anchor) = (dir.path().join("auth.db"), dir.path().join("audit.anchor"));
    let options = auth_store_sqlite::Options { path, chain: chain.clone(), anchor };
    let open = || auth_store_sqlite::open(&options).unwrap();
    Fixture::new(open(), open(), chain, Some(dir))
}

/// A database of its own.
async fn postgres(server: &Postgres) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let chain = ChainKey::new(CHAIN);
    let address = Address::parse(&server.database().await, None).unwrap();
    let options = auth_store_pg::Options { address, chain: chain.clone(), anchor: dir.path().join("audit.anchor") };
    let open = async || auth_store_pg::open(&options).await.unwrap();
    Fixture::new(open().await, open().await, chain, Some(dir))
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise() {
    let failed = contract::run(contract::all(), sqlite).await;
    assert!(failed.is_empty(), "broken: {failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_every_promise() {
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    let server = Arc::new(server);
    let open = { let server = Arc::clone(&server); move || { let server = Arc::clone(&server); async move { postgres(&server).await } } };
    let failed = contract::run(contract::all(), open).await;
    assert!(failed.is_empty(), "broken: {failed:#?}");
}
