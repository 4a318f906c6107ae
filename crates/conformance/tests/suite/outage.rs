//! A store that cannot answer: `503` at most, never an allow, and healthy again by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::half_done::IN_STEPS;
use auth_core::{policy::Rule, service::Service, validate::LEASE};
use auth_web::{Place, Row, Service as WebService};
use chatbot_service::{Chatbot, responder::Responder};
use conformance::place::changes;
use conformance::{
    caller::{Kind, request, wrong_form},
    client::Request,
    faults::Faults,
    world::{Holdings, World},
};
use hub_service::Hub;
use std::time::Duration;

async fn faulty_world() -> (World, Faults) {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    (world, faults)
}

/// Every guarded row's example, with the first tenant's credential and without.
fn guarded<S: WebService>(world: &World) -> Vec<(Service, Request, Request)> {
    let rows = S::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_)));
    rows.map(|row| (S::KIND, example(row, &world.a), request(row, &world.a, None))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_admitted_while_the_store_is_down() {
    let (world, faults) = faulty_world().await;
    let requests = [guarded::<Hub>(&world), guarded::<Chatbot>(&world)].concat();
    let before = world.dump().await;
    let send = async |service, request: &Request| request.send(world.address(service)).await.unwrap();
    let calls = Request::get("/calls").bearer(&world.a.hub_key);
    assert!(requests.len() > 25);
    assert_eq!(send(Service::Hub, &calls).await.status, 200);
    for outage in 0..3 {
        faults.go_down();
        for service in Service::ALL {
            let ready = send(service, &Request::get("/health/ready")).await;
            assert_eq!(ready.status, 503, "at once, though the lease is live");
        }
        // Beyond the lease nothing is answered from memory.
        world.clock.advance(LEASE + Duration::from_secs(1));
        for (service, known, stranger) in &requests {
            let answer = send(*service, known).await;
            assert_eq!((answer.status, answer.field("code")), (503, "unavailable".to_owned()), "{known:?}");
            assert_eq!(wrong_form(&answer, *service), [""; 0], "{known:?}");
            // What can be said without the store is said.
            assert_eq!(send(*service, stranger).await.status, 401, "{stranger:?}");
        }
        for service in Service::ALL {
            assert_eq!(send(service, &Request::get("/health/live")).await.status, 200);
            assert_eq!(send(service, &Request::get("/health/ready")).await.status, 503);
        }
        assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");

        faults.recover();
        let healthy = tokio::time::timeout(Duration::from_secs(5), world.current()).await;
        assert!(healthy.is_ok(), "five seconds after outage {outage}");
        assert_eq!(send(Service::Hub, &calls).await.status, 200);
        for service in Service::ALL {
            assert_eq!(send(service, &Request::get("/health/ready")).await.status, 200);
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_revoked_before_the_outage_stays_refused() {
    let (world, faults) = faulty_world().await;
    let (key, id) = world.a.idle_key.clone();
    let ask = || Request::get("/calls").bearer(&key);
    assert_eq!(world.hub(ask()).await.status, 403, "a good key that may nothing");
    world.revoke(Service::Hub, &id).await;
    faults.go_down();
    assert_eq!(world.hub(ask()).await.status, 401, "from memory");
    world.clock.advance(LEASE + Duration::from_secs(1));
    assert_eq!(world.hub(ask()).await.status, 503, "without a lease nobody knows");
    faults.recover();
    world.current().await;
    assert_eq!(world.hub(ask()).await.status, 401);
    world.end().await;
}

/// The most calls that one request makes.
const MOST_CALLS: u32 = 40;

fn example<S: WebService>(row: &Row<S>, holdings: &Holdings) -> Request {
    let kind = Kind::of_row(row).first().copied();
    request(row, holdings, kind.map(|kind| kind.of(holdings, S::KIND)).as_deref())
}

/// Sends a writing row's example while one call of the store fails, in a world of its own; whether that call was
/// reached.
async fn with_fault<S: WebService>(row: &Row<S>, action: &str, call: u32) -> bool {
    let (mut world, faults) = faulty_world().await;
    let sent = example(row, &world.a);
    let (before, seq) = (world.dump().await, world.stores.audit.head().await.unwrap().seq);
    faults.fail_once(call);
    let answer = sent.send(world.address(S::KIND)).await.unwrap();
    let reached = !faults.is_due();
    faults.recover();
    let what = format!("{}, call {call}: {} {}", row.spec.id, answer.status, answer.body);
    let actions: Vec<_> = world.audited_since(seq).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(wrong_form(&answer, S::KIND), [""; 0], "{what}");
    if answer.status == row.status {
        // What failed was not needed for the answer: then all of it was done.
        let mut all = vec![action];
        if row.spec.id == "user_remove" && S::KIND == Service::Hub {
            all.push("calendar.disconnected");
        }
        assert_eq!(actions, all, "{what}");
    } else {
        assert_eq!(answer.status, 503, "{what}");
        assert!(reached, "{what}");
        assert_eq!(changes(&before, &world.dump().await), [""; 0], "{what}");
        world.current().await;
        let again = if row.spec.body.contains("{passkey}") {
            world.challenge_anew().await;
            example(row, &world.a)
        } else {
            sent
        };
        let again = again.send(world.address(S::KIND)).await.unwrap();
        assert_eq!(again.status, row.status, "{what}, then {}", again.body);
    }
    assert_eq!(
        Request::get("/health/ready").send(world.address(S::KIND)).await.unwrap().status,
        200,
        "{what}"
    );
    world.end().await;
    reached
}

async fn every_write<S: WebService>() -> usize {
    let mut failed = 0;
    for row in S::TABLE.rows() {
        let Some(action) = row.spec.audit.filter(|_| !IN_STEPS.contains(&row.spec.id)) else { continue };
        let mut call = 1;
        while with_fault(row, action, call).await {
            call += 1;
            assert!(call < MOST_CALLS, "{} asks the store without end", row.spec.id);
        }
        assert!(call > 1, "{} asks the store", row.spec.id);
        failed += usize::try_from(call).unwrap() - 1;
    }
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_call_of_the_store_is_a_503_and_no_half_a_write_at_the_hub() {
    assert!(every_write::<Hub>().await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_call_of_the_store_is_a_503_and_no_half_a_write_at_the_chatbot_service() {
    assert!(every_write::<Chatbot>().await > 6);
}

/// Sends every guarded row of a table with a credential that must be refused, while each call fails in turn. Where
/// the store is asked for the credential, a fault is reached on every row.
async fn stays_refused<S: WebService>(
    (world, faults): (&World, &Faults),
    credential: &str,
    refusal: u16,
    asked: bool,
) {
    for row in S::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_))) {
        let sent = request(row, &world.a, Some(credential));
        for call in 1..MOST_CALLS {
            faults.fail_once(call);
            let answer = sent.send(world.address(S::KIND)).await.unwrap();
            let reached = !faults.is_due();
            faults.fail_once(0);
            let what = format!("{}, call {call}: {}", row.spec.id, answer.body);
            assert!(answer.status == refusal || (answer.status == 503 && reached), "{what}");
            assert_eq!(wrong_form(&answer, S::KIND), [""; 0], "{what}");
            // A page's cookie is looked up at the pages alone, and nothing else is there.
            let pages = [credential.starts_with("avs_"), matches!(row.spec.place, Place::Page(_))];
            if call == 1 && asked && pages[0] == pages[1] {
                assert!(reached && answer.status == 503, "{what}");
            }
            if !reached {
                break;
            }
        }
    }
}

/// Sends what must be refused, with the lease, or without.
async fn refused_despite_faults(leased: bool) {
    let (world, faults) = faulty_world().await;
    let it = (&world, &faults);
    let mut ended = Vec::new();
    for kind in Kind::ALL {
        ended.push(kind.ended(&world, Service::Chatbot, false).await);
    }
    let ended_at_hub = Kind::Key.ended(&world, Service::Hub, false).await;
    if !leased {
        faults.stall(&["renew"]);
        world.clock.advance(LEASE + Duration::from_secs(1));
    }
    let before = world.dump().await;
    stays_refused::<Hub>(it, &world.a.idle_key.0, 403, !leased).await;
    for credential in &ended {
        stays_refused::<Chatbot>(it, credential, 401, !leased).await;
    }
    stays_refused::<Hub>(it, &ended_at_hub, 401, !leased).await;
    // In the end, since with the minutes that go by other credentials end, too.
    for kind in Kind::ALL {
        // Within what an address may guess a minute.
        if leased {
            world.advance(Duration::from_secs(61)).await;
        } else {
            world.clock.advance(Duration::from_secs(61));
        }
        let (hub, chatbot) = (kind.unknown(&world, Service::Hub), kind.unknown(&world, Service::Chatbot));
        // The Hub knows no sessions, and memory knows of every key whether it exists.
        let at_hub = matches!(kind, Kind::Key | Kind::Temp) && !leased;
        stays_refused::<Hub>(it, &hub, 401, at_hub).await;
        // Of a token of a person its signature tells, and of whose keys memory knows.
        let asked = !leased || !(kind.is_person() || matches!(kind, Kind::Key | Kind::Platform));
        // One that another keyring sealed costs no lookup.
        let asked = asked && !kind.is_page();
        stays_refused::<Chatbot>(it, &chatbot, 401, asked).await;
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    faults.recover();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_makes_a_good_credential_of_a_bad_one_in_memory() {
    refused_despite_faults(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_makes_a_good_credential_of_a_bad_one_without_a_lease() {
    refused_despite_faults(false).await;
}
