//! Every case of the contract, on every backend.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::audit::ChainKey;
use auth_store_sqlite::Options;
use conformance::contract::{self, Fixture};

/// A file in a folder of its own.
async fn sqlite() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let chain = ChainKey::new([5; 32]);
    let (path, anchor) = (dir.path().join("auth.db"), dir.path().join("audit.anchor"));
    let options = Options { path, chain: chain.clone(), anchor };
    let open = || auth_store_sqlite::open(&options).unwrap();
    Fixture::new(open(), open(), chain, Some(dir))
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise() {
    let failed = contract::run(contract::all(), sqlite).await;
    assert!(failed.is_empty(), "broken: {failed:#?}");
}
