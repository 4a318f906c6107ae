//! The Hub's configuration, and starting it from there.

use crate::{Hub, calendars, chatbot::Chatbot};
use auth_core::{
    entropy::Entropy,
    flow::{Platform, Tariff},
    jwt::{Issuer, RelyingParty},
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

/// All of it: sections of the file, or `HUB_SECTION__NAME` in the environment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[store]`.
    pub store: Location,
    /// `[server]`.
    #[serde(default)]
    pub server: serve::Settings,
    /// `[billing]`.
    #[serde(default)]
    pub billing: Billing,
    /// `[calendars]`: without it no calendar is linked.
    pub calendars: Option<calendars::Settings>,
    /// `[chatbot]`: without it the Hub takes no access tokens, and super admins have no way in.
    pub chatbot: Option<Logins>,
}

/// The chatbot service, whose access tokens of super admins are taken: the section `[chatbot]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logins {
    /// Its base URL, as the Hub reaches it. Whoever answers there is believed: `https`, or on this machine.
    pub url: String,
    /// The `iss` of its tokens; by default the same.
    pub issuer: Option<String>,
    /// The file of the key by which it is asked (`authctl keys create --platform`).
    pub key_file: PathBuf,
}

impl Logins {
    /// What relies on it.
    ///
    /// # Errors
    /// One line that says what is wrong.
    #[expect(clippy::disallowed_methods, reason = "a secret of the configuration is read from its file")]
    pub fn relying_party(&self) -> Result<RelyingParty, String> {
        let named = |error| format!("chatbot.key_file: {}: {error}", self.key_file.display());
        let key = std::fs::read_to_string(&self.key_file).map_err(named)?.trim().to_owned();
        if key.is_empty() {
            return Err("chatbot.key_file: the file is empty".to_owned());
        }
        relying_party(&self.url, self.issuer.as_deref(), key)
    }
}

/// What relies on the chatbot service at a URL, which is asked with this key.
///
/// # Errors
/// One line that says what is wrong.
pub fn relying_party(url: &str, issuer: Option<&str>, key: String) -> Result<RelyingParty, String> {
    let issuer = Issuer::parse(issuer.unwrap_or(url)).map_err(|error| format!("chatbot.issuer: {error}"))?;
    Ok(RelyingParty::new(issuer, Arc::new(Chatbot::new(url, key)?)))
}

/// Where the Hub listens if nothing else is said.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where it serves `/metrics` if nothing else is said.
pub const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// What calls cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Billing {
    /// ISO 4217 code.
    pub currency: String,
    /// A text message, in hundredths of the currency.
    pub sms_cents: u64,
    /// A telephone call, in hundredths of the currency.
    pub phone_cents: u64,
}

impl Default for Billing {
    fn default() -> Self {
        Self { currency: "EUR".to_owned(), sms_cents: 0, phone_cents: 0 }
    }
}

impl Billing {
    /// The tariff.
    pub fn tariff(&self) -> Tariff {
        let Self { currency, sms_cents, phone_cents } = self.clone();
        Tariff { currency, sms_cents, phone_cents }
    }
}

impl Settings {
    /// Checks what reading alone does not.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.store.check().map_err(|error| error.to_string())?;
        if let Some(calendars) = &self.calendars {
            calendars.check()?;
            self.store.keyring(Service::Hub).map_err(|error| error.to_string())?;
        }
        self.chatbot.as_ref().map_or(Ok(()), |chatbot| chatbot.relying_party().map(drop))
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
        let relying = self.chatbot.as_ref().map(Logins::relying_party).transpose()?;
        let listeners = self.server.bind(LISTEN, METRICS).map_err(|error| error.to_string())?;
        let stores =
            auth_store::open(&self.store, entropy.as_ref()).await.map_err(|error| error.to_string())?;
        let calendars = match &self.calendars {
            Some(calendars) => {
                Some(calendars.open(&self.store, &stores, clock.as_ref(), entropy.as_ref()).await?)
            }
            None => None,
        };
        let platform = match relying {
            Some(issuer) => Platform::relying(Service::Hub, stores, clock, entropy, Arc::new(issuer)),
            None => Platform::new(Service::Hub, stores, clock, entropy),
        };
        let hub = Hub::new(platform, self.billing.tariff());
        let hub = match calendars {
            Some(calendars) => hub.linking(calendars),
            None => hub,
        };
        let underway = hub.underway();
        let app = App::new(hub, self.server.trusted_proxies);
        let served = serve::serve_both(Arc::new(app), listeners, self.server.workers, stop).await;
        if let Some(underway) = underway {
            underway.finish().await;
        }
        served.map_err(|error| error.to_string())
    }
}
