//! People over HTTP: what a login gives, what ends it, and what a stranger can learn.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{model::REPLAY, policy::Rule};
use auth_web::Service as _;
use chatbot_service::Chatbot;
use conformance::{
    caller::request,
    client::{Request, Response},
    world::World,
};
use data_encoding::BASE64URL_NOPAD;
use futures_util::future::join_all;
use serde_json::{Value, json};

async fn me(world: &World, access: &str) -> u16 {
    world.chatbot(Request::get("/auth/me").bearer(access)).await.status
}

async fn post(world: &World, path: &str, body: &Value, access: Option<&str>) -> Response {
    let request = Request::post(path, &body.to_string());
    world.chatbot(access.map_or(request.clone(), |access| request.bearer(access))).await
}

async fn refresh(world: &World, token: &str) -> Response {
    post(world, "/auth/refresh", &json!({ "refresh_token": token }), None).await
}

async fn log_in(world: &World, email: &str, password: &str) -> Response {
    post(world, "/auth/login", &json!({ "email": email, "password": password }), None).await
}

/// All that an answer tells, but for which request it is, and when it was.
fn told(answer: &Response) -> (u16, Vec<(String, String)>, Value) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !["x-request-id", "date", "content-length"].contains(&name.as_str()));
    let mut body = answer.json();
    body["request_id"].take();
    (answer.status, headers, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_lasts_until_its_person_goes() {
    let world = World::start().await;
    let person = world.log_in(&world.a).await;
    let shown = world.chatbot(Request::get("/auth/me").bearer(&person.access)).await.json();
    assert_eq!((&shown["email"], &shown["role"]), (&json!(person.email), &json!("member")));
    let carried = refresh(&world, &person.refresh).await.json();
    assert_eq!((&carried["token_type"], &carried["expires_in"]), (&json!("bearer"), &json!(600)));
    let access = carried["access_token"].as_str().unwrap();
    assert_eq!((me(&world, &person.access).await, me(&world, access).await), (200, 200));
    let listed = world.chatbot(Request::get("/auth/sessions").bearer(access)).await.json();
    let current: Vec<_> =
        listed["items"].as_array().unwrap().iter().filter(|one| one["current"] == true).collect();
    assert_eq!((current.len(), &current[0]["id"]), (1, &json!(person.session)));
    let out = world.chatbot(Request::new("POST", "/auth/logout").bearer(access)).await;
    assert_eq!(out.status, 204);
    assert_eq!((me(&world, &person.access).await, me(&world, access).await), (401, 401));
    assert_eq!(refresh(&world, carried["refresh_token"].as_str().unwrap()).await.status, 401);
    assert_eq!(me(&world, &world.a.person.access).await, 200, "another session of the person goes on");
    world.end().await;
}

/// Row C3: what is told by an answer. How long it takes is told by what is done for it: the same hash.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_learn_who_has_an_address() {
    let world = World::start().await;
    let person = world.a.person.clone();
    let answers = [
        log_in(&world, "nobody@example.com", "violet tapir quietly").await,
        log_in(&world, &person.email, "another password of theirs").await,
        log_in(&world, &person.email, "").await,
        log_in(&world, &person.email, &"x".repeat(73)).await,
        log_in(&world, &person.email, "nul\0nul").await,
        log_in(&world, "no address", &person.password).await,
        log_in(&world, "", "").await,
    ];
    for answer in &answers {
        assert_eq!(told(answer), told(&answers[0]));
        assert_eq!(answer.status, 401);
    }
    world.place.execute("UPDATE people SET status = 'suspended'").await;
    let suspended = log_in(&world, &person.email, &person.password).await;
    assert_eq!(told(&suspended), told(&answers[0]));
    let register = async |email: &str| {
        let body = json!({ "email": email, "password": "quietly violet tapirs", "name": "Bob" });
        told(&post(&world, "/auth/register", &body, None).await)
    };
    let known = register(&person.email).await;
    assert_eq!(known.0, 202);
    assert_eq!(known, register("nobody@example.com").await);
    world.place.execute("UPDATE people SET status = 'active'; DELETE FROM attempts").await;
    assert_eq!(
        log_in(&world, &person.email, &person.password).await.status,
        200,
        "nothing of it was changed"
    );
    assert_eq!(log_in(&world, &person.email.to_uppercase(), &person.password).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_long_uncommon_and_whole() {
    let world = World::start().await;
    for (wrong, field) in [
        ("elevenbytes", "expected 12 to 72 bytes"),
        (&*"kzq".repeat(25), "expected 12 to 72 bytes"),
        ("violet\0tapir\0quietly", "control"),
        ("password1234", "guessed first"),
        ("carol@example.com", "guessed first"),
    ] {
        let body = json!({ "email": "carol@example.com", "password": wrong, "name": "Carol" });
        let answer = post(&world, "/auth/register", &body, None).await;
        assert_eq!((answer.status, answer.field("field")), (400, "password".to_owned()), "{wrong:?}");
        assert!(answer.field("detail").contains(field), "{}", answer.body);
        assert!(!answer.body.contains(wrong), "what was sent is not shown");
    }
    let long = format!("kz-{}", "qv8 ".repeat(17)) + "x";
    assert_eq!(long.len(), 72);
    let body = json!({ "email": "carol@example.com", "password": long, "name": "Carol" });
    assert_eq!(post(&world, "/auth/register", &body, None).await.status, 202);
    assert_eq!(log_in(&world, "carol@example.com", &long).await.status, 200);
    assert_eq!(log_in(&world, "carol@example.com", &long[..71]).await.status, 401);
    assert_eq!(log_in(&world, "carol@example.com", &format!("{long}y")).await.status, 401);
    for extra in ["role", "is_admin", "super_admin", "id", "verified"] {
        let body = json!({ "email": "dan@example.com", "password": long, "name": "Dan", extra: true });
        assert_eq!(post(&world, "/auth/register", &body, None).await.status, 400, "{extra}");
    }
    world.end().await;
}

/// Rows F1 to F3, through the service: no two live heads, whoever comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_good_once() {
    let world = World::start().await;
    let person = world.log_in(&world.a).await;
    let answers = join_all((0..50).map(|_| refresh(&world, &person.refresh))).await;
    let successors: Vec<_> = answers.iter().map(|answer| answer.field("refresh_token")).collect();
    assert!(successors.iter().all(|one| *one == successors[0] && !one.is_empty()), "{successors:?}");
    let next = refresh(&world, &successors[0]).await;
    assert_eq!(next.status, 200);
    let (access, head) = (next.field("access_token"), next.field("refresh_token"));
    assert_eq!(me(&world, &access).await, 200);
    let seq = world.stores.audit.head().await.unwrap().seq;
    assert_eq!(refresh(&world, &person.refresh).await.status, 401, "its successor was used");
    let told = world.audited_since(seq).await;
    assert_eq!(told, [("person.session_ended".to_owned(), format!("person:{}", person.id))]);
    assert_eq!(me(&world, &access).await, 401, "the session's access tokens have ended");
    assert_eq!(me(&world, &person.access).await, 401);
    assert_eq!(refresh(&world, &head).await.status, 401, "and its honest head");

    let person = world.log_in(&world.a).await;
    assert_eq!(refresh(&world, &person.refresh).await.status, 200);
    world.advance(REPLAY).await;
    assert_eq!(refresh(&world, &person.refresh).await.status, 401, "too late for a lost answer");
    assert_eq!(me(&world, &person.access).await, 401);

    let seq = world.stores.audit.head().await.unwrap().seq;
    for made_up in ["", "avr_", &format!("avr_{}", "A".repeat(86)), &person.access, &world.a.hub_key, "null"]
    {
        assert_eq!(refresh(&world, made_up).await.status, 401, "{made_up}");
    }
    assert_eq!(world.audited_since(seq).await, [], "what is made up ends nothing");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_the_other_sessions() {
    let world = World::start().await;
    let (own, other) = (world.log_in(&world.a).await, world.log_in(&world.a).await);
    let change = async |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        post(&world, "/auth/password/change", &body, Some(&own.access)).await
    };
    let new = "three quiet walruses";
    assert_eq!(change("not the password", new).await.status, 400);
    assert_eq!(change(&own.password, "short").await.status, 400);
    assert_eq!(change(&own.password, &own.email).await.status, 400);
    assert_eq!((me(&world, &own.access).await, me(&world, &other.access).await), (200, 200));
    assert_eq!(change(&own.password, new).await.status, 204);
    assert_eq!((me(&world, &own.access).await, me(&world, &other.access).await), (200, 401));
    assert_eq!(refresh(&world, &other.refresh).await.status, 401);
    assert_eq!(refresh(&world, &own.refresh).await.status, 200);
    assert_eq!(log_in(&world, &own.email, &own.password).await.status, 401);
    assert_eq!(log_in(&world, &own.email, new).await.status, 200);
    world.end().await;
}

/// Rows A1 to A23 in short, on every guarded route: what differs from an issued token in anything is nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_a_forged_token() {
    let world = World::start().await;
    let good = &world.a.person.access;
    let [head, body, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let decoded = |part: &str| String::from_utf8(BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap();
    let encoded = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let with_head = |text: &str| format!("{}.{body}.{signature}", encoded(text));
    let with_body = |text: &str| format!("{head}.{}.{signature}", encoded(text));
    let (own_head, own_body) = (decoded(head), decoded(body));
    let mut forged = vec![
        with_head(&own_head.replace("EdDSA", "none")),
        with_head(&own_head.replace("EdDSA", "HS256")),
        with_head(&own_head.replace("at+jwt", "JWT")),
        with_head(&own_head.replace('}', r#","crit":["exp"]}"#)),
        with_head(&own_head.replace('}', r#","jku":"http://127.0.0.1:1/"}"#)),
        with_body(&own_body.replace("member", "super_admin")),
        with_body(&own_body.replace("\"exp\":1", "\"exp\":2")),
        format!("{head}.{body}."),
        format!("{head}.{body}.{}", &signature[..40]),
        format!("{good}."),
        format!("{head}.{body}.{signature}.{signature}.{signature}"),
        format!("{head}.{}.{signature}", "A".repeat(4 * 1024)),
        format!("{head}.{body}.{}", world.b.person.access.rsplit('.').next().unwrap()),
    ];
    // What another of their own tokens is good for, this is not.
    forged.push(world.a.person.refresh.clone());
    let mut tried = 0;
    for row in Chatbot::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_))) {
        for token in &forged {
            let answer = world.chatbot(request(row, &world.a, Some(token))).await;
            assert_eq!(answer.status, 401, "{}: {token}", row.spec.id);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(me(&world, good).await, 200);
    world.end().await;
}
