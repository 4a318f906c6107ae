//! The audit trail, over HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    audit::Verifier,
    policy::{Networks, Permissions, Rights},
    service::Service,
};
use conformance::{client::Request, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_tells_who_did_what_to_what_and_to_its_own_tenant_alone() {
    let world = World::start().await;
    let made = Request::post("/api-keys", r#"{"name":"x","permissions":["billing_access"]}"#);
    let made = world.hub(made.bearer(&world.a.hub_key)).await;
    let events = async |query: &str, key: &str| {
        let answer = world.hub(Request::get(&format!("/audit/events?{query}")).bearer(key)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["items"].as_array().unwrap().clone()
    };
    let about = format!("action=key.created&target={}", made.field("id"));
    let found = events(&about, &world.a.hub_key).await;
    assert_eq!(found.len(), 1);
    assert!(found[0]["actor"].as_str().unwrap().starts_with("key:"));
    assert_eq!(found[0]["source"], "127.0.0.1");
    assert_eq!(found[0]["request_id"], made.header("x-request-id").unwrap());
    assert_eq!(found[0]["event"]["permissions"], serde_json::json!(["billing_access"]));
    assert!(events(&about, &world.b.hub_key).await.is_empty());
    assert!(events("target=%25", &world.a.hub_key).await.is_empty(), "a filter is no pattern");

    let all = events("limit=200", &world.a.hub_key).await;
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let target = format!("/audit/events?limit=3{cursor}");
        let page = world.hub(Request::get(&target).bearer(&world.a.hub_key)).await.json();
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, all, "pages neither repeat nor leave out");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_counted_and_written_in_one_batch_when_the_service_stops() {
    let world = World::start().await;
    let networks = Networks::from_stored("10.0.0.0/8").unwrap();
    let permissions = Permissions::all_of(Service::Hub);
    let rights = Rights { permissions, expires_at: None, networks, rate_limit: None };
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    let (elsewhere, elsewhere_id) = world.key_with(Service::Hub, tenant, rights).await;
    let before = world.stores.audit.head().await.unwrap().seq;
    for _ in 0..50 {
        assert_eq!(world.hub(Request::get("/calls").bearer(&elsewhere)).await.status, 403);
        assert_eq!(world.hub(Request::get("/calls")).await.status, 401);
        assert_eq!(world.hub(Request::get("/calls").bearer("avk_x")).await.status, 401);
        assert_eq!(world.hub(Request::get("/calls").bearer(&world.a.idle_key.0)).await.status, 403);
    }
    let written = world.stores.audit.head().await.unwrap().seq - before;
    assert!(written <= 8, "a stranger costs no write: {written}");
    let (stores, idle) = (world.stores.clone(), world.a.idle_key.1.clone());
    world.end().await;
    let entries = stores.audit.scan(before + 1, 1000).await.unwrap();
    // One event for each cause and actor, or a few where the clock of the batches struck in between.
    let mut told = std::collections::BTreeMap::new();
    for found in &entries {
        let event: serde_json::Value = serde_json::from_str(&found.entry.event).unwrap();
        assert_eq!((&event["action"], &event["service"]), (&"request.refused".into(), &"hub".into()));
        assert_eq!((&event["route"], found.entry.source.as_str()), (&"call_list".into(), "127.0.0.1"));
        let cause = event["cause"].as_str().unwrap().to_owned();
        *told.entry((found.entry.actor.clone(), cause)).or_insert(0) += event["count"].as_u64().unwrap();
    }
    let expected = [
        (("anonymous".to_owned(), "malformed".to_owned()), 50),
        (("anonymous".to_owned(), "no_credential".to_owned()), 50),
        ((format!("key:{elsewhere_id}"), "network_not_allowed".to_owned()), 50),
        ((format!("key:{idle}"), "insufficient_scope".to_owned()), 50),
    ];
    assert_eq!(told, expected.into_iter().collect());
    assert!(entries.len() <= 12, "200 refusals are few events: {entries:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_of_a_busy_world_verifies() {
    let world = World::start().await;
    for _ in 0..10 {
        let tenant = world.tenant_of(&world.a, Service::Hub).await;
        let (_, id) = world.key(Service::Hub, tenant, auth_core::policy::Permissions::NONE, None).await;
        world.revoke(Service::Hub, &id).await;
    }
    let (stores, dir) = (world.stores.clone(), world.dir.path().to_owned());
    let text =
        |name: &str| String::from_utf8(std::fs::File::open(dir.join(name)).map(read).unwrap()).unwrap();
    let key = data_encoding::HEXLOWER.decode(text("audit.key").trim().as_bytes()).unwrap();
    let key = auth_core::audit::ChainKey::new(key.try_into().unwrap());
    let anchors: Vec<_> =
        text("audit.anchor").lines().map(|line| auth_core::audit::Head::from_anchor(line).unwrap()).collect();
    assert!(anchors.len() > 20, "each commit with an event is anchored");
    let mut verifier = Verifier::new(&key, anchors).unwrap();
    for found in stores.audit.scan(1, u16::MAX).await.unwrap() {
        verifier.next(&found).unwrap();
    }
    verifier.finish(stores.audit.head().await.unwrap()).unwrap();
    world.end().await;
}

fn read(mut file: std::fs::File) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    bytes
}
