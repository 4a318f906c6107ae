//! `/metrics`, on a listener of its own: what it tells is for whoever runs the service.

use crate::{endpoint::Service, front::App, serve::stopped};
use actix_web::{HttpResponse, HttpServer, web};
use prometheus_client::encoding::text::encode;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};
use tokio::sync::watch;

/// As OpenMetrics 1.0 names it.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where `/metrics` is served, if it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Listen {
    /// Where the service does it if nothing else is said, on loopback.
    #[default]
    Usual,
    /// Nowhere: `off`.
    Off,
    /// Here.
    At(SocketAddr),
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match std::borrow::Cow::<str>::deserialize(from)?.as_ref() {
            "off" => Ok(Self::Off),
            address => address
                .parse()
                .map(Self::At)
                .map_err(|_| D::Error::custom("metrics: expected an address with its port, or off")),
        }
    }
}

impl Listen {
    /// A bound listener, where there is to be one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(self, usual: SocketAddr) -> std::io::Result<Option<TcpListener>> {
        match self {
            Self::Off => Ok(None),
            Self::Usual => crate::serve::bind(usual).map(Some),
            Self::At(address) => crate::serve::bind(address).map(Some),
        }
    }
}

/// Serves the figures of a service until `stop` says `true`, or for as long where there is no listener.
///
/// # Errors
/// The server cannot start.
#[expect(clippy::disallowed_methods, reason = "it serves figures alone, beside the table of routes")]
pub async fn serve<S: Service>(
    app: Arc<App<S>>,
    listener: Option<TcpListener>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let Some(listener) = listener else { return Ok(()) };
    let server = HttpServer::new(move || {
        let app = Arc::clone(&app);
        let show = move || {
            let app = Arc::clone(&app);
            async move { shown(&app) }
        };
        actix_web::App::new().service(web::resource("/metrics").get(show))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let running = tokio::spawn(server);
    stopped(stop).await;
    handle.stop(false).await;
    running.await.map_err(std::io::Error::other)?
}

fn shown<S: Service>(app: &App<S>) -> HttpResponse {
    let mut text = String::new();
    match encode(&mut text, &app.platform().validator.figures()) {
        Ok(()) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}
