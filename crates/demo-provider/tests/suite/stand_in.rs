//! The stand-in for the Hub: it says what it is told to, byte for byte, and keeps what it was asked.

use crate::visitor::{Reply, Steps, parsed, send};
use auth_core::secret::PlainToken;
use demo_provider::{Application, ApplicationConfig};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

pub(crate) const KEY: &str = "hub_canary_0123456789";
pub(crate) const ACCOUNT: &str = "01890000-0000-7000-8000-00000000000a";
pub(crate) const USER: &str = "01890000-0000-7000-8000-00000000000b";
pub(crate) const PROVIDER: &str = "http://localhost:9998";

/// Both ends of the application: a Hub that it asks, and a browser that asks it.
pub(crate) struct Stage {
    pub(crate) application: Application,
    pub(crate) clock: Arc<Steps>,
    pub(crate) hub: String,
    says: Arc<Mutex<VecDeque<Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let (says, asked) = (Arc::<Mutex<VecDeque<Vec<u8>>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (to_say, kept) = (Arc::clone(&says), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = request(&mut stream).await;
                kept.lock().unwrap().push(request);
                let answer = to_say.lock().unwrap().pop_front().unwrap_or_default();
                // Whoever has read enough may be gone.
                let _ = stream.write_all(&answer).await;
            }
        });
        let clock = Steps::begin();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let application = Application::start(listener, config(&hub, clock.clone())).await.unwrap();
        Self { application, clock, hub, says, asked }
    }

    /// The same, with another application.
    pub(crate) fn with(self, application: Application) -> Self {
        Self { application, ..self }
    }

    /// The next answer of the Hub that has none yet.
    pub(crate) fn says(&self, head: &str, body: &str) -> &Self {
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}");
        self.says_bytes(answer.into_bytes())
    }
    pub(crate) fn says_bytes(&self, answer: Vec<u8>) -> &Self {
        self.says.lock().unwrap().push_back(answer);
        self
    }
    /// What the Hub was asked since this was called last.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        parsed(&self.visit("GET", target, &[]).await)
    }
    /// From a page of the application.
    pub(crate) async fn post(&self, target: &str) -> Reply {
        parsed(&self.visit("POST", target, &[("sec-fetch-site", "same-origin")]).await)
    }
    /// Everything that a browser gets. The key is never in it.
    pub(crate) async fn visit(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut stream = send(self.application.origin(), method, target, headers, "").await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(KEY), "{text}");
        bytes
    }
}

pub(crate) fn config(hub: &str, clock: Arc<Steps>) -> ApplicationConfig {
    ApplicationConfig {
        hub: hub.to_owned(),
        key: PlainToken::new(KEY.to_owned()),
        account_id: ACCOUNT.to_owned(),
        user_id: USER.to_owned(),
        providers: vec!["google".to_owned(), "microsoft".to_owned()],
        provider_origins: vec![PROVIDER.to_owned()],
        clock,
    }
}

async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.unwrap();
        bytes.extend_from_slice(&some[..count]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if count == 0 || body.len() == length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}
