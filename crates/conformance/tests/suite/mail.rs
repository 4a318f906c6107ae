//! Letters and the tokens in them, over HTTP: what they do, when they end, and what a stranger learns of it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{credential::MailedFor, policy::Rule, port::Content};
use auth_web::Service as _;
use chatbot_service::{
    Chatbot,
    responder::Responder,
    settings::{People, Registration, Switch},
};
use conformance::{
    caller::request,
    client::{Request, Response},
    faults::Faults,
    mailbox::token,
    place::changes,
    world::{PEOPLE, Person, World, until},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const NEW: &str = "three quiet walruses";
const VERIFIED: People = People { registration: Registration::Verified, ..PEOPLE };

async fn post(world: &World, path: &str, body: Value) -> Response {
    world.chatbot(Request::post(path, &body.to_string())).await
}

async fn register(world: &World, email: &str, password: &str) -> Response {
    post(world, "/auth/register", json!({ "email": email, "password": password, "name": "Carol" })).await
}

async fn log_in(world: &World, email: &str, password: &str) -> Response {
    post(world, "/auth/login", json!({ "email": email, "password": password })).await
}

async fn forgot(world: &World, email: &str) -> Response {
    post(world, "/auth/password/forgot", json!({ "email": email })).await
}

async fn reset(world: &World, token: &str, password: &str) -> Response {
    post(world, "/auth/password/reset", json!({ "token": token, "password": password })).await
}

async fn verify(world: &World, token: &str) -> Response {
    post(world, "/auth/email/verify", json!({ "token": token })).await
}

async fn me(world: &World, person: &Person) -> u16 {
    world.chatbot(Request::get("/auth/me").bearer(&person.access)).await.status
}

async fn refresh(world: &World, person: &Person) -> u16 {
    post(world, "/auth/refresh", json!({ "refresh_token": person.refresh })).await.status
}

/// All that an answer tells, but for which request it is, and when it was.
fn told(answer: &Response) -> (u16, Vec<(String, String)>, Value) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !["x-request-id", "date", "content-length"].contains(&name.as_str()));
    let mut body = answer.json();
    body["request_id"].take();
    (answer.status, headers, body)
}

/// A column of the person with an address, as text.
async fn stored(world: &World, column: &str, email: &str) -> String {
    let query = format!(
        "SELECT COALESCE(CAST({column} AS TEXT), 'none') AS line FROM people WHERE address = '{email}'"
    );
    world.place.query(&query).await.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_logs_in_once_the_address_was_shown_to_be_theirs() {
    let world = World::start_for(VERIFIED).await;
    let (email, password) = ("carol@example.com", "violet tapir quietly");
    assert_eq!(register(&world, email, password).await.status, 202);
    assert_eq!(stored(&world, "verified_at", email).await, "none");
    let letter = world.mailbox.awaited(email, 1).await;
    assert!(matches!(letter, Content::Verify { .. }), "{letter:?}");
    let early = log_in(&world, email, password).await;
    // Whoever registered an address learns by that no more than anybody learns.
    let wrong = log_in(&world, email, "another password of theirs").await;
    let unknown = log_in(&world, "nobody@example.com", password).await;
    assert_eq!((wrong.status, told(&wrong)), (401, told(&unknown)));
    assert_eq!((early.status, told(&early)), (401, told(&unknown)));
    let again = world.mailbox.awaited(email, 2).await;
    assert!(
        matches!(again, Content::Reset { .. }),
        "nobody has a password confirmed by logging in: {again:?}"
    );
    let seq = world.stores.audit.head().await.unwrap().seq;
    assert_eq!(verify(&world, &token(&letter)).await.status, 204);
    let events = world.audited_since(seq).await;
    assert_eq!(events, [("person.address_verified".to_owned(), "anonymous".to_owned())]);
    assert_ne!(stored(&world, "verified_at", email).await, "none");
    assert_eq!(log_in(&world, email, password).await.status, 200);
    for used in [&letter, &again] {
        assert_eq!(verify(&world, &token(used)).await.status, 401, "of all that are out one is used");
    }
    let mailbox = world.mailbox.clone();
    world.end().await;
    mailbox.closed().await;
    assert_eq!(mailbox.of(email).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_began_before_addresses_were_asked_for_goes_on() {
    let world = World::start_for(VERIFIED).await;
    world.place.execute("UPDATE people SET verified_at = NULL").await;
    for person in [&world.a.person, &world.a.strong] {
        let answer = log_in(&world, &person.email, &person.password).await;
        assert_eq!((answer.status, answer.field("code")), (401, "unauthenticated".to_owned()));
        assert_eq!((me(&world, person).await, refresh(&world, person).await), (200, 200));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_an_address_is_taken_is_told_to_its_owner_alone() {
    let world = World::start_for(VERIFIED).await;
    let known = world.a.person.email.clone();
    assert_eq!(world.mailbox.of(&known).len(), 1);
    let before = stored(&world, "password", &known).await;
    let answers = [
        register(&world, &known, "quietly violet tapirs").await,
        register(&world, "carol@example.com", "quietly violet tapirs").await,
        // Twice, before anybody has shown it to be theirs.
        register(&world, "carol@example.com", "another quiet tapir").await,
    ];
    for answer in &answers {
        assert_eq!((answer.status, told(answer)), (202, told(&answers[0])));
    }
    assert!(matches!(world.mailbox.awaited(&known, 2).await, Content::Taken));
    world.mailbox.awaited("carol@example.com", 2).await;
    let carols = world.mailbox.of("carol@example.com");
    let verify = carols.iter().filter(|letter| matches!(letter, Content::Verify { .. })).count();
    assert_eq!(verify, 1, "no token for a password that somebody else may have set: {carols:?}");
    assert_eq!(stored(&world, "password", &known).await, before, "nothing of its person is changed");
    assert_eq!(log_in(&world, "carol@example.com", "another quiet tapir").await.status, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forgot_their_password_sets_another_and_is_logged_out_everywhere() {
    let world = World::start().await;
    let (one, two) = (world.log_in(&world.a).await, world.log_in(&world.a).await);
    let other = world.b.person.clone();
    assert_eq!(stored(&world, "verified_at", &one.email).await, "none");
    assert_eq!(forgot(&world, &one.email).await.status, 202);
    let first = token(&world.mailbox.awaited(&one.email, 1).await);
    assert_eq!(forgot(&world, &one.email.to_uppercase()).await.status, 202);
    let second = token(&world.mailbox.awaited(&one.email, 2).await);
    let before = world.dump().await;
    for (wrong, why) in [
        ("elevenbytes", "12 to 72"),
        ("password1234", "guessed"),
        (&*one.email, "guessed"),
        ("violet\0tapir\0quietly", "control"),
    ] {
        let answer = reset(&world, &first, wrong).await;
        assert_eq!((answer.status, answer.field("field")), (400, "password".to_owned()), "{wrong:?}");
        assert!(answer.field("detail").contains(why), "{}", answer.body);
    }
    assert_eq!(reset(&world, &first, &"kzq".repeat(25)).await.status, 400, "it is not cut");
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    assert_eq!((me(&world, &one).await, me(&world, &two).await), (200, 200));
    let seq = world.stores.audit.head().await.unwrap().seq;
    let done = reset(&world, &first, NEW).await;
    assert_eq!((done.status, done.body.as_str()), (204, ""), "no tokens: they log in");
    let events = world.audited_since(seq).await;
    assert_eq!(events, [("person.password_reset".to_owned(), "anonymous".to_owned())]);
    assert_eq!((me(&world, &one).await, me(&world, &two).await), (401, 401), "once it has answered");
    assert_eq!((refresh(&world, &one).await, refresh(&world, &two).await), (401, 401));
    assert_eq!(me(&world, &other).await, 200);
    assert_ne!(stored(&world, "verified_at", &one.email).await, "none", "it was mailed there");
    assert_eq!(log_in(&world, &one.email, &one.password).await.status, 401);
    assert_eq!(log_in(&world, &one.email, NEW).await.status, 200);
    for void in [&first, &second] {
        assert_eq!(reset(&world, void, "another quiet walrus").await.status, 401);
    }
    assert_eq!(verify(&world, &world.a.person.verification).await.status, 401, "void, too");
    let stored = world.dump().await.join("\n");
    assert!(![&first, &second].iter().any(|token| stored.contains(token.as_str())), "no token is stored");
    world.end().await;
}

/// Rows C11 and D7.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_does_not_pass_by_the_second_factor() {
    let world = World::start().await;
    let strong = world.a.strong.clone();
    forgot(&world, &strong.email).await;
    let letter = token(&world.mailbox.awaited(&strong.email, 1).await);
    assert_eq!(reset(&world, &letter, NEW).await.status, 204);
    assert_eq!(me(&world, &strong).await, 401);
    let pending = json!({ "mfa_token": strong.pending, "code": strong.code });
    assert_eq!(post(&world, "/auth/mfa/verify", pending).await.status, 401, "nor goes a login on");
    let login = log_in(&world, &strong.email, NEW).await.json();
    assert_eq!(login["mfa_required"], true, "{login}");
    assert!(login.get("access_token").is_none());
    let shown = json!({ "mfa_token": login["mfa_token"], "code": strong.code });
    assert_eq!(post(&world, "/auth/mfa/verify", shown).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mailed_tokens_end_to_the_second() {
    let world = World::start().await;
    for purpose in MailedFor::ALL {
        let life = purpose.life();
        for (after, status) in [(life - SECOND, 204), (life, 401), (life + SECOND, 401)] {
            let person = world.mailed(world.a.person.clone()).await;
            world.advance(after).await;
            let answer = match purpose {
                MailedFor::Verification => verify(&world, &person.verification).await,
                MailedFor::Reset => reset(&world, &person.reset, NEW).await,
            };
            assert_eq!(answer.status, status, "{purpose:?} after {after:?}: {}", answer.body);
        }
    }
    world.end().await;
}

/// Row C11: one body, whatever is wrong, and nothing is done.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_of_a_letter_does_nothing_and_is_told_nothing() {
    let world = World::start().await;
    let (person, strong) = (world.a.person.clone(), world.a.strong.clone());
    let mut wrong: Vec<String> = [
        "",
        "avv_",
        "null",
        &person.access,
        &person.refresh,
        &strong.pending,
        &world.a.domain_key,
        &world.a.temp.0,
        &format!("{} ", person.reset),
        &format!("\n{}", person.reset),
        &format!("{}=", person.reset),
        &person.reset.to_uppercase(),
        &strong.pending.replacen("avm_", "avv_", 1),
        &person.reset.replacen("avv_", "avm_", 1),
    ]
    .map(str::to_owned)
    .into();
    for at in (0..person.reset.len()).step_by(5) {
        let mut damaged = person.reset.clone().into_bytes();
        damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
        wrong.push(String::from_utf8(damaged).unwrap());
        wrong.push(person.reset[..at].to_owned());
    }
    let before = world.dump().await;
    let refused = told(&reset(&world, "avv_", NEW).await);
    assert_eq!(refused.0, 401);
    // Of a minute: the routes are limited.
    for some in wrong.chunks(25) {
        world.advance(Duration::from_secs(61)).await;
        for text in some {
            assert_eq!(told(&reset(&world, text, NEW).await), refused, "{text:?}");
            assert_eq!(told(&verify(&world, text).await), refused, "{text:?}");
        }
    }
    // Each is for one purpose.
    assert_eq!(told(&reset(&world, &person.verification, NEW).await), refused);
    assert_eq!(told(&verify(&world, &person.reset).await), refused);
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    // And of one person.
    assert_eq!(reset(&world, &world.b.person.reset, NEW).await.status, 204);
    assert_eq!(log_in(&world, &person.email, &person.password).await.status, 200);
    world.end().await;
}

/// Rows A18 and D8: a mailed token is good for its own route alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_token_opens_no_route() {
    let world = World::start().await;
    let person = &world.a.person;
    let before = world.dump().await;
    for row in Chatbot::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_))) {
        for token in [&person.verification, &person.reset] {
            let answer = world.chatbot(request(row, &world.a, Some(token))).await;
            assert_eq!(answer.status, 401, "{}", row.spec.id);
        }
    }
    for token in [&person.verification, &person.reset] {
        assert_eq!(post(&world, "/auth/refresh", json!({ "refresh_token": token })).await.status, 401);
        let shown = json!({ "mfa_token": token, "code": world.a.strong.code });
        assert_eq!(post(&world, "/auth/mfa/verify", shown).await.status, 401);
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    assert_eq!(verify(&world, &person.verification).await.status, 204, "but that");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_one_token_one_does() {
    let world = World::start().await;
    let person = world.a.person.clone();
    let passwords: Vec<_> = (0..40).map(|number| format!("quiet walrus {number:02} of mine")).collect();
    let answers = join_all(passwords.iter().map(|new| reset(&world, &person.reset, new))).await;
    let done: Vec<_> = (0..40).filter(|at| answers[*at].status == 204).collect();
    assert_eq!(done.len(), 1, "{done:?}");
    assert!(answers.iter().all(|answer| [204, 401, 503].contains(&answer.status)));
    world.place.execute("DELETE FROM attempts").await;
    assert_eq!(log_in(&world, &person.email, &passwords[done[0]]).await.status, 200);
    let events = world.audited_since(0).await;
    assert_eq!(events.iter().filter(|(action, _)| action == "person.password_reset").count(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_gets_neither_a_letter_nor_a_reset() {
    let world = World::start().await;
    let (person, other) = (world.a.person.clone(), world.b.person.email.clone());
    let suspend =
        |status| format!("UPDATE people SET status = '{status}' WHERE address = '{}'", person.email);
    world.place.execute(&suspend("suspended")).await;
    let known = forgot(&world, &other).await;
    for email in [person.email.as_str(), "nobody@example.com"] {
        assert_eq!(told(&forgot(&world, email).await), told(&known), "{email}");
    }
    assert_eq!(known.status, 202);
    let before = world.dump().await;
    let refused = reset(&world, &person.reset, NEW).await;
    assert_eq!((refused.status, verify(&world, &person.verification).await.status), (401, 401));
    assert_eq!(told(&refused), told(&reset(&world, "", NEW).await));
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    world.place.execute(&suspend("active")).await;
    assert_eq!(verify(&world, &person.verification).await.status, 204, "it was no other state of theirs");
    let mailbox = world.mailbox.clone();
    world.end().await;
    mailbox.closed().await;
    assert_eq!((mailbox.of(&other).len(), mailbox.count()), (1, 1), "nobody else got one");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_mailbox_is_flooded_and_its_owner_has_a_token_that_is_good() {
    let world = World::start().await;
    let email = world.a.person.email.clone();
    let asked = join_all((0..50).map(|_| forgot(&world, &email))).await;
    let first = told(&asked[0]);
    assert!(asked.iter().all(|answer| told(answer) == first) && first.0 == 202);
    let mailbox = world.mailbox.clone();
    mailbox.awaited(&email, 3).await;
    // In another process's time.
    world.advance(Duration::from_secs(61)).await;
    forgot(&world, &email).await;
    let last = mailbox.awaited(&email, 4).await;
    assert_eq!(reset(&world, &token(&last), NEW).await.status, 204);
    world.end().await;
    mailbox.closed().await;
    assert_eq!(mailbox.of(&email).len(), 4);
}

/// Row C3: whoever asks waits for nothing that there is to do, so nothing is told by how long it takes.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_letter_waits_for_nothing() {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    let email = world.a.person.email.clone();
    faults.stall(&["take", "by_address", "login_of", "unjudged"]);
    let known = told(&forgot(&world, &email).await);
    until("a letter is being written", || faults.has_stalled()).await;
    assert_eq!(known, told(&forgot(&world, "nobody@example.com").await));
    assert_eq!(known.0, 202);
    faults.recover();
    world.mailbox.awaited(&email, 1).await;
    // Nor is it lost where the store cannot answer now.
    faults.fail(&["by_address"]);
    assert_eq!(told(&forgot(&world, &email).await), known);
    until("it failed", || !faults.failed().is_empty()).await;
    faults.recover();
    world.mailbox.awaited(&email, 2).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_resets_passwords_there_is_no_such_route() {
    let world = World::start_for(People { password_reset: Switch::Off, ..PEOPLE }).await;
    let person = world.a.person.clone();
    assert_eq!(forgot(&world, &person.email).await.status, 404);
    assert_eq!(reset(&world, &person.reset, NEW).await.status, 404, "nor by a token from before");
    assert_eq!(verify(&world, &person.verification).await.status, 204);
    assert_eq!(log_in(&world, &person.email, &person.password).await.status, 200);
    let mailbox = world.mailbox.clone();
    world.end().await;
    mailbox.closed().await;
    assert_eq!(mailbox.count(), 0);
}
