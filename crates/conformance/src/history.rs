//! What several replicas accept and refuse, written down while credentials end: no request that began after an ending had
//! answered is accepted by any of them.

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

/// A credential, and whether the answer to its ending has come.
pub struct Life {
    secret: String,
    /// The object that it is of.
    name: String,
    ended: AtomicBool,
}

/// Replicas of a service, asked all the time.
pub struct History {
    replicas: Vec<SocketAddr>,
    ask: Ask,
    lives: Arc<RwLock<Vec<Arc<Life>>>>,
    counts: Arc<Counts>,
    readers: Vec<JoinHandle<()>>,
}

/// What is asked with a credential.
pub type Ask = fn(&str) -> Request;

/// How often something was answered, over all.
#[derive(Debug, Default)]
pub struct Counts {
    /// A live credential was accepted.
    pub accepted: AtomicUsize,
    /// One that had ended was refused.
    pub refused: AtomicUsize,
    /// Nothing could be told: `503`, or no answer in time.
    pub untold: AtomicUsize,
    stop: AtomicBool,
}

async fn send(request: Request, to: SocketAddr, patience: Duration) -> Option<Response> {
    tokio::time::timeout(patience, request.send(to)).await.ok()?.ok()
}

impl History {
    /// Begins to ask these replicas, resting for `pace` between two requests to one.
    pub fn begin(replicas: Vec<SocketAddr>, ask: Ask, pace: Duration) -> Self {
        let (lives, counts) = (Arc::<RwLock<Vec<Arc<Life>>>>::default(), Arc::<Counts>::default());
        let reader = |(number, replica): (usize, &SocketAddr)| {
            tokio::spawn(read((*replica, number), ask, pace, Arc::clone(&lives), Arc::clone(&counts)))
        };
        let readers = replicas.iter().enumerate().map(reader).collect();
        Self { replicas, ask, lives, counts, readers }
    }

    /// Sends a request to a replica.
    pub async fn send(&self, at: usize, request: Request) -> Response {
        send(request, self.replicas[at], PATIENCE).await.unwrap()
    }

    /// Asks for a new credential from now on, which each of those that are named accepts at once.
    pub async fn follow(&self, secret: String, name: String, accept: &[usize]) -> Arc<Life> {
        let life = Arc::new(Life { secret, name, ended: AtomicBool::new(false) });
        for replica in accept {
            let answer = self.send(*replica, (self.ask)(&life.secret)).await;
            assert_eq!(answer.status, 200, "replica {replica}: {}", answer.body);
        }
        self.lives.write().unwrap().push(Arc::clone(&life));
        life
    }

    /// The answer to the ending of these has come: each of those that are named refuses them.
    pub async fn over(&self, ended: &[Arc<Life>], refuse: &[usize]) {
        ended.iter().for_each(|life| life.ended.store(true, Ordering::SeqCst));
        for replica in refuse {
            for life in ended {
                let answer = self.send(*replica, (self.ask)(&life.secret)).await;
                assert_eq!(answer.status, 401, "replica {replica}, {}: {}", life.name, answer.body);
            }
        }
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

fn calls(key: &str) -> Request {
    Request::get("/calls").bearer(key)
}

/// Keys of replicas of the Hub, asked for all the time.
pub struct Keys {
    history: History,
    master: String,
}

impl Keys {
    /// Begins to ask these replicas, resting for `pace` between two requests to one; `master` is a key that may make and
    /// end others.
    pub fn begin(replicas: Vec<SocketAddr>, master: String, pace: Duration) -> Self {
        Self { history: History::begin(replicas, calls, pace), master }
    }

    /// Makes a key at a replica, which each of those that are named accepts at once.
    pub async fn make(&self, at: usize, accept: &[usize]) -> Arc<Life> {
        let made = self.order(at).await;
        assert_eq!(made.status, 201, "{}", made.body);
        self.history.follow(made.field("key"), made.field("id"), accept).await
    }

    async fn order(&self, at: usize) -> Response {
        let order = r#"{"name":"short","permissions":["call_management"]}"#;
        self.history.send(at, Request::post("/api-keys", order).bearer(&self.master)).await
    }

    /// Ends a key at a replica, and shows that each of those that are named refuses it then; how long the answer took.
    pub async fn revoke(&self, life: &Arc<Life>, at: usize, refuse: &[usize]) -> Duration {
        let begun = Instant::now();
        let request = Request::new("DELETE", &format!("/api-keys/{}", life.name)).bearer(&self.master);
        let answer = self.history.send(at, request).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
        let took = begun.elapsed();
        self.history.over(std::slice::from_ref(life), refuse).await;
        took
    }

    /// Waits until a replica accepts a live key and makes another: what waited for the database when that was cut off is
    /// given up by and by. How long that took.
    pub async fn heals(&self, replica: usize) -> Duration {
        let (begun, address) = (Instant::now(), self.history.replicas[replica]);
        while send(calls(&self.master), address, SHORT).await.is_none_or(|answer| answer.status != 200) {
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
        self.history.end().await
    }
}

/// Asks a replica for the newest credentials, one after the other.
async fn read(
    (replica, number): (SocketAddr, usize),
    ask: Ask,
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
        let answer = send(ask(&life.secret), replica, SHORT).await;
        let count = match (answer.map(|answer| answer.status), ended) {
            (Some(200), true) => panic!("replica {number} accepts {} behind the answer", life.name),
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
