//! The bare statement on Postgres: prepared once, on as many connections as a store uses.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use auth_core::{port::Purpose, secret::TokenDigest, time::Timestamp};
use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::{Client, NoTls, Statement};

/// As many as a store reads on.
const CONNECTIONS: usize = 6;
const TAKE: &str =
    "DELETE FROM one_time WHERE digest = $1 AND purpose = $2 AND expires_at > $3 RETURNING content";

/// Connections, each with the statement.
pub struct Bare {
    idle: Mutex<Vec<(Client, Statement)>>,
    permits: Semaphore,
}

impl Bare {
    /// Connects, with no more connections than there are steps at once.
    pub async fn connect(url: &str, at_once: usize) -> Self {
        let count = CONNECTIONS.min(at_once);
        let mut idle = Vec::new();
        for _ in 0..count {
            let (client, driver) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(driver);
            client.batch_execute("SET synchronous_commit = on").await.unwrap();
            let statement = client.prepare(TAKE).await.unwrap();
            idle.push((client, statement));
        }
        Self { idle: Mutex::new(idle), permits: Semaphore::new(count) }
    }

    /// Takes what is good once.
    pub async fn take(&self, purpose: Purpose, digest: &TokenDigest, at: Timestamp) {
        let _permit = self.permits.acquire().await.unwrap();
        let (client, statement) = self.idle.lock().await.pop().unwrap();
        let digest = digest.as_bytes().as_slice();
        let taken = client.query_opt(&statement, &[&digest, &purpose.name(), &at.millis()]).await.unwrap();
        let content: Vec<u8> = taken.unwrap().get(0);
        assert!(!content.is_empty());
        self.idle.lock().await.push((client, statement));
    }
}
