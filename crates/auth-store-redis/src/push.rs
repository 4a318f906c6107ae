//! The push of the revocation stream. The stream itself, and who must acknowledge it, are in the durable store: what is
//! not heard here costs the time until the next look, and nothing else.

use crate::{PATIENCE, servers::Servers};
use auth_core::port::{Answer, Notice, Renewal, ReplicaId, Revocations, Seq};
use futures_util::StreamExt as _;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

const CHANNEL: &str = "auth:notices";
/// How long the tasks wait before they connect again.
const AGAIN: Duration = Duration::from_millis(200);
/// A connection on which nothing was heard for so long is asked whether it is one.
const SILENCE: Duration = Duration::from_secs(5);

/// The stream of a durable store, with a push beside it.
pub(crate) struct Pushed {
    stream: Arc<dyn Revocations>,
    /// The number that was said last. Whoever may write to Redis may say any: one wakes once, and is believed in nothing.
    heard: watch::Receiver<i64>,
    /// The last number that woke somebody who came too late to hear it.
    woken: AtomicI64,
    /// The newest number of this process.
    said: watch::Sender<i64>,
}

impl Pushed {
    /// Starts the tasks that say and listen. They end with the last of those who use it.
    pub(crate) fn start(stream: Arc<dyn Revocations>, servers: &Arc<Servers>) -> Self {
        let ((said, to_say), (hear, heard)) = (watch::channel(0), watch::channel(0));
        tokio::spawn(say(Arc::clone(servers), to_say));
        tokio::spawn(listen(Arc::clone(servers), hear));
        Self { stream, heard, woken: AtomicI64::new(0), said }
    }
}

/// Says the newest number there is: one that was followed by another need not be said.
async fn say(servers: Arc<Servers>, mut to_say: watch::Receiver<i64>) {
    while to_say.changed().await.is_ok() {
        let seq = *to_say.borrow_and_update();
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(CHANNEL).arg(seq);
        let told = match servers.any().await {
            Ok(server) => server.ask::<i64>(&publish).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        if let Err(why) = told {
            tracing::debug!(%why, "a revocation was not pushed: it is looked for instead");
        }
    }
}

async fn listen(servers: Arc<Servers>, hear: watch::Sender<i64>) {
    let mut healthy = true;
    let listening = async {
        loop {
            if let Err(why) = hear_until_it_ends(&servers, &hear, &mut healthy).await
                && std::mem::take(&mut healthy)
            {
                tracing::warn!(%why, "not listening to Redis: revocations are looked for instead");
            }
            sleep(AGAIN).await;
        }
    };
    tokio::select! { () = listening => {}, () = hear.closed() => {} }
}

async fn hear_until_it_ends(
    servers: &Servers,
    hear: &watch::Sender<i64>,
    healthy: &mut bool,
) -> Result<(), String> {
    let host = servers.any().await?.host.clone();
    let (mut asks, mut told) = servers.address().listen(&host).await?.split();
    let subscribed = timeout(PATIENCE, asks.subscribe(CHANNEL)).await;
    subscribed.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
    if !std::mem::replace(healthy, true) {
        tracing::info!("listening to Redis again");
    }
    loop {
        match timeout(SILENCE, told.next()).await {
            Ok(Some(message)) => {
                hear.send_replace(message.get_payload().unwrap_or_default());
            }
            Ok(None) => return Err("the connection was closed".to_owned()),
            Err(_) => {
                let pinged = timeout(PATIENCE, asks.ping::<redis::Value>()).await;
                pinged.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
            }
        }
    }
}

#[async_trait::async_trait]
impl Revocations for Pushed {
    async fn join(&self, replica: ReplicaId, applied: Seq) -> Answer<()> {
        self.stream.join(replica, applied).await
    }

    async fn news(&self, applied: Seq) {
        let mut heard = self.heard.clone();
        let last = *heard.borrow_and_update();
        if last > applied.0 && self.woken.swap(last, Ordering::Relaxed) != last {
            return;
        }
        tokio::select! {
            () = self.stream.news(applied) => {}
            // It ends with an error where nobody listens any more; that is no news.
            Ok(()) = heard.changed() => {}
        }
    }

    async fn renew(&self, replica: ReplicaId, lease: Duration) -> Answer<Renewal> {
        self.stream.renew(replica, lease).await
    }

    async fn head(&self) -> Answer<Seq> {
        self.stream.head().await
    }

    async fn since(&self, after: Seq) -> Answer<Vec<Notice>> {
        self.stream.since(after).await
    }

    async fn acknowledge(&self, replica: ReplicaId, applied: Seq) -> Answer<bool> {
        self.stream.acknowledge(replica, applied).await
    }

    async fn settled(&self, seq: Seq, lease: Duration) -> Answer<()> {
        self.said.send_if_modified(|said| {
            let is_news = seq.0 > *said;
            *said = seq.0.max(*said);
            is_news
        });
        self.stream.settled(seq, lease).await
    }

    async fn leave(&self, replica: ReplicaId) -> Answer<()> {
        self.stream.leave(replica).await
    }
}
