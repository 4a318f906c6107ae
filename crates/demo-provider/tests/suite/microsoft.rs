//! What is like Microsoft's.

use crate::visitor::{ALICE, GRAPH_CALENDAR, Like, World, events_path};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use demo_provider::{DIRECTORY, Misbehaviour, Seen};
use serde_json::json;
use std::collections::BTreeSet;

const LIKE: Like = Like::Microsoft;

#[tokio::test]
async fn discovery_and_keys_have_what_microsofts_have() {
    let world = World::start().await;
    let origin = world.provider.origin();
    for tenant in ["common", "organizations", DIRECTORY] {
        let document = world.get(&format!("/{tenant}/v2.0/.well-known/openid-configuration")).await.json();
        let directory = if tenant == DIRECTORY { DIRECTORY } else { "{tenantid}" };
        let issuer = format!("{origin}/{directory}/v2.0");
        assert_eq!(document["issuer"], issuer);
        assert_eq!(document["token_endpoint"], format!("{origin}/{tenant}/oauth2/v2.0/token"));
        assert_eq!(document.get("revocation_endpoint"), None);
        let key = world.get(&format!("/{tenant}/discovery/v2.0/keys")).await.json()["keys"][0].clone();
        let members: BTreeSet<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, BTreeSet::from(["e", "issuer", "kid", "kty", "n", "use", "x5c", "x5t"]));
        assert_eq!(key["issuer"], issuer);
        let der = BASE64.decode(key["x5c"][0].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(der[0], 0x30);
        let thumbprint = BASE64URL_NOPAD.decode(key["x5t"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(thumbprint.len(), 20);
    }
    assert_eq!(world.get("/elsewhere/v2.0/.well-known/openid-configuration").await.status, 404);
    let refused = world.post("/common/oauth2/v2.0/revoke", &[], &[("token", "a")]).await;
    assert_eq!(refused.status, 404);
    let seen = Seen::Elsewhere("POST /common/oauth2/v2.0/revoke".to_owned());
    assert_eq!(world.provider.seen().pop(), Some(seen));
}

#[tokio::test]
async fn a_code_is_good_for_tokens_and_those_for_events() {
    let world = World::start().await;
    let login = world.login(LIKE);
    let brought = world.consent(&login);
    assert_eq!(brought.keys().collect::<Vec<_>>(), ["code", "session_state", "state"]);
    let reply = world.exchange(&login, &brought["code"]).await;
    let members = reply.json();
    assert_eq!(members["scope"], format!("openid profile email {GRAPH_CALENDAR}"));
    assert_eq!((&members["expires_in"], &members["ext_expires_in"]), (&json!(3599), &json!(3599)));
    let claims = world.verified(LIKE, &reply.member("id_token")).await.unwrap();
    let now = 1_796_113_800;
    let issuer = format!("{}/{DIRECTORY}/v2.0", world.provider.origin());
    let expected = json!({
        "iss": issuer, "tid": DIRECTORY, "oid": claims["oid"], "sub": "100000000000000000001",
        "aud": "demo-client", "preferred_username": ALICE, "email": ALICE, "nonce": login.nonce(),
        "iat": now, "nbf": now, "exp": now + 3600, "ver": "2.0",
    });
    assert_eq!(claims, expected);
    assert_eq!(claims["oid"].as_str().unwrap().len(), 36);
    let events = world.events(events_path(LIKE), &reply.member("access_token")).await;
    assert_eq!((events.status, events.json()["value"].as_array().unwrap().len()), (200, 5));
}

#[tokio::test]
async fn each_refresh_gives_another_token_and_the_older_ones_stay_good() {
    let world = World::start().await;
    let first = world.tokens_of_alice(LIKE).await.member("refresh_token");
    let second = world.refresh(LIKE, &first).await.member("refresh_token");
    assert!(!second.is_empty() && first != second);
    for token in [&first, &second, &first] {
        assert_eq!(world.refresh(LIKE, token).await.status, 200);
    }
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", &first), ("scope", "openid")];
    let narrow = world.tokens(LIKE, &narrow).await;
    assert_eq!(world.events(events_path(LIKE), &narrow.member("access_token")).await.status, 403);
    let online = world.login(LIKE).with("scope", &format!("openid {GRAPH_CALENDAR}"));
    let code = &world.consent(&online)["code"];
    assert_eq!(world.exchange(&online, code).await.json().get("refresh_token"), None);
    world.provider.end_grant(ALICE);
    assert_eq!(world.refresh(LIKE, &second).await.refusal(), (400, "invalid_grant".to_owned()));
    assert!(!world.provider.is_granted(ALICE));
}

#[tokio::test]
async fn under_rotation_an_older_refresh_token_ends_the_grant() {
    for like in [Like::Google, Like::Microsoft] {
        let world = World::start().await;
        world.provider.misbehave(Some(Misbehaviour::Rotation));
        let first = world.tokens_of_alice(like).await.member("refresh_token");
        let reply = world.refresh(like, &first).await;
        let (second, access) = (reply.member("refresh_token"), reply.member("access_token"));
        let third = world.refresh(like, &second).await.member("refresh_token");
        assert!(world.provider.is_granted(ALICE));
        assert_eq!(world.refresh(like, &first).await.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(world.refresh(like, &third).await.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(world.events(events_path(like), &access).await.status, 401);
        assert!(!world.provider.is_granted(ALICE));
    }
}

#[tokio::test]
async fn events_come_in_pages_that_lead_on() {
    let world = World::start().await;
    let access = world.tokens_of_alice(LIKE).await.member("access_token");
    let mut next = format!("{}&$top=2&$orderby=start/dateTime", events_path(LIKE));
    let mut all = Vec::new();
    while !next.is_empty() {
        let reply = world.events(&next, &access).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        all.extend(reply.json()["value"].as_array().unwrap().clone());
        next = reply.member("@odata.nextLink").replace(world.provider.origin(), "");
    }
    assert_eq!(all.len(), 5);
    let start = json!({ "dateTime": "2026-12-01T08:00:00.0000000", "timeZone": "UTC" });
    assert_eq!((&all[0]["start"], &all[0]["isAllDay"]), (&start, &json!(false)));
    let end = json!({ "dateTime": "2026-12-03T00:00:00.0000000", "timeZone": "UTC" });
    assert_eq!((&all[2]["end"], &all[2]["isAllDay"]), (&end, &json!(true)));
    assert_eq!(all[0]["location"]["displayName"], "Room 1");
    assert_eq!(all[0]["organizer"]["emailAddress"]["address"], ALICE);
}

#[tokio::test]
async fn times_are_told_in_utc_alone() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", world.tokens_of_alice(LIKE).await.member("access_token"));
    for (zone, status) in [("UTC", 200), ("Pacific Standard Time", 400)] {
        let prefer = format!("outlook.timezone=\"{zone}\"");
        let head = [("authorization", bearer.as_str()), ("prefer", prefer.as_str())];
        let reply = crate::visitor::read(world.send("GET", events_path(LIKE), &head, "").await).await;
        assert_eq!(reply.status, status, "{zone}");
    }
    let head = [("authorization", bearer.as_str())];
    let open = "/v1.0/me/calendarView?startDateTime=2026-12-01T00:00:00";
    assert_eq!(crate::visitor::read(world.send("GET", open, &head, "").await).await.status, 400);
}
