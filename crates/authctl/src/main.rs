//! The operator's command line. Whoever can write the store's file is the operator: no command asks for a
//! credential, and each change says `operator` in the audit trail.

mod accounts;
mod arguments;
mod audit;
mod bootstrap;
mod demo;
mod domains;
mod explain;
mod import;
mod keys;
mod migrate;
mod operator;
mod output;
mod people;
mod place;
mod signing_keys;
mod totp;
mod up;
mod vault;

use arguments::{Arguments, Command};
use clap::{Parser as _, error::ErrorKind};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A reader that went away has what it wanted.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            // What cannot be parsed says only in its words that it wants JSON.
            let json = std::env::args_os().any(|argument| argument == "--json");
            return fail(json, &in_one_line(&error));
        }
    };
    let json = arguments.json;
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(json, &error),
    }
}

/// One line for people, or one JSON object for programs.
fn fail(json: bool, error: &str) -> ExitCode {
    if json {
        eprintln!("{}", serde_json::json!({ "error": error }));
    } else {
        eprintln!("authctl: {error}");
    }
    ExitCode::FAILURE
}

/// What is wrong with the arguments, without the paragraphs of usage behind it.
fn in_one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "what to do? `authctl --help` lists the commands".to_owned();
    }
    let text = error.to_string();
    let about = text.split("\n\n").next().unwrap_or_default();
    let about = about.strip_prefix("error: ").unwrap_or(about);
    format!("{} (see --help)", about.split_whitespace().collect::<Vec<_>>().join(" "))
}

async fn run(Arguments { place, json, command }: Arguments) -> Result<(), String> {
    match command {
        Command::Up(wanted) => up::run(&place, wanted, json).await,
        Command::Init(listen) => bootstrap::run(&place, listen, json).await,
        Command::Keys(command) => keys::run(&place, command, json).await,
        Command::Accounts(command) => accounts::run(&place, command, json).await,
        Command::Domains(command) => domains::run(&place, command, json).await,
        Command::People(command) => people::run(&place, command, json).await,
        Command::SigningKeys(command) => signing_keys::run(&place, command, json).await,
        Command::Vault(command) => vault::run(&place, command, json).await,
        Command::Totp => totp::run(json),
        Command::Import(command) => import::run(&place, command, json).await,
        Command::Audit(command) => audit::run(&place, command, json).await,
        Command::Policy(command) => explain::run(&place, command, json).await,
        Command::Migrate(roles) => migrate::run(&place, roles, json).await,
    }
}
