//! The service as a process of its own.

use auth_core::service::Service;
use conformance::process::{fails, shares_its_store, stops_gracefully};
use std::process::Command;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hub-service"))
}

#[tokio::test]
async fn it_serves_alone_and_shares_its_store() {
    shares_its_store(&mut program(), Service::Hub, "/calls").await;
}

#[tokio::test]
async fn it_answers_what_it_accepted_before_it_stops() {
    stops_gracefully(&mut program(), Service::Hub).await;
}

#[test]
fn a_wrong_configuration_is_refused_in_one_line() {
    assert!(fails(&mut program()).contains("store"), "a store must be said");
    assert!(fails(program().args(["--config", "absent.toml"])).contains("absent.toml"));
    assert!(fails(program().env("HUB_STORE__URL", "mysql://localhost/auth")).contains("sqlite://PATH"));
    let mut typo = program();
    typo.env("HUB_STORE__URL", "sqlite://auth.db").env("HUB_SERVER__LISSTEN", "127.0.0.1:0");
    assert!(fails(&mut typo).contains("lissten"));
    let mut everyone = program();
    everyone.arg("--check-config").env("HUB_STORE__URL", "sqlite://auth.db");
    assert!(fails(everyone.env("HUB_SERVER__TRUSTED_PROXIES", "['0.0.0.0/0']")).contains("trusted_proxies"));
    let good = program().arg("--check-config").env("HUB_STORE__URL", "sqlite://auth.db").status();
    assert!(good.is_ok_and(|status| status.success()));
}
