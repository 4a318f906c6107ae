//! What is configured, and how a wrong setting is named.

use crate::server::{REDIRECT, discovered, try_open};
use serde_json::{Value, json};

fn refused(settings: Value, redirect: &str) -> String {
    let what = settings.to_string();
    let told = try_open(settings, redirect).map(drop).expect_err(&what);
    assert!(!told.contains('\n') && !told.contains("se+cret"), "{told}");
    told
}

#[tokio::test]
async fn a_wrong_setting_is_named() {
    let google = |member: &str, value: Value| {
        let mut settings = json!({ "kind": "google", "client_id": "id" });
        settings[member] = value;
        settings
    };
    let microsoft = |member: &str, value: Value| {
        let mut settings = json!({ "kind": "microsoft", "client_id": "id" });
        settings[member] = value;
        settings
    };
    let other = |member: &str, value: Value| {
        let mut settings = discovered("https://id.example.com");
        settings[member] = value;
        settings
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        json!(file)
    };
    for (settings, start) in [
        (google("client_id", json!("")), "calendars.providers.google.client_id: "),
        (google("client_id", json!("a b")), "calendars.providers.google.client_id: "),
        (
            google("client_secret_file", json!("/nowhere/at/all")),
            "calendars.providers.google.client_secret_file: ",
        ),
        (
            google("client_secret_file", file("empty", " \n")),
            "calendars.providers.google.client_secret_file: ",
        ),
        (
            google("client_secret_file", file("two", "se+cret\nse+cret")),
            "calendars.providers.google.client_secret_file: ",
        ),
        (google("at", json!("https://accounts.google.com")), "calendars.providers.google.at: "),
        (google("at", json!("http://10.0.0.1:80")), "calendars.providers.google.at: "),
        (google("at", json!("http://localhost:80/path")), "calendars.providers.google.at: "),
        (google("at", json!("")), "calendars.providers.google.at: "),
        (microsoft("tenant", json!("Organizations")), "calendars.providers.microsoft.tenant: "),
        (microsoft("tenant", json!("../common")), "calendars.providers.microsoft.tenant: "),
        (microsoft("at", json!("http://example.com")), "calendars.providers.microsoft.at: "),
        (other("issuer", json!("http://id.example.com")), "calendars.providers.other.issuer: "),
        (other("issuer", json!("https://10.0.0.1/realm")), "calendars.providers.other.issuer: "),
        (other("issuer", json!("https://id.example.com/?a=b")), "calendars.providers.other.issuer: "),
        (other("issuer", json!("http://localhost:1/realm")), "calendars.providers.other.api_url: "),
        (other("api_url", json!("http://localhost:1/events")), "calendars.providers.other.api_url: "),
        (other("api_url", json!("https://169.254.169.254/events")), "calendars.providers.other.api_url: "),
        (other("hosts", json!(["API.example.com"])), "calendars.providers.other.hosts: "),
        (other("hosts", json!(["api.example.com:443"])), "calendars.providers.other.hosts: "),
        (other("scopes", json!("calendar")), "calendars.providers.other.scopes: "),
        (other("scopes", json!("openid email")), "calendars.providers.other.scopes: "),
        (other("scopes", json!("openid \"")), "calendars.providers.other.scopes: "),
        (google("tenant", json!("common")), "unknown field"),
        (microsoft("issuer", json!("https://id.example.com")), "unknown field"),
        (other("at", json!("http://localhost:1")), "unknown field"),
        (other("api", json!("caldav")), "unknown variant"),
        (json!({ "kind": "yahoo", "client_id": "id" }), "unknown variant"),
        (json!({ "client_id": "id" }), "missing field"),
        (json!({ "kind": "google" }), "missing field"),
    ] {
        let told = refused(settings.clone(), REDIRECT);
        assert!(told.starts_with(start), "{settings}: {told}");
    }
    for redirect in [
        "",
        "hub",
        "http://hub.example.com/callback",
        "https://hub.example.com/#a",
        "https://a:b@hub.example.com",
    ] {
        let told = refused(json!({ "kind": "google", "client_id": "id" }), redirect);
        assert!(told.starts_with("calendars.public_url: "), "{redirect}: {told}");
    }
}

#[tokio::test]
async fn what_is_good_is_opened_and_asks_nobody() {
    for settings in [
        json!({ "kind": "google", "client_id": "id" }),
        json!({ "kind": "google", "client_id": "id", "at": "http://localhost:8090/" }),
        json!({ "kind": "microsoft", "client_id": "id", "tenant": "72f988bf-86f1-41af-91ab-2d7cd011db47" }),
        discovered("https://id.example.com"),
        discovered("http://[::1]:8090"),
    ] {
        for redirect in [REDIRECT, "http://localhost:8080/callback"] {
            try_open(settings.clone(), redirect).unwrap();
        }
    }
}
