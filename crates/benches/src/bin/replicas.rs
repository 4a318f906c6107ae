//! How long a revocation takes that three replicas on one Postgres server must hear of: while all is well, and while one of
//! them hangs; asked all the time whether any accepts what was revoked. And how long one that starts meanwhile takes to its
//! first good answer. Ends with 1 where a figure is missed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement fails by panicking")]

use auth_core::{
    credential::draw_key,
    flow::{Platform, Tariff},
    model::NewKey,
    port::{CreateKey, Creation, Stores},
    service::Service,
    validate::LEASE,
};
use auth_web::{
    App,
    system::{OsEntropy, SystemClock},
};
use benches::replica::{OnPostgres, Replica, serve_alone};
use clap::Parser;
use conformance::{
    client::Request,
    contract::fixture::{granted, hub},
    history::Keys,
    place::Place,
};
use hub_service::Hub;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::Signal;
use std::{process::ExitCode, sync::Arc, time::Duration};
use tokio::time::Instant;

const ALL: [usize; 3] = [0, 1, 2];
/// What the median of a healthy revocation is to stay within.
const HEALTHY: Duration = Duration::from_millis(25);
/// What a revocation may take beyond a lease while a replica hangs.
const BEYOND: Duration = Duration::from_millis(500);
/// What a replica may take from its start to its first good answer.
const STARTED: Duration = Duration::from_secs(2);
/// How long each of those that ask all the time rests between two requests.
const PACE: Duration = Duration::from_millis(5);

/// Revokes keys of three replicas.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often while all is well.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rounds: u32,
    /// How often a replica starts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    starts: u32,
    /// How often while a replica hangs.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    paused: u32,
    #[command(flatten)]
    place: OnPostgres,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(stores) = arguments.place.of_replica().await {
        serve_alone(hub_on(stores)).await;
        return ExitCode::SUCCESS;
    }
    let (_server, backend) = match arguments.place.server().await {
        Ok(found) => found,
        Err(why) => {
            eprintln!("replicas: there is no Postgres server: {}", why.0);
            return ExitCode::FAILURE;
        }
    };
    let reached = measure(&arguments, Place::on(&backend).await).await;
    if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn hub_on(stores: Stores) -> App<Hub> {
    let platform = Platform::new(Service::Hub, stores, Arc::new(SystemClock::start()), Arc::new(OsEntropy));
    let tariff = Tariff { currency: "EUR".to_owned(), sms_cents: 0, phone_cents: 0 };
    App::new(Hub::new(platform, tariff), Vec::new())
}

/// How long a replica takes from its start, while the others are asked, to its first good answer.
async fn first_good_answer(place: &Place, key: &str) -> Duration {
    let begun = Instant::now();
    let replica = tokio::task::block_in_place(|| Replica::on(place));
    loop {
        let answer = Request::get("/calls").bearer(key).send(replica.address).await;
        if answer.is_ok_and(|answer| answer.status == 200) {
            return begun.elapsed();
        }
    }
}

async fn measure(arguments: &Arguments, place: Place) -> bool {
    let replicas = ALL.map(|_| Replica::on(&place));
    let (text, secret) = draw_key(Service::Hub, &OsEntropy);
    let fixture = place.fixture().await;
    let tenant = hub(&fixture.account().await);
    let new = NewKey { secret, ..fixture.new_key(Service::Hub) };
    let made = fixture.stores.keys.create(&granted::<CreateKey>(&tenant), new, None).await.unwrap();
    let Creation::Done(seq) = made else { panic!("{made:?}") };
    fixture.stores.revocations.settled(seq, LEASE).await.unwrap();
    let addresses = replicas.iter().map(|replica| replica.address).collect();
    let master = text.reveal().expose().to_owned();
    let history = Keys::begin(addresses, master.clone(), PACE);

    let bar = ProgressBar::new(u64::from(arguments.rounds + arguments.paused + arguments.starts));
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len}").unwrap());
    let mut healthy = Vec::new();
    for round in 0..arguments.rounds as usize {
        let key = history.make(round % 3, &ALL).await;
        healthy.push(history.revoke(&key, (round + 1) % 3, &ALL).await);
        bar.inc(1);
    }
    let mut paused = Vec::new();
    for round in 0..arguments.paused as usize {
        let (hangs, others) = (round % 3, [(round + 1) % 3, (round + 2) % 3]);
        let key = history.make(hangs, &ALL).await;
        replicas[hangs].signal(Signal::STOP);
        paused.push(history.revoke(&key, others[0], &others).await);
        replicas[hangs].signal(Signal::CONT);
        history.heals(hangs).await;
        bar.inc(1);
    }
    let mut started = Vec::new();
    for _ in 0..arguments.starts {
        started.push(first_good_answer(fixture.place.as_ref().unwrap(), &master).await);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let counts = history.end().await;
    healthy.sort();
    paused.sort();
    started.sort();
    let at = |times: &[Duration], part: f64| times[((times.len() - 1) as f64 * part) as usize];
    let (median, longest, last) = (at(&healthy, 0.5), at(&paused, 1.0), at(&started, 1.0));
    println!("| revocation, three replicas | median | 99 % | longest | to reach |");
    println!("|---|---|---|---|---|");
    for (name, times, limit) in [
        ("healthy", &healthy, format!("median within {HEALTHY:?}")),
        ("one paused", &paused, format!("within {:?}", LEASE + BEYOND)),
        ("another starts, to its first good answer", &started, format!("within {STARTED:?}")),
    ] {
        let row = [0.5, 0.99, 1.0].map(|part| format!("{:.1?}", at(times, part)));
        println!("| {name}, {} times | {} | {limit} |", times.len(), row.join(" | "));
    }
    println!("none accepted behind the answer; {counts:?}");
    median <= HEALTHY && longest <= LEASE + BEYOND && last <= STARTED
}
