//! A bare statement on Postgres: prepared once, on as many connections as a store uses.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::{Client, NoTls, Row, Statement, types::ToSql};

/// As many as a store reads on.
const CONNECTIONS: usize = 6;
/// Takes what is good once.
pub const TAKE: &str =
    "DELETE FROM one_time WHERE digest = $1 AND purpose = $2 AND expires_at > $3 RETURNING content";
/// Puts the successor in place of a refresh token: what a store sends.
pub const ROTATE: &str = "UPDATE sessions SET parent = refresh, refresh = $1, successor = $2, refreshed_at = $3, \
    idle_ends_at = CASE WHEN ends_at < $4 THEN ends_at ELSE $4 END WHERE id = $5 AND refresh = $6 AND ended_at IS NULL \
    AND idle_ends_at > $3 AND EXISTS (SELECT 1 FROM people WHERE people.id = sessions.person_id AND people.status = 'active' \
    AND (sessions.domain_id IS NOT NULL OR (super_admin = 1) = (COALESCE(sessions.role, '') = 'super_admin'))) \
    AND (domain_id IS NULL OR EXISTS (SELECT 1 FROM members JOIN domains ON domains.id = members.domain_id \
    JOIN accounts ON accounts.id = domains.account_id WHERE members.domain_id = sessions.domain_id \
    AND members.person_id = sessions.person_id AND members.role = sessions.role AND domains.status = 'active' \
    AND accounts.status = 'active')) \
    RETURNING id, person_id, audience, role, amr, source, created_at, refreshed_at, idle_ends_at, domain_id, \
    (SELECT account_id FROM domains WHERE domains.id = domain_id), (SELECT name FROM domains WHERE domains.id = domain_id)";

/// Connections, each with the statement.
pub struct Bare {
    idle: Mutex<Vec<(Client, Statement)>>,
    permits: Semaphore,
}

impl Bare {
    /// Connects, with no more connections than there are steps at once.
    pub async fn connect(url: &str, at_once: usize, sql: &str) -> Self {
        let count = CONNECTIONS.min(at_once);
        let mut idle = Vec::new();
        for _ in 0..count {
            let (client, driver) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(driver);
            client.batch_execute("SET synchronous_commit = on").await.unwrap();
            let statement = client.prepare(sql).await.unwrap();
            idle.push((client, statement));
        }
        Self { idle: Mutex::new(idle), permits: Semaphore::new(count) }
    }

    /// Runs it: the one row that it answers.
    pub async fn run(&self, parameters: &[&(dyn ToSql + Sync)]) -> Row {
        let _permit = self.permits.acquire().await.unwrap();
        let (client, statement) = self.idle.lock().await.pop().unwrap();
        let row = client.query_opt(&statement, parameters).await.unwrap();
        self.idle.lock().await.push((client, statement));
        row.unwrap()
    }
}
