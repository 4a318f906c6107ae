//! `deny.toml`: what is read of it here. `cargo deny` reads the same file.

use crate::repository::{Failure, Repository};
use cargo_metadata::camino::Utf8Path;
use serde::Deserialize;

/// The parts that [`licences`](crate::licences) and [`bans`](crate::bans) hold the packages to.
#[derive(Debug, Deserialize)]
pub(crate) struct Deny {
    pub(crate) licenses: Licenses,
    pub(crate) bans: Bans,
}

/// `[licenses]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Licenses {
    /// SPDX identifiers.
    pub(crate) allow: Vec<String>,
}

/// `[bans]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Bans {
    pub(crate) deny: Vec<Ban>,
}

/// A package that must not be built in, in any version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ban {
    #[serde(rename = "crate")]
    pub(crate) package: String,
    pub(crate) reason: String,
}

impl Deny {
    /// The repository's own.
    pub(crate) fn of(repository: &Repository) -> Result<Self, Failure> {
        let text = repository.read(Utf8Path::new("deny.toml"))?;
        toml::from_str(&text).map_err(|error| format!("deny.toml: {}", error.message()).into())
    }
}
