//! What is like Google's.

use crate::visitor::{ALICE, BOB, GOOGLE_CALENDAR, Like, World, events_path};
use demo_provider::{Event, Seen, When};
use serde_json::json;
use std::collections::BTreeSet;

const LIKE: Like = Like::Google;
const EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";

#[tokio::test]
async fn discovery_and_keys_have_what_googles_have() {
    let world = World::start().await;
    let origin = world.provider.origin();
    let document = world.get("/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], origin);
    assert_eq!(document["revocation_endpoint"], format!("{origin}/revoke"));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    let keys = world.get("/oauth2/v3/certs").await.json();
    let members: BTreeSet<&str> = keys["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["alg", "e", "kid", "kty", "n", "use"]));
    assert_eq!(world.provider.seen(), [Seen::Discovery, Seen::Keys]);
}

#[tokio::test]
async fn a_code_is_good_for_tokens_and_those_for_events() {
    let world = World::start().await;
    let login = world.login(LIKE);
    let brought = world.consent(&login);
    assert_eq!(brought.keys().collect::<Vec<_>>(), ["code", "iss", "scope", "state"]);
    assert_eq!(brought["state"], login.parameters["state"]);
    assert_eq!(brought["iss"], world.provider.origin());
    assert!(!world.provider.is_granted(ALICE));

    let reply = world.exchange(&login, &brought["code"]).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"));
    let members = reply.json();
    assert_eq!(members["expires_in"], 3599);
    assert_eq!(members["token_type"], "Bearer");
    assert_eq!(members["scope"], format!("openid {EMAIL} {GOOGLE_CALENDAR}"));
    let claims = world.verified(LIKE, &reply.member("id_token")).await.unwrap();
    let now = 1_796_113_800;
    let expected = json!({
        "iss": world.provider.origin(), "sub": "100000000000000000001", "aud": "demo-client",
        "azp": "demo-client", "email": ALICE, "email_verified": true, "nonce": login.nonce(),
        "iat": now, "exp": now + 3600,
    });
    assert_eq!(claims, expected);

    let events = world.events(events_path(LIKE), &reply.member("access_token")).await;
    assert_eq!((events.status, events.json()["items"].as_array().unwrap().len()), (200, 5));
    assert!(world.provider.is_granted(ALICE) && !world.provider.is_granted(BOB));
    let client = world.config.client_id.clone();
    let seen = [
        Seen::Authorization { client },
        Seen::Exchange { granted: true },
        Seen::Keys,
        Seen::Events { granted: true },
    ];
    assert_eq!(world.provider.seen(), seen);
}

#[tokio::test]
async fn a_refresh_token_is_given_only_where_it_was_asked_for_and_stays_the_same() {
    let world = World::start().await;
    for (name, value) in [("access_type", "online"), ("prompt", "select_account")] {
        let login = world.login(LIKE).with(name, value);
        let code = &world.consent(&login)["code"];
        assert_eq!(world.exchange(&login, code).await.json().get("refresh_token"), None);
    }
    let refresh = world.tokens_of_alice(LIKE).await.member("refresh_token");
    for _ in 0..2 {
        world.clock.forward(3600);
        let reply = world.refresh(LIKE, &refresh).await;
        assert_eq!((reply.status, reply.json().get("refresh_token")), (200, None));
        let claims = world.verified(LIKE, &reply.member("id_token")).await.unwrap();
        assert_eq!((&claims["sub"], claims.get("nonce")), (&json!("100000000000000000001"), None));
        let access = reply.member("access_token");
        assert_eq!(world.events(events_path(LIKE), &access).await.status, 200);
    }
}

#[tokio::test]
async fn revoking_either_token_ends_both() {
    let world = World::start().await;
    for name in ["access_token", "refresh_token"] {
        let tokens = world.tokens_of_alice(LIKE).await;
        for known in [true, false] {
            let reply = world.post("/revoke", &[], &[("token", &tokens.member(name))]).await;
            assert_eq!(reply.status, 200);
            assert_eq!(world.provider.seen().pop(), Some(Seen::Revocation { known }));
        }
        assert!(!world.provider.is_granted(ALICE));
        let refused = world.refresh(LIKE, &tokens.member("refresh_token")).await;
        assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(world.events(events_path(LIKE), &tokens.member("access_token")).await.status, 401);
    }
    let wrong = [("authorization", "Basic YTpi")];
    assert_eq!(world.post("/revoke", &wrong, &[("token", "a")]).await.status, 401);
}

#[tokio::test]
async fn events_come_in_pages_in_the_order_of_their_beginning() {
    let world = World::start().await;
    let start = "2026-12-01T09:15:00Z".parse().unwrap();
    let end = "2026-12-01T09:45:00Z".parse().unwrap();
    let when = When::Between { start, end };
    let event =
        |title: &str, is_cancelled| Event { title: title.to_owned(), place: None, when, is_cancelled };
    world.provider.add_event(ALICE, event("Coffee", false));
    world.provider.add_event(ALICE, event("Tea", true));
    world.provider.add_event(BOB, event("Nothing of Alice", false));
    let access = world.tokens_of_alice(LIKE).await.member("access_token");
    let (mut titles, mut token) = (Vec::new(), String::new());
    loop {
        let page = format!("{}&maxResults=4&pageToken={token}", events_path(LIKE));
        let reply = world.events(&page, &access).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let items = reply.json()["items"].as_array().unwrap().clone();
        titles.extend(items.iter().map(|item| item["summary"].as_str().unwrap().to_owned()));
        token = reply.member("nextPageToken");
        if token.is_empty() {
            break;
        }
    }
    let all = ["Stand-up", "Coffee", "Design review", "Training", "Lunch", "Retrospective"];
    assert_eq!(titles.len(), all.len());
    assert!(titles.iter().zip(all).all(|(title, begins)| title.starts_with(begins)), "{titles:?}");

    let window = "&timeMin=2026-12-02T00:00:00Z&timeMax=2026-12-02T05:00:00%2B02:00";
    let reply = world.events(&format!("{}{window}", events_path(LIKE)), &access).await.json();
    let items = reply["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0]["start"], &items[0]["end"]),
        (&json!({ "date": "2026-12-02" }), &json!({ "date": "2026-12-03" }))
    );
    for wrong in ["&timeMin=2026-12-02", "&pageToken=YQ", "&maxResults=0", "&orderBy=updated"] {
        assert_eq!(
            world.events(&format!("{}{wrong}", events_path(LIKE)), &access).await.status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn events_need_an_access_token_of_this_provider_with_the_scope_and_within_its_hour() {
    let world = World::start().await;
    let unscoped = world.login(LIKE).with("scope", "openid email");
    let code = &world.consent(&unscoped)["code"];
    let unscoped = world.exchange(&unscoped, code).await.member("access_token");
    let refused = world.events(events_path(LIKE), &unscoped).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!(403)));

    let access = world.tokens_of_alice(LIKE).await.member("access_token");
    assert_eq!(world.events(events_path(Like::Microsoft), &access).await.status, 401);
    world.clock.forward(3599);
    assert_eq!(world.events(events_path(LIKE), &access).await.status, 200);
    world.clock.forward(1);
    let refused = world.events(events_path(LIKE), &access).await;
    assert_eq!(refused.json()["error"]["status"], "UNAUTHENTICATED");
    assert_eq!(world.get(events_path(LIKE)).await.status, 401);
    assert_eq!(world.provider.seen().pop(), Some(Seen::Events { granted: false }));
}
