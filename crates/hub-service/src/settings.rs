//! The Hub's configuration, and starting it from there.

use crate::Hub;
use auth_core::{
    entropy::Entropy,
    flow::{Platform, Tariff},
    service::Service,
    time::Clock,
};
use auth_store::Location;
use auth_web::{App, serve};
use ipnet::IpNet;
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// All of it: sections of the file, or `HUB_SECTION__NAME` in the environment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[store]`.
    pub store: Store,
    /// `[server]`.
    #[serde(default)]
    pub server: Server,
    /// `[billing]`.
    #[serde(default)]
    pub billing: Billing,
}

/// Where the store is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `sqlite://PATH`.
    pub url: String,
    /// The file of the audit chain's key; by default `audit.key` beside the database.
    pub audit_key: Option<PathBuf>,
    /// The file that audit heads are anchored in; by default `audit.anchor` beside the database.
    pub audit_anchor: Option<PathBuf>,
}

/// How requests come in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Threads that serve requests; 0 is one a core.
    pub workers: usize,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 8080).into(), workers: 0, trusted_proxies: Vec::new() }
    }
}

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
        let listener = serve::bind(self.server.listen).map_err(|error| error.to_string())?;
        let Store { url, audit_key, audit_anchor } = self.store;
        let location = Location { url, audit_key, audit_anchor };
        let stores =
            auth_store::open(&location, entropy.as_ref()).await.map_err(|error| error.to_string())?;
        let platform = Platform::new(Service::Hub, stores, clock, entropy);
        let app = App::new(Hub::new(platform, self.billing.tariff()), self.server.trusted_proxies);
        serve::serve(Arc::new(app), listener, self.server.workers, stop)
            .await
            .map_err(|error| error.to_string())
    }
}
