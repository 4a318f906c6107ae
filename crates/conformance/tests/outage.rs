//! A store that cannot answer: `503` at most, never an allow, and healthy again by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;

use auth_core::{policy::Rule, service::Service, validate::LEASE};
use auth_web::{Service as _, Table};
use chatbot_service::{Chatbot, responder::Responder};
use conformance::{
    client::{Request, Response},
    faults::Faults,
    world::World,
};
use dump::{changes, dump};
use hub_service::Hub;
use std::time::Duration;

async fn faulty_world() -> (World, Faults) {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    (world, faults)
}

/// Every guarded row that takes its credential from a header, with the first tenant's key.
fn guarded<S>(table: &Table<S>, world: &World, service: Service) -> Vec<Request> {
    let key = match service {
        Service::Hub => &world.a.hub_key,
        Service::Chatbot => &world.a.domain_key,
    };
    let rows = table.rows().iter().filter(|row| {
        matches!(row.rule, Rule::AnyOf(_)) && matches!(row.spec.place, auth_web::Place::Header)
    });
    let request = |row: &auth_web::endpoint::Row<S>| {
        let target = world.a.fill(service, &format!("{}{}", row.spec.path, query(row.spec.query)));
        let request = Request::new(row.spec.method.name(), &target).bearer(key);
        if row.spec.body.is_empty() { request } else { request.json(&world.a.fill(service, row.spec.body)) }
    };
    rows.map(request).collect()
}

fn query(example: &str) -> String {
    if example.is_empty() { String::new() } else { format!("?{example}") }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_admitted_while_the_store_is_down() {
    let (world, faults) = faulty_world().await;
    let requests = [
        (Service::Hub, guarded(&Hub::TABLE, &world, Service::Hub)),
        (Service::Chatbot, guarded(&Chatbot::TABLE, &world, Service::Chatbot)),
    ];
    let before = dump(&world);
    let send = async |service, request: &Request| request.send(world.address(service)).await.unwrap();
    assert_eq!(world.hub(Request::get("/calls").bearer(&world.a.hub_key)).await.status, 200);

    faults.go_down();
    // Beyond the lease nothing is answered from memory.
    world.clock.advance(LEASE + Duration::from_secs(1));
    for (service, requests) in &requests {
        assert!(requests.len() > 5);
        for request in requests {
            let answer = send(*service, request).await;
            assert_eq!(answer.status, 503, "{} {}: {}", request.method, request.target, answer.body);
            assert_eq!(answer.field("code"), "unavailable");
            // What can be said without the store is said.
            let stranger = Request { headers: Vec::new(), ..request.clone() };
            assert_eq!(send(*service, &stranger).await.status, 401, "{}", request.target);
        }
        assert_eq!(send(*service, &Request::get("/health/live")).await.status, 200);
        assert_eq!(send(*service, &Request::get("/health/ready")).await.status, 503);
    }
    assert_eq!(changes(&before, &dump(&world)), [""; 0], "nothing was changed");

    faults.recover();
    world.current().await;
    assert_eq!(world.hub(Request::get("/calls").bearer(&world.a.hub_key)).await.status, 200);
    assert_eq!(world.hub(Request::get("/health/ready")).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_revoked_before_the_outage_stays_refused() {
    let (world, faults) = faulty_world().await;
    let (key, id) = world.a.idle_key.clone();
    let ask = || Request::get("/calls").bearer(&key);
    assert_eq!(world.hub(ask()).await.status, 403, "a good key that may nothing");
    world.revoke(Service::Hub, &id).await;
    faults.go_down();
    assert_eq!(world.hub(ask()).await.status, 401, "from memory");
    world.clock.advance(LEASE + Duration::from_secs(1));
    assert_eq!(world.hub(ask()).await.status, 503, "without a lease nobody knows");
    faults.recover();
    world.current().await;
    assert_eq!(world.hub(ask()).await.status, 401);
    world.end().await;
}

/// Sends a request again and again while each of its calls to the store fails in turn, until none is left to
/// fail; the good answer.
async fn with_every_fault(world: &World, faults: &Faults, service: Service, request: &Request) -> Response {
    for call in 1..50 {
        faults.fail_once(call);
        let answer = request.send(world.address(service)).await.unwrap();
        let reached = !faults.is_due();
        faults.recover();
        if !reached {
            assert!(call > 1, "{} {} asks the store", request.method, request.target);
            return answer;
        }
        // A fault may hit what was not needed for the answer; it never makes another answer of it.
        assert!(
            matches!(answer.status, 503 | 200..=202),
            "{} {}: {}",
            request.method,
            request.target,
            answer.body
        );
    }
    panic!("{} {} asks the store without end", request.method, request.target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_call_of_the_store_is_a_503_and_no_half_a_write() {
    let (world, faults) = faulty_world().await;
    let hub = |request: Request| request.bearer(&world.a.hub_key);
    let users = format!("/accounts/{}/users", world.a.account_id);
    for (path, body, list) in [
        ("/api-keys", r#"{"name":"faulty","permissions":["audit_read"]}"#, "/api-keys?limit=200"),
        (&users, r#"{"name":"Alice","email":"alice.faults@example.com"}"#, &format!("{users}?limit=200")),
        (
            "/start",
            r#"{"type":"reminder","channel":"sms","phone_number":"+14155550123","client_name":"Alice",
            "client_email":"alice@example.com","instruction":"Call.","domain_name":"x","language":"en"}"#,
            "/calls?limit=200",
        ),
    ] {
        let count = async || {
            let listed = world.hub(hub(Request::get(list))).await;
            listed.json()["items"].as_array().unwrap().len()
        };
        let (before, seq) = (count().await, world.stores.audit.head().await.unwrap().seq);
        let made = with_every_fault(&world, &faults, Service::Hub, &hub(Request::post(path, body))).await;
        assert!(matches!(made.status, 200..=202), "{path}: {}", made.body);
        // One object and one event for each, whatever failed on the way.
        assert_eq!(count().await - before, world.audited_since(seq).await.len(), "{path}");
    }
    let tokens =
        Request::post("/auth/api/v1/tokens/generate", r#"{"username":"alice"}"#).bearer(&world.a.domain_key);
    let minted = with_every_fault(&world, &faults, Service::Chatbot, &tokens).await;
    assert!(!minted.field("token").is_empty(), "{}", minted.body);
    let (key, id) = world.a.idle_key.clone();
    let revoke = hub(Request::new("DELETE", &format!("/api-keys/{id}")));
    with_every_fault(&world, &faults, Service::Hub, &revoke).await;
    assert_eq!(world.hub(Request::get("/calls").bearer(&key)).await.status, 401);
    world.end().await;
}
