//! What the Hub's routes do to what they keep: accounts, users, calls, bills, lists.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::time::{Clock as _, Timestamp};
use conformance::place::changes;
use conformance::{
    client::{Request, Response},
    world::World,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The first tenant's Hub, with its key.
struct Hub<'a>(&'a World);

impl Hub<'_> {
    async fn send(&self, request: Request) -> Response {
        self.0.hub(request.bearer(&self.0.a.hub_key)).await
    }
    async fn get(&self, target: &str) -> Value {
        let answer = self.send(Request::get(target)).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        answer.json()
    }
    async fn patch(&self, target: &str, body: &str) -> Response {
        self.send(Request::new("PATCH", target).json(body)).await
    }
    async fn start(&self, channel: &str, scheduled: Option<&str>) -> Value {
        let mut body = json!({
            "type": "reminder", "channel": channel, "phone_number": "+14155550123", "client_name": "Alice",
            "client_email": "alice@example.com", "instruction": "Call.", "domain_name": "x", "language": "en",
        });
        if let Some(at) = scheduled {
            body["scheduled_time"] = json!(at);
        }
        let answer = self.send(Request::post("/start", &body.to_string())).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }
    async fn cancel(&self, call: &str) -> Response {
        self.send(Request::new("POST", &format!("/calls/{call}/cancel"))).await
    }
}

fn text(object: &Value, member: &str) -> String {
    object[member].as_str().unwrap_or_else(|| panic!("{member} in {object}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_changes_name_and_contact_of_its_account_and_nothing_else_of_it() {
    let world = World::start().await;
    let hub = Hub(&world);
    let account = format!("/accounts/{}", world.a.account_id);
    let first = hub.get(&account).await;
    assert_eq!((&first["name"], &first["contact"]), (&json!("Account a"), &Value::Null));
    let changed = hub.patch(&account, r#"{"name":"Renamed","contact":"Office@Example.com"}"#).await.json();
    let mut wanted = first.clone();
    wanted["name"] = json!("Renamed");
    wanted["contact"] = json!("office@example.com");
    assert_eq!((&changed, hub.get(&account).await), (&wanted, wanted.clone()));
    hub.patch(&account, r#"{"name":"Again"}"#).await;
    assert_eq!(hub.get(&account).await["contact"], "office@example.com", "what is not named stays");
    hub.patch(&account, r#"{"contact":null}"#).await;
    let emptied = hub.get(&account).await;
    assert_eq!((&emptied["name"], &emptied["contact"]), (&json!("Again"), &Value::Null));
    let owner = hub.get(&format!("/domain/{}/account", world.a.domain)).await;
    assert_eq!(
        owner,
        json!({ "account_id": world.a.account_id, "domain": "a.example", "name": "Again" }),
        "a domain names its owner as it is called now"
    );

    let before = world.dump().await;
    for (body, field) in [
        (r#"{"status":"gone"}"#, "status"),
        (r#"{"domains":["b.example"]}"#, "domains"),
        (r#"{"account_id":"x"}"#, "account_id"),
        (r#"{"name":"Good","status":null}"#, "status"),
        (r#"{"name":null}"#, "name"),
        (r#"{"name":""}"#, "name"),
        (r#"{"contact":"nowhere"}"#, "contact"),
    ] {
        let refused = hub.patch(&account, body).await;
        assert_eq!((refused.status, refused.field("field")), (400, field.to_owned()), "{body}");
    }
    for body in [r#"{"status":"suspended"}"#, r#"{"name":"Good","status":"active"}"#] {
        assert_eq!(hub.patch(&account, body).await.status, 403, "{body}: a super admin's to say");
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_made_found_changed_and_removed() {
    let world = World::start().await;
    let hub = Hub(&world);
    let users = format!("/accounts/{}/users", world.a.account_id);
    world.advance(Duration::from_millis(1)).await;
    let made = hub.send(Request::post(&users, r#"{"name":"Carol","email":"Carol@Example.com"}"#)).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let expected = json!({
        "user_id": made["user_id"], "account_id": world.a.account_id, "name": "Carol",
        "email": "carol@example.com", "created_at": world.clock.now().to_string(),
    });
    let user = format!("{users}/{}", text(&made, "user_id"));
    assert_eq!((&made, hub.get(&user).await), (&expected, expected.clone()));
    assert_eq!(hub.get(&users).await["items"][0], expected, "the newest stands first");

    let changed = hub.patch(&user, r#"{"name":"Caroline"}"#).await.json();
    let mut renamed = expected.clone();
    renamed["name"] = json!("Caroline");
    assert_eq!((&changed, hub.get(&user).await), (&renamed, renamed.clone()));

    // An address is one user's within the account.
    let before = world.dump().await;
    let taken = hub.send(Request::post(&users, r#"{"name":"Twin","email":"CAROL@example.com"}"#)).await;
    assert_eq!(taken.status, 409);
    let other = format!("{users}/{}", world.a.user_id);
    assert_eq!(hub.patch(&other, r#"{"email":"carol@example.com"}"#).await.status, 409);
    for (body, field) in [(r#"{"user_id":"x"}"#, "user_id"), (r#"{"account_id":"x"}"#, "account_id")] {
        let refused = hub.patch(&user, body).await;
        assert_eq!((refused.status, refused.field("field")), (400, field.to_owned()));
    }
    // Another account's user is not found through one's own account, nor one's own through another's.
    for path in [
        format!("{users}/{}", world.b.user_id),
        format!("/accounts/{}/users/{}", world.b.account_id, world.a.user_id),
        format!("/accounts/{}/users/{}", world.b.account_id, world.b.user_id),
    ] {
        assert_eq!(hub.send(Request::get(&path)).await.status, 404, "{path}");
        assert_eq!(hub.patch(&path, r#"{"name":"Mine"}"#).await.status, 404, "{path}");
        assert_eq!(hub.send(Request::new("DELETE", &path)).await.status, 404, "{path}");
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);

    assert_eq!(hub.send(Request::new("DELETE", &user)).await.status, 204);
    assert_eq!(hub.send(Request::get(&user)).await.status, 404);
    assert_eq!(hub.patch(&user, r#"{"name":"Ghost"}"#).await.status, 404);
    assert_eq!(hub.send(Request::new("DELETE", &user)).await.status, 404);
    let left = hub.get(&users).await;
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
    let again = hub.send(Request::post(&users, r#"{"name":"Carol","email":"carol@example.com"}"#)).await;
    assert_eq!(again.status, 201, "the address is free again");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_for_a_time_that_is_over_is_made_and_billed_now() {
    let world = World::start().await;
    let hub = Hub(&world);
    let started = hub.start("sms", Some("2020-01-01T00:00:00Z")).await;
    assert_eq!(text(&started, "status"), "initiated");
    let path = format!("/calls/{}", text(&started, "call_sid"));
    let read = world.hub(Request::get(&path).bearer(&world.a.hub_key)).await.json();
    assert_eq!(read["scheduled_time"], Value::Null);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_initiated_or_scheduled_and_stays_cancelled() {
    let world = World::start().await;
    let hub = Hub(&world);
    let later = "2026-02-01T09:30:00Z";
    for (scheduled, status) in [(None, "initiated"), (Some(later), "scheduled")] {
        world.advance(Duration::from_millis(1)).await;
        let started = hub.start("sms", scheduled).await;
        assert_eq!(started["status"], status);
        let call = text(&started, "call_sid");
        let mut expected = json!({
            "call_sid": call, "account_id": world.a.account_id, "status": status, "type": "reminder",
            "channel": "sms", "phone_number": "+14155550123", "client_name": "Alice",
            "client_email": "alice@example.com", "instruction": "Call.", "domain_name": "x",
            "language": "en", "scheduled_time": null, "created_at": world.clock.now().to_string(),
        });
        if scheduled.is_some() {
            let read = hub.get(&format!("/calls/{call}")).await;
            let at: Timestamp = text(&read, "scheduled_time").parse().unwrap();
            assert_eq!(at, later.parse().unwrap());
            expected["scheduled_time"] = read["scheduled_time"].clone();
        }
        assert_eq!(hub.get(&format!("/calls/{call}")).await, expected);
        assert_eq!(hub.get("/calls").await["items"][0], expected);

        expected["status"] = json!("cancelled");
        let seq = world.stores.audit.head().await.unwrap().seq;
        for _ in 0..2 {
            let cancelled = hub.cancel(&call).await;
            assert_eq!((cancelled.status, cancelled.json()), (200, expected.clone()));
        }
        assert_eq!(hub.get(&format!("/calls/{call}")).await, expected);
        let actions = world.audited_since(seq).await;
        assert_eq!(actions.len(), 1, "cancelled once: {actions:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_invoices_are_counted_from_the_calls_that_were_made() {
    let world = World::start().await;
    let hub = Hub(&world);
    let billing = format!("/accounts/{}/billing", world.a.account_id);
    // One call by telephone was made on 2026-01-01 as the world began.
    let began = world.clock.now();
    hub.start("sms", None).await;
    world.advance(Duration::from_secs(3600)).await;
    let at = world.clock.now();
    let later = Timestamp::from_millis(at.millis() + 2 * 3600 * 1000);
    hub.start("sms", Some(&later.to_string())).await;
    // Cancelled after it was made, and before its time: the one is billed, the other is not.
    for time in [None, Some(later.to_string())] {
        let cancelled = hub.start("phone", time.as_deref()).await;
        assert_eq!(hub.cancel(&text(&cancelled, "call_sid")).await.status, 200);
    }
    world.advance(Duration::from_secs(31 * 24 * 3600)).await;
    for _ in 0..3 {
        hub.start("phone", None).await;
    }
    let usage = async |query: String| {
        let told = hub.get(&format!("{billing}/usage{query}")).await;
        let lines = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (text(line, "month"), text(line, "channel"), line["calls"].as_u64().unwrap()));
        let lines: Vec<_> = lines.collect();
        let sum: u64 = lines.iter().map(|(_, _, calls)| calls).sum();
        assert_eq!((&told["total_calls"], &told["account_id"]), (&json!(sum), &json!(world.a.account_id)));
        lines
    };
    let line = |month: &str, channel: &str, calls: u64| (month.to_owned(), channel.to_owned(), calls);
    let (old_phone, old_sms) = (line("2026-01", "phone", 2), line("2026-01", "sms", 2));
    let new_phone = line("2026-02", "phone", 3);
    assert_eq!(usage(String::new()).await, [old_phone, old_sms, new_phone.clone()]);
    // `from` counts, `to` does not, to the millisecond.
    let after = |time: Timestamp| Timestamp::from_millis(time.millis() + 1);
    assert_eq!(usage(format!("?from={at}&to={}", after(at))).await, [line("2026-01", "phone", 1)]);
    assert_eq!(usage(format!("?from={later}&to={}", after(later))).await, [line("2026-01", "sms", 1)]);
    assert_eq!(usage(format!("?from={}&to={later}", after(at))).await, []);
    assert_eq!(usage(format!("?from={}&to={at}", after(began))).await, []);
    let first = [line("2026-01", "phone", 1), line("2026-01", "sms", 1)];
    assert_eq!(usage(format!("?to={at}")).await, first);
    assert_eq!(usage(format!("?from={}", after(at))).await, [line("2026-01", "sms", 1), new_phone.clone()]);
    assert_eq!(usage(format!("?from={at}&to={at}")).await, []);
    for query in ["from=yesterday", "to=2026-13-01T00:00:00Z", "since=x", "from=2026-01-01"] {
        let refused = hub.send(Request::get(&format!("{billing}/usage?{query}"))).await;
        assert_eq!(refused.status, 400, "{query}");
    }

    let invoices = hub.get(&format!("{billing}/invoices")).await;
    let invoice = |month: &str, status: &str, lines: Value, total: u64| {
        json!({
            "invoice_id": format!("{}-{month}", world.a.account_id), "month": month, "status": status,
            "currency": invoices["items"][0]["currency"], "lines": lines, "total_cents": total,
        })
    };
    let charged = |channel: &str, calls: u64, unit: u64| json!({ "channel": channel, "calls": calls, "unit_cents": unit, "amount_cents": calls * unit });
    let expected = json!([
        invoice("2026-02", "open", json!([charged("phone", 3, 20)]), 60),
        invoice("2026-01", "closed", json!([charged("phone", 2, 20), charged("sms", 2, 5)]), 50),
    ]);
    assert_eq!(invoices["items"], expected);
    let foreign = Request::get(&format!("/accounts/{}/billing/invoices", world.b.account_id));
    let foreign = world.hub(foreign.bearer(&world.b.hub_key)).await.json();
    assert_eq!(foreign["items"][0]["total_cents"], 20, "another account pays for its own call");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_paged_and_its_pages_neither_repeat_nor_leave_out() {
    let world = World::start().await;
    let hub = Hub(&world);
    let users = format!("/accounts/{}/users", world.a.account_id);
    for number in 0..7 {
        hub.start("sms", None).await;
        let user = format!(r#"{{"name":"User","email":"user{number}@example.com"}}"#);
        assert_eq!(hub.send(Request::post(&users, &user)).await.status, 201);
        let key = r#"{"name":"key","permissions":[]}"#;
        assert_eq!(hub.send(Request::post("/api-keys", key)).await.status, 201);
        world.temp(&world.a.domain_key, 1).await;
    }
    let lists = [
        (world.hub, "/calls", &world.a.hub_key),
        (world.hub, users.as_str(), &world.a.hub_key),
        (world.hub, "/api-keys", &world.a.hub_key),
        (world.hub, "/audit/events", &world.a.hub_key),
        (world.chatbot, "/auth/api/v1/tokens", &world.a.domain_key),
        (world.chatbot, "/audit/events", &world.a.domain_key),
    ];
    for (service, list, key) in lists {
        let ask = async |query: &str| {
            Request::get(&format!("{list}?{query}")).bearer(key).send(service).await.unwrap()
        };
        let all = ask("limit=200").await.json();
        assert_eq!(all["next_cursor"], Value::Null, "{list}");
        let all = all["items"].as_array().unwrap().clone();
        assert!(all.len() > 7, "{list}");
        let (mut paged, mut query, mut last) = (Vec::new(), "limit=3".to_owned(), String::new());
        loop {
            let page = ask(&query).await.json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 3, "{list}");
            paged.extend(items.clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            assert_eq!(items.len(), 3, "{list}: a page with a successor is full");
            (query, last) = (format!("limit=3&cursor={cursor}"), cursor.to_owned());
        }
        assert_eq!(paged, all, "{list}");
        for tampered in [
            format!("{last}A"),
            last[1..].to_owned(),
            format!("{last}="),
            last.repeat(2),
            format!("%00{last}"),
            "..%2f".to_owned(),
            String::new(),
        ] {
            let refused = ask(&format!("limit=3&cursor={tampered}")).await;
            assert_eq!(
                (refused.status, refused.field("field")),
                (400, "cursor".to_owned()),
                "{list} {tampered}"
            );
        }
        for limit in ["0", "201", "-1", "1.5", "99999", "", "1e1", "0x1"] {
            assert_eq!(ask(&format!("limit={limit}")).await.status, 400, "{list} limit={limit}");
        }
    }
    world.end().await;
}
