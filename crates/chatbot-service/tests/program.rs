//! The service as a process of its own.

use auth_core::service::Service;
use conformance::process::{fails, shares_its_store, stops_gracefully};
use std::process::Command;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_chatbot-service"))
}

#[tokio::test]
async fn it_serves_alone_and_shares_its_store() {
    shares_its_store(&mut program(), Service::Chatbot, "/auth/api/v1/tokens").await;
}

#[tokio::test]
async fn it_answers_what_it_accepted_before_it_stops() {
    stops_gracefully(&mut program(), Service::Chatbot).await;
}

#[test]
fn a_wrong_configuration_is_refused_in_one_line() {
    assert!(fails(&mut program()).contains("store"), "a store must be said");
    assert!(fails(program().args(["--config", "absent.toml"])).contains("absent.toml"));
    assert!(fails(program().env("CHATBOT_STORE__URL", "mysql://localhost/auth")).contains("sqlite://PATH"));
    let mut typo = program();
    typo.env("CHATBOT_STORE__URL", "sqlite://auth.db").env("CHATBOT_SERVER__LISSTEN", "127.0.0.1:0");
    assert!(fails(&mut typo).contains("lissten"));
    let mut everyone = program();
    everyone.arg("--check-config").env("CHATBOT_STORE__URL", "sqlite://auth.db");
    assert!(
        fails(everyone.env("CHATBOT_SERVER__TRUSTED_PROXIES", "['0.0.0.0/0']")).contains("trusted_proxies")
    );
    let good = program().arg("--check-config").env("CHATBOT_STORE__URL", "sqlite://auth.db").status();
    assert!(good.is_ok_and(|status| status.success()));
}

#[test]
fn the_check_of_a_configuration_looks_at_the_language_model() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::File::create(&file).and_then(|mut file| std::io::Write::write_all(&mut file, b"key")).unwrap();
    let check = |url: &str, key_file: &std::path::Path| {
        let mut command = program();
        command.arg("--check-config").env("CHATBOT_STORE__URL", "sqlite://auth.db");
        command.env("CHATBOT_RESPONDER__URL", url).env("CHATBOT_RESPONDER__KEY_FILE", key_file);
        command
    };
    assert!(fails(&mut check("http://llm.example", &file)).contains("https"));
    assert!(fails(&mut check("llm.example", &file)).contains("responder.url"));
    assert!(fails(&mut check("https://llm.example", &dir.path().join("absent"))).contains("key_file"));
    assert!(fails(&mut check("https://llm.example", dir.path())).contains("key_file"));
    for url in ["https://llm.example", "http://127.0.0.1:9"] {
        assert!(check(url, &file).status().is_ok_and(|status| status.success()), "{url}");
    }
}
