//! The life of an API key, over HTTP.

use auth_core::{
    policy::{Networks, Permissions, Rights, Rule},
    service::Service,
    time::{Clock as _, Timestamp},
};
use auth_web::Service as _;
use conformance::place::changes;
use conformance::{caller::request, client::Request, world::World};
use hub_service::Hub;
use serde_json::{Value, json};
use std::time::Duration;

fn calls(key: &str) -> Request {
    Request::get("/calls").bearer(key)
}

async fn status(world: &World, request: Request) -> u16 {
    world.hub(request).await.status
}

async fn limited(world: &World, rights: Rights) -> (String, String) {
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    world.key_with(Service::Hub, tenant, rights).await
}

fn all() -> Rights {
    let permissions = Permissions::all_of(Service::Hub);
    Rights { permissions, expires_at: None, networks: Networks::ANY, rate_limit: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_from_its_making_until_its_revocation_has_answered() {
    let world = World::start().await;
    for _ in 0..20 {
        let body = json!({ "name": "short", "permissions": ["call_management"] }).to_string();
        let made = world.hub(Request::post("/api-keys", &body).bearer(&world.a.hub_key)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let (secret, id) = (made.field("key"), made.field("id"));
        assert_eq!(status(&world, calls(&secret)).await, 200);
        assert_eq!(status(&world, Request::get("/calls").header("X-API-Key", &secret)).await, 200);
        let gone = Request::new("DELETE", &format!("/api-keys/{id}")).bearer(&world.a.hub_key);
        assert_eq!(status(&world, gone.clone()).await, 204);
        assert_eq!(status(&world, calls(&secret)).await, 401);
        assert_eq!(status(&world, gone).await, 204, "again is no error");
        let shown = world.hub(Request::get(&format!("/api-keys/{id}")).bearer(&world.a.hub_key)).await;
        assert_ne!(shown.field("revoked_at"), "null");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_revoke_itself() {
    let world = World::start().await;
    let (secret, id) = limited(&world, all()).await;
    assert_eq!(status(&world, Request::new("DELETE", &format!("/api-keys/{id}")).bearer(&secret)).await, 204);
    assert_eq!(status(&world, calls(&secret)).await, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_never_again() {
    let world = World::start().await;
    let (secret, id) = limited(&world, all()).await;
    world.hub(calls(&secret)).await;
    let rotate = Request::post(&format!("/api-keys/{id}/rotate"), "{}").bearer(&world.a.hub_key);
    let rotated = world.hub(rotate).await.field("key");
    let digest = data_encoding::HEXLOWER.encode(auth_core::secret::TokenDigest::of(&rotated).as_bytes());
    for target in ["/api-keys", &format!("/api-keys/{id}"), "/audit/events", "/auth/routes"] {
        let shown = world.hub(Request::get(target).bearer(&world.a.hub_key)).await;
        assert_eq!(shown.status, 200);
        for held in [&secret, &rotated, &digest, &world.a.hub_key] {
            assert!(!shown.body.contains(held.as_str()), "{target} shows a secret");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_no_permission_gets_none() {
    let world = World::start().await;
    let make = async |body: Value| {
        world.hub(Request::post("/api-keys", &body.to_string()).bearer(&world.a.hub_key)).await
    };
    let before = world.dump().await;
    for body in [json!({ "name": "none" }), json!({ "name": "none", "permissions": null })] {
        assert_eq!(make(body).await.status, 400);
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "what was refused changed nothing");
    let made = make(json!({ "name": "none", "permissions": [] })).await;
    assert_eq!((made.status, made.field("permissions")), (201, "[]".to_owned()));
    let patch = Request::new("PATCH", &format!("/api-keys/{}", made.field("id")));
    for permissions in [json!(null), json!([null]), json!(["*"]), json!("call_management"), json!({})] {
        let patch = patch.clone().json(&json!({ "permissions": permissions }).to_string());
        assert_eq!(status(&world, patch.bearer(&world.a.hub_key)).await, 400, "{permissions}");
    }
    assert_eq!(status(&world, patch.json("{}").bearer(&world.a.hub_key)).await, 200);
    let rows = Hub::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_)));
    let before = world.dump().await;
    for row in rows {
        let refused = world.hub(request(row, &world.a, Some(&made.field("key")))).await;
        assert_eq!((refused.status, refused.field("code").as_str()), (403, "insufficient_scope"));
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_works_for_its_overlap_to_the_second() {
    let world = World::start().await;
    let (old, id) = limited(&world, all()).await;
    assert_eq!(status(&world, calls(&old)).await, 200);
    let rotate = Request::post(&format!("/api-keys/{id}/rotate"), r#"{"overlap_seconds":60}"#);
    let answer = world.hub(rotate.bearer(&world.a.hub_key)).await;
    assert_eq!(answer.status, 200);
    let new = answer.field("key");
    world.advance(Duration::from_millis(59_999)).await;
    assert_eq!((status(&world, calls(&old)).await, status(&world, calls(&new)).await), (200, 200));
    world.advance(Duration::from_millis(1)).await;
    assert_eq!((status(&world, calls(&old)).await, status(&world, calls(&new)).await), (401, 200));

    let at_once = Request::post(&format!("/api-keys/{id}/rotate"), "{}").bearer(&world.a.hub_key);
    let newest = world.hub(at_once).await.field("key");
    assert_eq!((status(&world, calls(&new)).await, status(&world, calls(&newest)).await), (401, 200));
    let too_long = Request::post(&format!("/api-keys/{id}/rotate"), r#"{"overlap_seconds":604801}"#);
    let refused = world.hub(too_long.bearer(&world.a.hub_key)).await;
    assert_eq!((refused.status, refused.field("field")), (400, "overlap_seconds".to_owned()));
    assert_eq!(status(&world, calls(&newest)).await, 200, "a refused rotation changes nothing");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_at_the_millisecond_of_its_end() {
    let world = World::start().await;
    let end = world.clock.now() + Duration::from_secs(3600);
    let (secret, _) = limited(&world, Rights { expires_at: Some(end), ..all() }).await;
    world.advance(Duration::from_millis(3_599_999)).await;
    assert_eq!(status(&world, calls(&secret)).await, 200);
    world.advance(Duration::from_millis(1)).await;
    assert_eq!(status(&world, calls(&secret)).await, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_known_as_it_is_at_once() {
    let world = World::start().await;
    let (secret, id) = limited(&world, all()).await;
    assert_eq!(status(&world, calls(&secret)).await, 200);
    let patch =
        |body: &str| Request::new("PATCH", &format!("/api-keys/{id}")).json(body).bearer(&world.a.hub_key);
    assert_eq!(status(&world, patch(r#"{"permissions":["billing_access"]}"#)).await, 200);
    let refused = world.hub(calls(&secret)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.header("www-authenticate").unwrap(),
        r#"Bearer realm="hub", error="insufficient_scope", scope="call_management""#
    );
    assert_eq!(status(&world, patch(r#"{"permissions":["call_management"]}"#)).await, 200);
    assert_eq!(status(&world, calls(&secret)).await, 200);
    assert_eq!(status(&world, patch(r#"{"permissions":[]}"#)).await, 200);
    assert_eq!(status(&world, calls(&secret)).await, 403, "an empty list grants nothing");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_and_rate_of_a_key_are_enforced() {
    let world = World::start().await;
    let networks = |text| Networks::from_stored(text).unwrap();
    let (elsewhere, id) = limited(&world, Rights { networks: networks("10.0.0.0/8"), ..all() }).await;
    for _ in 0..2 {
        let refused = world.hub(calls(&elsewhere).header("X-Forwarded-For", "10.1.2.3")).await;
        assert_eq!((refused.status, refused.field("code")), (403, "network_not_allowed".to_owned()));
    }
    let open = format!("/api-keys/{id}");
    let open = Request::new("PATCH", &open).json(r#"{"allowed_cidrs":["127.0.0.0/8"]}"#);
    assert_eq!(status(&world, open.bearer(&world.a.hub_key)).await, 200);
    assert_eq!(status(&world, calls(&elsewhere)).await, 200, "known as changed at once");

    let (slow, _) = limited(&world, Rights { rate_limit: 3_u32.try_into().ok(), ..all() }).await;
    for _ in 0..3 {
        assert_eq!(status(&world, calls(&slow)).await, 200);
    }
    let refused = world.hub(calls(&slow)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
    assert_eq!(status(&world, calls(&world.a.hub_key)).await, 200, "others do not feel it");
    world.advance(Duration::from_secs(60)).await;
    assert_eq!(status(&world, calls(&slow)).await, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_never_makes_changes_or_rotates_a_key_into_more_than_itself() {
    let world = World::start().await;
    let end = world.clock.now() + Duration::from_secs(3600);
    let own = Rights {
        permissions: Permissions::from_stored("api_key_management billing_access"),
        expires_at: Some(end),
        networks: Networks::from_stored("127.0.0.0/8").unwrap(),
        rate_limit: 600_u32.try_into().ok(),
    };
    let (maker, maker_id) = limited(&world, own).await;
    let good = json!({
        "name": "child", "permissions": ["billing_access"], "expires_at": end.to_string(),
        "allowed_cidrs": ["127.0.0.1/32"], "rate_limit": 10,
    });
    let later = Timestamp::from_millis(end.millis() + 1).to_string();
    let wider = [
        ("permissions", json!(["billing_access", "call_management"])),
        ("expires_at", json!(later)),
        ("expires_at", json!(null)),
        ("allowed_cidrs", json!(["0.0.0.0/0"])),
        ("allowed_cidrs", json!([])),
        ("rate_limit", json!(601)),
        ("rate_limit", json!(null)),
    ];
    let made = world.hub(Request::post("/api-keys", &good.to_string()).bearer(&maker)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let child = format!("/api-keys/{}", made.field("id"));
    let (_, strong) = limited(&world, all()).await;
    let before = world.dump().await;
    for (field, value) in &wider {
        let mut body = good.clone();
        body[field] = value.clone();
        let refused = world.hub(Request::post("/api-keys", &body.to_string()).bearer(&maker)).await;
        assert_eq!((refused.status, refused.field("code")), (403, "beyond_own_rights".to_owned()), "{body}");
        let patch = json!({ *field: value }).to_string();
        for target in [&child, &format!("/api-keys/{maker_id}")] {
            let refused = world.hub(Request::new("PATCH", target).json(&patch).bearer(&maker)).await;
            assert_eq!(refused.status, 403, "{target} {patch}");
        }
    }
    // A key that may more is neither changed nor rotated by one that may less: not even its name.
    for request in [
        Request::new("PATCH", &format!("/api-keys/{strong}")).json(r#"{"name":"mine"}"#),
        Request::post(&format!("/api-keys/{strong}/rotate"), "{}"),
    ] {
        assert_eq!(status(&world, request.bearer(&maker)).await, 403);
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "what was refused changed nothing");
    // What is within the caller's own rights changes that key, and nothing else.
    let patch = Request::new("PATCH", &child).json(r#"{"name":"renamed","permissions":[]}"#).bearer(&maker);
    assert_eq!(status(&world, patch).await, 200);
    let changed = changes(&before, &world.dump().await);
    let tables: Vec<_> = changed.iter().map(|row| row.split('|').next().unwrap()).collect();
    let expected = ["-keys", "-notice_head", "+audit_events", "+keys", "+notice_head", "+notices"];
    assert_eq!(tables, expected, "{changed:#?}");
    let shown = world.hub(Request::get(&child).bearer(&maker)).await;
    assert_eq!((shown.field("name"), shown.field("permissions")), ("renamed".to_owned(), "[]".to_owned()));
    assert_eq!(shown.field("expires_at"), end.to_string(), "what was not named stays");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_request_makes_one_key_and_never_shows_it_twice() {
    let world = World::start().await;
    let body = r#"{"name":"once","permissions":["billing_access"]}"#;
    let ask = |body: &str| {
        Request::post("/api-keys", body).bearer(&world.a.hub_key).header("Idempotency-Key", "order-1")
    };
    let first = world.hub(ask(body)).await;
    assert_eq!(first.status, 201);
    let again = world.hub(ask(body)).await;
    assert_eq!(again.status, 409);
    assert!(again.body.contains(&first.field("id")) && !again.body.contains(&first.field("key")));
    assert_eq!(world.hub(ask(r#"{"name":"other","permissions":[]}"#)).await.status, 409);
    let foreign =
        Request::post("/api-keys", body).bearer(&world.b.hub_key).header("Idempotency-Key", "order-1");
    assert_eq!(world.hub(foreign).await.status, 201, "another account's key is another's");
    world.advance(Duration::from_secs(24 * 3600)).await;
    assert_eq!(world.hub(ask(body)).await.status, 201, "forgotten after a day");

    let start = r#"{"type":"t","channel":"sms","phone_number":"+14155550123","client_name":"Alice",
        "client_email":"alice@example.com","instruction":"Hi","domain_name":"x","language":"en"}"#;
    let start = Request::post("/start", start).bearer(&world.a.hub_key).header("Idempotency-Key", "call-1");
    let (one, two) = (world.hub(start.clone()).await, world.hub(start).await);
    assert_eq!((one.status, &one.body), (200, &two.body), "the first answer, byte for byte");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_tells_of_the_accounts_own_live_keys_alone() {
    let world = World::start().await;
    let verify = async |key: &str, by: &str| {
        let body = json!({ "key": key, "permission": "billing_access" }).to_string();
        world.hub(Request::post("/api-keys/verify", &body).bearer(by)).await.json()
    };
    assert_eq!(verify(&world.a.hub_key, &world.a.hub_key).await["valid"], true);
    let lacking = verify(&world.a.idle_key.0, &world.a.hub_key).await;
    assert_eq!((&lacking["valid"], &lacking["permissions"]), (&json!(false), &json!([])));
    let nothing = json!({ "valid": false, "key_id": null, "permissions": [], "expires_at": null });
    for wrong in [&world.b.hub_key, &world.a.domain_key, &world.a.temp.0, "", "null", "avk_nonsense"] {
        assert_eq!(verify(wrong, &world.a.hub_key).await, nothing, "{wrong}");
    }
    world.revoke(Service::Hub, &world.a.idle_key.1).await;
    assert_eq!(verify(&world.a.idle_key.0, &world.a.hub_key).await, nothing);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_secret_in_its_overlap_makes_nothing_that_outlives_it() {
    let world = World::start().await;
    let (old, id) = limited(&world, all()).await;
    let rotate =
        |by: &str| Request::post(&format!("/api-keys/{id}/rotate"), r#"{"overlap_seconds":60}"#).bearer(by);
    let new = world.hub(rotate(&world.a.hub_key)).await.field("key");
    let make = |expires_at: Option<Timestamp>| {
        let end = expires_at.map(|end| end.to_string());
        json!({ "name": "made", "permissions": ["call_management"], "expires_at": end }).to_string()
    };
    let soon = Some(world.clock.now() + Duration::from_secs(60));
    for (by, end, wanted) in [(&old, None, 403), (&old, soon, 201), (&new, None, 201)] {
        assert_eq!(
            status(&world, Request::post("/api-keys", &make(end)).bearer(by)).await,
            wanted,
            "{end:?}"
        );
    }
    assert_eq!(status(&world, rotate(&old)).await, 403, "a new secret would outlive it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_ends_no_key_in_the_past_and_the_trail_tells_its_new_rights() {
    let world = World::start().await;
    let (_, id) = limited(&world, all()).await;
    let change = |body: serde_json::Value| {
        Request::new("PATCH", &format!("/api-keys/{id}")).json(&body.to_string()).bearer(&world.a.hub_key)
    };
    let past = world.hub(change(json!({ "expires_at": world.clock.now() }))).await;
    assert_eq!((past.status, past.field("field")), (400, "expires_at".to_owned()));
    let end = world.clock.now() + Duration::from_secs(60);
    let body = json!({ "expires_at": end, "allowed_cidrs": ["192.0.2.0/24"], "rate_limit": 7 });
    assert_eq!(status(&world, change(body)).await, 200);
    let told = format!("/audit/events?action=key.changed&target={id}");
    let told = world.hub(Request::get(&told).bearer(&world.a.hub_key)).await.json();
    let event = &told["items"][0]["event"];
    assert_eq!(event["expires_at"], json!(end));
    assert_eq!((&event["networks"], &event["rate_limit"]), (&json!(["192.0.2.0/24"]), &json!(7)));
    world.end().await;
}
