//! A Postgres server that is not there, holds something else, is older than it was, hangs or dies: and what stores on it
//! then answer.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and makes its files"
)]

use super::certificates::Certificates;
use auth_core::{
    error::StoreError,
    model::Page,
    port::{ReplicaId, RevokeKey, Seq, Standing},
};
use auth_store::Location;
use conformance::{
    ambient::SeededEntropy,
    client::Request,
    contract::fixture::{everything, granted, hub},
    place::Place,
    servers::{Postgres, Wire, unless_missing},
    world::World,
};
use std::{net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

/// Waiting for the database has an end: five seconds a step, and none has more than two.
const PATIENCE: Duration = Duration::from_secs(12);

/// Sooner than a process looks that nobody woke.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Who waits for a lock that another holds.
const WAITING: &str = "SELECT pid::TEXT FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

/// A server, or none where there need not be one.
async fn server() -> Option<Postgres> {
    unless_missing("postgres", Postgres::start().await)
}

/// A connection that holds what it locks, until it ends its transaction.
async fn holder(place: &Place) -> tokio_postgres::Client {
    let (holder, driver) = tokio_postgres::connect(&place.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(driver);
    holder
}

/// What opening a place says, which is one line without the password.
async fn refused(location: &Location) -> String {
    let refused = auth_store::open(location, &SeededEntropy::new(1)).await;
    let told = refused.map(|_| ()).unwrap_err().to_string();
    assert!(!told.contains('\n') && !told.contains("only-for-tests"), "{told:?}");
    told
}

fn with_url(place: &Place, url: &str) -> Location {
    Location { url: url.into(), ..place.location.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_store_is_refused_and_left_as_it_was() {
    let Some(server) = server().await else { return };
    let tables =
        "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
    for (what, made) in [
        ("a database of something else", "CREATE TABLE something (id INT)"),
        (
            "a database of something else",
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR PRIMARY KEY); \
             INSERT INTO __diesel_schema_migrations VALUES ('00000000000001')",
        ),
        (
            "a database of something else",
            "CREATE TABLE audit_head (id INT); CREATE TABLE notice_head (id INT)",
        ),
    ] {
        let place = Place::on(&server.backend()).await;
        place.execute(made).await;
        let before = place.query(tables).await;
        let told = refused(&place.location).await;
        assert!(told.contains(what), "{made}: {told}");
        assert_eq!(place.query(tables).await, before);
    }
    let place = Place::on(&server.backend()).await;
    place.open().await;
    place.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')").await;
    let before = place.dump().await;
    assert!(refused(&place.location).await.contains("made by a newer version"));
    assert_eq!(place.dump().await, before);

    let latin = Place::on(&server.backend()).await;
    let make = "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'";
    server.execute("postgres", make).await.unwrap();
    assert!(refused(&with_url(&latin, &server.url("latin"))).await.contains("LATIN1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_reached_is_named_without_a_password() {
    let Some(server) = server().await else { return };
    let place = Place::on(&server.backend()).await;
    let files = || std::fs::read_dir(place.dir.path()).unwrap().count();
    let before = files();
    let good = server.url("postgres");
    let port = good.split([':', '/']).rev().nth(1).unwrap();
    for (what, url) in [
        ("password authentication failed", good.replace("only-for-tests", "another")),
        ("does not exist", server.url("nowhere")),
        ("onnect", good.replace(port, "1")),
        ("TLS", format!("{good}?sslmode=verify-full")),
        ("expected postgres://", good.replace("127.0.0.1", "[")),
        ("sslmode is verify-full or disable", format!("{good}?sslmode=prefer")),
    ] {
        let begun = Instant::now();
        let told = refused(&with_url(&place, &url)).await;
        assert!(told.contains(what), "{what}: {told}");
        assert!(begun.elapsed() < PATIENCE, "{told}: {:?}", begun.elapsed());
    }
    assert_eq!(files(), before, "no file was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_address_of_a_database_has_its_turn_before_patience_is_over() {
    let Some(server) = server().await else { return };
    let place = Place::on(&server.backend()).await;
    // Nobody takes connections from its queue: once that is full, whoever connects waits without end.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let silent = socket.listen(1).unwrap();
    let address = silent.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(waits) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
        queue.push(waits.unwrap());
    }
    let both = place.url().replace("@", &format!("@{address},"));
    assert!(auth_store::is_new(&with_url(&place, &both)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_first_starts_at_once_one_makes_the_tables() {
    let Some(server) = server().await else { return };
    let place = Place::on(&server.backend()).await;
    let opening: Vec<_> = (0..10)
        .map(|_| {
            let location = place.location.clone();
            tokio::spawn(async move { auth_store::open(&location, &SeededEntropy::new(1)).await.map(drop) })
        })
        .collect();
    for opened in opening {
        opened.await.unwrap().unwrap();
    }
    let migrations = "SELECT version::TEXT FROM __diesel_schema_migrations ORDER BY version";
    let numbered = |number: usize| format!("{number:014}");
    let done = place.query(migrations).await;
    assert_eq!(done, (1..=done.len()).map(numbered).collect::<Vec<_>>(), "each once, from the first on");
    assert!(!auth_store::migrate(&place.location).await.unwrap(), "there is nothing left to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_knows_its_key_before_its_trail_has_an_entry() {
    let Some(server) = server().await else { return };
    let place = Place::on(&server.backend()).await;
    place.open().await;
    let other = tempfile::tempdir().unwrap();
    let key = other.path().join("audit.key");
    std::fs::write(&key, "7a".repeat(32)).unwrap();
    let location = Location {
        audit_key: Some(key),
        audit_anchor: Some(other.path().join("audit.anchor")),
        ..place.location.clone()
    };
    assert!(refused(&location).await.contains("the audit key is not the one"));
    assert!(!other.path().join("audit.anchor").exists());
    let gone = Location { audit_key: Some(other.path().join("gone")), ..place.location.clone() };
    assert!(refused(&gone).await.contains("the key of the audit chain is missing"));
    place.open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_that_is_put_back_is_refused_also_by_who_runs() {
    let Some(server) = server().await else { return };
    let fixture = Place::on(&server.backend()).await.fixture().await;
    let tenant = hub(&fixture.account().await);
    let (key, _) = fixture.key(tenant).await;
    let place = fixture.place.as_ref().unwrap();
    let kept = "CREATE TABLE kept AS TABLE keys; CREATE TABLE kept_events AS TABLE audit_events; \
                CREATE TABLE kept_head AS TABLE audit_head; CREATE TABLE kept_notices AS TABLE notice_head";
    place.execute(kept).await;
    fixture.stores.keys.revoke(&granted::<RevokeKey>(&key), fixture.at()).await.unwrap().unwrap();
    let back = "UPDATE keys SET revoked_at = NULL, version = 1; \
                DELETE FROM audit_events WHERE seq > (SELECT seq FROM kept_head); \
                UPDATE audit_head SET seq = kept_head.seq, link = kept_head.link FROM kept_head; \
                UPDATE notice_head SET seq = kept_notices.seq FROM kept_notices; DROP TABLE kept";
    place.execute(back).await;
    let again = fixture.stores.keys.revoke(&granted::<RevokeKey>(&key), fixture.at()).await;
    let Err(StoreError::Damaged(why)) = again else { panic!("{again:?}") };
    assert!(why.contains("older state of the database"), "{why}");
    let place = fixture.place.as_ref().unwrap();
    assert!(refused(&place.location).await.contains("older copy of the store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_server_is_verified_by_the_authorities_of_a_file() {
    let Some(server) = server().await else { return };
    let place = Place::on(&server.backend()).await;
    let drawn = Certificates::draw();
    for (file, text) in [("server.key", &drawn.key), ("server.crt", &drawn.certificate)] {
        let lines = format!("SELECT unnest(string_to_array('{}', chr(10)))", text.replace('\r', ""));
        let copy = format!("COPY ({lines}) TO PROGRAM 'umask 077; cat > {file}'");
        server.execute("postgres", &copy).await.unwrap();
    }
    server.execute("postgres", "ALTER SYSTEM SET ssl = on").await.unwrap();
    server.execute("postgres", "SELECT pg_reload_conf()").await.unwrap();
    let file = |name: &str, text: &str| {
        let path = place.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ours, other) = (file("ours.pem", &drawn.issuer), file("other.pem", &drawn.other));
    let url = server.url("tls");
    let named = url.replace("127.0.0.1", "localhost");
    let with =
        |url: &str, root: &str| with_url(&place, &format!("{url}?sslmode=verify-full&sslrootcert={root}"));
    server.execute("postgres", "CREATE DATABASE tls").await.unwrap();
    let good = with(&named, &ours);
    let begun = Instant::now();
    // The server reads its files again when it comes to it.
    while let Err(error) = auth_store::migrate(&good).await {
        assert!(begun.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stores = auth_store::open(&good, &SeededEntropy::new(1)).await.unwrap();
    assert_eq!(stores.revocations.head().await.unwrap(), Seq(0));
    let encrypted = "SELECT 1 / (count(*) FILTER (WHERE NOT ssl) = 0)::INT FROM pg_stat_ssl JOIN pg_stat_activity \
                     USING (pid) WHERE application_name = 'auth'";
    server.execute("postgres", encrypted).await.expect("each of our connections is encrypted");
    for (what, location) in [
        ("another authority", with(&named, &other)),
        ("another name", with(&url, &ours)),
        ("no authority", with(&named, "/nowhere.pem")),
    ] {
        let told = refused(&location).await;
        assert!(told.contains("certificate") || told.contains("nowhere.pem"), "{what}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_lock_is_waited_for_and_not_for_ever() {
    let Some(server) = server().await else { return };
    let fixture = Place::on(&server.backend()).await.fixture().await;
    let tenant = hub(&fixture.account().await);
    let (key, _) = fixture.key(tenant).await;
    let place = fixture.place.as_ref().unwrap();
    let holder = holder(place).await;
    let hold = "BEGIN; SELECT 1 FROM audit_head FOR UPDATE";
    let grant = granted::<RevokeKey>(&key);
    let revoke = || fixture.stores.keys.revoke(&grant, fixture.at());
    holder.batch_execute(hold).await.unwrap();
    let refused = tokio::time::timeout(PATIENCE, revoke()).await.expect("nobody waits for ever");
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    holder.batch_execute("COMMIT").await.unwrap();
    holder.batch_execute(hold).await.unwrap();
    let behind_it = async {
        let waiting =
            "SELECT 1 FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::XID";
        while holder.query(waiting, &[]).await.unwrap().is_empty() {}
    };
    let mut again = revoke();
    tokio::select! {
        early = &mut again => panic!("it did not wait: {early:?}"),
        () = behind_it => holder.batch_execute("COMMIT").await.unwrap(),
    }
    let again = again.await;
    assert!(again.unwrap().is_some(), "it was not revoked by what was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_cut_off_in_the_middle_of_a_write_holds_up_nobody() {
    let Some(server) = server().await else { return };
    let fixture = Place::on(&server.backend()).await.fixture().await;
    let tenant = hub(&fixture.account().await);
    let (key, _) = fixture.key(tenant).await;
    let wire = Wire::to(server.port()).await;
    let place = fixture.place.as_ref().unwrap();
    let direct = place.query("SELECT current_database()::TEXT").await;
    let url = server
        .url(&direct[0])
        .replace(&format!(":{}/", server.port()), &format!(":{}/", wire.address.port()));
    let far = auth_store::open(&with_url(place, &url), &SeededEntropy::new(1)).await.unwrap();
    let at = fixture.at();
    let was_cut = wire.cut_behind("FOR UPDATE");
    let cut_off = tokio::spawn({
        let grant = granted::<RevokeKey>(&key);
        async move { far.keys.revoke(&grant, at).await }
    });
    was_cut.await;
    let begun = Instant::now();
    fixture.key(tenant).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let answer = cut_off.await.unwrap();
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let here = fixture.stores.keys.revoke(&granted::<RevokeKey>(&key), fixture.at()).await;
    assert!(here.unwrap().is_some(), "what was refused was not done");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_outlasts_a_server_that_is_killed() {
    let Some(mut server) = server().await else { return };
    let place = Place::on(&server.backend()).await;
    let revocations = place.open().await.revocations;
    for round in 1..=5 {
        let replica = ReplicaId([round; 16]);
        revocations.join(replica, Seq(0)).await.unwrap();
        assert!(revocations.acknowledge(replica, Seq(7)).await.unwrap());
        server.kill().await;
        server.restart().await;
        let begun = Instant::now();
        let renewal = loop {
            match revocations.renew(replica, Duration::from_secs(2)).await {
                Ok(renewal) => break renewal,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
        };
        // Whoever is struck for an acknowledgement that was forgotten may hold a lease.
        assert_eq!(renewal.standing, Standing::Member(Seq(7)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_behind_a_read_that_was_given_up() {
    let Some(server) = server().await else { return };
    let fixture = Place::on(&server.backend()).await.fixture().await;
    let (account, place) = (fixture.account().await, fixture.place.as_ref().unwrap());
    let holder = holder(place).await;
    holder.batch_execute("BEGIN; LOCK TABLE domains IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for given_up in 1..=3 {
        let all = Page { limit: 10, before: None };
        tokio::select! {
            answer = fixture.stores.domains.list(everything(), all) => panic!("{answer:?}"),
            () = async { while place.query(WAITING).await.len() < given_up {} } => {}
        }
        let read = fixture.stores.accounts.read(everything(), account.id).await;
        assert_eq!(read.unwrap().map(|read| read.id), Some(account.id), "after {given_up}");
    }
    assert_eq!(place.query(WAITING).await.len(), 3, "the lock was held all the time");
    holder.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acknowledges_behind_those_who_look_whether_all_know() {
    let Some(server) = server().await else { return };
    let place = Place::on(&server.backend()).await;
    let revocations = place.open().await.revocations;
    let replica = ReplicaId([1; 16]);
    revocations.join(replica, Seq(0)).await.unwrap();
    let holder = holder(&place).await;
    holder.batch_execute("BEGIN; LOCK TABLE notice_head IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for _ in 0..10 {
        let (one, other) = (Arc::clone(&revocations), Arc::clone(&revocations));
        tokio::spawn(async move { one.head().await });
        tokio::spawn(async move { other.settled(Seq(7), PATIENCE).await });
    }
    let looking = async { while place.query(WAITING).await.is_empty() {} };
    timeout(PATIENCE, looking).await.expect("somebody looks");
    assert!(revocations.acknowledge(replica, Seq(7)).await.unwrap());
    holder.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_somebody_made_up_wakes_once() {
    let Some(server) = server().await else { return };
    let place = Place::on(&server.backend()).await;
    let revocations = &place.open().await.revocations;
    let replica = ReplicaId([1; 16]);
    revocations.join(replica, Seq(0)).await.unwrap();
    let begun = Instant::now();
    loop {
        // Until it is listened to.
        place.execute("NOTIFY auth_notices, '9223372036854775807'").await;
        let asked = Instant::now();
        revocations.news(Seq(0)).await;
        if asked.elapsed() < AT_ONCE {
            break;
        }
        assert!(begun.elapsed() < PATIENCE);
    }
    let mut woken = 0;
    for _ in 0..10 {
        revocations.renew(replica, Duration::from_secs(2)).await.unwrap();
        let asked = Instant::now();
        revocations.news(Seq(0)).await;
        woken += u32::from(asked.elapsed() < AT_ONCE);
    }
    assert!(woken <= 1, "one that was on its way may wake once more: {woken} times");
}

/// What a key is answered at a route that only reads: good, refused, or not to be told now.
async fn ask(world: &World, key: &str) -> u16 {
    world.hub(Request::get("/calls").bearer(key)).await.status
}

/// Waits until a key is accepted again.
async fn heals(world: &World, key: &str, within: Duration) {
    let begun = Instant::now();
    while ask(world, key).await != 200 {
        assert!(begun.elapsed() < within, "it is not healthy again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_hangs_nothing_wrong_is_answered_and_then_all_is_well() {
    let Some(server) = server().await else { return };
    let world = World::start_on(&server.backend()).await;
    let tenant = world.tenant_of(&world.a, auth_core::service::Service::Hub).await;
    let all = auth_core::policy::Permissions::all_of(auth_core::service::Service::Hub);
    let (revoked, id) = world.key(auth_core::service::Service::Hub, tenant, all, None).await;
    world.revoke(auth_core::service::Service::Hub, &id).await;
    server.pause().await;
    let begun = Instant::now();
    let mut refused = 0;
    while begun.elapsed() < Duration::from_secs(8) {
        let (good, bad) = tokio::join!(ask(&world, &world.a.hub_key), ask(&world, &revoked));
        assert!(matches!(good, 200 | 503), "{good}");
        assert!(matches!(bad, 401 | 503), "{bad}");
        refused += usize::from(good == 503);
    }
    assert!(refused > 0, "it was asked for what it cannot answer");
    server.unpause().await;
    heals(&world, &world.a.hub_key, Duration::from_secs(5)).await;
    assert_eq!(ask(&world, &revoked).await, 401);
    world.current().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_started_again_has_lost_nothing_that_was_answered() {
    let Some(mut server) = server().await else { return };
    let world = World::start_on(&server.backend()).await;
    let service = auth_core::service::Service::Hub;
    let tenant = world.tenant_of(&world.a, service).await;
    let all = auth_core::policy::Permissions::all_of(service);
    for round in 0..3 {
        let (kept, _) = world.key(service, tenant, all, None).await;
        let (revoked, id) = world.key(service, tenant, all, None).await;
        world.revoke(service, &id).await;
        server.kill().await;
        for _ in 0..20 {
            let (good, bad) = tokio::join!(ask(&world, &kept), ask(&world, &revoked));
            assert!(matches!(good, 200 | 503), "{round}: {good}");
            assert!(matches!(bad, 401 | 503), "{round}: {bad}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.restart().await;
        heals(&world, &kept, Duration::from_secs(5)).await;
        assert_eq!(ask(&world, &revoked).await, 401, "{round}");
    }
    world.end().await;
}
