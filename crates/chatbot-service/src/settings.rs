//! The chatbot service's configuration, and starting it from there.

use crate::{
    Chatbot,
    earlier::Earlier,
    issuer::Tokens,
    mail::{Page, Smtp, ToLog},
    passwords::COST,
    responder::{Responder, Upstream},
};
use auth_core::{
    entropy::Entropy,
    jwt::{Issuer, SigningKeys},
    port::{Post, Stores},
    service::Service,
    time::Clock,
};
use auth_store::Location;
use auth_web::{App, serve};
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;
use zeroize::Zeroizing;

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
    /// `[mail]`.
    #[serde(default)]
    pub mail: Mail,
    /// Whether this is a development run: letters are written to the log where there is no server for them, addresses need
    /// not be shown to be anybody's, and the issuer is where the service listens.
    #[serde(default)]
    pub development: bool,
}

/// Where the chatbot service listens if nothing else is said.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8009);
/// Where it serves `/metrics` if nothing else is said.
pub const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8010);

/// Who may register, and how: the section `[people]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct People {
    /// Whether people register themselves: `off`, `verified` or `open`.
    pub registration: Registration,
    /// Whether whoever forgot their password gets a token by mail that sets another: `on` or `off`.
    pub password_reset: Switch,
    /// The cost of bcrypt; tests take less.
    #[serde(skip)]
    pub password_cost: u32,
}

impl Default for People {
    fn default() -> Self {
        Self { registration: Registration::Off, password_reset: Switch::On, password_cost: COST }
    }
}

/// Whether people register themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Nobody does.
    Off,
    /// Whoever likes to, and logs in once a token that was mailed has shown the address to be theirs.
    Verified,
    /// Whoever likes to, with an address that nobody has shown to be theirs: for development.
    Open,
}

impl Registration {
    /// The one of exactly this name, as the setting has it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::Off),
            "verified" => Some(Self::Verified),
            "open" => Some(Self::Open),
            _ => None,
        }
    }
    /// Whether addresses need not be shown to be anybody's.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open)
    }
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Switch {
    On,
    Off,
}

impl Switch {
    /// Whether it is on.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// How letters are sent: the section `[mail]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// `smtps://USER:PASSWORD@HOST[:PORT]`, or `smtp://…`, which must offer STARTTLS unless it is on this machine.
    pub url: Option<SmtpUrl>,
    /// The file of the user's password, where the URL has none.
    pub password_file: Option<PathBuf>,
    /// From whom the letters are, such as `Example <noreply@example.com>`.
    pub from: Option<String>,
    /// The page that links lead to; by default the issuer.
    pub page: Option<String>,
}

/// The URL of a mail server. It is not printed: a password may stand in it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct SmtpUrl(String);

impl std::fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SmtpUrl(…)")
    }
}

impl Mail {
    /// The server, if one is named.
    ///
    /// # Errors
    /// One line that says what is wrong.
    fn smtp(&self, page: impl FnOnce() -> Result<Page, String>) -> Result<Option<Smtp>, String> {
        let Some(url) = &self.url else { return Ok(None) };
        let from = self.from.as_deref().ok_or("mail.from: say from whom the letters are")?;
        let password =
            self.password_file.as_deref().map(|path| secret("mail.password_file", path)).transpose()?;
        Smtp::new(&url.0, password.as_deref().map(String::as_str), from, page()?).map(Some)
    }

    /// The page that links lead to.
    ///
    /// # Errors
    /// One line that says what is wrong.
    fn page(&self, issuer: &Issuer, development: bool) -> Result<Page, String> {
        let page = self.page.as_deref().unwrap_or(issuer.as_str());
        Page::parse(page, development).map_err(|expected| format!("mail.page: {expected}"))
    }
}

/// The secret that a file holds.
#[expect(clippy::disallowed_methods, reason = "a secret of the configuration is read from its file")]
pub(crate) fn secret(name: &str, path: &Path) -> Result<Zeroizing<String>, String> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| format!("{name}: {}: {error}", path.display()))?;
    let secret = Zeroizing::new(text.trim().to_owned());
    if secret.is_empty() { Err(format!("{name}: the file is empty")) } else { Ok(secret) }
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
    pub fn responder(&self) -> Result<Responder, String> {
        let Some(url) = &self.url else { return Ok(Responder::BuiltIn) };
        let read = |path: &PathBuf| secret("responder.key_file", path).map(|key| key.to_string());
        let key = self.key_file.as_ref().map(read).transpose()?;
        Ok(Responder::Upstream(Upstream::new(url, &self.model, key)?))
    }
}

/// The origin of a service that listens at an address, as a browser of this machine reaches it: by name where it has one, since
/// browsers take no passkey of an address.
pub fn origin(listen: SocketAddr) -> String {
    match listen.ip() {
        IpAddr::V4(address) if !address.is_unspecified() && address != Ipv4Addr::LOCALHOST => {
            format!("http://{listen}")
        }
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
    /// That nothing is as it is for development, unless this is a development run.
    fn check_production(&self) -> Result<(), String> {
        if self.development {
            return Ok(());
        }
        if self.people.registration == Registration::Open {
            return Err(
                "people.registration = \"open\": this is no development run; say \"verified\"".to_owned()
            );
        }
        if self.tokens.issuer.is_none() {
            let what = "tokens.issuer: where do clients reach this service? It must be said, as this is no development run";
            return Err(what.to_owned());
        }
        Ok(())
    }

    /// Checks what reading alone does not.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.check_production()?;
        self.store.check().map_err(|error| error.to_string())?;
        self.store.keyring(Service::Chatbot).map_err(|error| error.to_string())?;
        self.post(&self.tokens.issuer(&origin(LISTEN))?)?;
        self.tokens.earlier.as_ref().map(Earlier::tokens).transpose()?;
        self.responder.responder().map(drop)
    }

    /// Whoever carries letters; `None` where nothing needs one.
    ///
    /// # Errors
    /// One line that says what is wrong: also where something needs one, and there is none.
    fn post(&self, issuer: &Issuer) -> Result<Option<Arc<dyn Post>>, String> {
        let page = || self.mail.page(issuer, self.development);
        if let Some(smtp) = self.mail.smtp(page)? {
            return Ok(Some(Arc::new(smtp)));
        }
        if self.development {
            return Ok(Some(Arc::new(ToLog { page: page()? })));
        }
        let missing =
            |what| Err(format!("people.{what}: there is no mail.url, and this is no development run"));
        match self.people {
            People { registration: Registration::Verified, .. } => missing("registration = \"verified\""),
            People { password_reset: Switch::On, .. } => missing("password_reset is not \"off\""),
            _ => Ok(None),
        }
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
        self.check_production()?;
        let listeners = self.server.bind(LISTEN, METRICS).map_err(|error| error.to_string())?;
        let responder = self.responder.responder()?;
        let issuer = self.tokens.issuer(&origin(listeners.address().map_err(|error| error.to_string())?))?;
        let post = self.post(&issuer)?;
        let earlier = self.tokens.earlier.as_ref().map(Earlier::tokens).transpose()?;
        let stores =
            auth_store::open(&self.store, entropy.as_ref()).await.map_err(|error| error.to_string())?;
        let keys = signing_keys(&self.store, &stores, issuer, entropy.as_ref()).await?;
        let keys = match earlier {
            Some(earlier) => keys.taking(earlier),
            None => keys,
        };
        let settings = (self.tokens, self.people);
        let chatbot = Chatbot::open((stores, clock, entropy), keys, settings, responder, post).await;
        let chatbot = chatbot.map_err(|error| error.to_string())?;
        let outbox = chatbot.outbox();
        let app = App::new(chatbot, self.server.trusted_proxies);
        let served = serve::serve_both(Arc::new(app), listeners, self.server.workers, stop).await;
        outbox.finish().await;
        served.map_err(|error| error.to_string())
    }
}
