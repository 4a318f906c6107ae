//! Domains, their members and keys, and all people, over HTTP: what a role gives, and that it is gone at once.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    amr::Amr,
    id::{AccountId, DomainId, PersonId, SessionId},
    policy::{Excess, GivenRole, Role, give},
    principal::{PersonPrincipal, Principal, Tenant},
    service::Service,
    time::Timestamp,
};
use conformance::{
    client::{Request, Response},
    contract::fixture::{bearer, operator, proof},
    world::{Holdings, Person, World},
};
use futures_util::future::join;
use serde_json::{Value, json};
use std::time::Duration;

/// Nobody gives a role above their own, and who is no person gives none.
#[test]
fn a_role_is_given_by_who_has_it_or_one_above() {
    let rank = |role: Role| Role::ALL.iter().position(|one| *one == role).unwrap();
    for wanted in Role::ALL {
        for own in Role::ALL.into_iter().map(Some).chain([None]) {
            let given = give(&proof(in_role(own)), wanted);
            let may = own.is_some_and(|own| rank(own) >= rank(wanted));
            let expected = if may { Ok(wanted) } else { Err(Excess::Role(wanted)) };
            assert_eq!(given.map(GivenRole::role), expected, "{own:?} gives {wanted:?}");
        }
        assert_eq!(give(&proof(operator()), wanted).unwrap().role(), wanted);
        let tenant =
            Tenant { account: AccountId::from_bytes([1; 16]), domain: Some(DomainId::from_bytes([1; 16])) };
        assert_eq!(give(&proof(bearer(tenant)), wanted), Err(Excess::Role(wanted)));
    }
}

fn in_role(role: Option<Role>) -> Principal {
    Principal::Person(PersonPrincipal {
        session: SessionId::from_bytes([3; 16]),
        person: PersonId::from_bytes([4; 16]),
        tenant: None,
        role,
        amr: Amr::from_bits(7).unwrap(),
        auth_time: Timestamp::EPOCH,
        audience: Service::Chatbot,
        expires_at: Timestamp::MAX,
        judged_at: Timestamp::EPOCH,
    })
}

async fn send(world: &World, method: &str, path: &str, body: Option<Value>, who: &Person) -> Response {
    let request = Request::new(method, path).bearer(&who.access);
    world.chatbot(body.map_or(request.clone(), |body| request.json(&body.to_string()))).await
}

async fn get(world: &World, path: &str, who: &Person) -> Response {
    send(world, "GET", path, None, who).await
}

fn member(person: &str) -> String {
    format!("/domains/a.example/members/{person}")
}

async fn me(world: &World, access: &str) -> u16 {
    world.chatbot(Request::get("/auth/me").bearer(access)).await.status
}

async fn refresh(world: &World, person: &Person) -> u16 {
    let body = json!({ "refresh_token": person.refresh });
    world.chatbot(Request::post("/auth/refresh", &body.to_string())).await.status
}

async fn log_in(world: &World, person: &Person) -> Response {
    let body = json!({ "email": person.email, "password": person.password });
    world.chatbot(Request::post("/auth/login", &body.to_string())).await
}

fn ids(answer: &Response, field: &str) -> Vec<String> {
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_admitted_by_an_owner_and_is_what_they_were_made() {
    let world = World::start().await;
    let (owner, stranger) = (world.a.owner.clone(), world.b.owner.clone());
    let person = world.register("frank", "a", Some("a.example")).await;
    let asked = get(&world, "/domains/a.example/applicants", &owner).await;
    assert_eq!(ids(&asked, "user_id"), [person.id.clone(), world.a.applicant.clone()]);
    assert_eq!(asked.json()["items"][0]["email"], person.email.as_str());
    let begun = world.in_session(&person, &log_in(&world, &person).await).await;
    assert_eq!(get(&world, "/auth/me", &begun).await.json()["role"], Value::Null, "asking is no role");
    // Of another domain nobody sees or admits them; of their own they cannot do so themselves.
    let admit = async |who: &Person, id: &str, role: &str| {
        send(&world, "POST", &member(id), Some(json!({ "role": role })), who).await
    };
    assert_eq!(admit(&stranger, &person.id, "member").await.status, 404);
    assert_eq!(admit(&begun, &person.id, "domain_owner").await.status, 403);
    assert_eq!(admit(&owner, &world.b.person.id, "member").await.status, 404, "who did not ask");
    let admitted = admit(&owner, &person.id, "member").await;
    assert_eq!((admitted.status, admitted.field("role")), (201, "member".to_owned()), "{}", admitted.body);
    assert_eq!(admit(&owner, &person.id, "is_admin").await.status, 409, "they are one");
    let listed = get(&world, "/domains/a.example/members", &owner).await;
    assert!(ids(&listed, "user_id").contains(&person.id), "{}", listed.body);

    // From then on they log in for the domain, and ask its chatbot.
    let session = world.in_session(&person, &log_in(&world, &person).await).await;
    let asks = json!({ "question": "When?", "domain": "a.example" });
    assert_eq!(send(&world, "POST", "/query/", Some(asks.clone()), &session).await.status, 200);
    let elsewhere = json!({ "question": "When?", "domain": "b.example" });
    assert_eq!(send(&world, "POST", "/query/", Some(elsewhere), &session).await.status, 404);
    assert_eq!(send(&world, "POST", "/query/", Some(asks), &begun).await.status, 403, "of no domain");

    // Another role, and none, end what they held at once.
    let role = format!("{}/role", member(&person.id));
    let promoted = send(&world, "PUT", &role, Some(json!({ "role": "is_admin" })), &owner).await;
    assert_eq!((promoted.status, promoted.field("role")), (200, "is_admin".to_owned()));
    assert_eq!((me(&world, &session.access).await, refresh(&world, &session).await), (401, 401));
    assert_eq!(me(&world, &begun.access).await, 200, "a session of no domain goes on");
    let session = world.in_session(&person, &log_in(&world, &person).await).await;
    let denied = get(&world, "/auth/api/v1/tokens", &session).await;
    let challenge = denied.header("www-authenticate").unwrap().to_owned();
    assert!(challenge.contains(r#"acr_values="mfa""#), "an admin has a second factor first: {challenge}");
    assert_eq!(send(&world, "DELETE", &member(&person.id), None, &owner).await.status, 204);
    assert_eq!((me(&world, &session.access).await, refresh(&world, &session).await), (401, 401));
    assert_eq!(send(&world, "DELETE", &member(&person.id), None, &owner).await.status, 404);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_declined_is_told_of_no_more() {
    let world = World::start().await;
    let seq = world.stores.audit.head().await.unwrap().seq;
    let owner = world.a.owner.clone();
    assert_eq!(send(&world, "DELETE", &member(&world.a.applicant), None, &owner).await.status, 204);
    let actions: Vec<_> = world.audited_since(seq).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["member.declined"]);
    assert_eq!(ids(&get(&world, "/domains/a.example/applicants", &owner).await, "user_id"), [""; 0]);
    let body = Some(json!({ "role": "member" }));
    assert_eq!(send(&world, "POST", &member(&world.a.applicant), body, &owner).await.status, 404);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_domain_is_joined_at_once_and_never_as_more_than_a_member() {
    let world = World::start().await;
    let open = Some(json!({ "joining": "open" }));
    let opened = send(&world, "PATCH", "/domains/a.example", open, &world.a.owner).await;
    assert_eq!((opened.status, opened.field("joining")), (200, "open".to_owned()));
    let person = world.register("frank", "a", Some("a.example")).await;
    let session = world.in_session(&person, &log_in(&world, &person).await).await;
    assert_eq!(get(&world, "/auth/me", &session).await.json()["role"], "member");
    let body = json!({ "email": "grace@a.example", "password": "violet tapir quietly", "name": "Grace",
        "domain": "a.example", "role": "domain_owner" });
    let refused = world.chatbot(Request::post("/auth/register", &body.to_string())).await;
    assert_eq!((refused.status, refused.field("field")), (400, "role".to_owned()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_a_role_above_their_own() {
    let world = World::start().await;
    let (owner, admin) = (world.a.owner.clone(), world.a.admin.clone());
    let role = format!("{}/role", member(&world.a.strong.id));
    let put = async |who: &Person, role_name: &str| {
        send(&world, "PUT", &role, Some(json!({ "role": role_name })), who).await
    };
    for who in [&owner, &admin] {
        let refused = put(who, "super_admin").await;
        assert_eq!((refused.status, refused.field("field")), (400, "role".to_owned()), "{}", refused.body);
    }
    assert_eq!(put(&owner, "domain_owner").await.status, 200, "their own is not above it");
    let promoted = world.log_in_strongly(&world.a.strong).await;
    assert_eq!(put(&promoted, "is_admin").await.status, 200, "and may be given up again");
    let admin_of_domain = world.log_in_strongly(&world.a.strong).await;
    assert_eq!(put(&admin_of_domain, "domain_owner").await.status, 403);
    let path = format!("/users/{}", owner.id);
    for who in [&owner, &admin_of_domain] {
        let body = Some(json!({ "super_admin": true }));
        assert_eq!(send(&world, "PATCH", &path, body, who).await.status, 403);
        assert_eq!(get(&world, "/users", who).await.status, 403);
        let body = Some(json!({ "domain": "c.example", "account_id": world.a.account_id }));
        assert_eq!(send(&world, "POST", "/domains", body, who).await.status, 403);
    }
    let users = get(&world, &path, &admin).await;
    assert_eq!(users.json()["super_admin"], false, "{}", users.body);
    world.end().await;
}

/// Row F9: `+mfa` is a proof of the last 15 minutes.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_roles_and_keys_asks_for_a_proof_of_just_now() {
    let world = World::start().await;
    let owner = world.a.owner.clone();
    let minute = Duration::from_secs(60);
    let wanted = Some(json!({ "joining": "approval" }));
    let change = async |who: &Person| send(&world, "PATCH", "/domains/a.example", wanted.clone(), who).await;
    // The proof was shown when the session began; access tokens live ten minutes.
    let begun = world.log_in_strongly(&owner).await;
    world.advance(9 * minute).await;
    let body = json!({ "refresh_token": begun.refresh });
    let later = world.chatbot(Request::post("/auth/refresh", &body.to_string())).await;
    let later = world.in_session(&begun, &later).await;
    // What is remembered of a proof is its second: it may end by one too early, and never too late.
    world.advance(6 * minute - Duration::from_secs(1)).await;
    assert_eq!(change(&later).await.status, 200, "a second before the end");
    world.advance(Duration::from_secs(1) + Duration::from_millis(1)).await;
    let stale = change(&later).await;
    let challenge = stale.header("www-authenticate").unwrap().to_owned();
    assert_eq!(stale.status, 401);
    assert!(challenge.contains(r#"error="insufficient_user_authentication""#), "{challenge}");
    assert!(challenge.contains(r#"acr_values="mfa""#) && challenge.contains("max_age=900"), "{challenge}");
    assert_eq!(get(&world, "/domains", &later).await.status, 200, "reading asks for no fresh one");
    assert_eq!(get(&world, "/auth/api/v1/keys", &later).await.status, 401, "but of keys");
    let next = world.pending(&later).await;
    let body = Some(json!({ "code": next.code }));
    let stepped = send(&world, "POST", "/auth/mfa/step-up", body, &later).await;
    let stepped = world.in_session(&later, &stepped).await;
    assert_eq!(change(&stepped).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_an_owner_makes_is_of_their_domain_and_ends_when_they_say() {
    let world = World::start().await;
    let owner = world.a.owner.clone();
    let body = json!({ "name": "website", "permissions": ["token_generation"] });
    let made = send(&world, "POST", "/auth/api/v1/keys", Some(body), &owner).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, key) = (made.field("id"), made.field("key"));
    let mint = async |key: &str| {
        let body = r#"{"username":"alice"}"#;
        world.chatbot(Request::post("/auth/api/v1/tokens/generate", body).bearer(key)).await
    };
    assert_eq!(mint(&key).await.field("domain"), "a.example");
    let stored = world.dump().await.join("\n");
    assert!(!stored.contains(&key) && stored.contains(&key[..8]), "its hash and prefix are stored");
    // A key of this service holds what keys of this service can.
    for beyond in ["account_access", "api_key_management", "call_management"] {
        let body = json!({ "name": "x", "permissions": [beyond] });
        let refused = send(&world, "POST", "/auth/api/v1/keys", Some(body), &owner).await;
        assert_eq!((refused.status, refused.field("field")), (400, "permissions".to_owned()), "{beyond}");
    }
    let path = format!("/auth/api/v1/keys/{id}");
    assert_eq!(get(&world, &path, &world.b.owner).await.status, 404);
    let rotated = send(&world, "POST", &format!("{path}/rotate"), Some(json!({})), &owner).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    let next = rotated.field("key");
    assert_eq!((mint(&key).await.status, mint(&next).await.status), (401, 200));
    let narrowed = send(&world, "PATCH", &path, Some(json!({ "permissions": ["audit_read"] })), &owner).await;
    assert_eq!(narrowed.status, 200);
    assert_eq!(mint(&next).await.status, 403);
    assert_eq!(send(&world, "DELETE", &path, None, &owner).await.status, 204);
    assert_eq!(mint(&next).await.status, 401);
    let hub = format!("/auth/api/v1/keys/{}", world.a.idle_key.1);
    assert_eq!(get(&world, &hub, &owner).await.status, 404, "a key of the Hub is none of this service");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_administers_a_domain_sees_its_tokens_and_its_trail() {
    let world = World::start().await;
    let owner = world.a.owner.clone();
    let tokens = get(&world, "/auth/api/v1/tokens", &owner).await;
    assert_eq!(ids(&tokens, "id"), [world.a.temp.1.as_str()]);
    let revoked = format!("/auth/api/v1/tokens/{}", world.a.temp.1);
    assert_eq!(send(&world, "DELETE", &revoked, None, &world.b.owner).await.status, 404);
    assert_eq!(send(&world, "DELETE", &revoked, None, &owner).await.status, 204);
    let asks = r#"{"question":"When?"}"#;
    let ended = world.chatbot(Request::post("/query/", asks).bearer(&world.a.temp.0)).await;
    assert_eq!(ended.status, 401);
    let trail = get(&world, "/audit/events?action=token.revoked", &owner).await;
    assert_eq!(trail.json()["items"][0]["actor"], format!("person:{}", owner.id).as_str());
    let other = get(&world, "/audit/events?action=token.revoked", &world.b.owner).await;
    assert_eq!(ids(&other, "actor"), [""; 0]);
    let all = get(&world, "/audit/events?action=token.minted", &world.a.admin).await;
    assert_eq!(all.json()["items"].as_array().unwrap().len(), 2, "of both tenants");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_super_admin_makes_domains_and_their_owners() {
    let world = World::start().await;
    let admin = world.a.admin.clone();
    let make = async |name: &str, account: &str| {
        let body = json!({ "domain": name, "account_id": account });
        send(&world, "POST", "/domains", Some(body), &admin).await
    };
    let made = make("c.example", &world.a.account_id).await;
    assert_eq!((made.status, made.field("account_id")), (201, world.a.account_id.clone()), "{}", made.body);
    assert_eq!(make("C.example", &world.b.account_id).await.status, 409, "a name is taken once");
    let nobodys = make("d.example", "0190c0de-0000-7000-8000-000000000001").await;
    assert_eq!((nobodys.status, nobodys.field("field")), (400, "account_id".to_owned()));
    // Whoever administers the platform makes anybody a member, who need not have asked.
    let path = format!("/domains/c.example/members/{}", world.a.strong.id);
    let admitted = send(&world, "POST", &path, Some(json!({ "role": "domain_owner" })), &admin).await;
    assert_eq!(admitted.status, 201, "{}", admitted.body);
    assert_eq!(get(&world, "/domains/c.example", &world.a.owner).await.status, 404, "of another domain");
    let seen = get(&world, "/domains", &admin).await;
    assert_eq!(ids(&seen, "domain"), ["c.example", "b.example", "a.example"]);
    assert_eq!(ids(&get(&world, "/domains", &world.a.owner).await, "domain"), ["a.example"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_or_removed_is_nobody_at_once() {
    let world = World::start().await;
    let admin = world.a.admin.clone();
    let person = world.a.person.clone();
    let path = format!("/users/{}", person.id);
    let patch = async |body: Value| send(&world, "PATCH", &path, Some(body), &admin).await;
    assert_eq!(me(&world, &person.access).await, 200);
    assert_eq!(patch(json!({ "status": "suspended" })).await.field("status"), "suspended");
    assert_eq!((me(&world, &person.access).await, refresh(&world, &person).await), (401, 401));
    assert_eq!(log_in(&world, &person).await.status, 401);
    assert_eq!(patch(json!({ "status": "active" })).await.field("status"), "active");
    assert_eq!((me(&world, &person.access).await, refresh(&world, &person).await), (401, 401), "as before");
    let again = world.log_in(&Holdings { person: person.clone(), ..Holdings::default() }).await;
    assert_eq!(send(&world, "DELETE", &path, None, &admin).await.status, 204);
    assert_eq!((me(&world, &again.access).await, refresh(&world, &again).await), (401, 401));
    assert_eq!(log_in(&world, &person).await.status, 401);
    assert_eq!(get(&world, &path, &admin).await.status, 404);
    // Nothing of theirs is left but what the trail tells.
    let id: PersonId = person.id.parse().unwrap();
    let hex = data_encoding::HEXUPPER.encode(id.as_bytes());
    let dump = world.dump().await;
    let left: Vec<_> = dump.iter().filter(|row| row.contains(&hex) && !row.starts_with("notices|")).collect();
    assert_eq!(left, [""; 0]);
    let seen = get(&world, &format!("/audit/events?target={}", person.id), &admin).await;
    assert_eq!(seen.json()["items"][0]["event"]["action"], "person.removed");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_super_admin_stays() {
    let world = World::start().await;
    let (first, second) = (world.a.admin.clone(), world.b.admin.clone());
    let patch = async |who: &Person, whom: &Person, body: Value| {
        send(&world, "PATCH", &format!("/users/{}", whom.id), Some(body), who).await.status
    };
    // Two who withdraw each other at once: one of them stays.
    let gone = json!({ "super_admin": false });
    let each = join(patch(&first, &second, gone.clone()), patch(&second, &first, gone.clone())).await;
    assert!(matches!(each, (200, 401 | 403 | 409) | (401 | 403 | 409, 200)), "{each:?}");
    let (left, out) = if each.0 == 200 { (first, second) } else { (second, first) };
    assert_eq!((me(&world, &out.access).await, refresh(&world, &out).await), (401, 401));
    assert_eq!(patch(&out, &left, json!({ "name": "x" })).await, 401);
    for body in [gone, json!({ "status": "suspended" })] {
        assert_eq!(patch(&left, &left, body).await, 409);
    }
    let path = format!("/users/{}", left.id);
    assert_eq!(send(&world, "DELETE", &path, None, &left).await.status, 409);
    assert_eq!(get(&world, &path, &left).await.json()["super_admin"], true);
    // Who becomes one logs in anew; what they hold of their domain is what it was.
    assert_eq!(patch(&left, &world.a.owner, json!({ "super_admin": true })).await, 200);
    assert_eq!(me(&world, &world.a.owner.access).await, 200);
    assert_eq!(get(&world, "/users", &world.a.owner).await.status, 403);
    world.end().await;
}
