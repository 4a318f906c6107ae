//! Documents of providers: when they are fetched, and where they cannot lead.

use crate::server::{Reply, Server, discovered, document, header, http, json_of, opened, unusable};
use auth_core::{
    port::{CalendarProvider, ProviderError},
    secret::PlainToken,
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::task::JoinSet;

/// A server whose document is changed by this.
async fn changed(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let mut document = document(&format!("http://{}", header(request, "host").unwrap()));
        change(&mut document);
        json_of("200 OK", &document.to_string())
    })
    .await
}

async fn exchange(provider: &dyn CalendarProvider) -> Result<(), ProviderError> {
    let token = |text: String| PlainToken::new(text);
    provider.exchange(&token("code".to_owned()), &token("v".repeat(43))).await.map(drop)
}

/// Moves tokio's clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_document_is_fetched_when_it_is_needed_and_kept_for_an_hour() {
    let server = changed(|_| {}).await;
    let provider = opened(discovered(&server.origin));
    assert_eq!(server.asked().len(), 0, "opening asks nobody");
    for (passes, documents) in [(0, 1), (3590, 1), (20, 2), (3590, 2), (20, 3)] {
        pass(Duration::from_secs(passes)).await;
        provider.keys().await.unwrap();
        let asked = server.asked();
        let of_documents = asked.iter().filter(|request| request.contains("/.well-known/"));
        assert_eq!(of_documents.count(), documents, "{passes}");
    }
}

#[tokio::test]
async fn many_who_need_it_at_once_fetch_it_once() {
    let server = changed(|_| {}).await;
    let provider = opened(discovered(&server.origin));
    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        let provider = std::sync::Arc::clone(&provider);
        waiting.spawn(async move { provider.keys().await.is_ok() });
    }
    assert_eq!(waiting.join_all().await, [true; 50]);
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|request| request.contains("/.well-known/")).count(), 1);
}

#[tokio::test]
async fn after_a_failure_nobody_asks_again_for_ten_seconds() {
    static WELL: AtomicBool = AtomicBool::new(false);
    let server = Server::start(|request| {
        if WELL.load(Ordering::Relaxed) {
            json_of("200 OK", &document(&format!("http://{}", header(request, "host").unwrap())).to_string())
        } else {
            json_of("503 Service Unavailable", "canary")
        }
    })
    .await;
    let provider = opened(discovered(&server.origin));
    for _ in 0..3 {
        let why = unusable(provider.keys().await, "503");
        assert_eq!(why, "its discovery document: status 503");
    }
    assert_eq!(server.asked().len(), 1);
    WELL.store(true, Ordering::Relaxed);
    pass(Duration::from_secs(8)).await;
    unusable(provider.keys().await, "still");
    assert_eq!(server.asked().len(), 1);
    pass(Duration::from_secs(3)).await;
    provider.keys().await.unwrap();
    assert_eq!(server.asked().len(), 3, "the document and the keys");
}

#[tokio::test]
async fn a_document_that_is_not_what_was_configured_is_not_taken() {
    let refused = |member: &'static str, value: Value| {
        changed(move |document| {
            document[member] = value.clone();
        })
    };
    for (member, value) in [
        ("issuer", json!("https://canary.example/realm")),
        ("issuer", json!("http://127.0.0.1/realm")),
        ("issuer", json!(["canary"])),
        ("response_types_supported", json!(["token", "code token"])),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("id_token_signing_alg_values_supported", json!(["none", "HS256", "RS512"])),
        ("token_endpoint_auth_methods_supported", json!(["client_secret_post", "none"])),
        ("authorization_response_iss_parameter_supported", json!(false)),
        ("authorization_response_iss_parameter_supported", json!("true")),
        ("token_endpoint", json!(null)),
        ("jwks_uri", json!("")),
        ("jwks_uri", json!("/realm/keys")),
    ] {
        let server = refused(member, value.clone()).await;
        unusable(exchange(opened(discovered(&server.origin)).as_ref()).await, &format!("{member} {value}"));
        assert_eq!(server.asked().len(), 1, "{member} {value}");
    }
    // Whatever the last one says, and with the issuer's name in another spelling.
    for suffix in ["/", "#", "/../realm"] {
        let server = changed(move |document| {
            let issuer = document["issuer"].as_str().unwrap().to_owned();
            document["issuer"] = json!(format!("{issuer}{suffix}"));
        })
        .await;
        unusable(exchange(opened(discovered(&server.origin)).as_ref()).await, suffix);
    }
    let good = document("http://localhost").to_string();
    for (what, reply) in [
        ("another type", http("200 OK", &["Content-Type: text/html"], &good)),
        ("another success", json_of("203 Canary", &good)),
        ("not found", json_of("404 Not Found", &good)),
        ("a redirect", http("302 Found", &["Location: http://localhost/canary"], &good)),
        ("a member twice", json_of("200 OK", &good.replacen('{', r#"{"issuer":"canary","#, 1))),
        ("more behind", json_of("200 OK", &format!("{good}{good}"))),
        ("a stall", Reply::Stalled("HTTP/1.1 200 OK\r\n".to_owned())),
    ] {
        let server = Server::always(reply).await;
        unusable(exchange(opened(discovered(&server.origin)).as_ref()).await, what);
    }
}

#[tokio::test]
async fn callbacks_may_be_said_to_name_no_issuer() {
    for said in [true, false] {
        let server = changed(move |document| {
            document["authorization_response_iss_parameter_supported"] = json!(said);
        })
        .await;
        let mut settings = discovered(&server.origin);
        settings["names_issuer"] = json!(false);
        let provider = opened(settings);
        assert!(provider.keys().await.is_ok() && !provider.facts().names_issuer, "{said}");
    }
}

/// Members of a document that are asked.
const ENDPOINTS: &[&str] = &["authorization_endpoint", "token_endpoint", "jwks_uri", "revocation_endpoint"];

#[tokio::test]
async fn a_document_leads_nowhere_but_to_where_it_is_from() {
    let inside = Server::always(json_of("200 OK", "{}")).await;
    let port = inside.origin.rsplit(':').next().unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::]",
        "127.0.0.2",
        "10.0.0.1",
        "169.254.169.254",
        "alice@127.0.0.1",
        "accounts.example.com@127.0.0.1",
        "LOCALHOST",
        "app.localhost",
    ] {
        for member in ENDPOINTS {
            let url = format!("http://{host}:{port}/realm/token");
            let server = changed(move |document| {
                document[*member] = json!(url);
            })
            .await;
            unusable(
                exchange(opened(discovered(&server.origin)).as_ref()).await,
                &format!("{member} {host}"),
            );
            assert_eq!(server.asked().len(), 1, "{member} {host}");
        }
    }
    assert_eq!(inside.asked(), [""; 0]);
}
