//! Redis: a server, two that sentinels watch, and a cluster.

mod node;

use super::{NotRun, free_port};
use node::{Node, PASSWORD};
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use tokio::time::Instant;

/// A server with an append-only file, as it is set by default: written at once, and made durable each second.
pub struct Redis(Node);

/// What a server had kept at some time.
pub struct Snapshot(TempDir);

impl Redis {
    /// Starts a server.
    ///
    /// # Errors
    /// There is none to be started.
    pub async fn start() -> Result<Self, NotRun> {
        Self::start_with(&[], &[]).await
    }

    /// Starts a server with more options, and files in its folder.
    ///
    /// # Errors
    /// There is none to be started.
    pub async fn start_with(options: &[&str], files: &[(&str, &str)]) -> Result<Self, NotRun> {
        server(free_port(), options, files).await.map(Self)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.0.port)
    }

    /// Its port on this machine.
    pub const fn port(&self) -> u16 {
        self.0.port
    }

    /// What a command answers, past the store: the words of the answer.
    ///
    /// # Errors
    /// The server's, or there is no answer within a second.
    pub async fn command(&self, words: &[&str]) -> Result<String, redis::RedisError> {
        self.0.command(words).await
    }

    /// Stops it where it is, as a machine does that hangs.
    pub async fn pause(&self) {
        self.0.pause().await;
    }

    /// Has it go on.
    pub async fn unpause(&self) {
        self.0.unpause().await;
    }

    /// Kills it, so that it can put nothing in order.
    pub async fn kill(&mut self) {
        self.0.kill();
    }

    /// Asks it to end, and waits for that.
    pub async fn stop(&mut self) {
        self.0.stop().await;
    }

    /// Starts it again on its data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.0.restart().await;
    }

    /// Copies what it keeps, while it runs.
    pub fn snapshot(&self) -> Snapshot {
        let snapshot = Snapshot(tempfile::tempdir().unwrap());
        copy(self.0.folder(), snapshot.0.path());
        snapshot
    }

    /// Kills it, and starts it on what it had kept at another time.
    pub async fn restore(&mut self, snapshot: &Snapshot) {
        self.kill().await;
        for entry in std::fs::read_dir(self.0.folder()).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
        copy(snapshot.0.path(), self.0.folder());
        self.restart().await;
    }
}

async fn server(port: u16, options: &[&str], files: &[(&str, &str)]) -> Result<Node, NotRun> {
    let port_word = port.to_string();
    let always = [
        "--port",
        port_word.as_str(),
        "--bind",
        "127.0.0.1",
        "--requirepass",
        PASSWORD,
        "--masterauth",
        PASSWORD,
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
    ];
    Node::start(port, &[always.as_slice(), options].concat(), files).await
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Waits for what is to be.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A server and one that follows it, watched by three sentinels, which know them as `main`.
pub struct Sentinels {
    servers: [Node; 2],
    sentinels: [Node; 3],
}

impl Sentinels {
    /// Starts them, and waits until each knows the others.
    ///
    /// # Errors
    /// There is nothing to be started.
    pub async fn start() -> Result<Self, NotRun> {
        let first = server(free_port(), &[], &[]).await?;
        let followed = format!("127.0.0.1 {}", first.port);
        let second = server(free_port(), &["--replicaof", &followed], &[]).await?;
        let sentinels = [watcher(first.port).await?, watcher(first.port).await?, watcher(first.port).await?];
        let all = Self { servers: [first, second], sentinels };
        until("the sentinels know each other and the replica", async || {
            let mut ready = true;
            for sentinel in &all.sentinels {
                let known = sentinel.command_without_password(&["SENTINEL", "master", "main"]).await.unwrap();
                ready &=
                    known.contains("num-slaves 1 num-other-sentinels 2") && known.contains(" flags master ");
            }
            ready
        })
        .await;
        all.until_in_step().await;
        Ok(all)
    }

    /// Their URL.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+sentinel://:{PASSWORD}@{}/main", hosts.join(","))
    }

    /// Which of the two the sentinels name.
    pub async fn named(&self) -> usize {
        let question = ["SENTINEL", "get-master-addr-by-name", "main"];
        let answer = self.sentinels[0].command_without_password(&question).await.unwrap();
        self.servers.iter().position(|node| answer.ends_with(&format!(" {}", node.port))).unwrap()
    }

    /// What one of the two answers to a command.
    ///
    /// # Errors
    /// The server's, or there is no answer within a second.
    pub async fn command(&self, server: usize, words: &[&str]) -> Result<String, redis::RedisError> {
        self.servers[server].command(words).await
    }

    /// Waits until the one has what the other has.
    pub async fn until_in_step(&self) {
        until("the replica follows", async || {
            let main = self.named().await;
            // Sentinels cut the clients of a server off when they give it another place.
            let said = self.servers[1 - main].command(&["INFO", "replication"]).await.unwrap_or_default();
            said.contains("master_link_status:up") && said.contains("master_sync_in_progress:0")
        })
        .await;
        // Acknowledged by one: it has all that came before.
        let waited = self.servers[self.named().await].command(&["WAIT", "1", "900"]).await.unwrap();
        assert_eq!(waited, "1");
    }

    /// Cuts the replica off, so that it hears of nothing from now on.
    pub async fn cut(&self) {
        let replica = &self.servers[1 - self.named().await];
        replica.command(&["CONFIG", "SET", "masterauth", "wrong"]).await.unwrap();
        replica.command(&["CLIENT", "KILL", "TYPE", "master"]).await.unwrap();
        until("the replica is cut off", async || {
            let said = replica.command(&["INFO", "replication"]).await.unwrap_or_default();
            said.contains("master_link_status:down")
        })
        .await;
    }

    /// Kills the one that is named, and waits until the other is.
    pub async fn fail_over(&mut self) {
        let main = self.named().await;
        self.servers[main].kill();
        until("the sentinels name the other", async || self.named().await != main).await;
        until("the other is written to", async || {
            let said = self.servers[1 - main].command(&["INFO", "replication"]).await.unwrap_or_default();
            said.contains("role:master")
        })
        .await;
    }

    /// Starts the one that was killed, and waits until one follows the other.
    pub async fn bring_back(&mut self) {
        let main = self.named().await;
        // What `cut` did is undone before anybody could be told to follow.
        let mended = ["CONFIG", "SET", "masterauth", PASSWORD];
        self.servers[main].command(&mended).await.unwrap();
        self.servers[1 - main].restart().await;
        let main_port = self.servers[main].port.to_string();
        // Sentinels would tell it the same, by and by.
        self.servers[1 - main].command(&["REPLICAOF", "127.0.0.1", &main_port]).await.unwrap();
        self.until_in_step().await;
    }
}

async fn watcher(main: u16) -> Result<Node, NotRun> {
    let port = free_port();
    let settings = format!(
        "port {port}\nbind 127.0.0.1\nprotected-mode no\nsentinel monitor main 127.0.0.1 {main} 2\n\
         sentinel auth-pass main {PASSWORD}\nsentinel down-after-milliseconds main 1000\n\
         sentinel failover-timeout main 1000\n"
    );
    Node::start(port, &["sentinel.conf", "--sentinel"], &[("sentinel.conf", &settings)]).await
}

/// Three servers that share the keys, each followed by one.
pub struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    /// Starts them, and waits until they agree.
    ///
    /// # Errors
    /// There is nothing to be started.
    pub async fn start() -> Result<Self, NotRun> {
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..6 {
            let bus = free_port().to_string();
            let options =
                ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &bus];
            nodes.push(server(free_port(), &options, &[]).await?);
            buses.push(bus);
        }
        for (node, slots) in nodes.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")]) {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1]).await.unwrap();
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            let port = node.port.to_string();
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]).await.unwrap();
        }
        let all = Self { nodes };
        until("each knows the others", async || all.each_says("cluster_known_nodes:6").await).await;
        for (followed, follower) in (0..3).zip(3..6) {
            let id = all.nodes[followed].command(&["CLUSTER", "MYID"]).await.unwrap();
            all.nodes[follower].command(&["CLUSTER", "REPLICATE", &id]).await.unwrap();
        }
        all.until_whole().await;
        for followed in 0..3 {
            until("each is followed", async || {
                let said = all.nodes[followed].command(&["INFO", "replication"]).await.unwrap();
                said.contains("connected_slaves:1") && said.contains("state=online")
            })
            .await;
        }
        Ok(all)
    }

    async fn each_says(&self, what: &str) -> bool {
        for node in &self.nodes {
            match node.command(&["CLUSTER", "INFO"]).await {
                Ok(said) if said.contains(what) => {}
                Ok(_) => return false,
                // It was killed.
                Err(_) => {}
            }
        }
        true
    }

    /// Waits until all that live take the cluster for whole.
    pub async fn until_whole(&self) {
        until("the cluster is whole", async || self.each_says("cluster_state:ok").await).await;
    }

    /// Its URL, by three of its servers.
    pub fn url(&self) -> String {
        let hosts: Vec<_> =
            self.nodes.iter().skip(2).map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://:{PASSWORD}@{}", hosts.join(","))
    }

    /// How many keys each server keeps that is written to.
    pub async fn keys(&self) -> Vec<usize> {
        let mut counts = Vec::new();
        for node in &self.nodes {
            let role = node.command(&["ROLE"]).await.unwrap_or_default();
            if role.starts_with("master") {
                counts.push(node.command(&["DBSIZE"]).await.unwrap().parse().unwrap());
            }
        }
        counts
    }

    /// Kills one of those that are written to, and waits until the one that followed it has taken its place.
    pub async fn fail_over(&mut self) {
        self.nodes[0].kill();
        until("its follower has taken its place", async || {
            self.nodes[3].command(&["ROLE"]).await.unwrap().starts_with("master")
        })
        .await;
        self.until_whole().await;
    }
}
