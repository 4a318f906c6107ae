//! A connection to one server, and in which of its lives that is.

use crate::{
    PATIENCE,
    address::{Address, Host, one_line},
};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, aio::MultiplexedConnection, from_redis_value};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// For how long a server is taken for what it was: a part of what a failover takes.
const FRESH: Duration = Duration::from_millis(500);
/// An answer counts for so long after the server said what it is: whoever stood still between asking that and sending a
/// command does not know any more whom it was sent to.
const COUNTS: Duration = FRESH.saturating_add(PATIENCE);

/// One life of a server as the one that is written to: another after each start of its process, and after each time that it
/// follows another. In one life nothing that was answered is taken back: a process forgets nothing but at its end, or when
/// it takes over the data of another, and the connection does not outlive its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Life(String);

impl Life {
    /// As it stands in the names of keys.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

/// What a server says of itself.
pub(crate) enum Role {
    /// It is written to.
    Master(Life),
    /// It follows another, which is written to.
    Replica(Option<Host>),
}

/// A connection to a server that is written to.
pub(crate) struct Server {
    pub(crate) host: Host,
    pub(crate) life: Life,
    connection: MultiplexedConnection,
    opened: Instant,
    /// How many milliseconds after that it was asked last whether it lives the same life, as it said that it does.
    confirmed: AtomicU64,
}

impl Server {
    /// Connects to a server, which must be one that is written to.
    pub(crate) async fn connect(address: &Address, host: &Host) -> Result<Self, String> {
        let connection = address.connect(host).await?;
        let opened = Instant::now();
        match role(&connection).await.map_err(|why| format!("{host}: {why}"))? {
            Role::Master(life) => {
                Ok(Self { host: host.clone(), life, connection, opened, confirmed: AtomicU64::new(0) })
            }
            Role::Replica(_) => Err(format!("{host}: it is a replica, which nobody writes to")),
        }
    }

    /// Whether it said lately that it lives the same life.
    pub(crate) fn is_fresh(&self) -> bool {
        self.unconfirmed() < FRESH
    }

    /// How long ago it was asked what it is.
    fn unconfirmed(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.confirmed.load(Ordering::Acquire)))
    }

    /// Asks whether it lives the same life still.
    pub(crate) async fn confirm(&self) -> Result<(), String> {
        let asked = self.opened.elapsed().as_millis();
        match role(&self.connection).await? {
            Role::Master(life) if life == self.life => {
                self.confirmed.fetch_max(asked.try_into().unwrap_or(0), Ordering::Release);
                Ok(())
            }
            _ => Err("the server was replaced".to_owned()),
        }
    }

    /// Sends a command: one round trip. What was answered too long after the life was asked for is an error; who asks for
    /// the life later, and finds the same, vouches for what was answered before.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        // As `query_async` does it, without the box that this puts around every command.
        let answer = self.connection.clone().send_packed_command(command).await?;
        let answer = from_redis_value(answer.extract_error()?)?;
        if self.unconfirmed() < COUNTS {
            Ok(answer)
        } else {
            Err((ErrorKind::Client, "the answer came too late to be believed").into())
        }
    }
}

/// Asks a server what it is.
pub(crate) async fn role(connection: &MultiplexedConnection) -> Result<Role, String> {
    let mut questions = redis::pipe();
    questions.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let asked = questions.query_async(&mut connection.clone()).await;
    let (server, replication): (String, String) = asked.map_err(|error| one_line(&error))?;
    read(&server, &replication)
}

fn read(server: &str, replication: &str) -> Result<Role, String> {
    fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
        text.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
    }
    let missing = |name: &str| format!("its INFO has no {name}: is this a Redis?");
    let version = field(server, "redis_version").ok_or_else(|| missing("redis_version"))?;
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    if (parts.next(), parts.next()) < (Some(6), Some(2)) {
        return Err(format!("it is Redis {version}; 6.2 or later is needed"));
    }
    match field(replication, "role") {
        Some("master") => {
            let of = |text, name| {
                let digits = field(text, name).and_then(|value| value.get(..16));
                digits.ok_or_else(|| missing(name))
            };
            Ok(Role::Master(Life(format!("{}-{}", of(server, "run_id")?, of(replication, "master_replid")?))))
        }
        Some("slave") => {
            let (name, port) = (field(replication, "master_host"), field(replication, "master_port"));
            Ok(Role::Replica(name.zip(port).and_then(|(name, port)| Host::new(name, port))))
        }
        _ => Err(missing("role")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const SERVER: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:0123456789abcdef0123\r\n";
    const MASTER: &str = "# Replication\r\nrole:master\r\nmaster_replid:fedcba98765432100000\r\n";

    fn life(server: &str, replication: &str) -> Life {
        let Ok(Role::Master(life)) = read(server, replication) else { panic!("no master") };
        life
    }

    #[test]
    fn a_start_and_a_failover_begin_another_life() {
        let first = life(SERVER, MASTER);
        assert_eq!(first.name(), "0123456789abcdef-fedcba9876543210");
        assert_eq!(first, life(SERVER, MASTER));
        assert_ne!(first, life(&SERVER.replace("id:0", "id:1"), MASTER));
        assert_ne!(first, life(SERVER, &MASTER.replace("id:f", "id:0")));
    }

    #[tokio::test]
    async fn what_a_process_that_stood_still_is_answered_does_not_count() {
        let (near, mut far) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let mut asked = [0; 1024];
            while let Ok(1..) = far.read(&mut asked).await {
                far.write_all(b"+OK\r\n").await.unwrap();
            }
        });
        let nobody = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = redis::AsyncConnectionConfig::new();
        let opened = MultiplexedConnection::new_with_config(&nobody, near, config).await;
        let (connection, driver) = opened.unwrap();
        tokio::spawn(driver);
        let host = Host::parse("localhost", 6379).unwrap();
        let (life, opened, confirmed) = (life(SERVER, MASTER), Instant::now(), AtomicU64::new(0));
        let mut server = Server { host, life, connection, opened, confirmed };
        let ask = async |server: &Server| server.ask::<String>(&redis::cmd("GETDEL")).await.map_err(|_| ());
        assert_eq!(ask(&server).await, Ok("OK".to_owned()));
        server.opened -= COUNTS;
        assert_eq!(ask(&server).await, Err(()));
    }

    #[test]
    fn what_is_no_master_is_none() {
        let replica = MASTER.replace("role:master", "role:slave\r\nmaster_host:::1\r\nmaster_port:7");
        let Ok(Role::Replica(Some(host))) = read(SERVER, &replica) else { panic!("no replica") };
        assert_eq!(host.to_string(), "::1:7");
        for (server, replication, what) in [
            (SERVER.replace("7.0.15", "6.0.9"), MASTER.to_owned(), "6.2 or later"),
            (SERVER.replace("7.0.15", "x"), MASTER.to_owned(), "6.2 or later"),
            (SERVER.replace("run_id", "id"), MASTER.to_owned(), "no run_id"),
            (SERVER.to_owned(), MASTER.replace("role", "rule"), "no role"),
            (String::new(), String::new(), "no redis_version"),
        ] {
            let error = read(&server, &replication).err().unwrap();
            assert!(error.contains(what), "{error}");
        }
    }
}
