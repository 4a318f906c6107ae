//! The chatbot service's configuration, and starting it from there.

use crate::{
    Chatbot,
    issuer::Tokens,
    passwords::COST,
    responder::{Responder, Upstream},
};
use auth_core::{
    entropy::Entropy,
    jwt::{Issuer, SigningKeys},
    port::Stores,
    service::Service,
    time::Clock,
};
use auth_store::Location;
use auth_web::{App, serve};
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::watch;

/// All of it: sections of the file, or `CHATBOT_SECTION__NAME` in the environment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[store]`.
    pub store: Location,
    /// `[server]`.
    #[serde(default)]
    pub server: serve::Settings,
    /// `[tokens]`.
    #[serde(default)]
    pub tokens: Tokens,
    /// `[people]`.
    #[serde(default)]
    pub people: People,
    /// `[responder]`.
    #[serde(default)]
    pub responder: Model,
}

/// Where the chatbot service listens if nothing else is said.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8009);
/// Where it serves `/metrics` if nothing else is said.
pub const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8010);

/// Who may register, and how: the section `[people]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct People {
    /// Whether people register themselves: `off` or `open`.
    pub registration: Registration,
    /// The cost of bcrypt; tests take less.
    #[serde(skip)]
    pub password_cost: u32,
}

impl Default for People {
    fn default() -> Self {
        Self { registration: Registration::Off, password_cost: COST }
    }
}

/// Whether people register themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Nobody does.
    Off,
    /// Whoever likes to, with an address that nobody has shown to be theirs: for development.
    Open,
}

impl Registration {
    /// Whether whoever likes to may register.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open)
    }
}

/// The language model behind the chat.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// The base URL of an OpenAI-compatible service; without one, a built-in responder says so.
    pub url: Option<String>,
    /// The model's name.
    pub model: String,
    /// The file of the service's key.
    pub key_file: Option<PathBuf>,
}

impl Model {
    /// The responder.
    ///
    /// # Errors
    /// One line that says what is wrong.
    #[expect(clippy::disallowed_methods, reason = "a secret of the configuration is read from its file")]
    pub fn responder(&self) -> Result<Responder, String> {
        let Some(url) = &self.url else { return Ok(Responder::BuiltIn) };
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map(|key| key.trim().to_owned())
                .map_err(|error| format!("responder.key_file: {}: {error}", path.display()))
        };
        let key = self.key_file.as_ref().map(read).transpose()?;
        if key.as_ref().is_some_and(String::is_empty) {
            return Err("responder.key_file: the file is empty".to_owned());
        }
        Ok(Responder::Upstream(Upstream::new(url, &self.model, key)?))
    }
}

/// The origin of a service that listens at an address, as this machine reaches it.
fn origin(listen: SocketAddr) -> String {
    match listen.ip() {
        IpAddr::V4(address) if !address.is_unspecified() => format!("http://{listen}"),
        _ => format!("http://localhost:{}", listen.port()),
    }
}

/// The signing keys of a store, with the keyring that opens them: it is made where nothing was sealed with it yet.
///
/// # Errors
/// One line that says what is wrong.
pub async fn signing_keys(
    location: &Location,
    stores: &Stores,
    issuer: Issuer,
    entropy: &dyn Entropy,
) -> Result<SigningKeys, String> {
    let no_keys = stores.signing_keys.list().await.map_err(|error| error.to_string())?.is_empty();
    let fresh = no_keys && stores.factors.is_empty().await.map_err(|error| error.to_string())?;
    let keyring = auth_store::keyring(location, Service::Chatbot, fresh, entropy);
    Ok(SigningKeys::new(issuer, Arc::new(keyring.map_err(|error| error.to_string())?)))
}

impl Settings {
    /// Checks what reading alone does not.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.store.check().map_err(|error| error.to_string())?;
        self.store.keyring(Service::Chatbot).map_err(|error| error.to_string())?;
        self.tokens.issuer(&origin(LISTEN))?;
        self.responder.responder().map(drop)
    }

    /// Opens the store and serves until told to stop.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub async fn run(
        self,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), String> {
        let listeners = self.server.bind(LISTEN, METRICS).map_err(|error| error.to_string())?;
        let responder = self.responder.responder()?;
        let stores =
            auth_store::open(&self.store, entropy.as_ref()).await.map_err(|error| error.to_string())?;
        let issuer = self.tokens.issuer(&origin(listeners.address().map_err(|error| error.to_string())?))?;
        let keys = signing_keys(&self.store, &stores, issuer, entropy.as_ref()).await?;
        let chatbot =
            Chatbot::open((stores, clock, entropy), keys, (self.tokens, self.people), responder).await;
        let app = App::new(chatbot.map_err(|error| error.to_string())?, self.server.trusted_proxies);
        serve::serve_both(Arc::new(app), listeners, self.server.workers, stop)
            .await
            .map_err(|error| error.to_string())
    }
}
