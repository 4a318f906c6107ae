//! Hearing of commits: `NOTIFY` wakes whoever waits for news. It is only a push: what was not heard is seen at the next
//! look.

use crate::Address;
use auth_core::error::StoreError;
use auth_store_sql::Failure;
use diesel_async::SimpleAsyncConnection as _;
use futures_util::StreamExt as _;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How long the listener waits before it connects again.
const AGAIN: Duration = Duration::from_millis(200);

/// What the listener heard of last.
#[derive(Clone)]
pub(crate) struct Heard {
    /// The head of the stream. Any role of the database may say any number.
    pub(crate) head: watch::Receiver<i64>,
    telling: Arc<watch::Sender<i64>>,
    /// Changes with each acknowledgement, and with each new connection.
    pub(crate) acknowledgements: watch::Receiver<()>,
}

impl Heard {
    /// What was heard before the head was read, and is beyond it, was not true, or is not any more: it wakes nobody again.
    pub(crate) fn correct(&self, heard: i64, read: i64) {
        self.telling.send_if_modified(|head| {
            let is_wrong = heard > read && *head == heard;
            if is_wrong {
                *head = read;
            }
            is_wrong
        });
    }
}

struct Telling {
    head: Arc<watch::Sender<i64>>,
    acknowledgements: watch::Sender<()>,
}

/// Starts the listener's task. It ends with the last of those that listen to it.
pub(crate) fn start(address: Address) -> Heard {
    let (head, heads) = watch::channel(0);
    let head = Arc::new(head);
    let telling = Arc::clone(&head);
    let (acknowledgements, acknowledged) = watch::channel(());
    tokio::spawn(async move {
        let telling = Telling { head, acknowledgements };
        let listening = async {
            loop {
                if let Err(error) = listen(&address, &telling).await {
                    tracing::warn!(%error, "not listening for revocations: they are looked for instead");
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::select! { () = listening => {}, () = telling.head.closed() => {} }
    });
    Heard { head: heads, telling, acknowledgements: acknowledged }
}

async fn listen(address: &Address, telling: &Telling) -> Result<(), StoreError> {
    let mut conn = address.connect().await?;
    let listen = "LISTEN auth_notices; LISTEN auth_acknowledgements";
    conn.batch_execute(listen).await.map_err(Failure::from)?;
    // Whatever was said while nobody listened is looked for.
    telling.acknowledgements.send_replace(());
    let mut told = pin!(conn.notifications_stream());
    while let Some(notification) = told.next().await {
        let notification = notification.map_err(Failure::from)?;
        match (notification.channel.as_str(), notification.payload.parse()) {
            ("auth_notices", Ok(seq)) => _ = telling.head.send_replace(seq),
            _ => telling.acknowledgements.send_replace(()),
        }
    }
    Err(StoreError::Unavailable("the connection was closed".to_owned()))
}
