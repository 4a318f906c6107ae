//! The service as a process of its own.

use auth_core::service::Service;
use conformance::{
    client::Request,
    mail_server::{MailServer, Manner},
    process::{Process, fails, shares_its_store, stops_gracefully},
    world::until,
};
use std::process::Command;

/// The program, in a development run: letters go to its log.
fn program() -> Command {
    let mut command = in_production();
    command.env("CHATBOT_DEVELOPMENT", "true");
    command
}

fn in_production() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatbot-service"));
    command.env("CHATBOT_TOKENS__ISSUER", "https://chat.example.com");
    command
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

#[test]
fn letters_have_a_way_or_nothing_needs_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("auth.db");
    let with = |settings: &[(&str, &str)]| {
        let mut command = in_production();
        command.env("CHATBOT_STORE__URL", format!("sqlite://{}", store.display()));
        command.env("CHATBOT_SERVER__LISTEN", "127.0.0.1:0").env("CHATBOT_SERVER__METRICS", "off");
        command.envs(settings.iter().copied());
        command
    };
    let off = ("CHATBOT_PEOPLE__PASSWORD_RESET", "off");
    let verified = ("CHATBOT_PEOPLE__REGISTRATION", "verified");
    let url = ("CHATBOT_MAIL__URL", "smtps://user:hunter2@mail.example.com");
    let from = ("CHATBOT_MAIL__FROM", "Example <noreply@example.com>");
    let page = ("CHATBOT_MAIL__PAGE", "https://app.example.com/account");
    for (settings, said) in [
        (&[][..], "people.password_reset"),
        (&[off, verified], "people.registration"),
        (&[off, ("CHATBOT_PEOPLE__REGISTRATION", "open")], "people.registration"),
        (&[off, ("CHATBOT_PEOPLE__REGISTRATION", "sometimes")], "verified"),
        (&[url], "mail.from"),
        (&[url, ("CHATBOT_MAIL__FROM", "nobody")], "mail.from"),
        (&[url, from, ("CHATBOT_MAIL__PAGE", "http://app.example.com")], "mail.page"),
        (&[("CHATBOT_MAIL__URL", "http://user:hunter2@mail.example.com"), from], "mail.url"),
        (&[("CHATBOT_MAIL__URL", "hunter2"), from], "mail.url"),
        (&[url, from, ("CHATBOT_MAIL__PASSWORD_FILE", "absent")], "mail.password_file"),
        (&[url, from, ("CHATBOT_MAIL__PASWORD", "hunter2")], "pasword"),
    ] {
        let checked = fails(with(settings).arg("--check-config"));
        assert!(checked.contains(said) && !checked.contains("hunter2"), "{checked}");
        assert_eq!(fails(&mut with(settings)), checked, "it does not start either");
    }
    let checked = fails(with(&[off]).env_remove("CHATBOT_TOKENS__ISSUER").arg("--check-config"));
    assert!(checked.contains("tokens.issuer"), "{checked}");
    assert!(!store.exists(), "and nothing was made");
    for settings in
        [&[off][..], &[url, from, page], &[url, from, verified], &[("CHATBOT_DEVELOPMENT", "true"), verified]]
    {
        let status = with(settings).arg("--check-config").status();
        assert!(status.is_ok_and(|status| status.success()), "{settings:?}");
    }
}

/// The way of one person: they register, open the link of a letter, log in, forget their password and set another.
#[tokio::test]
async fn its_letters_arrive_and_their_links_do_what_they_say() {
    let server = MailServer::start(Manner::Takes).await;
    let dir = tempfile::tempdir().unwrap();
    let mut command = in_production();
    command.env("CHATBOT_STORE__URL", format!("sqlite://{}", dir.path().join("auth.db").display()));
    command.env("CHATBOT_SERVER__LISTEN", "127.0.0.1:0").env("CHATBOT_SERVER__METRICS", "off");
    command.env("CHATBOT_PEOPLE__REGISTRATION", "verified").env("CHATBOT_MAIL__URL", server.url());
    command
        .env("CHATBOT_MAIL__FROM", "noreply@example.com")
        .env("CHATBOT_MAIL__PAGE", "https://app.example.com/");
    let process = Process::start(&mut command);
    let (email, old, new) = ("alice@example.com", "violet tapir quietly", "three quiet walruses");
    let post = async |path: &str, body: String| process.send(Request::post(path, &body)).await.status;
    let log_in = async |password: &str| {
        post("/auth/login", format!(r#"{{"email":"{email}","password":"{password}"}}"#)).await
    };
    let link = async |count: usize, what: &str| {
        until("a letter arrives", || server.messages().len() >= count).await;
        let message = server.messages().pop().unwrap();
        let start = format!("https://app.example.com/#{what}=");
        message.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned).unwrap()
    };
    let body = format!(r#"{{"email":"{email}","password":"{old}","name":"Alice"}}"#);
    assert_eq!(post("/auth/register", body).await, 202);
    let token = link(1, "verify").await;
    assert_eq!(log_in(old).await, 401);
    link(2, "reset").await;
    assert_eq!(post("/auth/email/verify", format!(r#"{{"token":"{token}"}}"#)).await, 204);
    assert_eq!(log_in(old).await, 200);
    assert_eq!(post("/auth/password/forgot", format!(r#"{{"email":"{email}"}}"#)).await, 202);
    let token = link(3, "reset").await;
    let body = format!(r#"{{"token":"{token}","password":"{new}"}}"#);
    assert_eq!(post("/auth/password/reset", body).await, 204);
    assert_eq!((log_in(old).await, log_in(new).await), (401, 200));
    process.terminate();
    let (code, log) = process.wait();
    assert_eq!(code, Some(0));
    let log = log.concat();
    assert!(!log.contains("avv_") && !log.contains(email), "{log}");
}

#[tokio::test]
async fn a_development_run_writes_its_letters_to_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    command.env("CHATBOT_STORE__URL", format!("sqlite://{}", dir.path().join("auth.db").display()));
    command.env("CHATBOT_SERVER__LISTEN", "127.0.0.1:0").env("CHATBOT_SERVER__METRICS", "off");
    command.env("CHATBOT_PEOPLE__REGISTRATION", "verified");
    let process = Process::start(&mut command);
    let body = r#"{"email":"alice@example.com","password":"violet tapir quietly","name":"Alice"}"#;
    assert_eq!(process.send(Request::post("/auth/register", body)).await.status, 202);
    process.terminate();
    let (code, log) = process.wait();
    assert_eq!(code, Some(0));
    let letter = log.iter().find(|line| line.contains("#verify=avv_")).unwrap();
    assert!(letter.contains("alice@example.com"), "{letter}");
}
