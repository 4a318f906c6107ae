//! What several replicas accept and refuse, written down while keys are revoked: no request that began after a revocation
//! had answered is accepted by any of them.

use crate::client::{Request, Response};
use std::{
    net::SocketAddr,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::Instant};

/// How long an answer is waited for: a replica may hang.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one of those that only ask waits.
const SHORT: Duration = Duration::from_secs(1);

/// A key, and whether the answer to its revocation has come.
pub struct Life {
    secret: String,
    id: String,
    ended: AtomicBool,
}

/// Replicas of the Hub, asked all the time.
pub struct History {
    replicas: Vec<SocketAddr>,
    master: String,
    lives: Arc<RwLock<Vec<Arc<Life>>>>,
    counts: Arc<Counts>,
    readers: Vec<JoinHandle<()>>,
}

/// How often something was answered, over all.
#[derive(Debug, Default)]
pub struct Counts {
    /// A live key was accepted.
    pub accepted: AtomicUsize,
    /// A revoked key was refused.
    pub refused: AtomicUsize,
    /// Nothing could be told: `503`, or no answer in time.
    pub untold: AtomicUsize,
    stop: AtomicBool,
}

async fn send(request: Request, to: SocketAddr, patience: Duration) -> Option<Response> {
    tokio::time::timeout(patience, request.send(to)).await.ok()?.ok()
}

fn calls(key: &str) -> Request {
    Request::get("/calls").bearer(key)
}

impl History {
    /// Begins to ask these replicas, resting for `pace` between two requests to one; `master` is a key that may make and
    /// end others.
    pub fn begin(replicas: Vec<SocketAddr>, master: String, pace: Duration) -> Self {
        let (lives, counts) = (Arc::<RwLock<Vec<Arc<Life>>>>::default(), Arc::<Counts>::default());
        let reader = |(number, replica): (usize, &SocketAddr)| {
            tokio::spawn(read(*replica, number, pace, Arc::clone(&lives), Arc::clone(&counts)))
        };
        let readers = replicas.iter().enumerate().map(reader).collect();
        Self { replicas, master, lives, counts, readers }
    }

    /// Makes a key at a replica, which each of those that are named accepts at once.
    pub async fn make(&self, at: usize, accept: &[usize]) -> Arc<Life> {
        let made = self.order(at).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let life =
            Arc::new(Life { secret: made.field("key"), id: made.field("id"), ended: AtomicBool::new(false) });
        for replica in accept {
            let answer = send(calls(&life.secret), self.replicas[*replica], PATIENCE).await.unwrap();
            assert_eq!(answer.status, 200, "replica {replica}: {}", answer.body);
        }
        self.lives.write().unwrap().push(Arc::clone(&life));
        life
    }

    async fn order(&self, at: usize) -> Response {
        let order = r#"{"name":"short","permissions":["call_management"]}"#;
        let order = Request::post("/api-keys", order).bearer(&self.master);
        send(order, self.replicas[at], PATIENCE).await.unwrap()
    }

    /// Ends a key at a replica, and shows that each of those that are named refuses it then; how long the answer took.
    pub async fn revoke(&self, life: &Life, at: usize, refuse: &[usize]) -> Duration {
        let begun = Instant::now();
        let request = Request::new("DELETE", &format!("/api-keys/{}", life.id)).bearer(&self.master);
        let answer = send(request, self.replicas[at], PATIENCE).await.unwrap();
        assert_eq!(answer.status, 204, "{}", answer.body);
        let took = begun.elapsed();
        life.ended.store(true, Ordering::SeqCst);
        for replica in refuse {
            let answer = send(calls(&life.secret), self.replicas[*replica], PATIENCE).await.unwrap();
            assert_eq!(answer.status, 401, "replica {replica}: {}", answer.body);
        }
        took
    }

    /// Waits until a replica accepts a live key and makes another: what waited for the database when that was cut off is
    /// given up by and by. How long that took.
    pub async fn heals(&self, replica: usize) -> Duration {
        let begun = Instant::now();
        while send(calls(&self.master), self.replicas[replica], SHORT)
            .await
            .is_none_or(|answer| answer.status != 200)
        {
            assert!(begun.elapsed() < PATIENCE, "replica {replica} does not come back");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        loop {
            match self.order(replica).await {
                made if made.status == 201 => break,
                other => assert_eq!(other.status, 503, "{}", other.body),
            }
            assert!(begun.elapsed() < PATIENCE, "replica {replica} does not write");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    /// Stops asking, and answers what was counted. Panics where an answer was wrong.
    pub async fn end(self) -> Arc<Counts> {
        self.counts.stop.store(true, Ordering::SeqCst);
        for reader in self.readers {
            reader.await.unwrap();
        }
        self.counts
    }
}

/// Asks a replica for the newest keys, one after the other.
async fn read(
    replica: SocketAddr,
    number: usize,
    pace: Duration,
    lives: Arc<RwLock<Vec<Arc<Life>>>>,
    counts: Arc<Counts>,
) {
    let mut turn = number;
    while !counts.stop.load(Ordering::SeqCst) {
        turn += 1;
        let life = {
            let lives = lives.read().unwrap();
            let back = turn % 4 % lives.len().max(1);
            lives.get(lives.len().wrapping_sub(1 + back)).map(Arc::clone)
        };
        let Some(life) = life else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        // Read before the request begins: what ends meanwhile may be accepted still.
        let ended = life.ended.load(Ordering::SeqCst);
        let answer = send(calls(&life.secret), replica, SHORT).await;
        let count = match (answer.map(|answer| answer.status), ended) {
            (Some(200), true) => panic!("replica {number} accepts key {} behind the answer", life.id),
            (Some(200), false) => &counts.accepted,
            // One that is being revoked may be refused already.
            (Some(401), _) => &counts.refused,
            (Some(503) | None, _) => &counts.untold,
            (Some(other), _) => panic!("replica {number}: {other}"),
        };
        count.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(pace).await;
    }
}
