//! Where the database is, and how to get there: a URL, TLS with a verified name, and limits to every wait.

use crate::Conn;
use auth_core::error::StoreError;
use auth_store_sql::PATIENCE;
use rustls::ClientConfig;
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};
use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a transaction may wait for its client before the database ends it: a process that stopped in the middle of
/// a write holds up the writes of all others for as long.
const IDLE_IN_TRANSACTION: Duration = Duration::from_millis(400);

/// The address of a database. What is printed of it holds no password.
#[derive(Clone)]
pub struct Address {
    config: Config,
    tls: Option<Arc<ClientConfig>>,
    shown: String,
    settings: Vec<(&'static str, String)>,
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

/// What a URL says beside where the database is.
#[derive(Default)]
struct Parameters {
    tls: Option<bool>,
    authority: Option<PathBuf>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, String> {
        let mut found = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (name.as_ref(), value.as_ref()) {
                ("sslmode", "verify-full") if found.tls.is_none() => found.tls = Some(true),
                ("sslmode", "disable") if found.tls.is_none() => found.tls = Some(false),
                ("sslmode", _) => return Err("sslmode is verify-full or disable, and stands once".to_owned()),
                ("sslrootcert", path) if !path.is_empty() && found.authority.is_none() => {
                    found.authority = Some(path.into());
                }
                ("sslrootcert", _) => return Err("sslrootcert names a file, and stands once".to_owned()),
                // Its name may be part of a password with a question mark in it.
                _ => return Err("unknown parameter; known are sslmode and sslrootcert".to_owned()),
            }
        }
        match (found.tls, &found.authority) {
            (Some(false), Some(_)) => {
                Err("sslrootcert says who is trusted, and sslmode=disable that nobody is asked".to_owned())
            }
            _ => Ok(found),
        }
    }
}

impl Address {
    /// Reads `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=…][&sslrootcert=FILE]`. Without `sslmode`, a
    /// database of this machine is spoken to plainly, and any other with TLS and a verified name (`verify-full`):
    /// by the authorities in the file, else by those that the system trusts. A password may be given apart.
    ///
    /// # Errors
    /// One line that says what is wrong with it; the password is not in it.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self, StoreError> {
        let shown = auth_address::masked(url);
        let wrong = |what: String| StoreError::Unavailable(format!("{shown}: {what}"));
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let parameters = Parameters::parse(query).map_err(wrong)?;
        // What the library says of a URL may repeat parts of it.
        let read = place.parse::<Config>();
        let mut config =
            read.map_err(|_| wrong("expected postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned()))?;
        if config.get_hosts().is_empty() || config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(wrong("user, host and database are to be named".to_owned()));
        }
        match (config.get_password().is_some(), password) {
            (true, Some(_)) => return Err(wrong("the password is given twice".to_owned())),
            (false, Some(password)) => _ = config.password(password),
            _ => {}
        }
        let is_far = !config.get_hosts().iter().all(is_here);
        let tls = parameters.tls.unwrap_or(is_far || parameters.authority.is_some());
        let tls = if tls {
            Some(Arc::new(auth_address::client(parameters.authority.as_deref()).map_err(wrong)?))
        } else {
            None
        };
        config
            .application_name("auth")
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            // Of one address; the second of a name or a list has its turn before patience is over.
            .connect_timeout(PATIENCE / 3)
            .tcp_user_timeout(PATIENCE)
            .keepalives_idle(PATIENCE);
        let patience = PATIENCE.as_millis().to_string();
        let settings = vec![
            // Whatever is the server's own: what was answered is not lost.
            ("synchronous_commit", "on".to_owned()),
            ("statement_timeout", patience.clone()),
            ("lock_timeout", patience),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION.as_millis().to_string()),
        ];
        Ok(Self { config, tls, shown, settings })
    }

    fn with(&self, name: &'static str, value: &str) -> Self {
        let mut with = self.clone();
        with.settings.retain(|(known, _)| *known != name);
        with.settings.push((name, value.to_owned()));
        with
    }

    /// The same place, to be read alone: a standby will do.
    pub(crate) fn read_only(&self) -> Self {
        let mut address = self.with("default_transaction_read_only", "on");
        address.config.target_session_attrs(TargetSessionAttrs::Any);
        address
    }

    /// The same place, for statements that may take long.
    pub(crate) fn patient(&self) -> Self {
        self.with("statement_timeout", "0").with("lock_timeout", "60000")
    }

    /// A new connection.
    ///
    /// # Errors
    /// One line that says why there is none; the password is not in it.
    pub(crate) async fn connect(&self) -> Result<Conn, StoreError> {
        self.try_to_connect().await.map_err(StoreError::Unavailable)
    }

    /// As [`connect`](Self::connect); the error is the line itself.
    pub(crate) async fn try_to_connect(&self) -> Result<Conn, String> {
        let failed = |why: &dyn fmt::Display| format!("{}: {why}", self.shown);
        let settings = self.settings.iter().map(|(name, value)| format!("-c {name}={value}"));
        let mut config = self.config.clone();
        config.options(settings.collect::<Vec<_>>().join(" "));
        let connecting = async {
            match &self.tls {
                None => {
                    let (client, driver) =
                        config.connect(NoTls).await.map_err(|error| failed(&Plain(&error)))?;
                    Conn::try_from_client_and_connection(client, driver).await.map_err(|error| failed(&error))
                }
                Some(tls) => {
                    let tls = MakeRustlsConnect::new(ClientConfig::clone(tls));
                    let (client, driver) =
                        config.connect(tls).await.map_err(|error| failed(&Plain(&error)))?;
                    Conn::try_from_client_and_connection(client, driver).await.map_err(|error| failed(&error))
                }
            }
        };
        match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(failed(&"did not answer in time")),
        }
    }
}

/// An error of the library in one line, with what caused it.
struct Plain<'a>(&'a tokio_postgres::Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_db_error(), std::error::Error::source(self.0)) {
            (Some(error), _) => f.write_str(error.message()),
            (None, Some(source)) => write!(f, "{}: {source}", self.0),
            (None, None) => write!(f, "{}", self.0),
        }
    }
}

/// Whether a host is this machine, so that nobody listens on the way.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, String> {
        Address::parse(url, None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_is_decoded_in_a_url_alone() {
        let address = parse("postgres://auth:%2F%3F%23%40%3A%25@localhost/auth").unwrap();
        assert_eq!(address.config.get_password(), Some(&b"/?#@:%"[..]));
        let apart = Address::parse("postgres://auth@localhost/auth", Some("%2F")).unwrap();
        assert_eq!(apart.config.get_password(), Some(&b"%2F"[..]));
    }

    #[test]
    fn tls_is_left_out_on_this_machine_alone_or_where_that_is_said() {
        for here in ["localhost", "127.0.0.1", "127.9.9.9:1", "[::1]:5433", "%2Frun%2Fpostgresql"] {
            assert!(parse(&format!("postgres://auth:pw@{here}/auth")).unwrap().tls.is_none(), "{here}");
        }
        for far in ["db.example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1,db.example.com"] {
            let url = format!("postgres://auth:pw@{far}/auth");
            assert!(parse(&url).unwrap().tls.is_some(), "{far}");
            assert!(parse(&format!("{url}?sslmode=disable")).unwrap().tls.is_none(), "{far}");
        }
        let url = "postgres://auth:pw@localhost/auth?sslmode=verify-full";
        assert!(parse(url).unwrap().tls.is_some());
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for (url, what) in [
            ("postgres://auth:hunter2@db/auth?sslmode=prefer", "sslmode is verify-full or disable"),
            ("postgres://auth:hunter2@db/auth?sslmode=disable&sslmode=verify-full", "stands once"),
            ("postgres://auth:hunter2@db/auth?sslmode=disable&sslrootcert=/ca.pem", "nobody is asked"),
            ("postgres://auth:hunter2@db/auth?sslrootcert=/no/such/file.pem", "/no/such/file.pem"),
            ("postgres://auth:hunter2@localhost/auth?sslrootcert=/no/such/file.pem", "/no/such/file.pem"),
            ("postgres://auth:hunter2@db/auth?sslrootcert=/a.pem&sslrootcert=/b.pem", "stands once"),
            ("postgres://auth:hunter2@db/auth?sslrootcert=", "names a file"),
            ("postgres://auth:hunter2@db/auth?options=-c", "unknown parameter"),
            ("postgres://auth:x?hunter2@db/auth", "unknown parameter"),
            ("postgres://auth:hunter2@db:port/auth", "expected postgres://"),
            ("postgres://auth:hunter2@db", "are to be named"),
            ("postgres://db/auth", "are to be named"),
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.contains(what), "{url}: {error}");
            assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
        }
        let twice =
            Address::parse("postgres://auth:hunter2@db/auth", Some("hunter2")).unwrap_err().to_string();
        assert!(twice.contains("twice") && !twice.contains("hunter2"), "{twice}");
        let good = parse("postgres://auth:hunter2@localhost/auth").unwrap();
        assert_eq!(format!("{good} {good:?}"), "postgres://…@localhost/auth postgres://…@localhost/auth");
    }
}
