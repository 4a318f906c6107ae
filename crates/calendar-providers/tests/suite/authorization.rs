//! Where browsers are led.

use crate::server::{REDIRECT, Server, at, discovered, document, json_of, opened, owned, pairs};
use auth_core::{
    oidc::IssuerRule,
    port::{AuthorizationRequest, CalendarProvider, ProviderError},
    secret::PlainToken,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The URL of a provider, and the names and values of its query, sorted.
async fn url(provider: &dyn CalendarProvider) -> (String, Vec<(String, String)>) {
    let token = |text: &str| PlainToken::new(text.to_owned());
    let (state, nonce, verifier) = (token("st&ate"), token("no=nce"), token(VERIFIER));
    let request = AuthorizationRequest { state: &state, nonce: &nonce, verifier: &verifier };
    let url = provider.authorization_url(&request).await.unwrap();
    let (place, query) = url.split_once('?').unwrap();
    let mut pairs = pairs(query);
    pairs.sort();
    (place.to_owned(), pairs)
}

/// What every provider is sent, with this scope and more, sorted.
fn expected(scope: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER));
    let mut all = owned(&[
        ("response_type", "code"),
        ("client_id", "client:id"),
        ("redirect_uri", REDIRECT),
        ("scope", scope),
        ("state", "st&ate"),
        ("nonce", "no=nce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    all.extend(owned(more));
    all.sort();
    all
}

#[tokio::test]
async fn google_is_asked_for_a_consent_that_gives_a_refresh_token() {
    let google = opened(json!({ "kind": "google", "client_id": "client:id" }));
    let (place, query) = url(google.as_ref()).await;
    assert_eq!(place, "https://accounts.google.com/o/oauth2/v2/auth");
    let scope = "https://www.googleapis.com/auth/calendar.readonly \
                 https://www.googleapis.com/auth/userinfo.email openid";
    assert_eq!(query, expected(scope, &[("access_type", "offline"), ("prompt", "consent")]));
    let facts = google.facts();
    assert_eq!(facts.issuer, IssuerRule::Exactly("https://accounts.google.com".to_owned()));
    assert_eq!(facts.needed.to_string(), "https://www.googleapis.com/auth/calendar.readonly");
    assert!(!facts.names_issuer);
}

#[tokio::test]
async fn microsoft_is_asked_for_an_account_of_the_tenants_that_are_taken() {
    for (settings, tenants) in [
        (json!({ "kind": "microsoft", "client_id": "client:id" }), "organizations"),
        (json!({ "kind": "microsoft", "client_id": "client:id", "tenant": "common" }), "common"),
    ] {
        let microsoft = opened(settings);
        let (place, query) = url(microsoft.as_ref()).await;
        assert_eq!(place, format!("https://login.microsoftonline.com/{tenants}/oauth2/v2.0/authorize"));
        let scope = "email https://graph.microsoft.com/Calendars.Read offline_access openid";
        assert_eq!(query, expected(scope, &[("prompt", "select_account"), ("response_mode", "query")]));
        let IssuerRule::Microsoft { origin, tenants: taken } = &microsoft.facts().issuer else { panic!() };
        assert_eq!(
            (origin.as_str(), taken.to_string().as_str()),
            ("https://login.microsoftonline.com", tenants)
        );
    }
}

#[tokio::test]
async fn another_is_asked_where_its_document_says() {
    let server = Server::start(|request| {
        let host = crate::server::header(request, "host").unwrap();
        json_of("200 OK", &document(&format!("http://{host}")).to_string())
    })
    .await;
    let other = opened(discovered(&server.origin));
    let (place, query) = url(other.as_ref()).await;
    assert_eq!(place, format!("{}/realm/authorize", server.origin));
    assert_eq!(query, expected("calendar.read email openid", &[("prompt", "consent")]));
    assert!(server.one().starts_with("GET /realm/.well-known/openid-configuration HTTP/1.1\r\n"));
    let facts = other.facts();
    assert_eq!(facts.issuer, IssuerRule::Exactly(format!("{}/realm", server.origin)));
    assert_eq!((facts.needed.to_string().as_str(), facts.names_issuer), ("calendar.read", true));
}

#[tokio::test]
async fn in_development_the_same_paths_are_on_this_machine() {
    let server = Server::always(json_of("200 OK", "{}")).await;
    let (google, microsoft) = (at("google", &server), at("microsoft", &server));
    assert_eq!(url(google.as_ref()).await.0, format!("{}/o/oauth2/v2/auth", server.origin));
    assert_eq!(google.facts().issuer, IssuerRule::Exactly(server.origin.clone()));
    let place = format!("{}/organizations/oauth2/v2.0/authorize", server.origin);
    assert_eq!(url(microsoft.as_ref()).await.0, place);
    google.keys().await.unwrap();
    microsoft.keys().await.unwrap();
    let lines: Vec<_> = server.asked().iter().map(|text| text.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET /oauth2/v3/certs HTTP/1.1", "GET /organizations/discovery/v2.0/keys HTTP/1.1"]);
}

#[tokio::test]
async fn a_verifier_that_pkce_does_not_take_is_refused_and_panics_nobody() {
    let google = opened(json!({ "kind": "google", "client_id": "client:id" }));
    for verifier in ["", &"a".repeat(42), &"a".repeat(129)] {
        let [state, nonce] = ["state", "nonce"].map(|text| PlainToken::new(text.to_owned()));
        let verifier = PlainToken::new(verifier.to_owned());
        let request = AuthorizationRequest { state: &state, nonce: &nonce, verifier: &verifier };
        let refused = google.authorization_url(&request).await;
        assert!(matches!(refused, Err(ProviderError::Unusable(_))), "{refused:?}");
    }
}
