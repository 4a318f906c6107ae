//! Lists and their queries: pages, cursors, filters, members that nobody knows.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::service::Service;
use conformance::{client::Request, world::World};
use serde_json::Value;
use std::time::Duration;

/// All items of a list, read by pages of this size, and how many pages there were.
async fn paged(world: &World, service: Service, path: &str, limit: usize) -> (Vec<Value>, usize) {
    let key = if service == Service::Hub { &world.a.hub_key } else { &world.a.domain_key };
    let (mut items, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let request = Request::get(&format!("{path}?limit={limit}{cursor}")).bearer(key);
        let page = request.send(world.address(service)).await.unwrap();
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        let page = page.json();
        items.extend(page["items"].as_array().unwrap().clone());
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (items, pages),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_no_page_after_its_last_item() {
    let world = World::start().await;
    let account = format!("/accounts/{}", world.a.account_id);
    let call = r#"{"type":"reminder","channel":"sms","phone_number":"+14155550123","client_name":"Alice",
        "client_email":"alice@example.com","instruction":"Call.","domain_name":"x","language":"en"}"#;
    for n in 0..3 {
        // A month later: an invoice more. The tenant's keys do not end.
        world.advance(Duration::from_secs(31 * 24 * 3600)).await;
        assert_eq!(world.hub(Request::post("/start", call).bearer(&world.a.hub_key)).await.status, 200);
        let user = format!(r#"{{"name":"Alice","email":"alice{n}@example.com"}}"#);
        let user = Request::post(&format!("{account}/users"), &user).bearer(&world.a.hub_key);
        assert_eq!(world.hub(user).await.status, 201);
        world.temp(&world.a.domain_key, 1).await;
    }
    for (service, path) in [
        (Service::Hub, "/calls".to_owned()),
        (Service::Hub, "/api-keys".to_owned()),
        (Service::Hub, format!("{account}/users")),
        (Service::Hub, format!("{account}/billing/invoices")),
        (Service::Hub, "/audit/events".to_owned()),
        (Service::Chatbot, "/auth/api/v1/tokens".to_owned()),
        (Service::Chatbot, "/audit/events".to_owned()),
    ] {
        let (all, one) = paged(&world, service, &path, 200).await;
        assert_eq!(one, 1, "{path}");
        let size = all.len();
        assert!(size >= 2, "{path}: {size}");
        for limit in [1, 2, size, size + 1] {
            let (items, pages) = paged(&world, service, &path, limit).await;
            assert_eq!(items, all, "{path} by {limit}");
            assert_eq!(pages, size.div_ceil(limit), "{path} by {limit}");
        }
        let key = if service == Service::Hub { &world.a.hub_key } else { &world.a.domain_key };
        for query in ["limit=0", "limit=201", "cursor=x", "cursor=AAAA", "cursor=MjAyNngxMQ", "other=1"] {
            let request = Request::get(&format!("{path}?{query}")).bearer(key);
            assert_eq!(request.send(world.address(service)).await.unwrap().status, 400, "{path}?{query}");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_the_trail_are_typed() {
    let world = World::start().await;
    for service in Service::ALL {
        let key = if service == Service::Hub { &world.a.hub_key } else { &world.a.domain_key };
        let ask = async |query: &str| {
            let request = Request::get(&format!("/audit/events?{query}")).bearer(key);
            request.send(world.address(service)).await.unwrap()
        };
        let long = "x".repeat(254);
        for (field, values) in [
            ("actor", &["%00", "a%00b", "%0a", "a%20b", "", "%c3%a9", "%ff", long.as_str()][..]),
            ("target", &["%00", "a%00b", "%0a", "a%20b", "", "%c3%a9", "%ff", long.as_str()]),
            ("action", &["%00", "key.created%00", "", "key.%25", "KEY.CREATED", "nothing"]),
            ("from", &["%00", "yesterday"]),
            ("to", &["%00", "1"]),
        ] {
            for value in values {
                let answer = ask(&format!("{field}={value}")).await;
                let told = (answer.status, answer.field("field"));
                assert_eq!(told, (400, field.to_owned()), "{field}={value}: {}", answer.body);
            }
        }
        for query in ["action=session.opened", "action=request.refused", "target=%25", "actor=anonymous"] {
            assert_eq!(ask(query).await.status, 200, "{query}");
        }
        assert!(ask("target=%25").await.json()["items"].as_array().unwrap().is_empty(), "no pattern");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lists_at_most_64_networks() {
    let world = World::start().await;
    let networks = |count: usize| {
        let list: Vec<_> = (0..count).map(|n| format!("\"10.0.{n}.0/24\"")).collect();
        list.join(",")
    };
    let make = |count: usize| {
        let body = format!(r#"{{"name":"x","permissions":[],"allowed_cidrs":[{}]}}"#, networks(count));
        Request::post("/api-keys", &body).bearer(&world.a.hub_key)
    };
    let made = world.hub(make(64)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let change = |count: usize| {
        let body = format!(r#"{{"allowed_cidrs":[{}]}}"#, networks(count));
        Request::new("PATCH", &format!("/api-keys/{}", made.field("id"))).json(&body).bearer(&world.a.hub_key)
    };
    for request in [make(65), change(65)] {
        let refused = world.hub(request).await;
        assert_eq!((refused.status, refused.field("field")), (400, "allowed_cidrs".to_owned()));
    }
    assert_eq!(world.hub(change(63)).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_validate_does_not_know_is_refused() {
    let world = World::start().await;
    let validate = async |more: &str| {
        let body = format!(r#"{{"token":"{}"{more}}}"#, world.a.temp.0);
        world.chatbot(Request::post("/auth/api/v1/tokens/validate", &body).bearer(&world.a.domain_key)).await
    };
    assert_eq!(validate("").await.field("valid"), "true");
    let refused = validate(r#","tokens":1"#).await;
    assert_eq!((refused.status, refused.field("field")), (400, "tokens".to_owned()));
    world.end().await;
}
