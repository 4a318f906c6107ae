//! The audit trail, over HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    audit::Verifier,
    policy::{Networks, Permissions, Rights},
    service::Service,
};
use conformance::{
    caller::{Kind, damaged},
    client::Request,
    world::World,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

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
    let _place = world.end().await;
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

/// A request that is refused, and what the trail is to say of it.
struct Refused {
    service: Service,
    request: Request,
    route: &'static str,
    cause: &'static str,
    actor: String,
}

/// Rights with these permissions and no limits.
fn rights(permissions: &str) -> Rights {
    let permissions = Permissions::from_stored(permissions);
    Rights { permissions, expires_at: None, networks: Networks::ANY, rate_limit: None }
}

/// Requests of both services that are refused for every cause, each of a route and caller of its own.
async fn every_refusal(world: &World) -> Vec<Refused> {
    let mut all = Vec::new();
    for service in Service::ALL {
        let expired = Kind::Key.ended(world, service, true).await;
        let revoked = Kind::Key.ended(world, service, false).await;
        let tenant = world.tenant_of(&world.a, service).await;
        let every = rights(&Permissions::all_of(service).to_stored());
        let networks = Networks::from_stored("10.0.0.0/8").unwrap();
        let elsewhere = world.key_with(service, tenant, Rights { networks, ..every.clone() }).await;
        let once = Rights { rate_limit: Some(NonZeroU32::MIN), ..every.clone() };
        let once = world.key_with(service, tenant, once).await;
        let lacking = world.key_with(service, tenant, rights("")).await;
        let makes = if service == Service::Hub { "api_key_management" } else { "token_generation" };
        let maker = world.key_with(service, tenant, rights(makes)).await;
        let key = Kind::Key.of(&world.a, service);
        let anonymous = || "anonymous".to_owned();
        let mut add = |request, route, cause, actor| {
            all.push(Refused { service, request, route, cause, actor });
        };
        let events = |key: &str| Request::get("/audit/events").bearer(key);
        add(Request::get("/audit/events"), "audit_events", "no_credential", anonymous());
        add(events(&damaged(&key)), "audit_events", "malformed", anonymous());
        add(events(&Kind::Key.unknown(world, service)), "audit_events", "unknown", anonymous());
        add(events(&expired), "audit_events", "expired", anonymous());
        add(events(&revoked), "audit_events", "revoked", anonymous());
        let of = |key: &(String, String)| format!("key:{}", key.1);
        add(events(&elsewhere.0), "audit_events", "network_not_allowed", of(&elsewhere));
        add(events(&once.0), "audit_events", "too_many_requests", of(&once));
        add(events(&lacking.0), "audit_events", "insufficient_scope", of(&lacking));
        match service {
            Service::Hub => {
                let calls = |key: &str| Request::get("/calls").bearer(key);
                add(calls(&world.a.temp.0), "call_list", "unknown", anonymous());
                add(calls(&damaged(&world.a.temp.0)), "call_list", "malformed", anonymous());
                let foreign = Request::get(&format!("/api-keys/{}", world.b.idle_key.1));
                add(foreign.bearer(&maker.0), "api_key_read", "not_found", of(&maker));
                let beyond = r#"{"name":"x","permissions":["billing_access"]}"#;
                let beyond = Request::post("/api-keys", beyond).bearer(&maker.0);
                add(beyond, "api_key_create", "beyond_own_rights", of(&maker));
            }
            Service::Chatbot => {
                let list = |token: &str| Request::get("/auth/api/v1/tokens").bearer(token);
                let temp = world.temp(&key, 24).await;
                add(list(&temp.0), "token_list", "insufficient_scope", format!("temp:{}", temp.1));
                add(list(&world.a.hub_key), "token_list", "unknown", anonymous());
                let foreign = Request::new("DELETE", &format!("/auth/api/v1/tokens/{}", world.b.temp.1));
                add(foreign.bearer(&maker.0), "token_revoke", "not_found", of(&maker));
                let connect = |token: &str| Request::get(&format!("/autoconnect?token={token}"));
                add(connect(&damaged(&temp.0)), "autoconnect", "malformed", anonymous());
                add(connect(&Kind::Temp.unknown(world, service)), "autoconnect", "unknown", anonymous());
                let ended = Kind::Chat.ended(world, service, false).await;
                let page =
                    |chat: &str| Request::get("/chat").header("Cookie", &format!("__Host-chat={chat}"));
                add(page(&ended), "chat_page", "revoked", anonymous());
                let (session, other) = (&world.b.widget, &world.a.widget.1);
                let other = format!(r#"{{"session_id":"{other}","text":"Hello"}}"#);
                let other = Request::post("/v1/widget/message", &other).bearer(&session.0);
                add(other, "widget_message", "not_found", format!("widget:{}", session.1));
                let validator = &world.chatbot_platform.validator;
                let chat = validator.authenticate(world.b.chat.as_bytes(), None, validator.reading()).await;
                let mut form =
                    page(&world.b.chat).header("Content-Type", "application/x-www-form-urlencoded");
                form = Request { method: "POST".to_owned(), body: "question=Open%3F".to_owned(), ..form };
                add(form, "chat_ask", "foreign_page", chat.unwrap().to_string());
                let account = |path: &str, page: &str| {
                    let sent = Request::get(path).header("Cookie", &format!("__Host-session={page}"));
                    sent.header("Accept", "text/html")
                };
                let ended = Kind::Page.ended(world, service, false).await;
                add(account("/account", &ended), "page_account", "revoked", anonymous());
                add(account("/account", &temp.0), "page_account", "malformed", anonymous());
                let person = &world.b.person;
                let out = Request { method: "POST".to_owned(), ..account("/logout", &person.page) };
                add(out, "page_logout", "foreign_page", format!("person:{}", person.id));
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_an_event_with_route_cause_caller_source_and_count() {
    let world = World::start().await;
    let refusals = every_refusal(&world).await;
    let before = world.stores.audit.head().await.unwrap().seq;
    let mut expected = BTreeMap::new();
    for (number, refused) in refusals.into_iter().enumerate() {
        let send = async || refused.request.send(world.address(refused.service)).await.unwrap();
        if refused.cause == "too_many_requests" {
            assert_eq!(send().await.status, 200, "the one request that the key has a minute");
        }
        // Each a number of times of its own.
        for _ in 0..=number {
            let answer = send().await;
            let what = format!("{}, {}: {}", refused.route, refused.cause, answer.body);
            assert!(matches!(answer.status, 401 | 403 | 404 | 429), "{what}");
        }
        let Refused { service, route, cause, actor, .. } = refused;
        let what = [service.name(), route, cause, &actor, "127.0.0.1"].map(str::to_owned);
        let count = u64::try_from(number).unwrap() + 1;
        assert_eq!(expected.insert(what.clone(), count), None, "{what:?}");
    }
    let causes: BTreeSet<_> = expected.keys().map(|[_, _, cause, ..]| cause.clone()).collect();
    assert_eq!(causes.len(), 11, "{causes:?}");
    let stores = world.stores.clone();
    let _place = world.end().await;
    let mut told = BTreeMap::new();
    for found in stores.audit.scan(before + 1, u16::MAX).await.unwrap() {
        let event: serde_json::Value = serde_json::from_str(&found.entry.event).unwrap();
        assert_eq!(event["action"], "request.refused");
        let [service, route, cause] = ["service", "route", "cause"].map(|name| event[name].as_str().unwrap());
        let what = [service, route, cause, &found.entry.actor, &found.entry.source].map(str::to_owned);
        *told.entry(what).or_insert(0) += event["count"].as_u64().unwrap();
    }
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_of_a_busy_world_verifies() {
    let world = World::start().await;
    for _ in 0..10 {
        let tenant = world.tenant_of(&world.a, Service::Hub).await;
        let (_, id) = world.key(Service::Hub, tenant, auth_core::policy::Permissions::NONE, None).await;
        world.revoke(Service::Hub, &id).await;
    }
    let (stores, dir) = (world.stores.clone(), world.place.dir.path().to_owned());
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
