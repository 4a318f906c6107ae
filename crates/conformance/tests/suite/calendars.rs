//! Calendars of users, linked over HTTP at a provider that is strict: the whole way, and what comes of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    id::UserId,
    model::{ConnectionStatus, ProviderName, StoredConnection},
    time::Clock as _,
};
use conformance::{
    client::{Request, Response},
    linking::{ALICE, BOB, Begun, Demo, PROVIDERS, TARGETS, unlinked},
    operator::operator,
    world::World,
};
use demo_provider::{Misbehaviour, Seen};
use std::time::Duration;

/// Where a connection of the first tenant's user is.
fn path(world: &World, provider: &str, what: &str) -> String {
    let (account, user) = (&world.a.account_id, &world.a.user_id);
    format!("/accounts/{account}/users/{user}/calendar{provider}{what}")
}

async fn get(world: &World, provider: &str, what: &str) -> Response {
    world.hub(Request::get(&path(world, provider, what)).bearer(&world.a.hub_key)).await
}

async fn token(world: &World, provider: &str) -> Response {
    let path = path(world, &format!("/{provider}"), "/token");
    world.hub(Request::new("POST", &path).bearer(&world.a.hub_key)).await
}

async fn disconnect(world: &World, provider: &str) -> Response {
    let path = path(world, &format!("/{provider}"), "");
    world.hub(Request::new("DELETE", &path).bearer(&world.a.hub_key)).await
}

async fn stored(world: &World, provider: &str) -> Option<StoredConnection> {
    let (user, provider): (UserId, ProviderName) =
        (world.a.user_id.parse().unwrap(), provider.parse().unwrap());
    world.stores.connections.read(operator().scope(), user, &provider).await.unwrap()
}

/// The actions of the trail since a number.
async fn actions(world: &World, since: i64) -> Vec<String> {
    world.audited_since(since).await.into_iter().map(|(action, _)| action).collect()
}

async fn end_of_trail(world: &World) -> i64 {
    world.stores.audit.head().await.unwrap().seq
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_is_linked_listed_read_and_unlinked_at_each_provider() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    for provider in PROVIDERS {
        let trail = end_of_trail(&world).await;
        let arrived = demo.arriving(&world, provider, ALICE).await;
        let linked = world.hub(arrived.request()).await;
        assert_eq!((linked.status, linked.header("location")), (303, Some(TARGETS[0])), "{}", linked.body);
        assert_eq!(linked.header("referrer-policy"), Some("no-referrer"));
        assert!(linked.header("set-cookie").unwrap().starts_with("__Host-oauth=; Path=/; Max-Age=0;"));
        assert_eq!(actions(&world, trail).await, ["calendar.authorization_begun", "calendar.connected"]);

        let listed = get(&world, "", "").await.json();
        let listed = listed["items"].as_array().unwrap();
        let found = listed.iter().find(|item| item["provider"] == provider).unwrap();
        assert_eq!((&found["status"], &found["address"]), (&"active".into(), &ALICE.into()));
        assert!(found["scopes"].to_string().to_lowercase().contains("calendar"), "{found}");

        let given = token(&world, provider).await.json();
        assert_eq!(given["token_type"], "Bearer");
        let text = given["access_token"].as_str().unwrap();
        assert!(!world.dump().await.iter().any(|row| row.contains(text)), "it is sealed at rest");

        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let window = "/events?from=2025-12-25T00:00:00Z&to=2026-01-31T00:00:00Z&limit=2";
            let page = get(&world, &format!("/{provider}"), &format!("{window}{cursor}")).await;
            assert_eq!(page.status, 200, "{}", page.body);
            let page = page.json();
            assert!(page["items"].as_array().unwrap().len() <= 2);
            items.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(items.len(), 5, "{items:#?}");
        assert!(items.iter().any(|item| item["start"]["date"].is_string()), "one takes whole days");
        assert!(items.iter().any(|item| item["start"]["date_time"].is_string()));
        let mut ids: Vec<_> = items.iter().map(|item| item["id"].to_string()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 5, "none stands twice");

        let trail = end_of_trail(&world).await;
        assert_eq!(disconnect(&world, provider).await.status, 204);
        assert_eq!(actions(&world, trail).await, ["calendar.disconnected", "calendar.forgotten"]);
        assert!(stored(&world, provider).await.is_none());
        assert_eq!(token(&world, provider).await.status, 404);
        // Microsoft has no way to be told.
        assert_eq!(demo.provider().is_granted(ALICE), provider == "microsoft");
        demo.provider().end_grant(ALICE);
    }
    assert_eq!(demo.violations(), [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_says_everything_that_protects_it() {
    let (world, demo) = Demo::world().await;
    let mut secrets = Vec::new();
    for provider in PROVIDERS {
        unlinked(&world).await;
        let answer = Begun::answer(&world, &world.a.hub_key, &world.a.user_id, provider).await;
        let cookie = answer.header("set-cookie").unwrap().to_owned();
        assert!(cookie.starts_with("__Host-oauth="), "{cookie}");
        assert!(cookie.ends_with("; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
        let url = answer.field("authorization_url");
        let (place, query) = url.split_once('?').unwrap();
        assert!(place.starts_with(demo.provider().origin()), "{place}");
        let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let of = |name: &str| {
            let found: Vec<_> = pairs.iter().filter(|(key, _)| *key == name).collect();
            assert_eq!(found.len(), 1, "{name} in {url}");
            found[0].1.to_owned()
        };
        assert_eq!((of("response_type").as_str(), of("code_challenge_method").as_str()), ("code", "S256"));
        let back = format!("localhost%3A{}%2Foauth%2F{provider}%2Fcallback", world.hub.port());
        assert!(of("redirect_uri").ends_with(&back), "{url}");
        secrets.extend([of("state"), of("nonce"), of("code_challenge")]);
        secrets.push(cookie.split(['=', ';']).nth(1).unwrap().to_owned());
        let rows = world.dump().await;
        for secret in &secrets {
            assert_eq!(secret.len(), 43, "256 bits: {secret}");
            assert!(!rows.iter().any(|row| row.contains(secret.as_str())), "kept as its digest alone");
        }
    }
    let count = secrets.len();
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), count, "each is fresh");
    world.end().await;
}

/// Row E10.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_provider_leads_back_to_is_the_configurations_to_say() {
    let (world, _demo) = Demo::world().await;
    let body = format!(r#"{{"user_id":"{}"}}"#, world.a.user_id);
    let back = format!("redirect_uri=http%3A%2F%2Flocalhost%3A{}%2F", world.hub.port());
    for (name, value) in [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "443"),
        ("X-Original-Host", "evil.example"),
        ("Forwarded", "host=evil.example;proto=https"),
        ("Origin", "https://evil.example"),
        ("Referer", "https://evil.example/"),
    ] {
        unlinked(&world).await;
        let request = Request::post("/oauth/google/authorize", &body).bearer(&world.a.hub_key);
        let answer = world.hub(request.header(name, value)).await;
        assert!(answer.field("authorization_url").contains(&back), "{name}: {}", answer.body);
    }
    world.end().await;
}

/// Row E9.
#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_led_to_what_is_listed_and_nowhere_else() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let ask = async |target: &str| {
        let body = serde_json::json!({ "user_id": world.a.user_id, "redirect_after": target }).to_string();
        world.hub(Request::post("/oauth/google/authorize", &body).bearer(&world.a.hub_key)).await
    };
    let mut tried = 0;
    for target in TARGETS {
        let host = target.split('/').nth(2).unwrap();
        let wrong = [
            String::new(),
            "/".to_owned(),
            "//evil.example".to_owned(),
            "\\\\evil.example".to_owned(),
            "/\\evil.example".to_owned(),
            "https:evil.example".to_owned(),
            "https:///evil.example".to_owned(),
            "https://evil.example".to_owned(),
            "javascript:alert(1)".to_owned(),
            "data:text/html,x".to_owned(),
            target.to_uppercase(),
            target.replace("://", ":\\\\"),
            target.replace(host, &format!("{host}@evil.example")),
            target.replace(host, &format!("evil.example@{host}")),
            target.replace(host, &format!("{host}.evil.example")),
            target.replace(host, &format!("evil.example#{host}")),
            target.replace(host, &format!("evil.example\\{host}")),
            target.replace(host, &format!("{host}:444")),
            target.replace("http", "ftp"),
        ];
        let around = [
            "/",
            "?x",
            "#x",
            "/..",
            "//",
            "%2f",
            "%00",
            "\r\nLocation: https://evil.example",
            " ",
            "\t",
            "\u{0}",
            "\u{202e}",
            ".",
            "@evil.example",
            ";x",
        ];
        let behind = around.map(|more| format!("{target}{more}"));
        let before =
            [" ", "\t", "\n", "/", "//", "x", "\u{feff}", "https://evil.example/?", "https://evil.example/#"]
                .map(|more| format!("{more}{target}"));
        let hosts = [
            "evil.example",
            "127.0.0.1",
            "[::1]",
            "169.254.169.254",
            "localhost:1",
            "app.example.com.",
            "2130706433",
        ];
        let elsewhere = hosts.into_iter().flat_map(|other| {
            let on = target.replace(host, other);
            ["", "/", "?x", "#x", "%2f", "\\"].map(|more| format!("{on}{more}"))
        });
        // Every character of it by itself, in another writing.
        let written = (0..target.len())
            .map(|at| format!("{}%{:02x}{}", &target[..at], target.as_bytes()[at], &target[at + 1..]));
        for wrong in wrong.into_iter().chain(behind).chain(before).chain(elsewhere).chain(written) {
            let answer = ask(&wrong).await;
            assert_eq!((answer.status, answer.field("field").as_str()), (400, "redirect_after"), "{wrong:?}");
            assert!(answer.header("set-cookie").is_none());
            tried += 1;
        }
    }
    assert!(tried >= 200, "{tried}");
    assert_eq!(world.place.query("SELECT provider AS line FROM authorizations").await, [""; 0]);
    for target in TARGETS {
        let answer = ask(target).await;
        let cookie = answer.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
        let url = answer.field("authorization_url");
        let begun = Begun { provider: "google".to_owned(), url, binding: cookie };
        let linked = world.hub(demo.consent(&begun, ALICE).request()).await;
        assert_eq!(linked.header("location"), Some(target));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_near_its_end_is_replaced_and_stored_before_anybody_has_it() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    demo.link(&world, "microsoft", BOB).await;
    for provider in ["google", "microsoft"] {
        let first = token(&world, provider).await.field("access_token");
        let before = demo.refreshes();
        assert_eq!(token(&world, provider).await.field("access_token"), first);
        assert_eq!(demo.refreshes(), before, "it is good for a while");
        world.advance(Duration::from_secs(3600 - 100)).await;
        let trail = end_of_trail(&world).await;
        let second = token(&world, provider).await;
        assert_ne!(second.field("access_token"), first);
        assert_eq!(actions(&world, trail).await, ["calendar.renewed", "calendar.token_given"]);
        let expires_at = stored(&world, provider).await.unwrap().connection.expires_at;
        assert_eq!(second.field("expires_at"), expires_at.to_string());
        assert!(expires_at > world.clock.now() + Duration::from_secs(3000));
        assert_eq!(demo.refreshes(), before + 1);
        // It goes on with what was stored: the refresh token that was there, or the one that came.
        world.advance(Duration::from_secs(3600)).await;
        assert_eq!(token(&world, provider).await.status, 200);
        let window = "/events?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
        assert_eq!(get(&world, &format!("/{provider}"), window).await.status, 200);
    }
    assert_eq!(demo.violations(), [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_refresh_tokens_are_followed_and_an_omitted_one_keeps_the_old() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "microsoft", ALICE).await;
    let renew = async || {
        world.advance(Duration::from_secs(3700)).await;
        assert_eq!(token(&world, "microsoft").await.status, 200);
    };
    for how in [Misbehaviour::Rotation, Misbehaviour::RefreshOmitsRefreshToken, Misbehaviour::Rotation] {
        demo.provider().misbehave(Some(how));
        for _ in 0..3 {
            renew().await;
        }
    }
    assert_eq!(demo.violations(), [""; 0], "no refresh token was shown that is none any more");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_withdraws_consent_is_asked_for_it_again() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    demo.provider().end_grant(ALICE);
    world.advance(Duration::from_secs(3700)).await;
    let trail = end_of_trail(&world).await;
    for _ in 0..2 {
        let refused = token(&world, "google").await;
        assert_eq!((refused.status, refused.field("code").as_str()), (409, "needs_consent"));
    }
    assert_eq!(actions(&world, trail).await, ["calendar.needs_consent"]);
    assert_eq!(demo.refreshes(), 1, "it is not asked again");
    let events = get(&world, "/google", "/events?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z").await;
    assert_eq!(events.field("code"), "needs_consent");
    assert_eq!(get(&world, "", "").await.json()["items"][0]["status"], "needs_consent");
    // Another calendar is another matter.
    let other = world.hub(demo.arriving(&world, "google", BOB).await.request()).await;
    assert_eq!((other.status, other.field("code").as_str()), (400, "not_connected"), "{}", other.body);
    let id = stored(&world, "google").await.unwrap().connection.id;
    demo.link(&world, "google", ALICE).await;
    let now = stored(&world, "google").await.unwrap().connection;
    assert_eq!((now.id, now.status), (id, ConnectionStatus::Active));
    assert_eq!(token(&world, "google").await.status, 200);
    world.end().await;
}

/// A provider takes an access token no more that was good a moment ago: it is replaced once.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_calendar_does_not_take_is_replaced_once() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    demo.provider().misbehave(Some(Misbehaviour::EventsUnauthorized));
    let window = "/events?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let refused = get(&world, "/google", window).await;
    assert_eq!((refused.status, refused.field("code").as_str()), (502, "upstream_failed"));
    let asked = (demo.refreshes(), demo.count(|seen| matches!(seen, Seen::Events { .. })));
    assert_eq!(asked, (1, 2));
    // Nor again within a minute.
    for (waited, refreshes) in [(0, 1), (59, 1), (1, 2)] {
        world.advance(Duration::from_secs(waited)).await;
        assert_eq!(get(&world, "/google", window).await.status, 502);
        assert_eq!(demo.refreshes(), refreshes);
    }
    demo.provider().misbehave(None);
    assert_eq!(get(&world, "/google", window).await.status, 200);
    world.end().await;
}

/// Row E16.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_be_told_is_told_again_and_nothing_is_given_meanwhile() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    demo.provider().misbehave(Some(Misbehaviour::RevocationFails));
    let waits = disconnect(&world, "google").await;
    assert_eq!((waits.status, waits.field("status").as_str()), (202, "disconnecting"), "{}", waits.body);
    assert_eq!(waits.json()["failed_revocations"], 1);
    assert_eq!(token(&world, "google").await.status, 404);
    let events = get(&world, "/google", "/events?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z").await;
    assert_eq!(events.status, 404);
    assert_eq!(get(&world, "", "").await.json()["items"][0]["failed_revocations"], 1);
    // Who asks again has it told again.
    assert_eq!(disconnect(&world, "google").await.json()["failed_revocations"], 2);
    let busy = world.hub(demo.arriving(&world, "google", ALICE).await.request()).await;
    assert_eq!(
        (busy.status, busy.field("code").as_str()),
        (400, "not_connected"),
        "it would be ended with the old one"
    );
    assert!(stored(&world, "google").await.is_some(), "the tokens are needed for that");
    demo.provider().misbehave(None);
    let trail = end_of_trail(&world).await;
    assert_eq!(disconnect(&world, "google").await.status, 204);
    assert_eq!(actions(&world, trail).await, ["calendar.forgotten"]);
    assert!(stored(&world, "google").await.is_none());
    assert_eq!(demo.count(|seen| *seen == Seen::Revocation { known: true }), 1);
    world.end().await;
}

/// Row E16, by itself: nobody has to ask again, and where one cannot be told, the other is.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_was_told_in_vain_is_told_again_every_hour() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    demo.link(&world, "oidc", BOB).await;
    demo.provider().misbehave(Some(Misbehaviour::RevocationFails));
    for provider in ["google", "oidc"] {
        assert_eq!(disconnect(&world, provider).await.status, 202, "{provider}");
    }
    let hour = async || {
        world.advance(Duration::from_secs(3600)).await;
        world.upkeep_of_hub().await;
    };
    let in_vain = async || {
        let listed = get(&world, "", "").await.json();
        let count = |item: &serde_json::Value| item["failed_revocations"].as_u64().unwrap();
        listed["items"].as_array().unwrap().iter().map(count).collect::<Vec<_>>()
    };
    assert_eq!(in_vain().await, [1, 1]);
    hour().await;
    assert_eq!(in_vain().await, [2, 2]);
    // It answers again; but the name of the one stands for another provider by now, which is not told.
    demo.provider().misbehave(None);
    let issuer = "SELECT issuer AS line FROM connections WHERE provider = 'google'";
    let issuer = world.place.query(issuer).await.concat();
    let of_issuer = async |issuer: &str| {
        let sql = format!("UPDATE connections SET issuer = '{issuer}' WHERE provider = 'google'");
        world.place.execute(&sql).await;
    };
    of_issuer("https://other.example").await;
    hour().await;
    assert_eq!(in_vain().await, [3], "the one waits");
    assert!(stored(&world, "google").await.is_some() && demo.provider().is_granted(ALICE));
    assert!(stored(&world, "oidc").await.is_none() && !demo.provider().is_granted(BOB));
    of_issuer(&issuer).await;
    hour().await;
    assert!(stored(&world, "google").await.is_none() && !demo.provider().is_granted(ALICE));
    assert_eq!(in_vain().await, [0; 0]);
    assert_eq!(demo.count(|seen| *seen == Seen::Revocation { known: false }), 4);
    assert_eq!(demo.count(|seen| *seen == Seen::Revocation { known: true }), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_removed_leaves_nothing_behind() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    let arrived = demo.arriving(&world, "microsoft", BOB).await;
    let user = format!("/accounts/{}/users/{}", world.a.account_id, world.a.user_id);
    let removed = world.hub(Request::new("DELETE", &user).bearer(&world.a.hub_key)).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    let late = world.hub(arrived.request()).await;
    assert_eq!((late.status, late.field("code").as_str()), (400, "invalid_state"));
    assert_eq!(token(&world, "google").await.status, 404);
    assert_eq!(
        get(&world, "", "").await.json()["items"][0]["status"],
        "disconnecting",
        "it is yet to be told"
    );
    world.upkeep_of_hub().await;
    assert!(stored(&world, "google").await.is_none() && !demo.provider().is_granted(ALICE));
    assert_eq!(get(&world, "", "").await.status, 404);
    world.end().await;
}

/// Row E8.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_is_one_users_by_issuer_and_subject_and_not_by_address() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    // Another tenant's user, with the same calendar; and one of the same address at another provider.
    let (key, user) = (&world.b.hub_key, &world.b.user_id);
    let begun = Begun::at(&world, key, user, "google").await;
    let refused = world.hub(demo.consent(&begun, ALICE).request()).await;
    assert_eq!((refused.status, refused.field("code").as_str()), (400, "not_connected"), "{}", refused.body);
    assert!(world.a.marks().iter().all(|mark| !refused.body.contains(mark)));
    let begun = Begun::at(&world, key, user, "microsoft").await;
    assert_eq!(world.hub(demo.consent(&begun, ALICE).request()).await.status, 303);
    assert_eq!(world.place.query("SELECT address AS line FROM connections").await, [ALICE, ALICE]);
    assert!(demo.provider().is_granted(ALICE), "what was refused ends nobody's grant");
    assert_eq!(token(&world, "google").await.status, 200);
    world.end().await;
}

/// Row E19.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_five_transactions_open_at_the_most() {
    let (world, _demo) = Demo::world().await;
    unlinked(&world).await;
    let begin = async || Begun::answer(&world, &world.a.hub_key, &world.a.user_id, "google").await;
    for _ in 0..5 {
        assert_eq!(begin().await.status, 200);
        world.advance(Duration::from_secs(1)).await;
    }
    let full = begin().await;
    assert_eq!((full.status, full.field("code").as_str()), (429, "too_many_requests"));
    assert_eq!(full.header("retry-after"), Some("595"));
    let open = async || world.place.query("SELECT provider AS line FROM authorizations").await.len();
    for _ in 0..200 {
        assert_eq!(begin().await.status, 429);
    }
    assert_eq!(open().await, 5);
    // Whoever is no caller of theirs begins none.
    assert_eq!(Begun::answer(&world, &world.b.hub_key, &world.a.user_id, "google").await.status, 404);
    let anonymous =
        Request::post("/oauth/google/authorize", &format!(r#"{{"user_id":"{}"}}"#, world.a.user_id));
    assert_eq!(world.hub(anonymous).await.status, 401);
    assert_eq!(open().await, 5);
    world.advance(Duration::from_secs(595)).await;
    assert_eq!(begin().await.status, 200);
    world.end().await;
}

/// Row E19: what is over lies there for an hour at the most.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_over_are_forgotten_every_hour() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let begin = async |provider: &str| Begun::at(&world, &world.a.hub_key, &world.a.user_id, provider).await;
    let kept = async || world.place.query("SELECT provider AS line FROM authorizations").await;
    begin("google").await;
    world.advance(Duration::from_secs(660)).await;
    let open = begin("microsoft").await;
    world.upkeep_of_hub().await;
    assert_eq!(kept().await, ["microsoft"], "one that is open stays");
    assert_eq!(world.hub(demo.consent(&open, ALICE).request()).await.status, 303);
    begin("google").await;
    assert_eq!(kept().await, ["google"]);
    world.advance(Duration::from_secs(660)).await;
    world.upkeep_of_hub().await;
    assert_eq!(kept().await, [""; 0]);
    world.end().await;
}
