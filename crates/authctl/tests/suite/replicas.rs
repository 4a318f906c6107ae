//! Three replicas of both services on one Postgres server and one Redis, as processes and as containers, each with a wire of its
//! own: healthy, hanging, cut off, killed, their list lost, their servers gone or emptied; and what a revocation that has
//! answered is worth then.

use crate::program::{Folder, Up};
use conformance::{
    history::Keys,
    servers::{Postgres, Redis, Wire, has_docker, unless_missing},
};
use rustix::process::Signal;
use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use tokio::sync::Mutex;

const ALL: [usize; 3] = [0, 1, 2];
const DATABASE: &str = "replicas";

/// How many keys are revoked while all is well: more in a build with `CONFORMANCE_ROUNDS`.
fn rounds() -> usize {
    option_env!("CONFORMANCE_ROUNDS").map_or(100, |rounds| rounds.parse().unwrap())
}

/// What a replica is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Process,
    Container,
}

struct Cluster {
    kind: Kind,
    server: Postgres,
    redis: Option<Redis>,
    wires: Vec<Wire>,
    folder: Folder,
    replicas: Vec<Up>,
}

impl Cluster {
    async fn start(kind: Kind) -> Option<Self> {
        let server = unless_missing("postgres", Postgres::start().await)?;
        let redis = unless_missing("redis", Redis::start().await);
        server.execute("postgres", &format!("CREATE DATABASE {DATABASE}")).await.unwrap();
        let (wires, folder, replicas) = (Vec::new(), Folder::new(), Vec::new());
        let mut cluster = Self { kind, server, redis, wires, folder, replicas };
        for number in ALL {
            cluster.wires.push(Wire::to(cluster.server.port()).await);
            let replica = cluster.replica(number, None);
            cluster.replicas.push(replica);
        }
        Some(cluster)
    }

    /// A replica behind its wire; with `faketime`, on a clock that is not the others'.
    fn replica(&self, number: usize, clock: Option<&str>) -> Up {
        let there = format!(":{}/", self.server.port());
        let here = format!(":{}/", self.wires[number].address.port());
        let url = self.server.url(DATABASE).replace(&there, &here);
        self.folder.up_with(|command| {
            command.env("AUTHCTL_STORE", url);
            if let Some(redis) = &self.redis {
                command.env("AUTHCTL_REDIS", redis.url());
            }
            if let Some(clock) = clock {
                command.env("LD_PRELOAD", faketime().unwrap()).env("FAKETIME", clock);
                command.env("DONT_FAKE_MONOTONIC", "1");
            }
            if self.kind == Kind::Container {
                *command = contained(command, &self.name(number), &self.folder.data());
            }
            command.stderr(Stdio::null());
        })
    }

    /// The name of a replica's container.
    fn name(&self, number: usize) -> String {
        format!("replica-{}-{number}", self.wires[number].address.port())
    }

    /// Stops a replica where it is, with its lease.
    fn pause(&self, number: usize) {
        match self.kind {
            Kind::Process => self.replicas[number].signal(Signal::STOP),
            Kind::Container => docker(&["pause", &self.name(number)]),
        }
    }

    /// Has it go on.
    fn unpause(&self, number: usize) {
        match self.kind {
            Kind::Process => self.replicas[number].signal(Signal::CONT),
            Kind::Container => docker(&["unpause", &self.name(number)]),
        }
    }

    fn history(&self) -> Keys {
        let addresses = self.replicas.iter().map(|replica| replica.hub).collect();
        Keys::begin(addresses, self.folder.first("hub_api_key"), Duration::from_millis(1))
    }
}

/// A container outlives the command that runs it where that is killed.
impl Drop for Cluster {
    fn drop(&mut self) {
        if self.kind == Kind::Container {
            for number in 0..self.wires.len() {
                // It may have ended already.
                let _ = Command::new("docker").args(["rm", "--force", &self.name(number)]).output();
            }
        }
    }
}

fn docker(words: &[&str]) {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The same command in a container, which ends with it: on the network of this machine, with the program and its folder
/// where they are here.
fn contained(command: &Command, name: &str, data: &Path) -> Command {
    let mut contained = Command::new("docker");
    contained.args(["run", "--rm", "--network", "host", "--name", name]);
    let program = Path::new(command.get_program());
    let folder = data.parent().unwrap();
    for path in [program, folder] {
        contained.arg("--volume").arg(format!("{0}:{0}", path.display()));
    }
    contained.arg("--workdir").arg(folder);
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            contained.arg("--env").arg([name, OsStr::new("="), value].join(OsStr::new("")));
        }
    }
    contained.arg("debian:bookworm-slim").arg(program).args(command.get_args());
    contained
}

/// The library that gives a process a clock of its own, where it is installed.
fn faketime() -> Option<&'static str> {
    const PLACES: [&str; 2] = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    ];
    PLACES.into_iter().find(|place| Path::new(place).exists())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_is_refused_by_every_replica_whatever_happens_to_them() {
    whatever_happens(Kind::Process, rounds()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_is_refused_by_every_container_whatever_happens_to_them() {
    if !has_docker() {
        return println!("not run: containers: no Docker engine answers");
    }
    whatever_happens(Kind::Container, 20).await;
}

/// Three replicas at a time have enough to do on a small machine.
static TURN: Mutex<()> = Mutex::const_new(());

async fn whatever_happens(kind: Kind, rounds: usize) {
    let _turn = TURN.lock().await;
    let Some(mut cluster) = Cluster::start(kind).await else { return };
    let history = cluster.history();

    let mut took = Vec::new();
    for round in 0..rounds {
        let key = history.make(round % 3, &ALL).await;
        took.push(history.revoke(&key, (round + 1) % 3, &ALL).await);
    }
    println!("healthy: answered after {:?} at the median of {rounds}", median(took));

    // One hangs, with a lease.
    let mut took = Vec::new();
    for round in 0..3 {
        let hanging = round % 3;
        let others = [(hanging + 1) % 3, (hanging + 2) % 3];
        let key = history.make(hanging, &ALL).await;
        cluster.pause(hanging);
        took.push(history.revoke(&key, others[0], &others).await);
        let at_once = history.make(others[1], &others).await;
        history.revoke(&at_once, others[0], &others).await;
        cluster.unpause(hanging);
        history.heals(hanging).await;
        history.revoke(&history.make(hanging, &ALL).await, others[0], &ALL).await;
    }
    println!("one paused: answered after {took:?}");

    // One is cut off from the database, and goes on being asked.
    for cut in ALL {
        let others = [(cut + 1) % 3, (cut + 2) % 3];
        let key = history.make(cut, &ALL).await;
        cluster.wires[cut].cut();
        took.push(history.revoke(&key, others[0], &others).await);
        let late = history.make(others[0], &others).await;
        history.revoke(&late, others[1], &others).await;
        cluster.wires[cut].mend();
        println!("cut off and back after {:?}", history.heals(cut).await);
        history.revoke(&history.make(cut, &ALL).await, others[0], &ALL).await;
    }

    // The list of replicas is lost while one hangs.
    let key = history.make(0, &ALL).await;
    cluster.pause(2);
    cluster.server.execute(DATABASE, "DELETE FROM replicas").await.unwrap();
    history.revoke(&key, 1, &[0, 1]).await;
    cluster.unpause(2);
    history.heals(2).await;
    history.revoke(&history.make(2, &ALL).await, 0, &ALL).await;

    // Redis hangs, is killed, comes back and is emptied: it pushes, and nothing rests on it.
    if let Some(redis) = &mut cluster.redis {
        redis.pause().await;
        history.revoke(&history.make(0, &ALL).await, 1, &ALL).await;
        redis.kill().await;
        history.revoke(&history.make(1, &ALL).await, 2, &ALL).await;
        redis.restart().await;
        redis.command(&["FLUSHALL"]).await.unwrap();
        history.revoke(&history.make(2, &ALL).await, 0, &ALL).await;
    }

    // The server hangs, and is killed.
    let key = history.make(0, &ALL).await;
    cluster.server.pause().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster.server.unpause().await;
    for replica in ALL {
        println!("the server hung: back after {:?}", history.heals(replica).await);
    }
    history.revoke(&key, 1, &ALL).await;
    let key = history.make(0, &ALL).await;
    history.revoke(&key, 2, &ALL).await;
    cluster.server.kill().await;
    cluster.server.restart().await;
    for replica in ALL {
        println!("the server was killed: back after {:?}", history.heals(replica).await);
    }
    history.revoke(&history.make(1, &ALL).await, 2, &ALL).await;

    let counts = history.end().await;
    println!("{counts:?}");
    for replica in cluster.replicas.drain(..) {
        assert_eq!(replica.stop(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_come_and_go_and_their_clocks_are_a_minute_and_a_half_apart() {
    let _turn = TURN.lock().await;
    let Some(mut cluster) = Cluster::start(Kind::Process).await else { return };
    if faketime().is_none() {
        println!("not run: clocks apart: there is no libfaketime here");
    }
    for (number, clock) in [(1, "+90s"), (2, "-90s")] {
        if faketime().is_some() {
            let other = cluster.replica(number, Some(clock));
            std::mem::replace(&mut cluster.replicas[number], other).kill();
        }
    }
    let mut history = cluster.history();
    for round in 0..6 {
        let (dies, others) = (round % 3, [(round + 1) % 3, (round + 2) % 3]);
        let key = history.make(dies, &ALL).await;
        history.revoke(&key, others[0], &ALL).await;
        let key = history.make(others[0], &ALL).await;
        history.end().await;
        let clock = [None, Some("+90s"), Some("-90s")][dies].filter(|_| faketime().is_some());
        let next = cluster.replica(dies, clock);
        std::mem::replace(&mut cluster.replicas[dies], next).kill();
        history = cluster.history();
        history.heals(dies).await;
        history.revoke(&key, others[1], &ALL).await;
    }
    history.end().await;
}
