//! A provider that misbehaves, in every way that the demo provider can (ATTACKS.md, E7, E12, E13 and E17): nothing is linked
//! by what it does, nothing that is there is lost, nobody else is asked, and no answer is waited for without end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use conformance::{
    client::Request,
    linking::{ALICE, Demo, PROVIDERS, unlinked},
    world::World,
};
use demo_provider::{Misbehaviour, Part};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, time::Instant};

/// The longest that an answer may take: the provider is waited for during two seconds, and asked twice at the most.
const LONGEST: Duration = Duration::from_secs(10);

/// Somebody inside, whom nobody should ask.
async fn inside() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let hits = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&hits);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, hits)
}

/// What a misbehaviour leads to where a calendar is being linked: the status, or that it is linked all the same.
fn linking(how: Misbehaviour, provider: &str) -> u16 {
    use Misbehaviour as M;
    match (how, how.part()) {
        // Nothing is wrong with an exchange.
        (_, Part::Refresh | Part::Calendar) | (M::OtherSubject | M::RevocationFails | M::NoScope, _) => 303,
        // Only Microsoft's have tenants.
        (M::WrongTenant, _) => {
            if provider == "microsoft" {
                400
            } else {
                303
            }
        }
        // Microsoft's name none; nor does Google's client count on it.
        (M::NoIssParameter, _) => {
            if provider == "oidc" {
                400
            } else {
                303
            }
        }
        // Only a client that discovers looks at those.
        (M::DiscoveryOtherIssuer | M::DiscoveryInside, _) => 303,
        // It is no answer that is read to its end.
        (M::OversizedIdToken, _) => 502,
        (_, Part::IdToken | Part::Callback) => 400,
        (
            M::MissingScope
            | M::WiderScope
            | M::NoRefreshToken
            | M::CodeOfAnotherClient
            | M::VerifierMismatch,
            _,
        ) => 400,
        // No such key is there.
        (M::KeysEmpty, _) => 400,
        _ => 502,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_linked_by_what_a_provider_does_wrong() {
    let (elsewhere, hits) = inside().await;
    let mut tried = 0;
    for provider in PROVIDERS {
        let (world, demo) = Demo::world().await;
        unlinked(&world).await;
        demo.provider().redirect_to(&elsewhere);
        for &how in Misbehaviour::ALL {
            // Its keys are asked for anew, and its document.
            world.advance(Duration::from_secs(3601)).await;
            demo.provider().end_grant(ALICE);
            let arrived = demo.arriving(&world, provider, ALICE);
            let (arrived, misbehaves) = match how.part() {
                Part::Callback => {
                    demo.provider().misbehave(Some(how));
                    (arrived.await, true)
                }
                _ => (arrived.await, false),
            };
            if !misbehaves {
                demo.provider().misbehave(Some(how));
            }
            let began = Instant::now();
            let answer = world.hub(arrived.request()).await;
            assert!(began.elapsed() < LONGEST, "{provider} {}: {:?}", how.name(), began.elapsed());
            demo.provider().misbehave(None);
            let what = format!("{provider} {}: {} {}", how.name(), answer.status, answer.body);
            assert_eq!(answer.status, linking(how, provider), "{what}");
            let linked = world.place.query("SELECT provider AS line FROM connections").await;
            assert_eq!(linked.is_empty(), answer.status != 303, "{what}");
            if answer.status != 303 {
                let trail = world.place.query("SELECT event AS line FROM audit_events ORDER BY seq").await;
                assert!(trail.last().unwrap().contains("calendar.not_connected"), "{what}");
                assert!(!answer.body.contains(demo.provider().origin()), "{what}");
            }
            unlinked(&world).await;
            tried += 1;
        }
        assert_eq!(demo.violations(), [""; 0]);
        world.end().await;
    }
    assert!(tried > 150, "{tried}");
    assert_eq!(hits.load(Ordering::SeqCst), 0, "nobody is followed inside");
}

/// What a misbehaviour leads to where another access token is needed: the status.
fn refreshing(how: Misbehaviour) -> u16 {
    use Misbehaviour as M;
    match (how, how.part()) {
        (M::OtherSubject | M::WrongAudience | M::SeveralAudiences | M::WrongIssuer, _) => 409,
        // A token that comes with a refresh is of whom it was, or nobody's.
        (M::DuplicateClaims | M::WrongTenant, _) => 409,
        (M::OversizedIdToken, _) => 502,
        (_, Part::IdToken | Part::Callback | Part::KeysAndDiscovery | Part::Calendar) => 200,
        (M::Rotation | M::RefreshOmitsRefreshToken | M::NoRefreshToken | M::NoScope, _) => 200,
        (M::InvalidGrant | M::CodeOfAnotherClient | M::VerifierMismatch, _) => 409,
        (M::MissingScope | M::WiderScope | M::RefreshOtherScope, _) => 409,
        _ => 502,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_outlives_what_its_provider_does_wrong() {
    let (elsewhere, hits) = inside().await;
    let (world, demo) = Demo::world().await;
    demo.provider().redirect_to(&elsewhere);
    let path = format!("/accounts/{}/users/{}/calendar/microsoft/token", world.a.account_id, world.a.user_id);
    let token = async || world.hub(Request::new("POST", &path).bearer(&world.a.hub_key)).await;
    for &how in Misbehaviour::ALL {
        unlinked(&world).await;
        demo.provider().end_grant(ALICE);
        demo.link(&world, "microsoft", ALICE).await;
        // Near its end, and good for a while: then the one that is there does.
        for (waited, over) in [(Duration::from_secs(3500), false), (Duration::from_secs(101), true)] {
            world.advance(waited).await;
            demo.provider().misbehave(Some(how));
            let began = Instant::now();
            let answer = token().await;
            assert!(began.elapsed() < LONGEST, "{}: {:?}", how.name(), began.elapsed());
            demo.provider().misbehave(None);
            let what = format!("{} over: {over}: {} {}", how.name(), answer.status, answer.body);
            let expected = refreshing(how);
            match (over, expected) {
                // It is known to be over: or what came before was stored, and is good for an hour.
                (true, 200) | (false, 502) => assert_eq!(answer.status, 200, "{what}"),
                _ => assert_eq!(answer.status, expected, "{what}"),
            }
            if expected == 409 {
                break;
            }
        }
        let status = world.place.query("SELECT status AS line FROM connections").await;
        let after = token().await;
        if refreshing(how) == 409 {
            assert_eq!((status[0].as_str(), after.status), ("needs_consent", 409), "{}", how.name());
        } else {
            assert_eq!((status[0].as_str(), after.status), ("active", 200), "{}: {}", how.name(), after.body);
        }
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0, "nobody is followed inside");
    world.end().await;
}

/// The events that a calendar has are read within limits, from its own address alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_is_read_from_its_own_address_and_within_limits() {
    let (elsewhere, hits) = inside().await;
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.provider().redirect_to(&elsewhere);
    for provider in ["google", "microsoft"] {
        demo.link(&world, provider, ALICE).await;
        let of_user =
            format!("/accounts/{}/users/{}/calendar/{provider}", world.a.account_id, world.a.user_id);
        let read = async |more: &str| read_of(&world, &of_user, more).await;
        for &how in Misbehaviour::ALL.iter().filter(|how| how.part() == Part::Calendar) {
            demo.provider().misbehave(Some(how));
            let answer = read("").await;
            demo.provider().misbehave(None);
            let what = format!("{provider} {}: {} {}", how.name(), answer.0, answer.1);
            // Where a next page is elsewhere, what is here can be read; nobody goes there.
            let fine = how == Misbehaviour::EventsNextLinkElsewhere && answer.0 == 200;
            assert!(fine || answer.0 == 502, "{what}");
            assert!(!answer.1.contains(&elsewhere), "{what}");
        }
        // What no answer gave leads nowhere.
        for cursor in
            ["%00", "AAAA", "Li4vLi4v", "aHR0cDovLzEyNy4wLjAuMTov", &"A".repeat(3000), "JnBhZ2VUb2tlbj14"]
        {
            let answer = read(&format!("&cursor={cursor}")).await;
            assert!([200, 400, 502].contains(&answer.0), "{cursor}: {}", answer.1);
        }
        for window in [
            "from=2026-01-01T00:00:00Z",
            "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            "from=2026-01-01T00:00:00Z&to=2027-01-03T00:00:00Z",
            "from=x&to=y",
            "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&limit=0",
            "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&limit=201",
            "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&x=1",
        ] {
            let answer =
                world.hub(Request::get(&format!("{of_user}/events?{window}")).bearer(&world.a.hub_key)).await;
            assert_eq!(answer.status, 400, "{window}: {}", answer.body);
        }
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0, "nobody is followed inside");
    world.end().await;
}

async fn read_of(world: &World, of_user: &str, more: &str) -> (u16, String) {
    let path = format!("{of_user}/events?from=2025-12-20T00:00:00Z&to=2026-02-01T00:00:00Z&limit=2{more}");
    let answer = world.hub(Request::get(&path).bearer(&world.a.hub_key)).await;
    (answer.status, answer.body)
}
