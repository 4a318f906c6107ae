//! Passkeys: the whole way of one over HTTP, and what is altered in the answers of an authenticator.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{id::PersonId, policy::Role, service::Service};
use aws_lc_rs::rsa::KeySize;
use conformance::{
    authenticator::{Pair, Passkey},
    client::{Request, Response, together},
    place::changes,
    world::{Person, World},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

async fn post(world: &World, path: &str, body: &Value, access: Option<&str>) -> Response {
    let request = Request::post(path, &body.to_string());
    world.chatbot(access.map_or(request.clone(), |access| request.bearer(access))).await
}

async fn me(world: &World, access: &str) -> u16 {
    world.chatbot(Request::get("/auth/me").bearer(access)).await.status
}

async fn factors(world: &World, person: &Person) -> Value {
    world.chatbot(Request::get("/auth/mfa").bearer(&person.access)).await.json()
}

async fn finish(world: &World, person: &Person, credential: &Value) -> Response {
    let body = json!({ "name": "A telephone", "credential": credential });
    post(world, "/auth/mfa/webauthn/register/finish", &body, Some(&person.access)).await
}

/// What a login is answered.
async fn log_in(world: &World, person: &Person) -> Value {
    let body = json!({ "email": person.email, "password": person.password });
    post(world, "/auth/login", &body, None).await.json()
}

/// What names a login that waits, and a challenge to it.
async fn asked(world: &World, person: &Person) -> (String, String) {
    let pending = log_in(world, person).await["mfa_token"].as_str().unwrap().to_owned();
    let challenge = challenge(world, &pending).await;
    (pending, challenge)
}

async fn challenge(world: &World, pending: &str) -> String {
    let answer = post(world, "/auth/mfa/webauthn/challenge", &json!({ "mfa_token": pending }), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.field("challenge")
}

async fn verify(world: &World, pending: &str, shown: &Value) -> Response {
    post(world, "/auth/mfa/verify", &json!({ "mfa_token": pending, "webauthn": shown }), None).await
}

async fn asked_anew(world: &World, person: &Person) -> String {
    let asked = Request::new("POST", "/auth/mfa/webauthn/step-up/challenge").bearer(&person.access);
    world.chatbot(asked).await.field("challenge")
}

async fn step_up(world: &World, person: &Person, shown: &Value) -> Response {
    post(world, "/auth/mfa/step-up", &json!({ "webauthn": shown }), Some(&person.access)).await
}

async fn remove(world: &World, person: &Person) -> u16 {
    let path = format!("/auth/mfa/webauthn/{}", person.passkey.as_ref().unwrap().1);
    world.chatbot(Request::new("DELETE", &path).bearer(&person.access)).await.status
}

fn passkey(person: &Person) -> Arc<Passkey> {
    Arc::clone(&person.passkey.as_ref().unwrap().0)
}

/// Forgets the guesses, and lets a minute pass: what is tried next is tried by itself.
async fn afresh(world: &World) {
    world.place.execute("DELETE FROM attempts").await;
    world.advance(MINUTE).await;
}

/// The claims of an access token.
fn claims(access: &str) -> Value {
    let part = access.split('.').nth(1).unwrap();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_a_factor_from_its_registration_to_its_removal() {
    let world = World::start().await;
    let person = world.a.person.clone();
    let other = world.log_in(&world.a).await;
    let start = Request::new("POST", "/auth/mfa/webauthn/register/start").bearer(&person.access);
    let options = world.chatbot(start).await.json();
    let id: PersonId = person.id.parse().unwrap();
    assert_eq!(options["rp"]["id"], "chat.example.com");
    assert_eq!(options["user"]["id"], data_encoding::BASE64URL_NOPAD.encode(id.as_bytes()));
    assert_eq!(options["attestation"], "none");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["timeout"], 300_000);
    let offered = options["pubKeyCredParams"].as_array().unwrap().iter().map(|offered| &offered["alg"]);
    assert_eq!(offered.collect::<Vec<_>>(), [-7, -8, -257]);
    let challenge_of_start = options["challenge"].as_str().unwrap();
    assert_eq!(data_encoding::BASE64URL_NOPAD.decode(challenge_of_start.as_bytes()).unwrap().len(), 32);
    assert!(!factors(&world, &person).await["totp"].as_bool().unwrap(), "an unconfirmed one is none");

    let strong = world.with_passkey(&person, |id| Passkey::new(id, Pair::ec())).await;
    assert_ne!(strong.session, person.session);
    assert_eq!((me(&world, &person.access).await, me(&world, &other.access).await), (401, 401));
    let shown = world.chatbot(Request::get("/auth/me").bearer(&strong.access)).await.json();
    assert_eq!(shown["acr"], "mfa");
    assert_eq!(claims(&strong.access)["amr"], json!(["pwd", "pop", "mfa"]));
    let held = factors(&world, &strong).await;
    assert_eq!((&held["totp"], &held["recovery_codes"]), (&json!(false), &json!(0)));
    let first = &held["passkeys"][0];
    assert_eq!((&first["name"], &first["last_used_at"]), (&json!("A telephone"), &Value::Null));
    assert!(first["created_at"].is_string() && held["passkeys"].as_array().unwrap().len() == 1);
    let codes = Request::new("POST", "/auth/mfa/recovery-codes").bearer(&strong.access);
    assert_eq!(world.chatbot(codes).await.status, 200, "a passkey is worth recovering");
    let again = world.registration_challenge(&strong).await;
    assert_eq!(
        finish(&world, &strong, &passkey(&strong).made(&again).registration()).await.status,
        400,
        "it is one"
    );

    // From now on a password begins nothing.
    let login = log_in(&world, &strong).await;
    assert_eq!(login["methods"], json!(["webauthn", "recovery_code"]));
    let pending = login["mfa_token"].as_str().unwrap();
    let told =
        post(&world, "/auth/mfa/webauthn/challenge", &json!({ "mfa_token": pending }), None).await.json();
    assert_eq!((&told["rpId"], &told["userVerification"]), (&json!("chat.example.com"), &json!("required")));
    let known = data_encoding::BASE64URL_NOPAD.encode(&passkey(&strong).id);
    assert_eq!(told["allowCredentials"], json!([{ "type": "public-key", "id": known }]));
    let shown = passkey(&strong).show(told["challenge"].as_str().unwrap());
    let begun = world.in_session(&strong, &verify(&world, pending, &shown).await).await;
    assert_eq!(claims(&begun.access)["amr"], json!(["pwd", "pop", "mfa"]));
    assert!(factors(&world, &begun).await["passkeys"][0]["last_used_at"].is_string());

    // It proves its person anew, in another session.
    world.advance(16 * MINUTE).await;
    let refreshed = post(&world, "/auth/refresh", &json!({ "refresh_token": begun.refresh }), None).await;
    let begun = world.in_session(&begun, &refreshed).await;
    assert_eq!(remove(&world, &begun).await, 401, "a quarter of an hour is over");
    let shown = passkey(&begun).show(&asked_anew(&world, &begun).await);
    let fresh = world.in_session(&begun, &step_up(&world, &begun, &shown).await).await;
    assert_eq!((me(&world, &begun.access).await, me(&world, &fresh.access).await), (401, 200));
    assert_eq!(claims(&fresh.access)["amr"], json!(["pwd", "pop", "mfa"]));

    // Removed, it is none, and with the last factor go the codes.
    let (pending, challenge) = asked(&world, &fresh).await;
    assert_eq!(remove(&world, &fresh).await, 204);
    assert_eq!((me(&world, &fresh.access).await, me(&world, &strong.access).await), (401, 401));
    assert_eq!(verify(&world, &pending, &passkey(&fresh).show(&challenge)).await.status, 401);
    let weak = log_in(&world, &fresh).await["access_token"].as_str().unwrap().to_owned();
    let held = factors(&world, &Person { access: weak, ..fresh.clone() }).await;
    assert_eq!(held, json!({ "totp": false, "recovery_codes": 0, "passkeys": [] }));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_that_is_offered_is_taken() {
    let world = World::start().await;
    let mut person = world.a.person.clone();
    let makers: [fn(&str) -> Passkey; 4] = [
        |id| Passkey::new(id, Pair::ec()),
        |id| Passkey::new(id, Pair::ed()),
        |id| Passkey::new(id, Pair::rsa(KeySize::Rsa2048)),
        |id| Passkey::synced(id, Pair::ec()),
    ];
    for make in makers {
        person = world.with_passkey(&person, make).await;
        for _ in 0..2 {
            let (pending, challenge) = asked(&world, &person).await;
            let answer = verify(&world, &pending, &passkey(&person).show(&challenge)).await;
            person = world.in_session(&person, &answer).await;
        }
    }
    assert_eq!(factors(&world, &person).await["passkeys"].as_array().unwrap().len(), 4);
    world.end().await;
}

/// Row D10: a challenge is deleted when it is read, and is one session's, for one purpose.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_good_once_and_for_what_it_was_drawn() {
    let world = World::start().await;
    let (a, b) = (world.log_in_strongly(&world.a.strong).await, world.log_in_strongly(&world.b.strong).await);
    let (pending, challenge_of_a) = asked(&world, &a).await;
    let (pending_of_b, challenge_of_b) = asked(&world, &b).await;
    let other_login = asked(&world, &a).await.0;
    let before = world.dump().await;

    // What is drawn for another is read, and is over then: for its own login, too.
    let registration = world.registration_challenge(&a).await;
    let anew = asked_anew(&world, &a).await;
    let anew_of_b = asked_anew(&world, &b).await;
    for (challenge, what) in [
        (&challenge_of_b, "another person's"),
        (&registration, "a registration's"),
        (&anew, "a session's"),
        (&"A".repeat(43), "nobody's"),
        (&challenge_of_a[..42].to_owned(), "a part of one"),
    ] {
        assert_eq!(verify(&world, &pending, &passkey(&a).show(challenge)).await.status, 401, "{what}");
        afresh(&world).await;
    }
    let (pending, challenge_of_a) = (asked(&world, &a).await.0, challenge_of_a);
    assert_eq!(
        verify(&world, &pending_of_b, &passkey(&b).show(&challenge_of_b)).await.status,
        401,
        "it was read"
    );
    assert_eq!(
        verify(&world, &pending, &passkey(&a).show(&challenge_of_a)).await.status,
        401,
        "another login's"
    );
    assert_eq!(verify(&world, &other_login, &passkey(&a).show(&challenge_of_a)).await.status, 401);
    afresh(&world).await;
    let of_login = asked(&world, &a).await.1;
    for (challenge, what) in [(&anew, "it was read"), (&anew_of_b, "another's"), (&of_login, "a login's")] {
        assert_eq!(step_up(&world, &a, &passkey(&a).show(challenge)).await.status, 400, "{what}");
    }
    let made = Passkey::new(&a.id, Pair::ec());
    afresh(&world).await;
    let (_, of_login) = asked(&world, &a).await;
    let of_b = world.registration_challenge(&b).await;
    for (challenge, what) in [(&registration, "it was read"), (&of_login, "a login's"), (&of_b, "another's")]
    {
        assert_eq!(finish(&world, &a, &made.made(challenge).registration()).await.status, 400, "{what}");
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing came of it");

    // A wrong answer uses it up as well as a right one.
    let (pending, challenge) = asked(&world, &a).await;
    let wrong = passkey(&b).show(&challenge);
    assert_eq!(verify(&world, &pending, &wrong).await.status, 401);
    assert_eq!(verify(&world, &pending, &passkey(&a).show(&challenge)).await.status, 401);
    let (pending, challenge) = asked(&world, &a).await;
    let shown = passkey(&a).show(&challenge);
    assert_eq!(verify(&world, &pending, &shown).await.status, 200);
    let later = asked(&world, &a).await.0;
    for pending in [&pending, &later] {
        assert_eq!(verify(&world, pending, &shown).await.status, 401, "it was shown");
    }
    let challenge = world.registration_challenge(&a).await;
    let answer = finish(&world, &a, &made.made(&challenge).registration()).await;
    let a = world.in_session(&a, &answer).await;
    let another = Passkey::new(&a.id, Pair::ec()).made(&challenge).registration();
    assert_eq!(finish(&world, &a, &another).await.status, 400, "it was shown");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_over_after_five_minutes() {
    let world = World::start().await;
    let strong = world.log_in_strongly(&world.a.strong).await;
    let instant = Duration::from_millis(1);
    for (late, status, of_new) in [(false, 200, 200), (true, 400, 400)] {
        let person = world.log_in_strongly(&strong).await;
        let (own, registration) =
            (asked_anew(&world, &person).await, world.registration_challenge(&person).await);
        world.advance(5 * MINUTE - instant).await;
        if late {
            world.advance(instant).await;
        }
        let answer = step_up(&world, &person, &passkey(&person).show(&own)).await;
        assert_eq!(answer.status, status, "{late}: {}", answer.body);
        let session = if late { person } else { world.log_in_strongly(&strong).await };
        let made = Passkey::new(&session.id, Pair::ec());
        let challenge = if late { registration } else { world.registration_challenge(&session).await };
        world.advance(if late { Duration::ZERO } else { 5 * MINUTE - instant }).await;
        let answer = finish(&world, &session, &made.made(&challenge).registration()).await;
        assert_eq!(answer.status, of_new, "{late}: {}", answer.body);
    }
    let (pending, challenge) = asked(&world, &strong).await;
    world.advance(5 * MINUTE).await;
    assert_eq!(verify(&world, &pending, &passkey(&strong).show(&challenge)).await.status, 401);
    world.end().await;
}

/// Row D10: the counter goes back, or stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_has_not_risen_begins_nothing_and_is_told() {
    let world = World::start().await;
    let strong = world.log_in_strongly(&world.a.strong).await;
    let key = passkey(&strong);
    let (pending, challenge) = asked(&world, &strong).await;
    let mut shown = key.shown(&challenge);
    shown.counter = 1_000;
    assert_eq!(verify(&world, &pending, &shown.assertion(&key.pair)).await.status, 200);
    for counter in [1_000, 999, 0] {
        let (pending, challenge) = asked(&world, &strong).await;
        let (mut shown, seq) = (key.shown(&challenge), world.stores.audit.head().await.unwrap().seq);
        shown.counter = counter;
        assert_eq!(verify(&world, &pending, &shown.assertion(&key.pair)).await.status, 401, "{counter}");
        let told: Vec<_> = world.audited_since(seq).await.into_iter().map(|(action, _)| action).collect();
        assert_eq!(told, ["person.passkey_suspected"], "{counter}");
    }
    let (pending, challenge) = asked(&world, &strong).await;
    let mut shown = key.shown(&challenge);
    shown.counter = 1_001;
    assert_eq!(verify(&world, &pending, &shown.assertion(&key.pair)).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_send_one_assertion_one_begins_a_session() {
    let world = World::start().await;
    let synced = world.log_in_strongly(&world.b.strong).await;
    let synced = world.with_passkey(&synced, |id| Passkey::synced(id, Pair::ed())).await;
    for person in [world.a.strong.clone(), synced] {
        let (pending, challenge) = asked(&world, &person).await;
        let body = json!({ "mfa_token": pending, "webauthn": passkey(&person).show(&challenge) }).to_string();
        let one = Request::post("/auth/mfa/verify", &body);
        let answers = together(world.chatbot, vec![one; 16]).await;
        let begun = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(begun, 1);
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 401 | 429)));
        afresh(&world).await;
    }
    world.end().await;
}

/// Wrong answers are counted with wrong codes, whichever come.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_answers_wait_as_wrong_codes_do() {
    let world = World::start().await;
    let strong = world.a.strong.clone();
    for _ in 0..5 {
        let (pending, challenge) = asked(&world, &strong).await;
        let wrong = Passkey::new(&strong.id, Pair::ec()).show(&challenge);
        assert_eq!(verify(&world, &pending, &wrong).await.status, 401);
    }
    let (pending, challenge) = asked(&world, &strong).await;
    let shown = passkey(&strong).show(&challenge);
    let held = verify(&world, &pending, &shown).await;
    assert_eq!((held.status, held.header("retry-after")), (429, Some("30")), "the right one waits as well");
    let code = json!({ "mfa_token": strong.pending, "code": strong.code });
    assert_eq!(post(&world, "/auth/mfa/verify", &code, None).await.status, 429, "and codes do");
    world.advance(MINUTE / 2).await;
    assert_eq!(verify(&world, &pending, &shown).await.status, 200, "its challenge was not read");
    world.end().await;
}

/// Whoever has to have a second factor has one by a passkey alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_alone_is_enough_for_those_who_must_have_a_factor() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    for (who, role, path) in [("henry", Role::DomainOwner, "/domains"), ("irene", Role::SuperAdmin, "/users")]
    {
        let weak = world.person(who, "a", tenant, role).await;
        let read = async |person: &Person| {
            let answer = world.chatbot(Request::get(path).bearer(&person.access)).await;
            (answer.status, answer.field("code"))
        };
        assert_eq!(read(&weak).await, (401, "insufficient_user_authentication".to_owned()));
        let strong = world.with_passkey(&weak, |id| Passkey::synced(id, Pair::ec())).await;
        assert_eq!(read(&strong).await.0, 200);
        let (pending, challenge) = asked(&world, &strong).await;
        let answer = verify(&world, &pending, &passkey(&strong).show(&challenge)).await;
        let begun = world.in_session(&strong, &answer).await;
        assert_eq!(read(&begun).await.0, 200);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_a_passkey_is_not_asked_for_one() {
    let world = World::start().await;
    let owner = world.a.owner.clone();
    let login = log_in(&world, &owner).await;
    assert_eq!(login["methods"], json!(["totp"]));
    let pending = login["mfa_token"].as_str().unwrap();
    let asked = post(&world, "/auth/mfa/webauthn/challenge", &json!({ "mfa_token": pending }), None).await;
    assert_eq!(asked.status, 401);
    let anew = Request::new("POST", "/auth/mfa/webauthn/step-up/challenge").bearer(&owner.access);
    assert_eq!(world.chatbot(anew).await.status, 409);
    // Exactly one of them.
    let strong = world.a.strong.clone();
    let shown = passkey(&strong).show(&challenge(&world, &strong.pending).await);
    for body in [
        json!({ "mfa_token": strong.pending, "code": strong.code, "webauthn": shown }),
        json!({ "mfa_token": strong.pending, "recovery_code": "x", "webauthn": shown }),
        json!({ "mfa_token": strong.pending }),
    ] {
        assert_eq!(post(&world, "/auth/mfa/verify", &body, None).await.status, 400);
    }
    assert_eq!(verify(&world, &strong.pending, &shown).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_ten_passkeys_at_the_most() {
    let world = World::start().await;
    let mut person = world.a.person.clone();
    for _ in 0..10 {
        person = world.with_passkey(&person, |id| Passkey::new(id, Pair::ed())).await;
    }
    let start = Request::new("POST", "/auth/mfa/webauthn/register/start").bearer(&person.access);
    assert_eq!(world.chatbot(start.clone()).await.status, 409);
    assert_eq!(remove(&world, &person).await, 204);
    assert_eq!(log_in(&world, &person).await["methods"], json!(["webauthn"]), "nine are left");
    world.end().await;
}

/// Row D12: what is sealed is its row's and its person's.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_of_another_row_is_none_and_nothing_of_it_lies_open() {
    let world = World::start().await;
    let (a, b) = (world.a.strong.clone(), world.b.strong.clone());
    let stored = world.dump().await.join("\n").to_lowercase();
    for person in [&a, &b] {
        let key = passkey(person);
        let public = coset::CborSerializable::to_vec(key.pair.cose()).unwrap();
        for secret in [&key.id, &public[10..42].to_vec()] {
            assert!(!stored.contains(&data_encoding::HEXLOWER.encode(secret)));
        }
    }
    let of_a = challenge(&world, &a.pending).await;
    let row = |person: &Person| world.place.bytes(&person.passkey.as_ref().unwrap().1.replace('-', ""));
    let (to, from) = (row(&a), row(&b));
    let other = format!("(SELECT sealed FROM passkeys WHERE id = {from})");
    world.place.execute(&format!("UPDATE passkeys SET sealed = {other} WHERE id = {to}")).await;
    let answers = [
        verify(&world, &a.pending, &passkey(&a).show(&of_a)).await,
        post(&world, "/auth/mfa/webauthn/challenge", &json!({ "mfa_token": a.pending }), None).await,
    ];
    for answer in answers {
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert!(!answer.body.contains("passkey"), "{}", answer.body);
    }
    world.end().await;
}
