//! Checks of the repository itself: `cargo xtask CHECK`.
//!
//! A check says `ok` in one line, or one line for each fault on stderr, and then ends with 1.

mod bans;
mod deny;
mod docs;
mod graph;
mod licences;
mod repository;
mod schema;
mod sizes;

use repository::{Failure, Repository};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask graph|schema|sizes|docs|licences|bans";

/// What a check found.
#[derive(Debug)]
struct Report {
    /// What is wrong, a line each.
    faults: Vec<String>,
    /// What was looked at.
    seen: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name] = arguments.as_slice() else { return usage() };
    let check: fn(&Repository) -> Result<Report, Failure> = match name.as_str() {
        "graph" => graph::check,
        "schema" => schema::check,
        "sizes" => sizes::check,
        "docs" => docs::check,
        "licences" => licences::check,
        "bans" => bans::check,
        _ => return usage(),
    };
    match Repository::open().and_then(|repository| check(&repository)) {
        Ok(Report { faults, seen }) if faults.is_empty() => {
            println!("{name}: ok ({seen})");
            ExitCode::SUCCESS
        }
        Ok(Report { faults, seen }) => {
            faults.iter().for_each(|fault| eprintln!("{name}: {fault}"));
            println!("{name}: {} faults ({seen})", faults.len());
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("{name}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
