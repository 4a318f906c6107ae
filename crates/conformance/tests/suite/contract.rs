//! Every case of the contract, on every backend.

use conformance::{
    contract::{self, Fixture},
    place::{Backend, Place},
    servers::{Postgres, Redis, Sentinels, unless_missing},
};
use std::fmt::Debug;

async fn keeps_every_promise(backend: Backend) {
    let open = move || {
        let backend = backend.clone();
        async move { Place::divided(&backend).await.fixture().await }
    };
    let failed = contract::run(contract::all(), open).await;
    assert!(failed.is_empty(), "broken: {failed:#?}");
}

/// That each fault of a store is noticed by the case that stands beside it.
pub(crate) async fn each_is_noticed<F, Broken>(
    noticed: &'static [(F, &'static str)],
    broken: impl Fn(F) -> Broken + Copy + Send + Sync + 'static,
) where
    F: Copy + Debug + Send + Sync + 'static,
    Broken: Future<Output = Fixture> + Send + 'static,
{
    let mut unnoticed = Vec::new();
    for (fault, name) in noticed {
        let cases: Vec<_> = contract::all().filter(|case| case.name == *name).collect();
        assert_eq!(cases.len(), 1, "{name}");
        if contract::run(cases.into_iter(), move || broken(*fault)).await.is_empty() {
            unnoticed.push((*fault, *name));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise() {
    keeps_every_promise(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_every_promise() {
    let Some(server) = unless_missing("postgres", Postgres::start_in_memory().await) else { return };
    keeps_every_promise(server.backend()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_with_redis_keeps_every_promise() {
    let Some(redis) = unless_missing("redis", Redis::start().await) else { return };
    keeps_every_promise(Backend::Sqlite.with_redis(redis.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_with_redis_behind_sentinels_keeps_every_promise() {
    let Some(server) = unless_missing("postgres", Postgres::start_in_memory().await) else { return };
    let Some(redis) = unless_missing("redis", Sentinels::start().await) else { return };
    keeps_every_promise(server.backend().with_redis(redis.url())).await;
}
