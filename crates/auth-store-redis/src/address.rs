//! Where Redis is, and how to get there: a URL, TLS with a verified name, and a limit to every wait.

use crate::PATIENCE;
use auth_core::error::StoreError;
use percent_encoding::percent_decode_str;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection, aio::PubSub};
use rustls::pki_types::ServerName;
use std::{fmt, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// The port where a URL names none, and that of sentinels.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Commands that go into one connection together; more wait outside. With many at once, the server so works on some while
/// the next are written: all at once would go to and fro in step, each side idle while the other works.
const TOGETHER: usize = 16;

/// One server of Redis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    name: String,
    port: u16,
}

impl Host {
    /// A host as a server of Redis names another one: name and port apart.
    pub(crate) fn new(name: &str, port: &str) -> Option<Self> {
        let port = port.parse().ok()?;
        (!name.is_empty()).then(|| Self { name: name.to_owned(), port })
    }

    /// The same machine, at another port.
    pub(crate) fn with_port(&self, port: &str) -> Option<Self> {
        Self::new(&self.name, port)
    }

    /// Reads `NAME[:PORT]`, where the name may be an IPv6 address in brackets.
    pub(crate) fn parse(text: &str, port: u16) -> Option<Self> {
        let (name, given) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
        let port = match given.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|port| *port > 0)?,
            None if given.is_empty() => port,
            None => return None,
        };
        (!name.is_empty() && name.bytes().all(known)).then(|| Self { name: name.to_owned(), port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// How the servers belong together.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// One.
    Single(Host),
    /// One at a time, which these know by this name.
    Sentinel { sentinels: Vec<Host>, name: String },
    /// Many that share the keys: some of them.
    Cluster(Vec<Host>),
}

/// The address of a Redis. What is printed of it holds no password.
#[derive(Clone)]
pub struct Address {
    pub(crate) kind: Kind,
    login: RedisConnectionInfo,
    tls: Option<TlsConnector>,
    shown: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Address {
    /// Reads `redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER]`, `redis+sentinel://…@HOST[:PORT],…/NAME[/NUMBER]` or
    /// `redis+cluster://…@HOST[:PORT],…`; with `rediss` TLS to every server, with a verified name: by the authorities in
    /// the file of `?sslrootcert=FILE`, else by those that the system trusts. A password may be given apart. Sentinels
    /// are asked without one.
    ///
    /// # Errors
    /// One line that says what is wrong with it; the password is not in it.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self, StoreError> {
        let shown = auth_address::masked(url);
        read(url, password, shown.clone()).map_err(|what| StoreError::Unavailable(format!("{shown}: {what}")))
    }

    /// Opens a connection that many requests may use at once.
    pub(crate) async fn connect(&self, host: &Host) -> Result<MultiplexedConnection, String> {
        self.connect_as(&self.login, host).await
    }

    /// The same to a sentinel, which wants no login.
    pub(crate) async fn connect_to_sentinel(&self, host: &Host) -> Result<MultiplexedConnection, String> {
        self.connect_as(&RedisConnectionInfo::default().set_skip_set_lib_name(), host).await
    }

    async fn connect_as(
        &self,
        login: &RedisConnectionInfo,
        host: &Host,
    ) -> Result<MultiplexedConnection, String> {
        let opening = async {
            let stream = self.stream(host).await?;
            let config = AsyncConnectionConfig::new()
                .set_response_timeout(Some(PATIENCE))
                .set_pipeline_buffer_size(TOGETHER);
            let opened = MultiplexedConnection::new_with_config(login, stream, config).await;
            let (connection, driver) = opened.map_err(|error| one_line(&error))?;
            tokio::spawn(driver);
            Ok(connection)
        };
        self.soon(host, opening).await
    }

    /// Opens a connection to listen on.
    pub(crate) async fn listen(&self, host: &Host) -> Result<PubSub, String> {
        let opening = async {
            let stream = self.stream(host).await?;
            PubSub::new(&self.login, stream).await.map_err(|error| one_line(&error))
        };
        self.soon(host, opening).await
    }

    async fn soon<T>(
        &self,
        host: &Host,
        opening: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        match timeout(PATIENCE, opening).await {
            Ok(opened) => opened.map_err(|why| format!("{host}: {why}")),
            Err(_) => Err(format!("{host}: did not answer in time")),
        }
    }

    async fn stream(&self, host: &Host) -> Result<Box<dyn Stream>, String> {
        let plain =
            TcpStream::connect((host.name.as_str(), host.port)).await.map_err(|why| why.to_string())?;
        plain.set_nodelay(true).map_err(|why| why.to_string())?;
        let Some(tls) = &self.tls else { return Ok(Box::new(plain)) };
        let name = ServerName::try_from(host.name.clone()).map_err(|why| why.to_string())?;
        let stream = tls.connect(name, plain).await.map_err(|why| why.to_string())?;
        Ok(Box::new(stream))
    }
}

/// Bytes both ways, in the clear or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn read(url: &str, password: Option<&str>, shown: String) -> Result<Address, String> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, place) = place.split_once("://").unwrap_or((place, ""));
    let (who, place) = place.rsplit_once('@').unwrap_or(("", place));
    let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
    let (scheme, form) = scheme.split_once('+').unwrap_or((scheme, ""));
    let is_tls = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return Err("expected redis:// or rediss://, or either with +sentinel or +cluster".to_owned()),
    };
    let tls = trust(query, is_tls)?;
    let port = if form == "sentinel" { SENTINEL_PORT } else { PORT };
    let hosts: Option<Vec<Host>> = hosts.split(',').map(|host| Host::parse(host, port)).collect();
    let hosts = hosts.ok_or("expected HOST or HOST:PORT after the user")?;
    let (kind, number) = kind(form, hosts, path)?;
    let login = login(who, password)?.set_db(number).set_skip_set_lib_name();
    Ok(Address { kind, login, tls, shown })
}

fn kind(form: &str, hosts: Vec<Host>, path: &str) -> Result<(Kind, i64), String> {
    let number = |text: &str| match text {
        "" => Ok(0),
        digits => digits.parse::<u16>().map(i64::from).map_err(|_| "a database is a number".to_owned()),
    };
    match (form, <[Host; 1]>::try_from(hosts)) {
        ("", Ok([host])) => Ok((Kind::Single(host), number(path)?)),
        ("", Err(_)) => Err("several servers are redis+sentinel:// or redis+cluster://".to_owned()),
        ("sentinel", hosts) => {
            let (name, rest) = path.split_once('/').unwrap_or((path, ""));
            let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
            if name.is_empty() {
                return Err("the name that sentinels know the server by comes after the hosts".to_owned());
            }
            let sentinels = hosts.map_or_else(|many| many, Vec::from);
            Ok((Kind::Sentinel { sentinels, name }, number(rest)?))
        }
        ("cluster", hosts) if path.is_empty() => {
            Ok((Kind::Cluster(hosts.map_or_else(|many| many, Vec::from)), 0))
        }
        ("cluster", _) => Err("a cluster has no numbered databases".to_owned()),
        _ => Err("expected redis://, redis+sentinel:// or redis+cluster://".to_owned()),
    }
}

fn trust(query: &str, is_tls: bool) -> Result<Option<TlsConnector>, String> {
    let mut authorities: Option<PathBuf> = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (name.as_ref(), value.as_ref()) {
            ("sslrootcert", path) if authorities.is_none() && !path.is_empty() => {
                authorities = Some(path.into());
            }
            ("sslrootcert", _) => return Err("sslrootcert names one file, once".to_owned()),
            // Its name may be part of a password with a question mark in it.
            _ => return Err("unknown parameter; known is sslrootcert".to_owned()),
        }
    }
    match (is_tls, &authorities) {
        (false, Some(_)) => {
            Err("sslrootcert says who is trusted, and redis:// that nobody is asked".to_owned())
        }
        (false, None) => Ok(None),
        (true, path) => Ok(Some(Arc::new(auth_address::client(path.as_deref())?).into())),
    }
}

fn login(who: &str, apart: Option<&str>) -> Result<RedisConnectionInfo, String> {
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(|text| Zeroizing::new(text.into_owned()))
            .map_err(|_| "user and password are UTF-8".to_owned())
    };
    let password = match (password, apart) {
        ("", None) => None,
        ("", Some(apart)) => Some(Zeroizing::new(apart.to_owned())),
        (password, None) => Some(decoded(password)?),
        (_, Some(_)) => return Err("the password is given twice".to_owned()),
    };
    let login = RedisConnectionInfo::default();
    let login = if user.is_empty() { login } else { login.set_username(decoded(user)?.as_str()) };
    match password {
        None if !user.is_empty() => Err("the user has no password".to_owned()),
        None => Ok(login),
        Some(password) => Ok(login.set_password(password.as_str())),
    }
}

/// What a library says, on one line.
pub(crate) fn one_line(error: &redis::RedisError) -> String {
    error.to_string().replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, String> {
        Address::parse(url, None).map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_is_read() {
        let single = parse("redis://auth:p%2F%3F%23%40%3A%25@db.example.com/3").unwrap();
        assert_eq!((single.login.username(), single.login.password()), (Some("auth"), Some("p/?#@:%")));
        assert_eq!(single.login.db(), 3);
        assert!(matches!(&single.kind, Kind::Single(host) if host.to_string() == "db.example.com:6379"));
        let sentinel = parse("redis+sentinel://:pw@[::1]:1,b/main/2").unwrap();
        let Kind::Sentinel { sentinels, name } = &sentinel.kind else { panic!("{:?}", sentinel.kind) };
        assert_eq!(sentinels.iter().map(ToString::to_string).collect::<Vec<_>>(), ["::1:1", "b:26379"]);
        assert_eq!((name.as_str(), sentinel.login.db()), ("main", 2));
        let cluster = parse("redis+cluster://a,b:7").unwrap();
        assert!(matches!(&cluster.kind, Kind::Cluster(hosts) if hosts.len() == 2));
        assert!(cluster.tls.is_none() && cluster.login.password().is_none());
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for (url, what) in [
            ("redis+x://:hunter2@a", "expected redis://"),
            ("http://:hunter2@a", "expected redis://"),
            ("redis://:hunter2@", "expected HOST"),
            ("redis://:hunter2@a:port", "expected HOST"),
            ("redis://:hunter2@a:0", "expected HOST"),
            ("redis://:hunter2@[::1", "expected HOST"),
            ("redis://:hunter2@a,b", "several servers"),
            ("redis://:hunter2@a/x", "a database is a number"),
            ("redis://:x?hunter2@a", "unknown parameter"),
            ("redis+sentinel://:hunter2@a", "the name that sentinels know"),
            ("redis+cluster://:hunter2@a/1", "no numbered databases"),
            ("redis://hunter2@a", "the user has no password"),
            ("redis://:hunter2@a?sslrootcert=/ca.pem", "nobody is asked"),
            ("rediss://:hunter2@a?sslrootcert=/no/such/file.pem", "/no/such/file.pem"),
            ("rediss://:hunter2@a?x=1", "unknown parameter"),
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.contains(what), "{url}: {error}");
            assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
        }
        let twice = Address::parse("redis://:hunter2@a", Some("hunter2")).unwrap_err().to_string();
        assert!(twice.contains("twice") && !twice.contains("hunter2"), "{twice}");
        let good = parse("redis://:hunter2@a").unwrap();
        assert_eq!(format!("{good} {good:?}"), "redis://…@a redis://…@a");
    }
}
