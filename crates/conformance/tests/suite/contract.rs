//! Every case of the contract, on every backend.

use conformance::{
    contract,
    place::{Backend, Place},
    servers::{Postgres, Redis, Sentinels, unless_missing},
};

async fn keeps_every_promise(backend: Backend) {
    let open = move || {
        let backend = backend.clone();
        async move { Place::divided(&backend).await.fixture().await }
    };
    let failed = contract::run(contract::all(), open).await;
    assert!(failed.is_empty(), "broken: {failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise() {
    keeps_every_promise(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_every_promise() {
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    keeps_every_promise(server.backend()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_with_redis_keeps_every_promise() {
    let Some(redis) = unless_missing("redis", Redis::start().await) else { return };
    keeps_every_promise(Backend::Sqlite.with_redis(redis.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_with_redis_behind_sentinels_keeps_every_promise() {
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    let Some(redis) = unless_missing("redis", Sentinels::start().await) else { return };
    keeps_every_promise(server.backend().with_redis(redis.url())).await;
}
