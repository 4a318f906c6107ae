//! Opens a store from a URL, with the key of its audit chain.

mod chain_key;
mod trail;

pub use auth_store_sqlite::{keep_private, sync_folder_of};
pub use trail::{Unverified, Verified, verify_trail};

use auth_core::{entropy::Entropy, error::StoreError, port::Stores};
use std::path::{Path, PathBuf};

/// Where the store and what belongs to it are: the section `[store]` of a configuration.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// `sqlite://PATH`; a relative path is taken from the working directory.
    pub url: String,
    /// The file of the audit chain's key; by default `audit.key` beside the database.
    pub audit_key: Option<PathBuf>,
    /// The file that audit heads are anchored in; by default `audit.anchor` beside the database.
    pub audit_anchor: Option<PathBuf>,
}

impl Location {
    /// A store at a URL, with what belongs to it beside it.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), audit_key: None, audit_anchor: None }
    }

    /// The database's file.
    ///
    /// # Errors
    /// A URL of another kind.
    pub fn file(&self) -> Result<PathBuf, StoreError> {
        let wrong = |what: &str| StoreError::Unavailable(format!("{}: {what}", masked(&self.url)));
        match self.url.split_once("://") {
            Some(("sqlite", "")) => Err(wrong("names no file")),
            Some(("sqlite", path)) if path == ":memory:" || path.starts_with("file:") => {
                Err(wrong("expected a path of a file: a store outlives its process"))
            }
            Some(("sqlite", path)) if path.contains(['?', '#']) => {
                Err(wrong("a path without ? and # is expected"))
            }
            Some(("sqlite", path)) => Ok(PathBuf::from(path)),
            _ => Err(wrong("the store is not of a known kind; expected sqlite://PATH")),
        }
    }

    fn beside(&self, given: Option<&PathBuf>, name: &str) -> Result<PathBuf, StoreError> {
        match given {
            Some(path) => Ok(path.clone()),
            None => Ok(self.file()?.parent().unwrap_or(Path::new("")).join(name)),
        }
    }

    /// The file that audit heads are anchored in.
    ///
    /// # Errors
    /// A URL of another kind.
    pub fn anchor(&self) -> Result<PathBuf, StoreError> {
        self.beside(self.audit_anchor.as_ref(), "audit.anchor")
    }

    /// The file of the audit chain's key.
    ///
    /// # Errors
    /// A URL of another kind.
    pub fn key(&self) -> Result<PathBuf, StoreError> {
        self.beside(self.audit_key.as_ref(), "audit.key")
    }
}

/// A URL without what may be a password.
fn masked(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

/// Opens a store. On an empty place it is made, and a key for its audit chain drawn; a store that has a trail
/// already is opened with its own key only.
///
/// # Errors
/// One line that says what is wrong; nothing was written to what is foreign, damaged or newer.
pub async fn open(location: &Location, entropy: &dyn Entropy) -> Result<Stores, StoreError> {
    let path = location.file()?;
    let fresh = auth_store_sqlite::is_new(&path)?;
    let chain = chain_key::load(&location.key()?, fresh, entropy)?;
    auth_store_sqlite::open(&auth_store_sqlite::Options { path, chain, anchor: location.anchor()? })
}
