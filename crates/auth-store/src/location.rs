//! Where a store is: the section `[store]` of a configuration.

use auth_core::{error::StoreError, service::Service};
use auth_store_pg::Address;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where the store and what belongs to it are.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// `sqlite://PATH`, where a relative path is taken from the working directory, or
    /// `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=verify-full|disable][&sslrootcert=FILE]`.
    pub url: Url,
    /// The file of the database's password, where the URL has none.
    pub password_file: Option<PathBuf>,
    /// What is ephemeral, apart: `redis[s]://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER]`,
    /// `redis[s]+sentinel://…@HOST[:PORT],…/NAME[/NUMBER]` or `redis[s]+cluster://…@HOST[:PORT],…`, each with
    /// `?sslrootcert=FILE` where it is `rediss`. Without it, everything is in the one database.
    pub redis: Option<Url>,
    /// The file of Redis's password, where the URL has none.
    pub redis_password_file: Option<PathBuf>,
    /// The file of the audit chain's key; by default `audit.key` beside the database's file.
    pub audit_key: Option<PathBuf>,
    /// The file that audit heads are anchored in; by default `audit.anchor` beside the database's file.
    pub audit_anchor: Option<PathBuf>,
    /// The file of the keys that seal what the service must read again; by default `chatbot.keyring` or `hub.keyring`
    /// beside the database's file.
    pub keyring: Option<PathBuf>,
}

/// The database that a URL names.
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres(Box<Address>),
}

/// The URL of a store. What is printed of it has no password.
#[derive(Clone, serde::Deserialize)]
#[serde(transparent)]
pub struct Url(String);

impl From<&str> for Url {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&auth_address::masked(&self.0))
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&auth_address::masked(&self.0))
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.url.0.strip_prefix("sqlite://").unwrap_or(&auth_address::masked(&self.url.0)))
    }
}

impl Location {
    /// A store at a URL, with what belongs to it beside it.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.into(),
            password_file: None,
            redis: None,
            redis_password_file: None,
            audit_key: None,
            audit_anchor: None,
            keyring: None,
        }
    }

    /// Checks all that can be told without looking at the database.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        self.database()?;
        self.redis()?;
        self.key()?;
        self.anchor().map(drop)
    }

    /// Whether it is a file, so that whatever belongs to it may lie beside it.
    pub fn is_file(&self) -> bool {
        self.url.0.starts_with("sqlite:")
    }

    pub(crate) fn database(&self) -> Result<Database, StoreError> {
        let wrong = |what: &str| StoreError::Unavailable(format!("{}: {what}", self.url));
        match self.url.0.split_once("://") {
            Some(("sqlite", _)) if self.password_file.is_some() => Err(wrong("a file has no password")),
            Some(("sqlite", "")) => Err(wrong("names no file")),
            Some(("sqlite", path)) if path == ":memory:" || path.starts_with("file:") => {
                Err(wrong("expected a path of a file: a store outlives its process"))
            }
            Some(("sqlite", path)) if path.contains(['?', '#']) => {
                Err(wrong("a path without ? and # is expected"))
            }
            Some(("sqlite", path)) => Ok(Database::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => {
                let password = self.password_file.as_deref().map(password_of).transpose()?;
                let password = password.as_ref().map(|text| text.trim_end_matches(['\r', '\n']));
                Ok(Database::Postgres(Box::new(Address::parse(&self.url.0, password)?)))
            }
            Some((scheme, _)) if scheme.starts_with("redis") => Err(wrong(
                "Redis keeps what is ephemeral alone; it stands as redis beside sqlite://PATH or postgres://…",
            )),
            _ => Err(wrong("the store is not of a known kind; expected sqlite://PATH or postgres://…")),
        }
    }

    /// Where what is ephemeral is kept apart, if it is.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub(crate) fn redis(&self) -> Result<Option<auth_store_redis::Address>, StoreError> {
        let password = self.redis_password_file.as_deref();
        match &self.redis {
            Some(url) => {
                let password = password.map(password_of).transpose()?;
                let password = password.as_ref().map(|text| text.trim_end_matches(['\r', '\n']));
                auth_store_redis::Address::parse(&url.0, password).map(Some)
            }
            None => match password {
                Some(path) => {
                    let path = path.display();
                    Err(StoreError::Unavailable(format!("{path}: a password of Redis, and no URL of one")))
                }
                None => Ok(None),
            },
        }
    }

    fn beside(&self, given: Option<&PathBuf>, setting: &str, name: &str) -> Result<PathBuf, StoreError> {
        match (given, self.database()?) {
            (Some(path), _) => Ok(path.clone()),
            (None, Database::Sqlite(file)) => Ok(file.parent().unwrap_or(Path::new("")).join(name)),
            (None, Database::Postgres(address)) => {
                Err(StoreError::Unavailable(format!("{address}: {setting} names no file")))
            }
        }
    }

    /// The file that audit heads are anchored in.
    ///
    /// # Errors
    /// A URL of another kind, or none was named where it cannot lie beside the database.
    pub(crate) fn anchor(&self) -> Result<PathBuf, StoreError> {
        self.beside(self.audit_anchor.as_ref(), "audit_anchor", "audit.anchor")
    }

    /// The file of a service's keyring.
    ///
    /// # Errors
    /// A URL of another kind, or none was named where it cannot lie beside the database.
    pub fn keyring(&self, service: Service) -> Result<PathBuf, StoreError> {
        self.beside(self.keyring.as_ref(), "keyring", &format!("{service}.keyring"))
    }

    /// The file of the audit chain's key.
    ///
    /// # Errors
    /// A URL of another kind, or none was named where it cannot lie beside the database.
    pub(crate) fn key(&self) -> Result<PathBuf, StoreError> {
        self.beside(self.audit_key.as_ref(), "audit_key", "audit.key")
    }
}

#[expect(clippy::disallowed_methods, reason = "a store reads its files")]
fn password_of(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    let failed =
        |what: &dyn std::fmt::Display| StoreError::Unavailable(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| failed(&error))?;
    if text.trim().is_empty() { Err(failed(&"holds no password")) } else { Ok(text) }
}
