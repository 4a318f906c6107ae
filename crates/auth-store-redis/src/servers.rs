//! Finding the server that keeps a digest: the only one, the one that sentinels name, or one of a cluster.

use crate::{
    PATIENCE,
    address::{Address, Host, Kind, one_line},
    server::{Life, Role, Server, role},
};
use arc_swap::ArcSwapOption;
use auth_core::{error::StoreError, secret::TokenDigest};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Instant, timeout};

/// A cluster that is being changed may send from one server to another, but not without end.
const MOST_HOPS: usize = 4;

/// Digests are spread by their first byte: `HH` in `auth:{HH}:…`, by which a cluster places a key.
const SHARES: usize = 256;

/// The server that keeps some digests, where that is known.
type Home = ArcSwapOption<Server>;

/// The servers of one address.
pub(crate) struct Servers {
    address: Address,
    /// Where one server keeps all digests.
    whole: Home,
    /// Where a cluster shares them: by their first byte.
    shares: Vec<Home>,
    nodes: Mutex<HashMap<Host, Arc<Node>>>,
}

/// One host, as far as it is connected to.
#[derive(Default)]
struct Node {
    server: ArcSwapOption<Server>,
    /// One task at a time connects or confirms; when that failed last, and why.
    turn: tokio::sync::Mutex<Option<(Instant, String)>>,
}

impl Servers {
    pub(crate) fn new(address: Address) -> Self {
        let shares = if matches!(address.kind, Kind::Cluster(_)) { SHARES } else { 0 };
        let shares = std::iter::repeat_with(Home::empty).take(shares).collect();
        Self { address, whole: Home::empty(), shares, nodes: Mutex::default() }
    }

    /// Sends a command about a digest, named for the life that its server lives. It is sent again only where a server
    /// said that it did not carry it out, because another one would.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        digest: &TokenDigest,
        command: impl Fn(&Life) -> Cmd + Send + Sync,
    ) -> Result<T, StoreError> {
        let home = self.shares.get(usize::from(digest.as_bytes()[0])).unwrap_or(&self.whole);
        let mut elsewhere = None;
        for hop in 0..MOST_HOPS {
            let server = match self.server(home, elsewhere.take()).await {
                Ok(found) => found,
                // Nothing was sent, and there may be another in its place.
                Err(_) if hop == 0 && !matches!(self.address.kind, Kind::Single(_)) => continue,
                Err(why) => return Err(self.unavailable(&why)),
            };
            match server.ask(&command(&server.life)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    elsewhere = moved_to(&error, &server.host);
                    if elsewhere.is_none() {
                        self.forget(&server);
                        return Err(self.unavailable(&format!("{}: {}", server.host, one_line(&error))));
                    }
                }
            }
        }
        Err(self.unavailable("its servers send from one to another"))
    }

    /// Any server that messages may be told to, or heard from.
    pub(crate) async fn any(&self) -> Result<Arc<Server>, String> {
        self.server(self.shares.first().unwrap_or(&self.whole), None).await
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    fn unavailable(&self, why: &str) -> StoreError {
        StoreError::Unavailable(format!("{}: {why}", self.address))
    }

    /// The server whose home this is: the one that is known, or the one that another named.
    async fn server(&self, home: &Home, elsewhere: Option<Host>) -> Result<Arc<Server>, String> {
        match fresh(home).filter(|_| elsewhere.is_none()) {
            Some(known) => Ok(known),
            // In a box: what is seldom gone through would make every command's future large.
            None => Box::pin(self.find_out(home, elsewhere)).await,
        }
    }

    async fn find_out(&self, home: &Home, elsewhere: Option<Host>) -> Result<Arc<Server>, String> {
        let found = match (elsewhere, home.load_full()) {
            (Some(host), _) => self.connected(&host).await?,
            (None, Some(known)) => {
                let found = self.connected(&known.host).await;
                found.inspect_err(|_| forget_at(home, &known))?
            }
            (None, None) => self.find().await?,
        };
        home.store(Some(Arc::clone(&found)));
        Ok(found)
    }

    /// A server that keeps digests, or knows who does.
    async fn find(&self) -> Result<Arc<Server>, String> {
        match &self.address.kind {
            Kind::Single(host) => self.connected(host).await,
            Kind::Sentinel { sentinels, name } => {
                let host = self.ask_sentinels(sentinels, name).await?;
                self.connected(&host).await
            }
            Kind::Cluster(seeds) => {
                let mut why = String::new();
                for seed in seeds {
                    match self.member(seed).await {
                        Ok(found) => return Ok(found),
                        Err(error) => why = error,
                    }
                }
                Err(why)
            }
        }
    }

    /// A connection to a host, which said lately what it is. One task at a time finds out; those that wait meanwhile
    /// take what it found.
    async fn connected(&self, host: &Host) -> Result<Arc<Server>, String> {
        let node = Arc::clone(locked(&self.nodes).entry(host.clone()).or_default());
        if let Some(server) = fresh(&node.server) {
            return Ok(server);
        }
        let came = Instant::now();
        let mut failed = node.turn.lock().await;
        if let Some(server) = fresh(&node.server) {
            return Ok(server);
        }
        if let Some((_, why)) = failed.as_ref().filter(|(when, _)| *when > came) {
            return Err(why.clone());
        }
        if let Some(known) = node.server.load_full() {
            match known.confirm().await {
                Ok(()) => return Ok(known),
                Err(_) => self.forget(&known),
            }
        }
        match Server::connect(&self.address, host).await {
            Ok(server) => {
                let server = Arc::new(server);
                node.server.store(Some(Arc::clone(&server)));
                *failed = None;
                Ok(server)
            }
            Err(why) => {
                *failed = Some((Instant::now(), why.clone()));
                locked(&self.nodes).remove(host);
                Err(why)
            }
        }
    }

    /// A member of a cluster that is written to: this one, or the one that it follows.
    async fn member(&self, seed: &Host) -> Result<Arc<Server>, String> {
        if let Ok(found) = self.connected(seed).await {
            return Ok(found);
        }
        let connection = self.address.connect(seed).await?;
        match role(&connection).await.map_err(|why| format!("{seed}: {why}"))? {
            Role::Master(_) => self.connected(seed).await,
            Role::Replica(Some(master)) => self.connected(&master).await,
            Role::Replica(None) => Err(format!("{seed}: it follows nobody that it could name")),
        }
    }

    /// Whom sentinels name. They are asked one after the other, until one answers.
    async fn ask_sentinels(&self, sentinels: &[Host], name: &str) -> Result<Host, String> {
        let mut why = String::new();
        for sentinel in sentinels {
            let asked = async {
                let mut connection = self.address.connect_to_sentinel(sentinel).await?;
                let mut question = redis::cmd("SENTINEL");
                question.arg("get-master-addr-by-name").arg(name);
                let answer: Option<(String, String)> =
                    question.query_async(&mut connection).await.map_err(|error| one_line(&error))?;
                let (host, port) = answer.ok_or_else(|| format!("{sentinel} knows no {name:?}"))?;
                Host::new(&host, &port).ok_or_else(|| format!("{sentinel} names no host"))
            };
            match timeout(PATIENCE, asked).await {
                Ok(Ok(host)) => return Ok(host),
                Ok(Err(error)) => why = error,
                Err(_) => why = format!("{sentinel}: did not answer in time"),
            }
        }
        Err(why)
    }

    /// What this server keeps, and what lives at its host, is found out anew.
    fn forget(&self, server: &Arc<Server>) {
        for home in self.shares.iter().chain([&self.whole]) {
            forget_at(home, server);
        }
        if let Some(node) = locked(&self.nodes).get(&server.host) {
            forget_at(&node.server, server);
        }
    }
}

/// The server that is known, if it said lately what it is.
fn fresh(place: &ArcSwapOption<Server>) -> Option<Arc<Server>> {
    place.load_full().filter(|server| server.is_fresh())
}

/// Another one that has come in its place stays.
fn forget_at(place: &ArcSwapOption<Server>, server: &Arc<Server>) {
    place.compare_and_swap(&Some(Arc::clone(server)), None);
}

/// The host that a server of a cluster names instead of itself.
fn moved_to(error: &RedisError, from: &Host) -> Option<Host> {
    if error.kind() != ErrorKind::Server(ServerErrorKind::Moved) {
        return None;
    }
    let (place, _) = error.redirect_node()?;
    // As servers write it: an IPv6 address has no brackets, and one that does not know its own name leaves it out.
    let (name, port) = place.rsplit_once(':')?;
    if name.is_empty() { from.with_port(port) } else { Host::new(name, port) }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
