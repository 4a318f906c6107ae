//! Requests that are sent twice, and members that nobody asked for.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::service::Service;
use auth_web::Service as WebService;
use chatbot_service::Chatbot;
use conformance::place::changes;
use conformance::{
    caller::{Kind, request},
    client::{Request, Response, together},
    world::World,
};
use hub_service::Hub;
use serde_json::Value;
use std::net::SocketAddr;

/// The routes whose deployed callers send members that nobody reads.
const FIXED: &[&str] = &["call_start", "token_generate", "widget_session", "widget_message", "query"];

/// What nobody may say of an object, whatever the object.
const NOT_FOR_CALLERS: &[&str] = &[
    "is_admin",
    "role",
    "roles",
    "id",
    "hash",
    "digest",
    "status",
    "domains",
    "owner",
    "super_admin",
    "tenant",
    "version",
    "created_at",
    "revoked_at",
    "use_count",
    "last_used_at",
    "key_id",
    "prefix",
    "domain_id",
    "service",
    "__proto__",
];

async fn with_strange_members<S: WebService>(world: &World) -> usize {
    let mut tried = 0;
    for row in S::TABLE.rows().iter().filter(|row| row.spec.body.starts_with('{')) {
        let kind = Kind::of_row(row).first().copied();
        let credential = kind.map(|kind| kind.of(&world.a, S::KIND));
        let sent = request(row, &world.a, credential.as_deref());
        let before = world.dump().await;
        for member in NOT_FOR_CALLERS {
            let mut body: Value = serde_json::from_str(&sent.body).unwrap();
            if body.get(member).is_some() {
                continue;
            }
            body[member] = Value::from("x");
            let answer = Request { body: body.to_string(), ..sent.clone() };
            let answer = answer.send(world.address(S::KIND)).await.unwrap();
            tried += 1;
            if FIXED.contains(&row.spec.id) {
                assert_eq!(answer.status, row.status, "{} ignores {member}: {}", row.spec.id, answer.body);
            } else {
                let refused = (answer.status, answer.field("field"));
                assert_eq!(refused, (400, (*member).to_owned()), "{}: {}", row.spec.id, answer.body);
            }
        }
        if !FIXED.contains(&row.spec.id) {
            assert_eq!(changes(&before, &world.dump().await), [""; 0], "{}", row.spec.id);
        }
    }
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_no_caller_may_set_are_refused_on_management_routes_and_ignored_on_fixed_ones() {
    let world = World::start().await;
    assert!(with_strange_members::<Hub>(&world).await > 100);
    assert!(with_strange_members::<Chatbot>(&world).await > 70);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_what_is_made_comes_from_the_credential() {
    let world = World::start().await;
    let mut body: Value = serde_json::from_str(ROUTES[1].3).unwrap();
    for (member, value) in [
        ("account_id", world.b.account_id.as_str()),
        ("account", &world.b.account_id),
        ("call_sid", &world.b.call_sid),
        ("status", "cancelled"),
    ] {
        body[member] = Value::from(value);
    }
    let started = world.hub(Request::post("/start", &body.to_string()).bearer(&world.a.hub_key)).await;
    assert_eq!((started.status, started.field("status")), (200, "initiated".to_owned()));
    assert_ne!(started.field("call_sid"), world.b.call_sid);
    let call = format!("/calls/{}", started.field("call_sid"));
    let read = world.hub(Request::get(&call).bearer(&world.a.hub_key)).await;
    assert_eq!(read.field("account_id"), world.a.account_id);
    assert_eq!(world.hub(Request::get(&call).bearer(&world.b.hub_key)).await.status, 404);
    let minted = Request::post(ROUTES[3].2, r#"{"username":"alice","domain":"b.example"}"#);
    let minted = world.chatbot(minted.bearer(&world.a.domain_key)).await;
    assert_eq!(minted.field("domain"), "a.example");
    world.end().await;
}

/// The routes that take an `Idempotency-Key`: service, kind of credential, path, two bodies, and whether the answer holds a secret.
const ROUTES: [(Service, Kind, &str, &str, &str, bool); 6] = [
    (
        Service::Hub,
        Kind::Key,
        "/accounts/{account_id}/users",
        r#"{"name":"Dora","email":"dora@example.com"}"#,
        r#"{"name":"Dora","email":"other@example.com"}"#,
        false,
    ),
    (
        Service::Hub,
        Kind::Key,
        "/start",
        r#"{"type":"t","channel":"sms","phone_number":"+14155550123","client_name":"Alice","client_email":"a@example.com","instruction":"Hi","domain_name":"x","language":"en"}"#,
        r#"{"type":"t","channel":"phone","phone_number":"+14155550123","client_name":"Alice","client_email":"a@example.com","instruction":"Hi","domain_name":"x","language":"en"}"#,
        false,
    ),
    (
        Service::Hub,
        Kind::Key,
        "/api-keys",
        r#"{"name":"once","permissions":["billing_access"]}"#,
        r#"{"name":"once","permissions":["audit_read"]}"#,
        true,
    ),
    (
        Service::Chatbot,
        Kind::Key,
        "/auth/api/v1/tokens/generate",
        r#"{"username":"once"}"#,
        r#"{"username":"other"}"#,
        true,
    ),
    (
        Service::Chatbot,
        Kind::Owner,
        "/auth/api/v1/keys",
        r#"{"name":"once","permissions":["chat_access"]}"#,
        r#"{"name":"once","permissions":["audit_read"]}"#,
        true,
    ),
    (
        Service::Chatbot,
        Kind::SuperAdmin,
        "/domains",
        r#"{"domain":"once.example","account_id":"{account_id}"}"#,
        r#"{"domain":"other.example","account_id":"{account_id}"}"#,
        false,
    ),
];

fn once(world: &World, route: usize, body: &str, key: &str) -> (SocketAddr, Request) {
    let (service, kind, path, ..) = ROUTES[route];
    let credential = kind.of(&world.a, service);
    let request = Request::post(&world.a.fill(service, path), &world.a.fill(service, body));
    (world.address(service), request.bearer(&credential).header("Idempotency-Key", key))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_first_answer_and_another_one_a_conflict() {
    let world = World::start().await;
    for (route, (_, _, path, body, other, secret)) in ROUTES.into_iter().enumerate() {
        let send = async |body: &str, key: &str| {
            let (to, request) = once(&world, route, body, key);
            request.send(to).await.unwrap()
        };
        let first = send(body, "order-1").await;
        assert!(matches!(first.status, 200 | 201), "{path}: {}", first.body);
        let before = world.dump().await;
        let again = send(body, "order-1").await;
        if secret {
            assert_eq!(again.status, 409, "{path}: a secret is shown once");
            for shown in [first.field("key"), first.field("token")].iter().filter(|text| !text.is_empty()) {
                assert!(!again.body.contains(shown.as_str()), "{path}");
            }
        } else {
            assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
        }
        assert_eq!(send(other, "order-1").await.status, 409, "{path}");
        assert_eq!(changes(&before, &world.dump().await), [""; 0], "{path}");
        assert_eq!(send(other, "order-2").await.status, first.status, "{path}: another key is another order");
        for key in ["", &"k".repeat(256)] {
            assert_eq!(send(body, key).await.status, 400, "{path}");
        }
        let (to, twice) = once(&world, route, body, "order-3");
        let twice = twice.header("Idempotency-Key", "order-4").send(to).await.unwrap();
        assert_eq!(twice.status, 400, "{path}: one key a request");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_sent_two_hundred_times_at_once_is_carried_out_once() {
    let world = World::start().await;
    for (route, (_, _, path, body, _, secret)) in ROUTES.into_iter().enumerate() {
        let seq = world.stores.audit.head().await.unwrap().seq;
        let (to, request) = once(&world, route, body, "at once");
        let answers = together(to, vec![request; 200]).await;
        let good: Vec<&Response> = answers.iter().filter(|answer| answer.status < 300).collect();
        let refused = answers.iter().filter(|answer| answer.status == 409).count();
        assert_eq!(good.len() + refused, 200, "{path}: {answers:?}");
        if secret {
            assert_eq!(good.len(), 1, "{path}: the secret is shown to one");
        } else {
            assert_eq!(good.len(), 200, "{path}");
            assert!(good.iter().all(|answer| answer.body == good[0].body), "{path}");
        }
        assert_eq!(world.audited_since(seq).await.len(), 1, "{path}: one was made");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_different_requests_under_one_key_at_once_one_is_carried_out() {
    let world = World::start().await;
    for (route, (_, _, path, body, other, _)) in ROUTES.into_iter().enumerate() {
        let seq = world.stores.audit.head().await.unwrap().seq;
        let requests = (0..200).map(|number| once(&world, route, [body, other][number % 2], "contested"));
        let (to, requests): (Vec<_>, Vec<_>) = requests.unzip();
        let answers = together(to[0], requests).await;
        let good: Vec<_> = (0..200).filter(|number| answers[*number].status < 300).collect();
        assert!(answers.iter().all(|answer| answer.status < 300 || answer.status == 409), "{path}");
        assert!(!good.is_empty() && good.iter().all(|number| number % 2 == good[0] % 2), "{path}: {good:?}");
        assert_eq!(world.audited_since(seq).await.len(), 1, "{path}: one was made");
    }
    world.end().await;
}
