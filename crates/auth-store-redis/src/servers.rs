//! Finding the server that keeps a digest: the only one, the one that sentinels name, or one of a cluster.

use crate::{
    PATIENCE,
    address::{Address, Host, Kind, one_line},
    server::{Life, Role, Server, role},
};
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
const HOMES: usize = 256;

/// The servers of one address.
pub(crate) struct Servers {
    address: Address,
    /// Where a cluster keeps the digests of a first byte, where that is known.
    homes: Mutex<[Option<Host>; HOMES]>,
    /// Whom sentinels named last.
    named: Mutex<Option<Host>>,
    nodes: Mutex<HashMap<Host, Arc<Node>>>,
}

/// One server, as far as it is connected to.
#[derive(Default)]
struct Node {
    server: Mutex<Option<Server>>,
    /// One task at a time connects or confirms; when that failed last, and why.
    turn: tokio::sync::Mutex<Option<(Instant, String)>>,
}

impl Servers {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            homes: Mutex::new([const { None }; HOMES]),
            named: Mutex::new(None),
            nodes: Mutex::default(),
        }
    }

    /// Sends a command about a digest, named for the life that its server lives. It is sent again only where a server
    /// said that it did not carry it out, because another one would.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        digest: &TokenDigest,
        command: impl Fn(&Life) -> Cmd + Send + Sync,
    ) -> Result<T, StoreError> {
        let home = usize::from(digest.as_bytes()[0]);
        for hop in 0..MOST_HOPS {
            let (host, server) = match self.server(home).await {
                Ok(found) => found,
                // Nothing was sent, and there may be another in its place.
                Err(_) if hop == 0 && !matches!(self.address.kind, Kind::Single(_)) => continue,
                Err(why) => return Err(self.unavailable(&why)),
            };
            match server.ask(&command(&server.life)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => match moved_to(&error, &host) {
                    Some(elsewhere) => self.set_home(home, elsewhere),
                    None => {
                        if self.holds(&host, &server) {
                            self.forget(&host);
                        }
                        return Err(self.unavailable(&format!("{host}: {}", one_line(&error))));
                    }
                },
            }
        }
        Err(self.unavailable("its servers send from one to another"))
    }

    /// Any server that messages may be told to, or heard from.
    pub(crate) async fn any(&self) -> Result<(Host, Server), String> {
        self.server(0).await
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    fn unavailable(&self, why: &str) -> StoreError {
        StoreError::Unavailable(format!("{}: {why}", self.address))
    }

    /// The server that keeps the digests of a first byte, as far as is known.
    async fn server(&self, home: usize) -> Result<(Host, Server), String> {
        let known = locked(&self.homes).get(home).cloned().flatten();
        match (&self.address.kind, known) {
            (_, Some(host)) => self.connected(host).await,
            (Kind::Single(host), None) => self.connected(host.clone()).await,
            (Kind::Sentinel { sentinels, name }, None) => {
                let named = locked(&self.named).clone();
                let host = match named {
                    Some(host) => host,
                    None => self.ask_sentinels(sentinels, name).await?,
                };
                self.connected(host).await
            }
            (Kind::Cluster(seeds), None) => {
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
    async fn connected(&self, host: Host) -> Result<(Host, Server), String> {
        let node = Arc::clone(locked(&self.nodes).entry(host.clone()).or_default());
        if let Some(server) = node.fresh() {
            return Ok((host, server));
        }
        let came = Instant::now();
        let mut failed = node.turn.lock().await;
        if let Some(server) = node.fresh() {
            return Ok((host, server));
        }
        if let Some((_, why)) = failed.as_ref().filter(|(when, _)| *when > came) {
            return Err(why.clone());
        }
        let known = locked(&node.server).take();
        let confirmed = match known {
            Some(known) => known.confirm().await.ok(),
            None => None,
        };
        let server = match confirmed {
            Some(server) => Ok(server),
            None => Server::connect(&self.address, &host).await,
        };
        match server {
            Ok(server) => {
                *locked(&node.server) = Some(server.clone());
                *failed = None;
                Ok((host, server))
            }
            Err(why) => {
                *failed = Some((Instant::now(), why.clone()));
                self.forget(&host);
                Err(why)
            }
        }
    }

    /// A member of a cluster that is written to: this one, or the one that it follows.
    async fn member(&self, seed: &Host) -> Result<(Host, Server), String> {
        if let Ok(found) = self.connected(seed.clone()).await {
            return Ok(found);
        }
        let connection = self.address.connect(seed).await?;
        match role(&connection).await.map_err(|why| format!("{seed}: {why}"))? {
            Role::Master(_) => self.connected(seed.clone()).await,
            Role::Replica(Some(master)) => self.connected(master).await,
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
                Ok(Ok(host)) => {
                    *locked(&self.named) = Some(host.clone());
                    return Ok(host);
                }
                Ok(Err(error)) => why = error,
                Err(_) => why = format!("{sentinel}: did not answer in time"),
            }
        }
        Err(why)
    }

    /// Whether a host is still spoken to by this connection.
    fn holds(&self, host: &Host, server: &Server) -> bool {
        let node = locked(&self.nodes).get(host).cloned();
        node.is_some_and(|node| locked(&node.server).as_ref().is_none_or(|known| known.is(server)))
    }

    /// What was known of a host is found out anew: who keeps the digests, and in which life.
    fn forget(&self, host: &Host) {
        for home in locked(&self.homes).iter_mut().filter(|home| home.as_ref() == Some(host)) {
            *home = None;
        }
        let mut named = locked(&self.named);
        if named.as_ref() == Some(host) {
            *named = None;
        }
        drop(named);
        locked(&self.nodes).remove(host);
    }

    fn set_home(&self, home: usize, host: Host) {
        if let Some(place) = locked(&self.homes).get_mut(home) {
            *place = Some(host);
        }
    }
}

impl Node {
    fn fresh(&self) -> Option<Server> {
        locked(&self.server).clone().filter(Server::is_fresh)
    }
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
