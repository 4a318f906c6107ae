//! What is good once on a Redis that hangs, dies, forgets, goes back in time or is replaced: it is never good twice. And
//! what is refused at the start.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and makes its files"
)]

use super::certificates::Certificates;
use async_trait::async_trait;
use auth_core::{
    error::StoreError,
    policy::Permissions,
    port::{Answer, NewOneTime, Notice, Purpose, Renewal, ReplicaId, Revocations, Seq, Stores},
    service::Service,
};
use auth_store::Location;
use conformance::{
    ambient::SeededEntropy,
    client::Request,
    contract::{self, Fixture},
    place::{Backend, Place},
    servers::{Cluster, Redis, Sentinels, Wire, free_port, unless_missing},
    world::World,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// Waiting for Redis has an end: a second a step, and none has more than two.
const PATIENCE: Duration = Duration::from_secs(5);

async fn server() -> Option<Redis> {
    unless_missing("redis", Redis::start().await)
}

async fn fixture(url: String) -> Fixture {
    Place::on(&Backend::Sqlite.with_redis(url)).await.fixture().await
}

async fn kept(fixture: &Fixture) -> NewOneTime {
    let new = fixture.new_one_time(Purpose::PasswordReset);
    fixture.stores.one_time.keep(new.clone()).await.unwrap();
    new
}

async fn take(stores: &Stores, new: &NewOneTime) -> Answer<Option<Vec<u8>>> {
    stores.one_time.take(new.purpose, &new.digest, new.at).await
}

/// Something that was taken, and something that was not.
async fn taken_and_not(fixture: &Fixture) -> [NewOneTime; 2] {
    let both = [kept(fixture).await, kept(fixture).await];
    assert_eq!(take(&fixture.stores, &both[0]).await, Ok(Some(both[0].content.clone())));
    both
}

/// Waits until it works again: whatever was connected to is found out anew.
async fn until_it_works(fixture: &Fixture) {
    let begun = Instant::now();
    for stores in [&fixture.stores, &fixture.peer] {
        let new = fixture.new_one_time(Purpose::PasswordReset);
        while let Err(error) = stores.one_time.keep(new.clone()).await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            assert!(begun.elapsed() < PATIENCE, "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(take(stores, &new).await, Ok(Some(new.content)));
    }
}

/// No opening of the store, old or new, gets what was taken.
async fn stays_taken(fixture: &Fixture, taken: &NewOneTime) {
    let anew = fixture.place.as_ref().unwrap().open().await;
    for stores in [&fixture.stores, &fixture.peer, &anew] {
        for _ in 0..3 {
            assert_eq!(take(stores, taken).await, Ok(None));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_does_not_come_back_with_a_snapshot() {
    let Some(mut server) = server().await else { return };
    let fixture = fixture(server.url()).await;
    let new = kept(&fixture).await;
    let snapshot = server.snapshot();
    assert_eq!(take(&fixture.stores, &new).await, Ok(Some(new.content.clone())));
    server.restore(&snapshot).await;
    let names = server.command(&["KEYS", "auth:*:password_reset:*"]).await.unwrap();
    assert!(
        names.contains(&data_encoding::HEXLOWER.encode(new.digest.as_bytes())),
        "it is there again: {names}"
    );
    until_it_works(&fixture).await;
    stays_taken(&fixture, &new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_does_not_come_back_with_a_server_that_was_killed() {
    let Some(mut server) = server().await else { return };
    let fixture = fixture(server.url()).await;
    for clean in [false, true] {
        let [taken, not] = taken_and_not(&fixture).await;
        if clean {
            server.stop().await;
        } else {
            server.kill().await;
        }
        let begun = Instant::now();
        assert!(matches!(take(&fixture.stores, &not).await, Err(StoreError::Unavailable(_))));
        assert!(begun.elapsed() < PATIENCE);
        server.restart().await;
        until_it_works(&fixture).await;
        stays_taken(&fixture, &taken).await;
        // Whether it was written down in time, nobody can tell: it is good no more.
        stays_taken(&fixture, &not).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_emptied_is_forgotten_and_the_rest_goes_on() {
    let Some(server) = server().await else { return };
    let fixture = fixture(server.url()).await;
    let [taken, not] = taken_and_not(&fixture).await;
    server.command(&["FLUSHALL"]).await.unwrap();
    stays_taken(&fixture, &taken).await;
    stays_taken(&fixture, &not).await;
    until_it_works(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_does_not_come_back_with_a_replica_that_lagged() {
    let Some(mut servers) = unless_missing("redis", Sentinels::start().await) else { return };
    let fixture = fixture(servers.url()).await;
    let lost = kept(&fixture).await;
    servers.until_in_step().await;
    servers.cut().await;
    assert_eq!(take(&fixture.stores, &lost).await, Ok(Some(lost.content.clone())));
    servers.fail_over().await;
    let main = servers.named().await;
    let names = servers.command(main, &["KEYS", "auth:*:password_reset:*"]).await.unwrap();
    assert!(names.contains(&data_encoding::HEXLOWER.encode(lost.digest.as_bytes())), "it is there: {names}");
    until_it_works(&fixture).await;
    stays_taken(&fixture, &lost).await;
    // The first takes over the data of the second, and its place again.
    servers.bring_back().await;
    servers.fail_over().await;
    until_it_works(&fixture).await;
    stays_taken(&fixture, &lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_does_not_come_back_with_the_data_of_another_over_the_same_connection() {
    let quick = ["--repl-diskless-sync-delay", "0"];
    let Some(server) = unless_missing("redis", Redis::start_with(&quick, &[]).await) else { return };
    let follow = |server: &Redis| format!("127.0.0.1 {}", server.port());
    let first = follow(&server);
    let options = [quick.as_slice(), &["--replicaof", &first]].concat();
    let other = Redis::start_with(&options, &[]).await.unwrap();
    let fixture = fixture(server.url()).await;
    let new = kept(&fixture).await;
    let name = data_encoding::HEXLOWER.encode(new.digest.as_bytes());
    let has_it = async |server: &Redis| {
        let begun = Instant::now();
        while !server.command(&["KEYS", "auth:*:password_reset:*"]).await.unwrap_or_default().contains(&name)
        {
            assert!(begun.elapsed() < 4 * PATIENCE, "it never came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    has_it(&other).await;
    other.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    assert_eq!(take(&fixture.stores, &new).await, Ok(Some(new.content.clone())));
    let taken_at = Instant::now();
    let clients =
        async || server.command(&["CLIENT", "LIST", "TYPE", "NORMAL"]).await.unwrap().lines().count();
    let connected = clients().await;
    let followed = follow(&other);
    let words: Vec<_> = ["REPLICAOF"].into_iter().chain(followed.split(' ')).collect();
    server.command(&words).await.unwrap();
    has_it(&server).await;
    server.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    assert_eq!(clients().await, connected, "no connection was lost");
    // A server is asked what it is twice in a second.
    tokio::time::sleep_until(taken_at + Duration::from_millis(500)).await;
    stays_taken(&fixture, &new).await;
    until_it_works(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_promises_and_survives_its_servers() {
    let Some(mut cluster) = unless_missing("redis", Cluster::start().await) else { return };
    let url = cluster.url();
    let cases = contract::all().filter(|case| case.name.starts_with("one_time::"));
    let failed = contract::run(cases, move || fixture(url.clone())).await;
    assert!(failed.is_empty(), "{failed:#?}");

    let fixture = fixture(cluster.url()).await;
    let mut taken = Vec::new();
    for _ in 0..60 {
        taken.extend(taken_and_not(&fixture).await);
    }
    let keys = cluster.keys().await;
    assert!(keys.len() == 3 && keys.iter().all(|count| *count > 0), "each keeps some: {keys:?}");
    cluster.fail_over().await;
    let begun = Instant::now();
    for one in taken.chunks(2) {
        let ([was_taken, not], mut answers) = (one, Vec::new()) else { panic!("pairs") };
        for new in [was_taken, not] {
            let answer = loop {
                match take(&fixture.peer, new).await {
                    Ok(answer) => break answer,
                    Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            answers.push(answer);
        }
        assert_eq!(answers[0], None);
        // Of the two servers that live on it is good still; with the third it went.
        assert!(answers[1].as_ref().is_none_or(|content| *content == not.content));
        assert_eq!(take(&fixture.stores, not).await, Ok(None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_not_waited_for_and_holds_up_nothing_else() {
    let Some(server) = server().await else { return };
    let world = World::start_on(&Backend::Sqlite.with_redis(server.url())).await;
    let fixture = fixture(server.url()).await;
    let [taken, _] = taken_and_not(&fixture).await;
    server.pause().await;
    let begun = Instant::now();
    let unknown = fixture.new_one_time(Purpose::PasswordReset);
    let answers = fixture.race(200, |_, stores| {
        let unknown = unknown.clone();
        async move { take(&stores, &unknown).await }
    });
    for answer in answers.await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    // Keys, their making and their end need no Redis.
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    let (secret, id) = world.key(Service::Hub, tenant, Permissions::all_of(Service::Hub), None).await;
    let calls = Request::get("/calls").bearer(&secret);
    assert_eq!(world.hub(calls.clone()).await.status, 200);
    world.revoke(Service::Hub, &id).await;
    assert_eq!(world.hub(calls).await.status, 401);
    server.unpause().await;
    until_it_works(&fixture).await;
    stays_taken(&fixture, &taken).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_of_redis_costs_nobody_a_session() {
    let Some(mut server) = server().await else { return };
    let world = World::start_on(&Backend::Sqlite.with_redis(server.url())).await;
    let (token, _) = world.temp(&world.a.domain_key, 1).await;
    let body = format!(r#"{{"token":"{token}"}}"#);
    let validate = Request::post("/auth/api/v1/tokens/validate", &body).bearer(&world.a.domain_key);
    let is_valid = async || world.chatbot(validate.clone()).await.json()["valid"] == true;
    assert!(is_valid().await);
    server.stop().await;
    assert!(is_valid().await);
    server.restart().await;
    server.command(&["FLUSHALL"]).await.unwrap();
    assert!(is_valid().await);
    world.end().await;
}

/// A stream of which nothing is heard but what is pushed.
struct Deaf;

#[async_trait]
impl Revocations for Deaf {
    async fn join(&self, _: ReplicaId, _: Seq) -> Answer<()> {
        Ok(())
    }
    async fn news(&self, _: Seq) {
        std::future::pending().await
    }
    async fn renew(&self, _: ReplicaId, _: Duration) -> Answer<Renewal> {
        Err(StoreError::Unavailable("deaf".to_owned()))
    }
    async fn head(&self) -> Answer<Seq> {
        Ok(Seq(0))
    }
    async fn since(&self, _: Seq) -> Answer<Vec<Notice>> {
        Ok(Vec::new())
    }
    async fn acknowledge(&self, _: ReplicaId, _: Seq) -> Answer<bool> {
        Ok(true)
    }
    async fn settled(&self, _: Seq, _: Duration) -> Answer<()> {
        Ok(())
    }
    async fn leave(&self, _: ReplicaId) -> Answer<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_pushed_to_all_and_again_after_a_cut() {
    let Some(server) = server().await else { return };
    let wire = Wire::to(server.port()).await;
    let url = server.url().replace(&server.port().to_string(), &wire.address.port().to_string());
    let durable = Place::on(&Backend::Sqlite).await.fixture().await.stores;
    let process = async |url: &str| {
        let address = auth_store_redis::Address::parse(url, None).unwrap();
        let redis = auth_store_redis::Redis::connect(address).await.unwrap();
        redis.beside(Stores { revocations: Arc::new(Deaf), ..durable.clone() }).revocations
    };
    let (says, hears) = (process(&server.url()).await, process(&url).await);
    let (mut seq, short) = (0, Duration::from_millis(20));
    // It may not listen yet: it is said again with the next number, as each revocation is.
    let mut hear = async || {
        let before = Seq(seq);
        let begun = Instant::now();
        loop {
            seq += 1;
            says.settled(Seq(seq), Duration::ZERO).await.unwrap();
            if timeout(short, hears.news(before)).await.is_ok() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing is heard");
        }
    };
    hear().await;
    wire.cut();
    wire.mend();
    hear().await;
    // Somebody else says a number that never was: it wakes once or twice, and what comes after it is heard all the same.
    server.command(&["PUBLISH", "auth:notices", &i64::MAX.to_string()]).await.unwrap();
    server.command(&["PUBLISH", "auth:notices", "nonsense"]).await.unwrap();
    let mut woken = 0;
    while timeout(Duration::from_millis(200), hears.news(Seq(0))).await.is_ok() {
        woken += 1;
        assert!(woken < 10, "it is woken without end");
    }
    hear().await;
    // Both say and hear.
    let heard = async {
        loop {
            seq += 1;
            hears.settled(Seq(seq), Duration::ZERO).await.unwrap();
            if timeout(short, says.news(Seq(seq))).await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("the other way");
}

/// What opening says, which is one line without the password, and makes nothing.
async fn refused(place: &Place, redis: &str) -> String {
    let location = Location { redis: Some(redis.into()), ..place.location.clone() };
    let refused = auth_store::open(&location, &SeededEntropy::new(1)).await;
    let told = refused.map(|_| ()).unwrap_err().to_string();
    assert!(!told.contains('\n') && !told.contains("only-for-tests"), "{told:?}");
    assert!(!place.dir.path().join("auth.db").exists(), "{redis}: something was made");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_redis_to_be_written_to_is_refused_and_nothing_is_made() {
    let Some(server) = server().await else { return };
    let place = Place::on(&Backend::Sqlite).await;
    let port = server.port();
    let nobody = free_port();
    for (url, what) in [
        (format!("redis://:only-for-tests-not@127.0.0.1:{port}"), "authentication failed"),
        (format!("redis://127.0.0.1:{port}"), "NOAUTH"),
        (format!("redis://:only-for-tests@127.0.0.1:{nobody}"), "refused"),
        (format!("rediss://:only-for-tests@localhost:{port}"), "localhost"),
        (format!("redis+sentinel://:only-for-tests@127.0.0.1:{nobody}/main"), "refused"),
        (format!("redis+cluster://:only-for-tests@127.0.0.1:{nobody}"), "refused"),
        ("postgres://auth:only-for-tests@127.0.0.1/auth".to_owned(), "expected redis://"),
    ] {
        let told = refused(&place, &url).await;
        assert!(told.contains(what), "{what}: {told}");
    }
    let followed = format!("127.0.0.1 {port}");
    let replica = Redis::start_with(&["--replicaof", &followed], &[]).await.unwrap();
    assert!(refused(&place, &replica.url()).await.contains("it is a replica"));
    for (url, redis, what) in [
        (server.url(), None, "keeps what is ephemeral alone"),
        (server.url(), Some(server.url()), "keeps what is ephemeral alone"),
    ] {
        let redis = redis.as_deref().map(Into::into);
        let location = Location { url: url.as_str().into(), redis, ..place.location.clone() };
        let told = auth_store::open(&location, &SeededEntropy::new(1)).await.map(|_| ()).unwrap_err();
        assert!(told.to_string().contains(what) && !told.to_string().contains("only-for-tests"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_take_is_told_so_at_the_start() {
    let Some(server) = server().await else { return };
    let place = Place::on(&Backend::Sqlite).await;
    let acl = |rules: &'static str| {
        let words: Vec<_> = ["ACL", "SETUSER", "auth", "reset"].into_iter().chain(rules.split(' ')).collect();
        let server = &server;
        async move { server.command(&words).await.unwrap() }
    };
    let url = server.url().replace("//:", "//auth:");
    acl("on >only-for-tests ~auth:* &auth:* +info +set +publish +subscribe +ping").await;
    let told = refused(&place, &url).await;
    assert!(told.contains("no permissions"), "{told}");
    // What the documents say that it needs is enough.
    acl("on >only-for-tests ~auth:* &auth:* +info +set +getdel +publish +subscribe +ping").await;
    let fixture = fixture(url).await;
    until_it_works(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_server_is_verified_by_the_authorities_of_a_file() {
    let drawn = Certificates::draw();
    let port = free_port();
    let Some(server) = drawn.shown_by_redis(port).await else { return };
    let place = Place::on(&Backend::Sqlite).await;
    let file = |name: &str, text: &str| {
        let path = place.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ours, other) = (file("ours.pem", &drawn.issuer), file("other.pem", &drawn.other));
    let url =
        server.url().replace("redis://", "rediss://").replace(&server.port().to_string(), &port.to_string());
    let named = url.replace("127.0.0.1", "localhost");
    for (what, url) in [
        ("another authority", format!("{named}?sslrootcert={other}")),
        ("another name", format!("{url}?sslrootcert={ours}")),
        ("no authority", format!("{named}?sslrootcert=/nowhere.pem")),
    ] {
        let told = refused(&place, &url).await;
        assert!(told.contains("certificate") || told.contains("nowhere.pem"), "{what}: {told}");
    }
    until_it_works(&fixture(format!("{named}?sslrootcert={ours}")).await).await;
}
