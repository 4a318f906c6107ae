//! Second factors over HTTP: what they give, what they cost, and what a stranger can do with half of a login.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    credential::TotpSecret,
    policy::{Role, Rule},
    service::Service,
    time::Clock as _,
};
use auth_web::Service as _;
use chatbot_service::Chatbot;
use conformance::{
    caller::{Kind, request},
    client::{Request, Response},
    world::{Person, World},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

async fn post(world: &World, path: &str, body: &Value, access: Option<&str>) -> Response {
    let request = Request::post(path, &body.to_string());
    world.chatbot(access.map_or(request.clone(), |access| request.bearer(access))).await
}

async fn verify(world: &World, pending: &str, code: &str) -> Response {
    post(world, "/auth/mfa/verify", &json!({ "mfa_token": pending, "code": code }), None).await
}

async fn recover(world: &World, pending: &str, code: &str) -> Response {
    post(world, "/auth/mfa/verify", &json!({ "mfa_token": pending, "recovery_code": code }), None).await
}

async fn me(world: &World, access: &str) -> u16 {
    world.chatbot(Request::get("/auth/me").bearer(access)).await.status
}

async fn refresh(world: &World, person: &Person) -> Person {
    let answer = post(world, "/auth/refresh", &json!({ "refresh_token": person.refresh }), None).await;
    world.in_session(person, &answer).await
}

fn code(world: &World, person: &Person) -> String {
    TotpSecret::parse(&person.totp).unwrap().code(world.clock.now())
}

/// Six digits that are no code of a person around now.
fn wrong_code(world: &World, person: &Person) -> String {
    let secret = TotpSecret::parse(&person.totp).unwrap();
    let wrong = |number: &u32| secret.step_of(&format!("{number:06}"), world.clock.now()).is_none();
    format!("{:06}", (0..).find(wrong).unwrap())
}

async fn recovery_codes(world: &World, person: &Person) -> Vec<String> {
    let answer = world.chatbot(Request::new("POST", "/auth/mfa/recovery-codes").bearer(&person.access)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let codes = answer.json()["recovery_codes"].as_array().unwrap().clone();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// All that an answer tells, but for which request it is, and when it was.
fn told(answer: &Response) -> (u16, Vec<(String, String)>, Value) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !["x-request-id", "date", "content-length"].contains(&name.as_str()));
    let mut body = answer.json();
    body["request_id"].take();
    (answer.status, headers, body)
}

/// Rows B19, D1 and D6.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_an_authenticator_logs_in_with_both() {
    let world = World::start().await;
    // The password alone, in two sessions, of which one enrols.
    let person = world.a.person.clone();
    let other = world.log_in(&world.a).await;
    let confirm = async |access: &str, code: &str| {
        post(&world, "/auth/mfa/totp/confirm", &json!({ "code": code }), Some(access)).await
    };
    assert_eq!(confirm(&other.access, &person.code).await.status, 400, "another session enrols it");
    assert_eq!(confirm(&person.access, &wrong_code(&world, &person)).await.status, 400);
    assert_eq!((me(&world, &person.access).await, me(&world, &other.access).await), (200, 200));
    let strong = world.in_session(&person, &confirm(&person.access, &person.code).await).await;
    assert_ne!(strong.session, person.session);
    for ended in [&person, &other] {
        assert_eq!(me(&world, &ended.access).await, 401);
        let refreshed = post(&world, "/auth/refresh", &json!({ "refresh_token": ended.refresh }), None).await;
        assert_eq!(refreshed.status, 401);
    }
    let shown = world.chatbot(Request::get("/auth/me").bearer(&strong.access)).await.json();
    assert_eq!(shown["acr"], "mfa");
    let again = Request::new("POST", "/auth/mfa/totp/enroll").bearer(&strong.access);
    assert_eq!(world.chatbot(again).await.status, 409, "there is one");

    // From now on a password begins nothing, and a code is good once, whichever login shows it.
    let first = world.pending(&strong).await;
    let second = world.pending(&strong).await;
    assert_eq!(verify(&world, &first.pending, &person.code).await.status, 401, "it was shown to confirm");
    let begun = world.in_session(&first, &verify(&world, &first.pending, &first.code).await).await;
    assert_eq!(verify(&world, &second.pending, &second.code).await.status, 401, "it was shown just now");
    world.advance(MINUTE).await;
    let next = code(&world, &strong);
    assert_eq!(verify(&world, &first.pending, &next).await.status, 401, "its session has begun");
    assert_eq!(verify(&world, &second.pending, &next).await.status, 200);
    assert_eq!((me(&world, &begun.access).await, me(&world, &strong.access).await), (200, 200));
    world.end().await;
}

/// Whatever is wrong, the answer is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_factor_does_not_say_what_was_wrong() {
    let world = World::start().await;
    let strong = world.a.strong.clone();
    let codes = recovery_codes(&world, &strong).await;
    assert_eq!(recover(&world, &strong.pending, &codes[0]).await.status, 200);
    let strong = world.pending(&strong).await;
    let wrong = verify(&world, &strong.pending, &wrong_code(&world, &strong)).await;
    assert_eq!(wrong.status, 401);
    let mut answers = vec![
        recover(&world, &strong.pending, &codes[0]).await,
        recover(&world, &strong.pending, "aaaa-aaaa-aaaa-aaaa").await,
        verify(&world, &strong.pending, "").await,
        verify(&world, &world.b.strong.pending, &strong.code).await,
        verify(&world, "", &strong.code).await,
        verify(&world, "avm_", &strong.code).await,
        verify(&world, &strong.access, &strong.code).await,
        verify(&world, &strong.refresh, &strong.code).await,
    ];
    world.advance(5 * MINUTE).await;
    answers.push(verify(&world, &strong.pending, &code(&world, &strong)).await);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(told(answer), told(&wrong), "{number}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_is_good_once_and_the_last_one_is_the_last() {
    let world = World::start().await;
    let strong = world.a.strong.clone();
    let codes = recovery_codes(&world, &strong).await;
    assert_eq!(codes.len(), 10);
    for (number, code) in codes.iter().enumerate() {
        let pending = world.pending(&strong).await.pending;
        let typed = if number % 2 == 0 { code.to_uppercase() } else { code.replace('-', " ") };
        assert_eq!(recover(&world, &pending, &typed).await.status, 200);
    }
    let body = json!({ "email": strong.email, "password": strong.password });
    let login = post(&world, "/auth/login", &body, None).await.json();
    assert_eq!(login["methods"], json!(["totp", "webauthn"]), "none is left");
    assert_eq!(recover(&world, login["mfa_token"].as_str().unwrap(), &codes[3]).await.status, 401);
    let stored = world.dump().await.join("\n").to_lowercase();
    assert!(codes.iter().all(|code| !stored.contains(&code.replace('-', ""))), "no code is stored");
    assert!(!stored.contains(&strong.totp.to_lowercase()));
    world.end().await;
}

/// Row D2: however many logins there are, the guesses of one person's codes are counted together.
#[tokio::test(flavor = "multi_thread")]
async fn guessing_codes_is_counted_by_person() {
    let world = World::start().await;
    let strong = world.a.strong.clone();
    let wrong = wrong_code(&world, &strong);
    let codes = recovery_codes(&world, &strong).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let pending = world.pending(&strong).await.pending;
        statuses.push(verify(&world, &pending, &wrong).await.status);
    }
    let judged = statuses.iter().filter(|status| **status == 401).count();
    let waited = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!((judged, waited), (5, 15), "{statuses:?}");
    let held = verify(&world, &strong.pending, &strong.code).await;
    assert_eq!(
        (held.status, held.header("retry-after").is_some()),
        (429, true),
        "the right one waits as well"
    );
    let other = &world.b.strong;
    assert_eq!(verify(&world, &other.pending, &other.code).await.status, 200, "nobody else does");
    let kept = world.pending(&strong).await.pending;
    assert_eq!(recover(&world, &kept, &codes[0]).await.status, 200, "nor who has a recovery code");
    world.advance(MINUTE / 2).await;
    let late = world.pending(&strong).await;
    assert_eq!(verify(&world, &late.pending, &code(&world, &strong)).await.status, 200);
    world.end().await;
}

/// Row D1, at once: from however many logins one code is shown.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_logins_that_show_one_code_one_begins() {
    let world = World::start().await;
    let strong = world.a.strong.clone();
    let mut pending = Vec::new();
    for _ in 0..5 {
        pending.push(world.pending(&strong).await.pending);
    }
    let answers = join_all(pending.iter().map(|pending| verify(&world, pending, &strong.code))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401, 401]);
    world.end().await;
}

/// Row D4: half of a login is good for its second factor, and for no route of either service.
#[tokio::test(flavor = "multi_thread")]
async fn half_of_a_login_opens_nothing() {
    let world = World::start().await;
    let strong = &world.a.strong;
    for row in Chatbot::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_))) {
        let answer = world.chatbot(request(row, &world.a, Some(&strong.pending))).await;
        assert_eq!(answer.status, 401, "{}", row.spec.id);
    }
    let refreshed = post(&world, "/auth/refresh", &json!({ "refresh_token": strong.pending }), None).await;
    assert_eq!(refreshed.status, 401);
    assert_eq!(verify(&world, &strong.pending, &strong.code).await.status, 200, "but that");
    world.end().await;
}

/// Rows B20 and D11: RFC 9470.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_fresh_for_a_quarter_of_an_hour_and_renewed_by_another_session() {
    let world = World::start().await;
    let draw = async |person: &Person| {
        world.chatbot(Request::new("POST", "/auth/mfa/recovery-codes").bearer(&person.access)).await
    };
    let strong = world.log_in_strongly(&world.a.strong).await;
    world.advance(8 * MINUTE).await;
    let strong = refresh(&world, &strong).await;
    let second = Duration::from_secs(1);
    world.advance(7 * MINUTE - second).await;
    assert_eq!(draw(&strong).await.status, 200, "one second before");
    world.advance(2 * second).await;
    let refused = draw(&strong).await;
    let challenge = "Bearer realm=\"chatbot\", error=\"insufficient_user_authentication\", \
                     acr_values=\"mfa\", max_age=900";
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(challenge)));
    assert_eq!(refused.field("code"), "insufficient_user_authentication");
    let step_up = async |person: &Person, code: &str| {
        post(&world, "/auth/mfa/step-up", &json!({ "code": code }), Some(&person.access)).await
    };
    assert_eq!(step_up(&strong, &wrong_code(&world, &strong)).await.status, 400);
    let fresh = world.in_session(&strong, &step_up(&strong, &code(&world, &strong)).await).await;
    assert_ne!(fresh.session, strong.session);
    assert_eq!((me(&world, &strong.access).await, me(&world, &fresh.access).await), (401, 200));
    let old = post(&world, "/auth/refresh", &json!({ "refresh_token": strong.refresh }), None).await;
    assert_eq!(old.status, 401);
    assert_eq!(draw(&fresh).await.status, 200);

    // Who has a password alone is asked for that alone, where that is enough.
    let person = world.log_in(&world.a).await;
    assert_eq!(step_up(&person, "000000").await.header("www-authenticate"), Some(challenge));
    world.advance(8 * MINUTE).await;
    let person = refresh(&world, &person).await;
    world.advance(8 * MINUTE).await;
    let enrolling = Request::new("POST", "/auth/mfa/totp/enroll").bearer(&person.access);
    let refused = world.chatbot(enrolling).await;
    assert_eq!(refused.header("www-authenticate"), Some(challenge.replace("mfa", "pwd").as_str()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_the_authenticator_logs_its_person_out() {
    let world = World::start().await;
    let strong = world.pending(&world.a.owner).await;
    let other = world.log_in_strongly(&strong).await;
    let removed = world.chatbot(Request::new("DELETE", "/auth/mfa/totp").bearer(&strong.access)).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    assert_eq!((me(&world, &strong.access).await, me(&world, &other.access).await), (401, 401));
    assert_eq!(verify(&world, &strong.pending, &strong.code).await.status, 401, "nor goes a login on");
    let body = json!({ "email": strong.email, "password": strong.password });
    let login = post(&world, "/auth/login", &body, None).await;
    assert_eq!(me(&world, &login.field("access_token")).await, 200, "the password is enough again");
    world.end().await;
}

/// Row D12.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_row_is_no_secret() {
    let world = World::start().await;
    let (a, b) = (&world.a.strong, &world.b.strong);
    let secrets = "SELECT DISTINCT secret FROM totp WHERE confirmed_at IS NOT NULL";
    world.place.execute(&format!(
        "UPDATE totp SET secret = (SELECT other.secret FROM totp AS other WHERE other.confirmed_at IS NOT NULL \
         AND other.person_id <> totp.person_id AND other.secret IN ({secrets}) LIMIT 1) WHERE confirmed_at IS NOT NULL"
    )).await;
    let answers = [verify(&world, &a.pending, &a.code).await, verify(&world, &a.pending, &b.code).await];
    for answer in answers {
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert!(!answer.body.contains("totp") && !answer.body.contains("authenticator"), "{}", answer.body);
    }
    world.end().await;
}

/// Rows C4 and C5: the next guess waits, for whoever guesses, whether or not there is such a person.
#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_passwords_waits() {
    let world = World::start().await;
    let log_in = async |email: &str, password: &str| {
        post(&world, "/auth/login", &json!({ "email": email, "password": password }), None).await
    };
    let person = world.a.person.clone();
    for email in [person.email.as_str(), "nobody@example.com"] {
        for _ in 0..5 {
            assert_eq!(log_in(email, "another password of theirs").await.status, 401, "{email}");
        }
        let held = log_in(email, "another password of theirs").await;
        assert_eq!((held.status, held.header("retry-after")), (429, Some("2")), "{email}");
    }
    assert_eq!(log_in(&person.email, &person.password).await.status, 429, "the right one waits as well");
    assert_eq!(log_in(&person.email.to_uppercase(), &person.password).await.status, 429, "in any case");
    assert_eq!(log_in(&world.b.person.email, &world.b.person.password).await.status, 200, "another account");
    world.advance(2 * Duration::from_secs(1)).await;
    assert_eq!(log_in(&person.email, &person.password).await.status, 200);
    for _ in 0..5 {
        assert_eq!(log_in(&person.email, "another password of theirs").await.status, 401, "and begins anew");
    }
    let change = async |current: &str| {
        let body = json!({ "current_password": current, "new_password": "three quiet walruses" });
        post(&world, "/auth/password/change", &body, Some(&person.access)).await.status
    };
    for _ in 0..5 {
        assert_eq!(change("not the password").await, 400);
    }
    assert_eq!(change(&person.password).await, 429, "nor does a stolen session help");
    world.end().await;
}

/// What somebody guesses in a body is in the trail as it is where a header held it.
#[tokio::test(flavor = "multi_thread")]
async fn the_trail_counts_guesses() {
    let world = World::start().await;
    let (person, strong) = (world.a.person.clone(), world.a.strong.clone());
    for _ in 0..6 {
        let body = json!({ "email": person.email, "password": "another password of theirs" });
        post(&world, "/auth/login", &body, None).await;
    }
    verify(&world, &strong.pending, &wrong_code(&world, &strong)).await;
    let stores = world.stores.clone();
    let _place = world.end().await;
    let mut told = std::collections::BTreeMap::new();
    for found in stores.audit.scan(1, u16::MAX).await.unwrap() {
        let event: Value = serde_json::from_str(&found.entry.event).unwrap();
        if event["action"] == "request.refused" {
            let name = |name: &str| event[name].as_str().unwrap().to_owned();
            *told.entry((name("route"), name("cause"))).or_insert(0) += event["count"].as_u64().unwrap();
        }
    }
    let expected =
        [(("login", "unknown"), 5), (("login", "too_many_requests"), 1), (("mfa_verify", "unknown"), 1)];
    let expected = expected.map(|((route, cause), count)| ((route.to_owned(), cause.to_owned()), count));
    assert_eq!(told, expected.into_iter().collect());
}

/// Row D5: what takes a second factor is refused to whoever has shown a password alone, and says so, on every such route.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_opens_nothing_that_takes_more() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    // Those who administer something, and have shown no second factor.
    let owner = world.person("henry", "a", tenant, Role::DomainOwner).await;
    let admin = world.person("irene", "a", tenant, Role::SuperAdmin).await;
    let before = world.dump().await;
    let mut asked = 0;
    for row in Chatbot::TABLE.rows() {
        for kind in Kind::of_row(row) {
            let weak = match kind {
                Kind::Strong | Kind::StrongPage => &world.a.person,
                Kind::Owner => &owner,
                Kind::SuperAdmin => &admin,
                _ => continue,
            };
            let answer = world
                .chatbot(request(row, &world.a, Some(if kind.is_page() { &weak.page } else { &weak.access })))
                .await;
            let told = (answer.status, answer.field("code"));
            assert_eq!(
                told,
                (401, "insufficient_user_authentication".to_owned()),
                "{} {kind:?}",
                row.spec.id
            );
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("acr_values=\"mfa\""), "{}: {challenge}", row.spec.id);
            asked += 1;
        }
    }
    assert!(asked >= 30, "{asked}");
    assert_eq!(conformance::place::changes(&before, &world.dump().await), [""; 0]);
    world.end().await;
}
