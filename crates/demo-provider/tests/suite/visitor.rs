//! A client of the provider, with a clock that is stepped.

use auth_core::{
    entropy::Entropy,
    time::{Clock, Monotonic, Timestamp},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use demo_provider::{Config, Provider};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) const ALICE: &str = "alice@example.com";
pub(crate) const BOB: &str = "bob@example.com";
pub(crate) const CALLBACK: &str = "http://localhost:9999/callback";
pub(crate) const GOOGLE_CALENDAR: &str = "https://www.googleapis.com/auth/calendar.readonly";
pub(crate) const GRAPH_CALENDAR: &str = "https://graph.microsoft.com/Calendars.Read";

/// 2026-12-01T08:30:00Z.
const START: i64 = 1_796_113_800_000;

pub(crate) struct Steps(AtomicI64);

impl Steps {
    pub(crate) fn begin() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START)))
    }
    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for Steps {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(self.0.load(Ordering::SeqCst).unsigned_abs() * 1_000_000)
    }
}

struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, out: &mut [u8]) {
        let block = Sha256::digest(self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        out.iter_mut().zip(block).for_each(|(to, from)| *to = from);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Like {
    Google,
    Microsoft,
}

/// A login that was begun: what the client keeps of it.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) like: Like,
    pub(crate) parameters: BTreeMap<&'static str, String>,
    pub(crate) verifier: String,
}

impl Login {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.parameters.insert(name, value.to_owned());
        self
    }
    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.parameters.remove(name);
        self
    }
    pub(crate) fn nonce(&self) -> &str {
        &self.parameters["nonce"]
    }
    pub(crate) fn query(&self) -> String {
        encoded(self.parameters.iter().map(|(name, value)| (*name, value.as_str())))
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    /// A member that is a text.
    pub(crate) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }
    /// Status and error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.member("error"))
    }
}

pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) clock: Arc<Steps>,
    pub(crate) config: Config,
    drawn: AtomicU64,
}

impl World {
    pub(crate) async fn start() -> Self {
        let clock = Steps::begin();
        let entropy = Arc::new(Counted(AtomicU64::new(0)));
        let config = Config::demo(clock.clone(), entropy, vec![CALLBACK.to_owned()]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let provider = Provider::start(listener, config.clone()).await.unwrap();
        Self { provider, clock, config, drawn: AtomicU64::new(0) }
    }

    pub(crate) fn login(&self, like: Like) -> Login {
        let number = self.drawn.fetch_add(1, Ordering::SeqCst);
        let drawn = |what: &str| BASE64URL_NOPAD.encode(&Sha256::digest(format!("{what} {number}")));
        let verifier = drawn("verifier");
        let scope = match like {
            Like::Google => format!("openid email {GOOGLE_CALENDAR}"),
            Like::Microsoft => format!("openid profile email offline_access {GRAPH_CALENDAR}"),
        };
        let login = Login { like, parameters: BTreeMap::new(), verifier: verifier.clone() };
        let login = login
            .with("client_id", &self.config.client_id)
            .with("redirect_uri", CALLBACK)
            .with("response_type", "code")
            .with("scope", &scope)
            .with("state", &drawn("state"))
            .with("nonce", &drawn("nonce"))
            .with("code_challenge", &BASE64URL_NOPAD.encode(&Sha256::digest(verifier)))
            .with("code_challenge_method", "S256");
        match like {
            Like::Google => login.with("access_type", "offline").with("prompt", "consent"),
            Like::Microsoft => login,
        }
    }
    pub(crate) fn path(&self, like: Like) -> &'static str {
        match like {
            Like::Google => "/o/oauth2/v2/auth",
            Like::Microsoft => "/common/oauth2/v2.0/authorize",
        }
    }
    pub(crate) fn url(&self, login: &Login) -> String {
        format!("{}{}?{}", self.provider.origin(), self.path(login.like), login.query())
    }
    /// What the callback of Alice's consent brings.
    pub(crate) fn consent(&self, login: &Login) -> BTreeMap<String, String> {
        brought(&self.provider.consent(&self.url(login), ALICE).unwrap())
    }

    pub(crate) async fn exchange(&self, login: &Login, code: &str) -> Reply {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &login.verifier),
        ];
        self.tokens(login.like, &fields).await
    }
    pub(crate) async fn refresh(&self, like: Like, token: &str) -> Reply {
        self.tokens(like, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
    /// Of Alice: a whole login, up to the answer of the token endpoint.
    pub(crate) async fn tokens_of_alice(&self, like: Like) -> Reply {
        let login = self.login(like);
        let brought = self.consent(&login);
        self.exchange(&login, &brought["code"]).await
    }
    pub(crate) async fn tokens(&self, like: Like, fields: &[(&str, &str)]) -> Reply {
        self.post(token_path(like), &[("authorization", &self.basic())], fields).await
    }
    pub(crate) fn basic(&self) -> String {
        let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let both = format!("{}:{}", part(&self.config.client_id), part(&self.config.client_secret));
        format!("Basic {}", BASE64.encode(both.as_bytes()))
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        read(self.send("GET", target, &[], "").await).await
    }
    pub(crate) async fn events(&self, target: &str, access: &str) -> Reply {
        let head = [("authorization", format!("Bearer {access}"))];
        let head = head.each_ref().map(|(name, value)| (*name, value.as_str()));
        read(self.send("GET", target, &head, "").await).await
    }
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Reply {
        let body = encoded(fields.iter().copied());
        read(self.send("POST", path, &form_head(headers), &body).await).await
    }
    /// Sends a request; nothing is read yet.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> TcpStream {
        send(self.provider.origin(), method, target, headers, body).await
    }

    /// The claims of an ID token that verifies by the published keys; otherwise why not.
    pub(crate) async fn verified(&self, like: Like, token: &str) -> Result<Value, String> {
        let keys = self.get(keys_path(like)).await.json();
        let head = jsonwebtoken::decode_header(token).map_err(|error| error.to_string())?;
        let keys = keys["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["kid"].as_str() == head.kid.as_deref()).ok_or("unknown key")?;
        let member = |name: &str| key[name].as_str().unwrap();
        let key = jsonwebtoken::DecodingKey::from_rsa_components(member("n"), member("e")).unwrap();
        let mut how = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        how.required_spec_claims.clear();
        (how.validate_exp, how.validate_aud) = (false, false);
        let token = jsonwebtoken::decode::<Value>(token, &key, &how).map_err(|error| error.to_string())?;
        Ok(token.claims)
    }
}

pub(crate) const fn token_path(like: Like) -> &'static str {
    match like {
        Like::Google => "/token",
        Like::Microsoft => "/common/oauth2/v2.0/token",
    }
}

pub(crate) const fn keys_path(like: Like) -> &'static str {
    match like {
        Like::Google => "/oauth2/v3/certs",
        Like::Microsoft => "/common/discovery/v2.0/keys",
    }
}

pub(crate) const fn events_path(like: Like) -> &'static str {
    match like {
        Like::Google => "/calendar/v3/calendars/primary/events?singleEvents=true&orderBy=startTime",
        Like::Microsoft => {
            "/v1.0/me/calendarView?startDateTime=2026-11-01T00:00:00Z&endDateTime=2027-01-01T00:00:00"
        }
    }
}

pub(crate) fn form_head<'a>(headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("content-type", "application/x-www-form-urlencoded")], headers].concat()
}

pub(crate) fn encoded<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The parameters of a callback.
pub(crate) fn brought(url: &str) -> BTreeMap<String, String> {
    let query = url.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('?')).unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Sends a request to a server on the loopback; nothing is read yet.
pub(crate) async fn send(
    origin: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let authority = origin.strip_prefix("http://").unwrap();
    let port = authority.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let host = headers.iter().find(|(name, _)| *name == "host").map_or(authority, |(_, host)| host);
    let headers = headers.iter().filter(|(name, _)| *name != "host");
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads an answer to its end.
pub(crate) async fn read(mut stream: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    parsed(&bytes)
}

pub(crate) fn parsed(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end + 4..].to_vec());
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Reply { status, headers, body }
}
