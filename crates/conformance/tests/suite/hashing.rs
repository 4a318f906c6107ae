//! Logins at the real cost of a password: what they tell by their time, and what a flood of them leaves to others.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use chatbot_service::{passwords::COST, settings::People};
use conformance::{
    client::Request,
    world::{PEOPLE, World},
};
use serde_json::json;
use std::{
    net::Ipv4Addr,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

const REAL: People = People { password_cost: COST, ..PEOPLE };
/// How often each kind of login is timed.
const SAMPLES: usize = 16;

fn log_in(email: &str, password: &str) -> Request {
    Request::post("/auth/login", &json!({ "email": email, "password": password }).to_string())
}

/// Seconds that a login takes which nobody has tried before, from the first byte to the last.
async fn seconds(world: &World, login: &Request) -> f64 {
    world.place.execute("DELETE FROM attempts").await;
    world.advance(Duration::from_secs(60)).await;
    let begun = Instant::now();
    let answer = world.chatbot(login.clone()).await;
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(answer.status, 401, "{}", answer.body);
    took
}

/// Welch's t of two samples.
fn t(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let spread = |values: &[f64]| {
        let mean = mean(values);
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        squares / (values.len() - 1) as f64 / values.len() as f64
    };
    (mean(a) - mean(b)) / (spread(a) + spread(b)).sqrt()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Row C3. All kinds are timed in turns, so that what else the machine does meets all.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_takes_as_long_whoever_it_is_for() {
    let world = World::start_for(REAL).await;
    let (known, suspended) = (world.a.person.clone(), world.b.person.clone());
    let suspend = format!("UPDATE people SET status = 'suspended' WHERE address = '{}'", suspended.email);
    world.place.execute(&suspend).await;
    let kinds = [
        ("an address that nobody has", log_in("nobody@a.example", "violet tapir quietly")),
        ("a wrong password", log_in(&known.email, "violet tapir loudly")),
        ("a suspended person's password", log_in(&suspended.email, &suspended.password)),
        ("no address", log_in("nobody", "violet tapir quietly")),
        ("a password that nobody can have", log_in(&known.email, &"x".repeat(100))),
    ];
    let mut times = vec![Vec::new(); kinds.len()];
    for sample in 0..SAMPLES {
        for turn in 0..kinds.len() {
            let kind = (sample + turn) % kinds.len();
            times[kind].push(seconds(&world, &kinds[kind].1).await);
        }
    }
    for ((name, _), own) in kinds.iter().zip(&times).skip(1) {
        let (ratio, t) = (median(own) / median(&times[0]), t(own, &times[0]));
        // What is not hashed takes a hundredth of the time.
        assert!((0.67..1.5).contains(&ratio) && t.abs() < 6.0, "{name}: x {ratio:.3}, t = {t:.1}");
    }
    world.end().await;
}

/// Row C7. While a flood is hashed, who comes too late is told when to come again, and other routes answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_is_sent_away_and_holds_up_nobody_else() {
    let world = World::start_for(REAL).await;
    let to = world.chatbot;
    let all = 40 * std::thread::available_parallelism().map_or(1, NonZero::get);
    let answered = Arc::new(AtomicUsize::new(0));
    let trying: Vec<_> = (0..all)
        .map(|number| {
            let [_, _, high, low] = u32::try_from(number + 256).unwrap().to_be_bytes();
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                let login = log_in(&format!("nobody{number}@a.example"), "violet tapir quietly");
                let answer = login.send_from(Ipv4Addr::new(127, 0, high, low), to).await.unwrap();
                answered.fetch_add(1, Ordering::SeqCst);
                answer
            })
        })
        .collect();
    let mut others = 0;
    while answered.load(Ordering::SeqCst) < all {
        let guarded = Request::get("/auth/api/v1/tokens").bearer(&world.a.domain_key);
        assert_eq!(world.chatbot(guarded).await.status, 200);
        others += 1;
    }
    let (mut hashed, mut away) = (0, 0);
    for login in trying {
        let answer = login.await.unwrap();
        match answer.status {
            401 => hashed += 1,
            503 => {
                away += 1;
                let again: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!(again >= 1, "{answer:?}");
                assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert!(hashed > 0 && away > 0, "{hashed} hashed, {away} sent away");
    assert!(others > hashed, "{others} others were answered while {hashed} were hashed");
    let right = world.chatbot(log_in(&world.a.person.email, &world.a.person.password)).await;
    assert_eq!(right.status, 200, "and then there is room: {}", right.body);
    world.end().await;
}
