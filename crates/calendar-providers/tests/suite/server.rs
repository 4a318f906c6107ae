//! A small server that keeps what it was sent, and providers that ask it.

use auth_core::{
    model::ProviderName,
    port::{CalendarProvider, ProviderError},
};
use auth_web::outgoing::Patience;
use calendar_providers::{ProviderSettings, open_with};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::MissedTickBehavior,
};

pub(crate) const REDIRECT: &str = "https://hub.example.com/v1/calendars/callback";

/// What a server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Sends this, and hangs up.
    Whole(String),
    /// Sends this, and then nothing, until the other side hangs up.
    Stalled(String),
    /// Sends this, and then a blank now and then, for as long as the other side listens.
    Drip(String),
    /// Sends this, and then blanks without an end.
    Endless(String),
}

pub(crate) struct Server {
    pub(crate) origin: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// A server that answers each request as this function says.
    pub(crate) async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, reply) = (Arc::clone(&asked), Arc::new(reply));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, reply) = (Arc::clone(&kept), Arc::clone(&reply));
                tokio::spawn(async move {
                    let mut stream = stream;
                    let Some(request) = whole(&mut stream).await else {
                        kept.lock().unwrap().push("a connection without a request".to_owned());
                        return;
                    };
                    kept.lock().unwrap().push(request.clone());
                    answer(stream, reply(&request)).await;
                });
            }
        });
        Self { origin, asked }
    }

    /// A server that always answers the same.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// An address where nobody listens.
    pub(crate) async fn nobody() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        Self { origin, asked: Arc::default() }
    }

    /// What it was sent.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The one request that it was sent.
    pub(crate) fn one(&self) -> String {
        let asked = self.asked();
        let [request] = asked.as_slice() else { panic!("{asked:?}") };
        request.clone()
    }
}

async fn whole(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// The other side may have heard enough at any time.
async fn answer(mut stream: TcpStream, reply: Reply) {
    match reply {
        Reply::Whole(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Reply::Stalled(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.read_u8().await;
        }
        Reply::Drip(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let mut beats = tokio::time::interval(Duration::from_millis(20));
            beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stream.write_all(b" ").await.is_ok() {
                beats.tick().await;
            }
        }
        Reply::Endless(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        }
    }
}

/// The value of a header of a request.
pub(crate) fn header(request: &str, name: &str) -> Option<String> {
    let head = request.split("\r\n\r\n").next().unwrap();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// Names and values of a query or a form, in their order.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// The form that a request sent.
pub(crate) fn form(request: &str) -> Vec<(String, String)> {
    pairs(request.split_once("\r\n\r\n").unwrap().1)
}

/// The query that a request named.
pub(crate) fn query(request: &str) -> Vec<(String, String)> {
    let target = request.split(' ').nth(1).unwrap();
    target.split_once('?').map_or_else(Vec::new, |(_, query)| pairs(query))
}

/// Pairs of texts of our own, to compare.
pub(crate) fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An answer with these lines in its head.
pub(crate) fn http(status: &str, lines: &[&str], body: &str) -> Reply {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for line in lines {
        write!(text, "{line}\r\n").unwrap();
    }
    Reply::Whole(format!("{text}\r\n{body}"))
}

pub(crate) const JSON: &str = "Content-Type: application/json; charset=utf-8";

/// An answer of JSON.
pub(crate) fn json_of(status: &str, body: &str) -> Reply {
    http(status, &[JSON], body)
}

/// Opens a provider of these settings, with a secret, that may take half a second.
pub(crate) fn opened(settings: Value) -> Arc<dyn CalendarProvider> {
    try_open(settings, REDIRECT).unwrap()
}

pub(crate) fn try_open(mut settings: Value, redirect: &str) -> Result<Arc<dyn CalendarProvider>, String> {
    let folder = tempfile::tempdir().unwrap();
    if settings.get("client_secret_file").is_none() {
        let file = folder.path().join("secret");
        std::fs::write(&file, "se+cret/of:client\n").unwrap();
        settings["client_secret_file"] = json!(file);
    }
    let settings: ProviderSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    let patience = Patience { connect: Duration::from_millis(500), whole: Duration::from_millis(500) };
    let name = match &settings {
        ProviderSettings::Google(_) => "google",
        ProviderSettings::Microsoft(_) => "microsoft",
        ProviderSettings::Oidc(_) => "other",
    };
    open_with(ProviderName::parse(name).unwrap(), &settings, redirect, patience)
}

/// A provider of one of the two pinned kinds, at a server.
pub(crate) fn at(kind: &str, server: &Server) -> Arc<dyn CalendarProvider> {
    opened(json!({ "kind": kind, "client_id": "client:id", "at": server.origin }))
}

/// Settings of a provider that is discovered at a server.
pub(crate) fn discovered(origin: &str) -> Value {
    json!({
        "kind": "oidc",
        "client_id": "client:id",
        "issuer": format!("{origin}/realm"),
        "api": "google",
        "api_url": format!("{origin}/events"),
        "scopes": "openid email calendar.read",
    })
}

/// A document that says so much and no more.
pub(crate) fn document(origin: &str) -> Value {
    json!({
        "issuer": format!("{origin}/realm"),
        "authorization_endpoint": format!("{origin}/realm/authorize"),
        "token_endpoint": format!("{origin}/realm/token"),
        "revocation_endpoint": format!("{origin}/realm/revoke"),
        "jwks_uri": format!("{origin}/realm/keys"),
        "response_types_supported": ["code", "id_token"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

/// Why it cannot be used; it says nothing that the stranger said.
pub(crate) fn unusable<T: std::fmt::Debug>(result: Result<T, ProviderError>, what: &str) -> String {
    let error = result.expect_err(what);
    let told = format!("{error} {error:?}");
    assert!(!told.contains("canary") && !told.contains('\n') && !told.contains('?'), "{what}: {told}");
    let ProviderError::Unusable(why) = error else { panic!("{what}: {error:?}") };
    why
}
