//! Callbacks that fit nothing: whatever is wrong, nobody is asked and nothing is stored.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    error::{FlowError, NotConnected},
    flow::{Arrival, Calendars},
    principal::Origin,
    secret::PlainToken,
};
use conformance::{
    client::{self, Request, Response},
    faults::Faults,
    linking::{ALICE, Arrived, BOB, Begun, Demo, PROVIDERS, unlinked},
    place::changes,
    world::{Arrival as Brought, World},
};
use demo_provider::{Misbehaviour, Seen};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Barrier, task::JoinSet};

/// That a callback is refused as every one that fits nothing is, and that nothing came of it.
async fn refused(world: &World, demo: &Demo, what: &str, request: Request) {
    let (before, asked) = (world.dump().await, demo.provider().seen().len());
    let answer = world.hub(request).await;
    assert_eq!(told(&answer), told_of_any(), "{what}");
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "{what}");
    assert_eq!(demo.provider().seen().len(), asked, "{what}: nobody is asked");
}

/// What an answer says to whoever got it.
fn told(answer: &Response) -> (u16, String, String, Option<String>, Option<String>) {
    let header = |name: &str| answer.header(name).map(str::to_owned);
    (answer.status, answer.field("code"), answer.field("detail"), header("location"), header("set-cookie"))
}

fn told_of_any() -> (u16, String, String, Option<String>, Option<String>) {
    let detail = "Begin again where you want to link the calendar.";
    (400, "invalid_state".to_owned(), detail.to_owned(), None, None)
}

/// Rows E1 to E4.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_callback_is_told_alike_and_nothing_comes_of_it() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let arrived = demo.arriving(&world, "google", ALICE).await;
    let other = Begun::at(&world, &world.b.hub_key, &world.b.user_id, "google").await;
    let other = demo.consent(&other, BOB);
    let state = arrived.parameter("state");
    let no_cookie = |arrived: &Arrived| Request::get(&arrived.target);
    let cookie =
        |value: &str| Request::get(&arrived.target).header("Cookie", &format!("__Host-oauth={value}"));
    let long = "A".repeat(10_240);
    let mut flipped = state.clone();
    flipped.replace_range(0..1, if state.starts_with('A') { "B" } else { "A" });
    for (what, request) in [
        ("without the browser's cookie", no_cookie(&arrived)),
        ("another tenant's browser", Arrived { binding: other.binding.clone(), ..arrived.clone() }.request()),
        (
            "another tenant's state in this browser",
            arrived.with("state", &other.parameter("state")).request(),
        ),
        ("an empty cookie", cookie("")),
        ("a cookie that is the state", cookie(&state)),
        ("a long cookie", cookie(&long)),
        ("no state", arrived.with("state", "").request()),
        ("a state that differs", arrived.with("state", &flipped).request()),
        ("a state in lower case", arrived.with("state", &state.to_lowercase()).request()),
        ("a state cut short", arrived.with("state", &state[..42]).request()),
        ("a state with a blank", arrived.with("state", &format!("{state}%20")).request()),
        ("a state with a NUL", arrived.with("state", &format!("{state}%00")).request()),
        ("a state that is no UTF-8", arrived.with("state", "%ff%fe").request()),
        ("a state of 10 kB", arrived.with("state", &long).request()),
        ("two states", arrived.with("state", &format!("{state}&state={state}")).request()),
        (
            "a list of states",
            Request::get(&arrived.target.replace("state=", "state[]="))
                .header("Cookie", &format!("__Host-oauth={}", arrived.binding)),
        ),
        (
            "another provider's callback",
            Arrived { target: arrived.target.replace("google", "microsoft"), ..arrived.clone() }.request(),
        ),
        (
            "a provider that there is not",
            Arrived { target: arrived.target.replace("google", "nobody"), ..arrived.clone() }.request(),
        ),
        (
            "the digest of the state",
            arrived.with("state", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").request(),
        ),
        ("nothing at all", Request::get("/oauth/google/callback")),
    ] {
        refused(&world, &demo, what, request).await;
    }
    // None of them took it.
    assert_eq!(world.hub(arrived.request()).await.status, 303);
    refused(&world, &demo, "replayed after success", arrived.request()).await;
    assert_eq!(world.hub(other.request()).await.status, 303);
    world.end().await;
}

/// A subdomain can toss a cookie in: whichever of two is the browser's own, neither is taken for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_with_two_cookies_of_the_name_is_refused_and_nothing_comes_of_it() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let arrived = demo.arriving(&world, "google", ALICE).await;
    let own = format!("__Host-oauth={}", arrived.binding);
    let other = format!("__Host-oauth={}", "A".repeat(43));
    let (before, asked) = (world.dump().await, demo.provider().seen().len());
    for (one, two) in [(&own, &other), (&other, &own), (&own, &own)] {
        let callback = || Request::get(&arrived.target);
        let in_one_line = callback().header("Cookie", &format!("{one}; {two}"));
        for request in [in_one_line, callback().header("Cookie", one).header("Cookie", two)] {
            let answer = world.hub(request).await;
            assert_eq!((answer.status, answer.field("code").as_str()), (400, "invalid_request"));
            assert!(answer.header("location").is_none() && answer.header("set-cookie").is_none());
        }
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    assert_eq!(demo.provider().seen().len(), asked, "nobody is asked");
    // None of them took it.
    assert_eq!(world.hub(arrived.request()).await.status, 303);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_late_after_ten_minutes() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    for (waited, status) in [(599_999, 303), (600_000, 400)] {
        unlinked(&world).await;
        let begun = Begun::at(&world, &world.a.hub_key, &world.a.user_id, "google").await;
        world.advance(Duration::from_millis(waited)).await;
        let arrived = demo.consent(&begun, ALICE);
        if status == 400 {
            refused(&world, &demo, "expired", arrived.request()).await;
        } else {
            assert_eq!(world.hub(arrived.request()).await.status, status);
        }
    }
    world.end().await;
}

/// A transaction that was taken is over, whatever came of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_failed_is_not_tried_again() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    for how in [Misbehaviour::ServerError500, Misbehaviour::WrongNonce, Misbehaviour::MissingScope] {
        let arrived = demo.arriving(&world, "google", ALICE).await;
        demo.provider().misbehave(Some(how));
        let failed = world.hub(arrived.request()).await;
        assert!([400, 502].contains(&failed.status), "{}", failed.body);
        demo.provider().misbehave(None);
        refused(&world, &demo, how.name(), arrived.request()).await;
    }
    // Who declines is not asked again by the same transaction.
    let begun = Begun::at(&world, &world.a.hub_key, &world.a.user_id, "google").await;
    let url = demo.provider().decline(&begun.url).unwrap();
    let target = url.split_at(url.find("/oauth/").unwrap()).1.to_owned();
    let arrived = Arrived { target, binding: begun.binding };
    let declined = world.hub(arrived.request()).await;
    assert_eq!((declined.status, declined.field("code").as_str()), (400, "not_connected"));
    refused(&world, &demo, "declined", arrived.request()).await;
    assert_eq!(world.place.query("SELECT provider AS line FROM connections").await, [""; 0]);
    world.end().await;
}

/// Row E11.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_error_says_is_shown_to_nobody() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let asked = demo.exchanges();
    for more in [
        "&error=access_denied&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E-canary",
        "&error=%3Cscript%3Ecanary%3C%2Fscript%3E&error_uri=https%3A%2F%2Fevil.example%2Fcanary",
        "&error=",
        "&error=a&error=b-canary",
        "&error=canary%0d%0aX-Evil:%20yes",
    ] {
        for accept in ["application/json", "text/html"] {
            let mut arrived = demo.arriving(&world, "google", ALICE).await;
            arrived.target.push_str(more);
            let answer = world.hub(arrived.request().header("Accept", accept)).await;
            assert_eq!(answer.status, 400, "{more}");
            let said = format!("{answer:?}");
            assert!(
                !said.contains("canary") && !said.contains("<script") && !said.contains("evil"),
                "{said}"
            );
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{accept}");
            refused(&world, &demo, more, arrived.request()).await;
        }
    }
    assert_eq!(demo.exchanges(), asked, "no code is shown to anybody where there is an error");
    assert!(!world.dump().await.iter().any(|row| row.contains("canary")));
    world.end().await;
}

/// Row E18: what goes by way of the browser stays out of pages, of the trail and of the store.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_callback_is_kept_or_told() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let mut secrets = Vec::new();
    for (provider, how) in PROVIDERS.iter().flat_map(|provider| {
        [None, Some(Misbehaviour::NotJson), Some(Misbehaviour::WrongAudience)].map(|how| (*provider, how))
    }) {
        let arrived = demo.arriving(&world, provider, ALICE).await;
        demo.provider().misbehave(how);
        let answer = world.hub(arrived.request().header("Accept", "text/html")).await;
        demo.provider().misbehave(None);
        secrets.extend([arrived.parameter("state"), arrived.parameter("code"), arrived.binding.clone()]);
        let said = format!("{answer:?}");
        assert!(secrets.iter().all(|secret| !said.contains(secret.as_str())), "{said}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        unlinked(&world).await;
    }
    let rows = world.dump().await;
    for secret in &secrets {
        assert!(secret.len() > 16 && !rows.iter().any(|row| row.contains(secret.as_str())), "{secret}");
    }
    world.end().await;
}

/// Row E4, and RFC 9207: the issuer that a callback names.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_names_another_issuer_is_of_another_provider() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let asked = demo.exchanges();
    for (provider, how, linked) in [
        ("google", Misbehaviour::WrongIssParameter, false),
        ("microsoft", Misbehaviour::WrongIssParameter, false),
        ("oidc", Misbehaviour::WrongIssParameter, false),
        ("oidc", Misbehaviour::NoIssParameter, false),
    ] {
        demo.provider().misbehave(Some(how));
        let arrived = demo.arriving(&world, provider, ALICE).await;
        let answer = world.hub(arrived.request()).await;
        assert_eq!(answer.status == 303, linked, "{provider} {}: {}", how.name(), answer.body);
        assert_eq!(answer.field("code"), "not_connected");
        demo.provider().misbehave(None);
        refused(&world, &demo, how.name(), arrived.request()).await;
    }
    assert_eq!(demo.exchanges(), asked, "no code is shown to anybody");
    world.end().await;
}

/// Rows E1 and E2: a thousand browsers, of which one was there before.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_callbacks_with_one_state_one_is_exchanged() {
    let (world, demo) = Demo::world().await;
    for round in 0..3 {
        unlinked(&world).await;
        demo.provider().end_grant(ALICE);
        // A minute's callbacks of one address.
        world.advance(Duration::from_secs(61)).await;
        let asked = demo.exchanges();
        let arrived = demo.arriving(&world, "google", ALICE).await;
        let answers = client::together(world.hub, vec![arrived.request(); 1000]).await;
        let linked = answers.iter().filter(|answer| answer.status == 303).count();
        let alike = answers.iter().filter(|answer| told(answer) == told_of_any()).count();
        assert_eq!((linked, alike), (1, 999), "round {round}");
        assert_eq!(demo.exchanges() - asked, 1);
        assert_eq!(world.place.query("SELECT status AS line FROM connections").await, ["active"]);
    }
    assert_eq!(demo.violations(), [""; 0]);
    world.end().await;
}

/// The same by the core itself, a hundred times.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_times_a_thousand_callbacks_link_one_calendar_each() {
    let world = World::start().await;
    let (calendars, google) = world.calendars().await;
    let calendars = Arc::new(calendars);
    for round in 0..100 {
        unlinked(&world).await;
        let brought =
            world.arriving(&world.a.hub_key, &world.a.user_id, "google", &format!("sub-{round}")).await;
        let outcomes = together(1000, |_| {
            let (calendars, world, brought) =
                (Arc::clone(&calendars), world.hub_platform.clone(), brought.clone());
            async move { finish(&calendars, &world, &brought).await }
        });
        let outcomes = outcomes.await;
        let linked = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let refused = outcomes.iter().filter(|outcome| **outcome == Err(FlowError::InvalidState)).count();
        assert_eq!((linked, refused), (1, 999), "round {round}");
        assert_eq!(google.exchanges(), round + 1, "one code a round is shown to the provider");
        let subjects = world.place.query("SELECT subject AS line FROM connections").await;
        assert_eq!(subjects, [format!("sub-{round}")]);
    }
    world.end().await;
}

async fn finish(
    calendars: &Calendars,
    platform: &auth_core::flow::Platform,
    brought: &Brought,
) -> Result<String, FlowError> {
    let binding = PlainToken::new(brought.binding.clone());
    let arrival = Arrival {
        provider: brought.provider.parse().unwrap(),
        state: Some(&brought.state),
        code: Some(&brought.code),
        has_error: false,
        issuer: None,
        binding: Some(&binding),
    };
    let origin = Origin { source: None, request_id: "test".to_owned() };
    let taken = calendars.take(platform, &arrival).await?;
    Ok(calendars.finish(platform, &origin, &arrival, taken).await?.as_str().to_owned())
}

/// Released together.
async fn together<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    work: impl Fn(usize) -> F,
) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(count));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let (barrier, work) = (Arc::clone(&barrier), work(number));
        tasks.spawn(async move {
            barrier.wait().await;
            work.await
        });
    }
    tasks.join_all().await
}

/// E8: a calendar that a hundred users link at the same time is one user's.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_many_link_together_is_one_users() {
    let world = World::start().await;
    unlinked(&world).await;
    let (calendars, google) = world.calendars().await;
    let calendars = Arc::new(calendars);
    let mut brought = Vec::new();
    for number in 0..100 {
        let users = format!("/accounts/{}/users", world.a.account_id);
        let user = format!(r#"{{"name":"User","email":"user-{number}@example.com"}}"#);
        let user = world.hub(Request::post(&users, &user).bearer(&world.a.hub_key)).await.field("user_id");
        brought.push(world.arriving(&world.a.hub_key, &user, "google", "one-subject").await);
    }
    let outcomes = together(100, |number| {
        let (calendars, platform) = (Arc::clone(&calendars), world.hub_platform.clone());
        let brought = brought[number].clone();
        async move { finish(&calendars, &platform, &brought).await }
    });
    let outcomes = outcomes.await;
    let linked = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let taken = Err(FlowError::NotConnected(NotConnected::Linked));
    let refused = outcomes.iter().filter(|outcome| **outcome == taken).count();
    assert_eq!((linked, refused), (1, 99), "{outcomes:?}");
    assert_eq!(google.exchanges(), 100, "each had a code of its own");
    assert_eq!(world.place.query("SELECT subject AS line FROM connections").await, ["one-subject"]);
    world.end().await;
}

/// A process that dies between taking a transaction and exchanging the code: what its store does not answer any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_over_where_whoever_took_it_is_gone() {
    let faults = Faults::default();
    let (world, demo) = Demo::world_with(|stores| faults.on(stores)).await;
    unlinked(&world).await;
    // It was taken, and nobody heard of it.
    let arrived = demo.arriving(&world, "google", ALICE).await;
    let asked = demo.exchanges();
    faults.lose(&["take"]);
    assert_eq!(world.hub(arrived.request()).await.status, 503);
    faults.recover();
    assert_eq!(demo.exchanges(), asked);
    refused(&world, &demo, "after a lost answer", arrived.request()).await;
    // It could not be taken: then it still stands, and nothing was asked.
    let arrived = demo.arriving(&world, "google", ALICE).await;
    faults.fail(&["take"]);
    assert_eq!(world.hub(arrived.request()).await.status, 503);
    faults.recover();
    assert_eq!(demo.exchanges(), asked);
    assert_eq!(world.hub(arrived.request()).await.status, 303);
    // The code was exchanged, and what came could not be stored.
    unlinked(&world).await;
    demo.provider().end_grant(ALICE);
    let arrived = demo.arriving(&world, "google", ALICE).await;
    faults.fail(&["connect"]);
    assert_eq!(world.hub(arrived.request()).await.status, 503);
    faults.recover();
    assert_eq!(world.place.query("SELECT status AS line FROM connections").await, [""; 0]);
    refused(&world, &demo, "after tokens that were not stored", arrived.request()).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_goes_away_does_not_undo_what_it_began() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let arrived = demo.arriving(&world, "google", ALICE).await;
    let asked = demo.count(|seen| matches!(seen, Seen::Exchange { .. }));
    arrived.request().send_and_leave(world.hub).await.unwrap();
    let wait = async || {
        while world.place.query("SELECT status AS line FROM connections").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait()).await.unwrap();
    assert_eq!(demo.exchanges(), asked + 1);
    refused(&world, &demo, "the browser's next try", arrived.request()).await;
    world.end().await;
}

/// A key that began something and has ended, an account that is suspended: what was begun is over, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_began_ends_with_it() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let tenant = world.tenant_of(&world.a, auth_core::service::Service::Hub).await;
    let permissions = [conformance::world::permission("calendar_access")].into_iter().collect();
    let (key, id) = world.key(auth_core::service::Service::Hub, tenant, permissions, None).await;
    let begun = Begun::at(&world, &key, &world.a.user_id, "google").await;
    let arrived = demo.consent(&begun, ALICE);
    world.revoke(auth_core::service::Service::Hub, &id).await;
    refused(&world, &demo, "a revoked key's", arrived.request()).await;
    let soon = auth_core::time::Clock::now(&world.clock) + Duration::from_secs(60);
    let (key, _) = world.key(auth_core::service::Service::Hub, tenant, permissions, Some(soon)).await;
    let begun = Begun::at(&world, &key, &world.a.user_id, "google").await;
    let arrived = demo.consent(&begun, ALICE);
    world.advance(Duration::from_secs(60)).await;
    refused(&world, &demo, "an expired key's", arrived.request()).await;
    let arrived = demo.arriving(&world, "google", ALICE).await;
    let suspend = format!(
        "UPDATE accounts SET status = 'suspended' WHERE id = {}",
        world.place.bytes(&world.a.account_id.replace('-', ""),)
    );
    world.place.execute(&suspend).await;
    refused(&world, &demo, "a suspended account's", arrived.request()).await;
    world.end().await;
}

/// Of two browsers and two transactions, each ends in its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_ends_in_the_browser_that_began_it() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let one = demo.arriving(&world, "google", ALICE).await;
    let other = Begun::at(&world, &world.b.hub_key, &world.b.user_id, "google").await;
    let other = demo.consent(&other, BOB);
    for (target, binding) in [(&one, &other), (&other, &one)] {
        let mixed = Arrived { target: target.target.clone(), binding: binding.binding.clone() };
        refused(&world, &demo, "another browser", mixed.request()).await;
    }
    // A code of the one in the transaction of the other: its verifier does not fit, and so nothing is linked.
    let injected = one.with("code", &other.parameter("code"));
    let answer = world.hub(injected.request()).await;
    assert_eq!((answer.status, answer.field("code").as_str()), (400, "not_connected"));
    assert_eq!(world.place.query("SELECT status AS line FROM connections").await, [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_is_a_state() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    let arrived = demo.arriving(&world, "google", ALICE).await;
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, ..Default::default() });
    let texts = ("\\PC{0,60}", "[A-Za-z0-9_-]{43}", "[ -~]{0,200}");
    let mut states = Vec::new();
    for _ in 0..100 {
        let (any, alike, plain) =
            proptest::strategy::ValueTree::current(&texts.new_tree(&mut runner).unwrap());
        states.extend([any, alike, plain]);
    }
    let before = world.dump().await;
    let asked = demo.provider().seen().len();
    for state in states {
        let encoded: String = state.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = world.hub(arrived.with("state", &encoded).request()).await;
        assert_eq!(told(&answer), told_of_any(), "{state:?}");
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    assert_eq!(demo.provider().seen().len(), asked);
    world.end().await;
}
