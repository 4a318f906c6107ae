//! A role on Postgres for each service: what one service may not touch, the database keeps from it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::service::Service;
use auth_store::{Location, Roles};
use conformance::{
    ambient::SeededEntropy,
    client::Request,
    place::{Backend, CHATBOT_ROLE, HUB_ROLE, PASSWORD, Place},
    servers::{Postgres, unless_missing},
    world::World,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio_postgres::{NoTls, SimpleQueryMessage, error::SqlState};

/// What neither service may do with what is not its own.
const NEITHER: [&str; 19] = [
    "UPDATE audit_events SET actor = 'nobody'",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events",
    "DELETE FROM audit_head",
    "UPDATE audit_key SET proof = ''",
    "DELETE FROM audit_key",
    "UPDATE vault_keys SET proof = ''",
    "DELETE FROM vault_keys",
    "DELETE FROM keys",
    "DELETE FROM key_secrets",
    "DELETE FROM accounts",
    "DELETE FROM domains",
    "UPDATE domains SET status = 'active'",
    "DELETE FROM __diesel_schema_migrations",
    "ALTER TABLE keys DISABLE ROW LEVEL SECURITY",
    "DROP TABLE notices",
    "CREATE TABLE something (id INT)",
    "CREATE SCHEMA something",
    "BEGIN; LOCK TABLE keys IN ACCESS EXCLUSIVE MODE",
];
const NOT_THE_HUB: [&str; 19] = [
    "SELECT FROM passkeys",
    "SELECT FROM people",
    "SELECT FROM members",
    "SELECT FROM applicants",
    "UPDATE domains SET joining = 'open'",
    "SELECT FROM sessions",
    "SELECT FROM signing_keys",
    "UPDATE calls SET scheduled_time = 0",
    "UPDATE keys SET account_id = ''",
    "SELECT FROM tokens",
    "UPDATE tokens SET revoked_at = NULL",
    "UPDATE keys SET service = 'chatbot', domain_id = (SELECT id FROM domains LIMIT 1)",
    "UPDATE connections SET account_id = ''",
    "UPDATE connections SET user_id = ''",
    "UPDATE connections SET provider = 'x'",
    "UPDATE connections SET issuer = 'x'",
    "UPDATE connections SET subject = 'x'",
    "UPDATE authorizations SET binding = ''",
    "UPDATE authorizations SET expires_at = 0",
];
const NOT_THE_CHATBOT: [&str; 21] = [
    "UPDATE passkeys SET person_id = ''",
    "UPDATE passkeys SET digest = ''",
    "UPDATE people SET address = 'x'",
    "UPDATE members SET person_id = ''",
    "UPDATE applicants SET person_id = ''",
    "UPDATE domains SET account_id = ''",
    "UPDATE sessions SET role = 'super_admin'",
    "UPDATE signing_keys SET sealed = ''",
    "SELECT FROM users",
    "SELECT FROM calls",
    "SELECT name FROM accounts",
    "INSERT INTO accounts VALUES ('', 'x', NULL, 'active', 0, 1)",
    "UPDATE accounts SET status = 'active'",
    "UPDATE keys SET domain_id = ''",
    "UPDATE keys SET service = 'hub', domain_id = NULL",
    "UPDATE key_secrets SET digest = ''",
    "SELECT FROM connections",
    "UPDATE connections SET status = 'active'",
    "DELETE FROM connections",
    "SELECT FROM authorizations",
    "SELECT FROM vault_keys",
];

/// Runs a statement in a store's database as a role, and answers the first columns of what it answers.
async fn run(place: &Place, role: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(&place.url_as(role), NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let answer = client.simple_query(sql).await;
    drop(client);
    driver.await.unwrap().unwrap();
    let texts = answer?.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        SimpleQueryMessage::CommandComplete(rows) => Some(format!("{rows} rows")),
        _ => None,
    });
    Ok(texts.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_keeps_from_each_service_what_is_the_others() {
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    let world = World::start_on(&server.backend()).await;
    let place = &world.place;
    // Each remembers a request.
    let users = format!("/accounts/{}/users", world.a.account_id);
    let user =
        Request::post(&users, r#"{"name":"Alice","email":"alice@example.com"}"#).bearer(&world.a.hub_key);
    let user = user.header("Idempotency-Key", "one");
    let made = world.hub(user.clone()).await;
    assert_eq!(made.status, 201);
    let token = Request::post("/auth/api/v1/tokens/generate", r#"{"username":"alice","expires_in_hours":1}"#);
    let token = token.bearer(&world.a.domain_key).header("Idempotency-Key", "two");
    assert_eq!(world.chatbot(token.clone()).await.status, 200);
    for (role, service, not) in
        [(HUB_ROLE, Service::Hub, NOT_THE_HUB.as_slice()), (CHATBOT_ROLE, Service::Chatbot, &NOT_THE_CHATBOT)]
    {
        let before = world.dump().await;
        for sql in NEITHER.iter().chain(not) {
            let refused = run(place, role, sql).await.expect_err(&format!("{role}: {sql}"));
            assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role}: {sql}: {refused}");
        }
        let name = service.name();
        let own = format!(
            "SELECT count(*)::TEXT FROM key_secrets JOIN keys ON key_id = id WHERE service = '{name}'"
        );
        let secrets = run(place, role, "SELECT count(*)::TEXT FROM key_secrets").await.unwrap();
        assert_eq!(secrets[0], place.query(&own).await[0], "{role} sees secrets of its own alone");

        for table in ["keys", "requests_once"] {
            let seen = run(place, role, &format!("SELECT DISTINCT service FROM {table}")).await.unwrap();
            assert_eq!(seen, [name, "1 rows"], "{role} sees {table} of its own alone");
        }
        let theirs = format!("SELECT encode(id, 'hex') FROM keys WHERE service <> '{name}' LIMIT 1");
        let theirs = place.bytes(&place.query(&theirs).await[0]);
        let used = format!("UPDATE keys SET use_count = 0 WHERE id = {theirs}");
        assert_eq!(run(place, role, &used).await.unwrap(), ["0 rows"], "{role}");
        assert_eq!(
            run(place, role, &format!("DELETE FROM requests_once WHERE service <> '{name}'")).await.unwrap(),
            ["0 rows"]
        );
        let forge = format!("INSERT INTO key_secrets VALUES ({}, {theirs}, NULL, 1)", place.bytes("00"));
        let refused = run(place, role, &forge).await.expect_err("a secret for the other's key");
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role}: {refused}");
        assert_eq!(world.dump().await, before, "{role} changed nothing");
    }
    // What an older version remembered is no one's, and still done once.
    place.execute("UPDATE requests_once SET service = ''").await;
    let before = world.dump().await;
    assert_eq!(world.hub(user).await.body, made.body);
    let repeated = world.chatbot(token).await;
    assert_eq!(repeated.status, 409, "a secret is shown once: {}", repeated.body);
    assert_eq!(world.dump().await, before, "nothing was done again");
    // And each does its work under its role.
    assert_eq!(world.hub(Request::get("/calls").bearer(&world.a.hub_key)).await.status, 200);
    let listed = Request::get("/auth/api/v1/tokens").bearer(&world.a.domain_key);
    assert_eq!(world.chatbot(listed).await.json()["items"].as_array().unwrap().len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_could_do_more_is_refused_and_nothing_is_made() {
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    let place = Place::on(&server.backend()).await;
    let make = "CREATE ROLE plain LOGIN PASSWORD 'only-for-tests'; CREATE ROLE other; CREATE ROLE super SUPERUSER; \
                CREATE ROLE beyond BYPASSRLS; CREATE ROLE maker CREATEROLE; CREATE ROLE copies REPLICATION; \
                CREATE ROLE owner; CREATE SCHEMA theirs AUTHORIZATION owner; CREATE ROLE member IN ROLE pg_write_all_data";
    place.execute(make).await;
    let tables = "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public'";
    for (hub, chatbot, what) in [
        ("plain", "nobody", "\"nobody\" is not there"),
        ("plain", "pla\"in'; --", "is not there"),
        ("plain", "plain", "keeps nothing apart"),
        ("super", "plain", "is a superuser"),
        ("plain", "beyond", "passes policies by"),
        ("plain", "maker", "makes roles"),
        ("plain", "copies", "replicates"),
        ("member", "plain", "is a member of another"),
        ("postgres", "plain", "is a superuser"),
        ("owner", "plain", "owns something"),
    ] {
        let roles = Roles { hub: hub.to_owned(), chatbot: chatbot.to_owned() };
        let told = auth_store::migrate_for(&roles, &place.location).await.unwrap_err().to_string();
        assert!(told.contains(what) && !told.contains('\n'), "{hub}, {chatbot}: {told}");
        assert_eq!(place.query(tables).await, [""; 0], "{hub}, {chatbot}");
    }
    // A service makes no tables, and takes none that are not there for such.
    let as_plain = Location { url: place.url_as("plain").as_str().into(), ..place.location.clone() };
    let told = auth_store::open(&as_plain, &SeededEntropy::new(1)).await.map(drop).unwrap_err().to_string();
    assert!(told.contains("permission denied") && !told.contains('\n'), "{told}");
    assert_eq!(place.query(tables).await, [""; 0]);

    let roles = Roles { hub: "plain".to_owned(), chatbot: "other".to_owned() };
    assert!(auth_store::migrate_for(&roles, &place.location).await.unwrap(), "the tables are made");
    assert!(!auth_store::migrate_for(&roles, &place.location).await.unwrap(), "and given once more");
    for (given, back, what) in [
        (
            "GRANT CREATE ON DATABASE \"{}\" TO plain",
            "REVOKE CREATE ON DATABASE \"{}\" FROM plain",
            "could make schemas",
        ),
        ("ALTER TABLE calls OWNER TO plain", "ALTER TABLE calls OWNER TO postgres", "owns something"),
    ] {
        let url = place.url();
        let (_, database) = url.rsplit_once('/').unwrap();
        let rights =
            "SELECT string_agg(relacl::TEXT, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r'";
        place.execute(&given.replace("{}", database)).await;
        let before = place.query(rights).await;
        let told = auth_store::migrate_for(&roles, &place.location).await.unwrap_err().to_string();
        assert!(told.contains(what), "{given}: {told}");
        assert_eq!(place.query(rights).await, before, "{given}");
        place.execute(&back.replace("{}", database)).await;
    }
    place.execute("GRANT ALL ON SCHEMA public TO plain").await;
    auth_store::migrate_for(&roles, &place.location).await.unwrap();
    run(&place, "plain", "CREATE TABLE beside (id INT)").await.expect_err("it was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_had_beside_its_rights_is_taken_from_it() {
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    let place = Place::divided(&server.backend()).await;
    let beside = format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {HUB_ROLE}; GRANT SELECT (name) ON accounts TO {CHATBOT_ROLE}; \
         GRANT SELECT ON calls TO PUBLIC"
    );
    place.execute(&beside).await;
    run(&place, HUB_ROLE, "SELECT FROM tokens").await.expect("it was given");
    for sql in ["SELECT name FROM accounts", "SELECT FROM calls"] {
        run(&place, CHATBOT_ROLE, sql).await.expect("it was given");
    }
    let roles = Roles { hub: HUB_ROLE.to_owned(), chatbot: CHATBOT_ROLE.to_owned() };
    assert!(!auth_store::migrate_for(&roles, &place.location).await.unwrap(), "the tables are as they were");
    run(&place, HUB_ROLE, "SELECT FROM tokens").await.expect_err("it was taken");
    for sql in ["SELECT name FROM accounts", "SELECT FROM calls"] {
        run(&place, CHATBOT_ROLE, sql).await.expect_err("it was taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_is_no_superuser_gives_rights_where_nobody_else_makes_tables() {
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    let place = Place::on(&server.backend()).await;
    let url = place.url();
    let (_, database) = url.rsplit_once('/').unwrap();
    let make = format!(
        "CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE hub LOGIN PASSWORD '{PASSWORD}'; \
         CREATE ROLE chatbot; ALTER DATABASE {database} OWNER TO owner"
    );
    place.execute(&make).await;
    let as_owner = Location { url: place.url_as("owner").as_str().into(), ..place.location.clone() };
    let roles = Roles { hub: "hub".to_owned(), chatbot: "chatbot".to_owned() };
    assert!(auth_store::migrate_for(&roles, &as_owner).await.unwrap());
    run(&place, "hub", "SELECT FROM calls").await.expect("the Hub's own");
    run(&place, "hub", "SELECT FROM tokens").await.expect_err("not the Hub's");

    // As it is in a database that an older server made: everybody may make tables, and the owner cannot take that back.
    place.execute("ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC").await;
    place.execute("REVOKE ALL ON calls FROM hub").await;
    let told = auth_store::migrate_for(&roles, &as_owner).await.unwrap_err().to_string();
    assert!(told.contains("could make tables beside ours") && !told.contains('\n'), "{told}");
    run(&place, "hub", "SELECT FROM calls").await.expect_err("nothing was given");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_given_again_while_the_services_are_at_work() {
    const TIMES: usize = 20;
    let Some(server) = unless_missing("postgres", Postgres::start().await) else { return };
    let world = World::start_on(&server.backend()).await;
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (hub, key) = (world.hub, world.a.hub_key.clone());
            let (over, made) = (Arc::clone(&over), Arc::clone(&made));
            tokio::spawn(async move {
                let make = Request::post("/api-keys", r#"{"name":"x","permissions":["call_management"]}"#)
                    .bearer(&key);
                while !over.load(Ordering::SeqCst) {
                    let answer = make.send(hub).await.unwrap();
                    assert_eq!(answer.status, 201, "{}", answer.body);
                    // Nobody has asked for it yet: it is looked up.
                    let calls = Request::get("/calls").bearer(&answer.field("key")).send(hub).await.unwrap();
                    assert_eq!(calls.status, 200, "{}", calls.body);
                    made.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let roles = Roles { hub: HUB_ROLE.to_owned(), chatbot: CHATBOT_ROLE.to_owned() };
    let mut given = 0;
    while given < TIMES || made.load(Ordering::SeqCst) < TIMES {
        auth_store::migrate_for(&roles, &world.place.location).await.unwrap();
        given += 1;
        assert!(workers.iter().all(|worker| !worker.is_finished()), "a worker was refused");
    }
    over.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.unwrap();
    }
    world.end().await;
}

#[tokio::test]
async fn a_file_has_no_roles() {
    let place = Place::on(&Backend::Sqlite).await;
    let roles = Roles { hub: "hub".to_owned(), chatbot: "chatbot".to_owned() };
    let told = auth_store::migrate_for(&roles, &place.location).await.unwrap_err().to_string();
    assert!(told.contains("a file has no roles"), "{told}");
    assert!(!place.dir.path().join("auth.db").exists());
}
