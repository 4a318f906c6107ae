//! What an access token is worth at three replicas of the chatbot service on one Postgres server once its session has ended:
//! by a logout, a logout everywhere, a suspension, a demotion, or a refresh token that was used again. Each is asked for at all
//! three, all the time; a token that is accepted behind the answer ends this with a panic.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use benches::replica::{OnPostgres, Replica, serve_alone};
use clap::Parser;
use conformance::{
    endings::{Ending, Endings, replica},
    place::Place,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;

/// Ends sessions of three replicas.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often, in each way.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rounds: u32,
    #[command(flatten)]
    place: OnPostgres,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(stores) = arguments.place.of_replica().await {
        serve_alone(replica(stores).await).await;
        return ExitCode::SUCCESS;
    }
    let (_server, backend) = match arguments.place.server().await {
        Ok(found) => found,
        Err(why) => {
            eprintln!("endings: there is no Postgres server: {}", why.0);
            return ExitCode::FAILURE;
        }
    };
    measure(arguments.rounds, Place::on(&backend).await).await;
    ExitCode::SUCCESS
}

async fn measure(rounds: u32, place: Place) {
    let replicas = [(); 3].map(|()| Replica::on(&place));
    let addresses = replicas.each_ref().map(|replica| replica.address);
    let mut endings = Endings::begin(place.fixture().await, addresses).await;
    let bar = ProgressBar::new(u64::from(rounds) * Ending::EVERY.len() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len}").unwrap());
    let mut lines = Vec::new();
    for ending in Ending::EVERY {
        let mut times = Vec::new();
        for number in 0..rounds as usize {
            times.push(endings.round(number, ending).await);
            bar.inc(1);
        }
        times.sort();
        let at = |part: f64| times.get(((times.len() - 1) as f64 * part) as usize).copied().unwrap();
        let [median, most, longest] = [0.5, 0.99, 1.0].map(at);
        lines.push(format!(
            "| {}, {rounds} times | {median:.1?} | {most:.1?} | {longest:.1?} |",
            ending.name()
        ));
    }
    bar.finish_and_clear();
    let counts = endings.end().await;
    println!("| sessions that end, three replicas | median | 99 % | longest |\n|---|---|---|---|");
    lines.iter().for_each(|line| println!("{line}"));
    println!("none accepted behind the answer; {counts:?}");
}
