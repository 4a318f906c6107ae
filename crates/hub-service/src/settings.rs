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
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
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
        self.store.check().map_err(|error| error.to_string())
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
        let stores =
            auth_store::open(&self.store, entropy.as_ref()).await.map_err(|error| error.to_string())?;
        let platform = Platform::new(Service::Hub, stores, clock, entropy);
        let app = App::new(Hub::new(platform, self.billing.tariff()), self.server.trusted_proxies);
        serve::serve_both(Arc::new(app), listeners, self.server.workers, stop)
            .await
            .map_err(|error| error.to_string())
    }
}
