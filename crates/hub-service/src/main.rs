//! The Hub, on its own.

use auth_web::{
    config, log, serve,
    system::{OsEntropy, SystemClock},
};
use clap::Parser;
use hub_service::settings::Settings;
use std::{path::PathBuf, process::ExitCode, sync::Arc};

/// The Hub service: accounts, users, their calendars, API keys, calls, billing.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration (TOML); variables of the environment that begin with HUB_ go over it.
    #[arg(long, env = "HUB_CONFIG_FILE")]
    config: Option<PathBuf>,
    /// Reads the configuration, says whether it is good, and ends.
    #[arg(long)]
    check_config: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hub-service: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let settings: Settings = config::load(arguments.config.as_deref(), "HUB", &["config_file"])?;
    if arguments.check_config {
        settings.check()?;
        println!("the configuration is good");
        return Ok(());
    }
    log::start(false);
    let stop = serve::stop_signal().map_err(|error| error.to_string())?;
    settings.run(Arc::new(SystemClock::start()), Arc::new(OsEntropy), stop).await
}
