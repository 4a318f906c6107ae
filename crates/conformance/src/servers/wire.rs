//! A wire to a server, which can be cut: what is sent then goes nowhere, and nobody is told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::Notify,
};

/// The longest that a message is waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// A wire that forwards connections.
pub struct Wire {
    /// Where it is entered.
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    cut: AtomicBool,
    /// What is to be the last thing that goes to the server.
    last: std::sync::Mutex<Option<&'static str>>,
    was_cut: Notify,
}

impl Wire {
    /// A wire to a port of this machine.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { continue };
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::spawn(forward(from_near, to_far, Arc::clone(&shared), true));
                tokio::spawn(forward(from_far, to_near, Arc::clone(&shared), false));
            }
        });
        Self { address, state }
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
    }

    /// Has it cut behind the next message to the server that holds a text: from now on, whenever what it gives is awaited,
    /// which ends once it was.
    pub fn cut_behind(&self, text: &'static str) -> impl Future<Output = ()> {
        *self.state.last.lock().unwrap() = Some(text);
        async move {
            let cut = tokio::time::timeout(LONGEST, self.state.was_cut.notified()).await;
            assert!(cut.is_ok(), "nothing that was sent held {text:?}");
        }
    }

    /// Mends it, for new connections and old ones; what was sent meanwhile is lost.
    pub fn mend(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: Arc<State>, to_server: bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if state.cut.load(Ordering::SeqCst) {
            continue;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        let mut last = state.last.lock().unwrap();
        let holds = |text: &str| buffer[..read].windows(text.len()).any(|part| part == text.as_bytes());
        if to_server && last.is_some_and(holds) {
            *last = None;
            state.cut.store(true, Ordering::SeqCst);
            state.was_cut.notify_one();
        }
    }
}
