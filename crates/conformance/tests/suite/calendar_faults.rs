//! What is done with a provider for a connection, where many do it at once, and where it breaks off (ATTACKS.md, E15, E16).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    error::FlowError,
    flow::{AccessToken, Calendars, Platform},
    model::{ConnectionStatus, StoredConnection},
    policy::{Granted, grant},
    port::{CLAIM, UseConnection},
    principal::{KeyPrincipal, Principal},
};
use conformance::{
    client::{self, Request, Response},
    faults::Faults,
    linking::{ALICE, BOB, Demo, unlinked},
    operator::operator,
    world::{World, prove},
};
use demo_provider::{Misbehaviour, Seen};
use hub_service::rules;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

fn path(world: &World, provider: &str, what: &str) -> String {
    format!("/accounts/{}/users/{}/calendar/{provider}{what}", world.a.account_id, world.a.user_id)
}

async fn token(world: &World, provider: &str) -> Response {
    world.hub(Request::new("POST", &path(world, provider, "/token")).bearer(&world.a.hub_key)).await
}

async fn disconnect(world: &World, provider: &str) -> Response {
    world.hub(Request::new("DELETE", &path(world, provider, "")).bearer(&world.a.hub_key)).await
}

async fn stored(world: &World, provider: &str) -> Option<StoredConnection> {
    let (user, provider) = (world.a.user_id.parse().unwrap(), provider.parse().unwrap());
    world.stores.connections.read(operator().scope(), user, &provider).await.unwrap()
}

/// A world whose user has linked a calendar at a provider that gives each refresh token once, an hour ago.
async fn over(
    around: impl Fn(auth_core::port::Stores) -> auth_core::port::Stores,
    how: Option<Misbehaviour>,
) -> (World, Demo) {
    let (world, demo) = Demo::world_with(around).await;
    unlinked(&world).await;
    demo.link(&world, "microsoft", ALICE).await;
    demo.provider().misbehave(how);
    world.advance(Duration::from_secs(3601)).await;
    (world, demo)
}

/// The first tenant's key, as another process of the Hub judges it.
async fn granted(world: &World, stored: &StoredConnection) -> Granted<UseConnection> {
    let tenant = world.tenant_of(&world.a, auth_core::service::Service::Hub).await;
    let key = KeyPrincipal {
        id: world.a.idle_key.1.parse().unwrap(),
        service: auth_core::service::Service::Hub,
        tenant,
        permissions: auth_core::policy::Permissions::all_of(auth_core::service::Service::Hub),
        expires_at: None,
        version: auth_core::model::Version::FIRST,
    };
    let proof = prove::<rules::Calendars>(Principal::Key(key));
    grant::<UseConnection, _>(&proof, &stored.connection).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_several_processes_one_asks_for_another_token() {
    let (world, demo) = over(|stores| stores, Some(Misbehaviour::Rotation)).await;
    for round in 0..5 {
        world.advance(Duration::from_secs(3601)).await;
        let before = demo.refreshes();
        let found = stored(&world, "microsoft").await.unwrap();
        let granted = granted(&world, &found).await;
        let others: Vec<Arc<Calendars>> = vec![
            Arc::new(demo.calendars(&world, &world.stores).await),
            Arc::new(demo.calendars(&world, &world.place.open().await).await),
        ];
        let mut asked: JoinSet<Result<AccessToken, FlowError>> = JoinSet::new();
        for number in 0..100 {
            let calendars = Arc::clone(&others[number % 2]);
            let platform: Platform = world.operator_platform.clone();
            let (granted, found) = (granted.clone(), found.clone());
            asked.spawn(async move { calendars.access_token(&platform, &granted, found).await });
        }
        let request = Request::new("POST", &path(&world, "microsoft", "/token")).bearer(&world.a.hub_key);
        let answers = client::together(world.hub, vec![request; 100]).await;
        let asked = asked.join_all().await;
        assert_eq!(demo.refreshes() - before, 1, "round {round}");
        // Who found another one asking was told to come again, or has the one that came.
        let now = token(&world, "microsoft").await.field("access_token");
        for answer in &answers {
            assert!(answer.status == 503 || answer.field("access_token") == now, "{}", answer.body);
        }
        for outcome in &asked {
            match outcome {
                Ok(given) => assert_eq!(given.token.expose(), now),
                Err(error) => assert!(matches!(error, FlowError::Busy(_)), "{error}"),
            }
        }
        let given = answers.iter().filter(|answer| answer.status == 200).count()
            + asked.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(given > 0, "round {round}");
    }
    assert_eq!(demo.violations(), [""; 0], "no refresh token was shown twice");
    world.end().await;
}

/// Where the store fails once, at whichever call, nothing that a provider gave is lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_gave_outlives_a_fault_of_the_store() {
    let mut reached = 0;
    for call in 1.. {
        let faults = Faults::default();
        let (world, demo) = over(|stores| faults.on(stores), Some(Misbehaviour::Rotation)).await;
        faults.fail_once(call);
        let answer = token(&world, "microsoft").await;
        let is_due = faults.is_due();
        faults.recover();
        assert!(matches!(answer.status, 200 | 503), "call {call}: {}", answer.body);
        // A claim that could not be given up is over after a while.
        world.advance(CLAIM).await;
        assert_eq!(token(&world, "microsoft").await.status, 200, "call {call}");
        world.advance(Duration::from_secs(3601)).await;
        assert_eq!(token(&world, "microsoft").await.status, 200, "call {call}");
        assert_eq!(demo.violations(), [""; 0], "call {call}");
        world.end().await;
        if is_due {
            break;
        }
        reached += 1;
    }
    assert!(reached >= 4, "{reached} calls");
}

/// A process that dies between the provider's answer and the store: its claim stands until it is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_process_is_gone_is_over_after_a_while() {
    for (how, then) in [(None, 200), (Some(Misbehaviour::Rotation), 409)] {
        let faults = Faults::default();
        let (world, demo) = over(|stores| faults.on(stores), how).await;
        faults.fail(&["renewed"]);
        assert_eq!(token(&world, "microsoft").await.status, 503);
        faults.recover();
        let (asked, held) = (demo.refreshes(), token(&world, "microsoft").await);
        assert_eq!((held.status, held.header("retry-after")), (503, Some("1")));
        assert_eq!(demo.refreshes(), asked, "while somebody may be asking, nobody else does");
        world.advance(CLAIM - Duration::from_millis(1)).await;
        assert_eq!(token(&world, "microsoft").await.status, 503);
        world.advance(Duration::from_millis(1)).await;
        // What was given to who died, a provider that rotates takes from nobody: then its user is asked.
        let after = token(&world, "microsoft").await;
        assert_eq!(after.status, then, "{}", after.body);
        world.end().await;
    }
}

/// Ending a connection, with a fault at each call of the store: it is whole, or ended and given to nobody, and who asks
/// again ends it.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_broke_off_is_gone_on_with() {
    let mut reached = 0;
    for call in 1.. {
        let faults = Faults::default();
        let (world, demo) = Demo::world_with(|stores| faults.on(stores)).await;
        unlinked(&world).await;
        demo.link(&world, "google", ALICE).await;
        faults.fail_once(call);
        let answer = disconnect(&world, "google").await;
        let is_due = faults.is_due();
        faults.recover();
        let found = stored(&world, "google").await;
        match found.map(|found| found.connection.status) {
            None => assert_eq!(answer.status, 204, "call {call}"),
            Some(ConnectionStatus::Active) => {
                assert_eq!(answer.status, 503, "call {call}");
                assert!(demo.provider().is_granted(ALICE), "call {call}: nobody was told");
            }
            Some(_) => {
                assert!(matches!(answer.status, 202 | 503), "call {call}: {}", answer.body);
                assert_eq!(token(&world, "google").await.status, 404, "call {call}");
            }
        }
        // By itself, once a claim is over.
        world.advance(CLAIM).await;
        if stored(&world, "google")
            .await
            .is_some_and(|found| found.connection.status != ConnectionStatus::Active)
        {
            world.upkeep_of_hub().await;
        } else if stored(&world, "google").await.is_some() {
            assert_eq!(disconnect(&world, "google").await.status, 204, "call {call}");
        }
        assert!(stored(&world, "google").await.is_none(), "call {call}");
        assert!(!demo.provider().is_granted(ALICE), "call {call}");
        world.end().await;
        if is_due {
            break;
        }
        reached += 1;
    }
    assert!(reached >= 4, "{reached} calls");
}

/// A callback, with a fault at each call of the store: the calendar is linked, or nothing is; and where a code was shown to
/// the provider, the same callback links nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_broke_off_leaves_a_whole_connection_or_none() {
    let mut reached = 0;
    for call in 1.. {
        let faults = Faults::default();
        let (world, demo) = Demo::world_with(|stores| faults.on(stores)).await;
        unlinked(&world).await;
        let arrived = demo.arriving(&world, "google", ALICE).await;
        faults.fail_once(call);
        let answer = world.hub(arrived.request()).await;
        let is_due = faults.is_due();
        faults.recover();
        assert!(matches!(answer.status, 303 | 400 | 503), "call {call}: {}", answer.body);
        let linked = stored(&world, "google").await;
        assert_eq!(linked.is_some(), answer.status == 303, "call {call}: {}", answer.body);
        let given = token(&world, "google").await.status;
        assert_eq!(given, if linked.is_some() { 200 } else { 404 }, "call {call}");
        if demo.exchanges() == 0 {
            // It could not be taken: then it still stands.
            assert_eq!(answer.status, 503, "call {call}");
            assert_eq!(world.hub(arrived.request()).await.status, 303, "call {call}");
        }
        let (asked, before) = (demo.exchanges(), stored(&world, "google").await);
        let again = world.hub(arrived.request()).await;
        assert_eq!((again.status, again.field("code").as_str()), (400, "invalid_state"), "call {call}");
        assert_eq!((demo.exchanges(), stored(&world, "google").await), (asked, before), "call {call}");
        is_linked_afresh(&world, &demo).await;
        world.end().await;
        if is_due {
            break;
        }
        reached += 1;
    }
    assert!(reached >= 3, "{reached} calls");
}

/// The connection was stored, and nobody heard of it: then it is whole, and the same callback links nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_stored_unheard_is_whole() {
    let faults = Faults::default();
    let (world, demo) = Demo::world_with(|stores| faults.on(stores)).await;
    unlinked(&world).await;
    let arrived = demo.arriving(&world, "google", ALICE).await;
    faults.lose(&["connect"]);
    assert_eq!(world.hub(arrived.request()).await.status, 503);
    faults.recover();
    let linked = stored(&world, "google").await;
    assert_eq!(linked.as_ref().unwrap().connection.status, ConnectionStatus::Active);
    assert_eq!(token(&world, "google").await.status, 200);
    let again = world.hub(arrived.request()).await;
    assert_eq!((again.status, again.field("code").as_str()), (400, "invalid_state"));
    assert_eq!((demo.exchanges(), stored(&world, "google").await), (1, linked));
    is_linked_afresh(&world, &demo).await;
    world.end().await;
}

/// That a callback of its own links the calendar, whether it was linked before or not, once.
async fn is_linked_afresh(world: &World, demo: &Demo) {
    demo.link(world, "google", ALICE).await;
    assert_eq!(world.place.query("SELECT status AS line FROM connections").await, ["active"]);
    assert_eq!(token(world, "google").await.status, 200);
    assert_eq!(demo.violations(), [""; 0]);
}

/// What the Hub does by itself every hour, with a fault at each call of the store: where one end breaks off, the other
/// is gone on with.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_breaks_off_holds_up_no_other() {
    let faults = Faults::default();
    let (world, demo) = Demo::world_with(|stores| faults.on(stores)).await;
    unlinked(&world).await;
    let waiting = async || world.place.query("SELECT provider AS line FROM connections").await.len();
    let mut left = Vec::new();
    for call in 1.. {
        demo.link(&world, "google", ALICE).await;
        demo.link(&world, "oidc", BOB).await;
        demo.provider().misbehave(Some(Misbehaviour::RevocationFails));
        for provider in ["google", "oidc"] {
            assert_eq!(disconnect(&world, provider).await.status, 202, "call {call}: {provider}");
        }
        demo.provider().misbehave(None);
        faults.fail_once(call);
        world.upkeep_of_hub().await;
        let is_due = faults.is_due();
        faults.recover();
        left.push(waiting().await);
        // By the next hour, none waits.
        world.advance(Duration::from_secs(3600)).await;
        world.upkeep_of_hub().await;
        assert_eq!(waiting().await, 0, "call {call}");
        assert!(!demo.provider().is_granted(ALICE) && !demo.provider().is_granted(BOB), "call {call}");
        if is_due {
            break;
        }
    }
    // What is over is forgotten, the ended ones are listed, each of the two is claimed and forgotten; and no fault.
    assert_eq!(left, [0, 2, 1, 1, 1, 1, 0]);
    world.end().await;
}

/// A connection that is ended while its tokens are being replaced: nobody gets them, and the provider is told of those that
/// came.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_ended_while_it_is_replaced_is_ended_with_what_came() {
    let faults = Faults::default();
    let (world, demo) = Demo::world_with(|stores| faults.on(stores)).await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    world.advance(Duration::from_secs(3601)).await;
    faults.stall(&["renewed"]);
    let asking = {
        let (request, hub) =
            (Request::new("POST", &path(&world, "google", "/token")).bearer(&world.a.hub_key), world.hub);
        tokio::spawn(async move { request.send(hub).await.unwrap() })
    };
    conformance::world::until("the tokens came", || faults.has_stalled()).await;
    let waits = disconnect(&world, "google").await;
    assert_eq!((waits.status, waits.field("status").as_str()), (202, "disconnecting"));
    assert_eq!(
        demo.count(|seen| matches!(seen, Seen::Revocation { .. })),
        0,
        "not while they are on their way"
    );
    faults.recover();
    let given = asking.await.unwrap();
    assert_eq!(given.status, 404, "nothing is given behind the end: {}", given.body);
    assert_eq!(token(&world, "google").await.status, 404);
    world.upkeep_of_hub().await;
    assert!(stored(&world, "google").await.is_none() && !demo.provider().is_granted(ALICE));
    world.end().await;
}

/// What a name stands for may change with the configuration: tokens are shown to whoever gave them, and to nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_shown_to_who_gave_them_alone() {
    let (world, demo) = over(|stores| stores, None).await;
    world.place.execute("UPDATE connections SET issuer = 'https://other.example'").await;
    let seen = demo.provider().seen().len();
    assert_eq!(token(&world, "microsoft").await.status, 404);
    let events = "/events?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let events = Request::get(&path(&world, "microsoft", events)).bearer(&world.a.hub_key);
    assert_eq!(world.hub(events).await.status, 404);
    let waits = disconnect(&world, "microsoft").await;
    assert_eq!((waits.status, waits.field("status").as_str()), (202, "disconnecting"));
    assert_eq!(demo.provider().seen().len(), seen, "nobody is asked");
    // After a month it is given up, so that its calendar can be linked again.
    world.place.execute("UPDATE connections SET failed_revocations = 720").await;
    world.upkeep_of_hub().await;
    assert!(stored(&world, "microsoft").await.is_none());
    let events = world.place.query("SELECT event AS line FROM audit_events ORDER BY seq DESC LIMIT 1").await;
    assert!(events[0].contains("calendar.forgotten") && events[0].contains("given_up"), "{events:?}");
    world.end().await;
}

/// A provider that is slow holds up those who ask it, and nobody else; and those only so many at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_is_asked_so_much_at_once_and_no_more() {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    demo.provider().misbehave(Some(Misbehaviour::EventsEndless));
    let events = "/events?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let request = Request::get(&path(&world, "google", events)).bearer(&world.a.hub_key);
    let answers = client::together(world.hub, vec![request; 200]).await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert!(
        of(502) > 0 && of(503) > 0 && of(502) + of(503) == answers.len(),
        "{:?}",
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>()
    );
    demo.provider().misbehave(None);
    assert_eq!(token(&world, "google").await.status, 200);
    world.end().await;
}
