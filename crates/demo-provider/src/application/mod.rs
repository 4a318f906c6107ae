//! The demo application: the stand-in for an account's own web site, which links calendars of a user through the Hub.

mod calendars;
mod hub;
mod pages;
mod site;

use crate::listen::{on_loopback, serve};
use auth_core::{secret::PlainToken, time::Clock};
use std::{sync::Arc, time::Duration};
use tokio::task::AbortHandle;

/// How long the Hub is waited for.
const LIMIT: Duration = Duration::from_secs(15);

/// What an application is started with.
#[derive(Clone)]
pub struct ApplicationConfig {
    /// The Hub, on the loopback: `http://localhost:PORT`.
    pub hub: String,
    /// A key of the Hub, which has access to calendars. No page shows it, and no error.
    pub key: PlainToken,
    /// The account whose key it is.
    pub account_id: String,
    /// The user of that account whose calendars are linked.
    pub user_id: String,
    /// What the Hub calls the providers, such as `google`.
    pub providers: Vec<String>,
    /// The origins of their consent pages: browsers are led nowhere else by a form.
    pub provider_origins: Vec<String>,
    /// What says from when on events are shown.
    pub clock: Arc<dyn Clock>,
}

/// An application that runs; it stops serving when it is dropped.
///
/// | path | what it does |
/// |---|---|
/// | `GET /` | shows what is linked, with a button for each thing that can be done about it |
/// | `POST /link/{provider}` | begins at the Hub, and leads the browser to the provider |
/// | `GET /events/{provider}` | shows the events of the next 30 days |
/// | `POST /unlink/{provider}` | ends the connection |
///
/// It serves browsers that call it by its [`origin`](Self::origin), and takes what changes something from its own pages
/// alone. At the Hub, its address with the path `/` must be one that browsers may be led to.
pub struct Application {
    origin: String,
    serving: AbortHandle,
}

impl Application {
    /// Starts one, in the runtime of the caller.
    ///
    /// The error says which part of the configuration cannot be, or that the address is not of the loopback.
    pub async fn start(listener: std::net::TcpListener, config: ApplicationConfig) -> Result<Self, String> {
        Self::start_within(listener, config, LIMIT).await
    }

    /// The same, which waits no longer than this for the Hub.
    pub(crate) async fn start_within(
        listener: std::net::TcpListener,
        config: ApplicationConfig,
        limit: Duration,
    ) -> Result<Self, String> {
        let (listener, origin) = on_loopback(listener)?;
        let site = Arc::new(site::Site::new(origin.clone(), config, limit)?);
        let serving = serve(listener, move |request| site::enter(Arc::clone(&site), request));
        Ok(Self { origin, serving: tokio::spawn(serving).abort_handle() })
    }

    /// `http://localhost:PORT`.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::time::{Monotonic, Timestamp};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::EPOCH
        }
        fn monotonic(&self) -> Monotonic {
            Monotonic::from_nanos(0)
        }
    }

    #[tokio::test]
    async fn a_hub_that_is_silent_is_not_waited_for() {
        for begins in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
            let hub = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let config = ApplicationConfig {
                hub: format!("http://localhost:{}", hub.local_addr().unwrap().port()),
                key: PlainToken::new("canary".to_owned()),
                account_id: "01890000-0000-7000-8000-00000000000a".to_owned(),
                user_id: "01890000-0000-7000-8000-00000000000b".to_owned(),
                providers: Vec::new(),
                provider_origins: Vec::new(),
                clock: Arc::new(Stopped),
            };
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let limit = Duration::from_millis(100);
            let application = Application::start_within(listener, config, limit).await.unwrap();
            let authority = application.origin().strip_prefix("http://").unwrap();
            let mut browser = TcpStream::connect(authority).await.unwrap();
            let request = format!("GET / HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
            browser.write_all(request.as_bytes()).await.unwrap();
            let (mut asked, _) = hub.accept().await.unwrap();
            asked.write_all(begins.as_bytes()).await.unwrap();
            let mut page = String::new();
            browser.read_to_string(&mut page).await.unwrap();
            assert!(page.starts_with("HTTP/1.1 504 ") && page.contains("100ms are over."), "{page}");
            // It hangs up: what it sent, and then the end.
            asked.read_to_end(&mut Vec::new()).await.unwrap();
        }
    }
}
