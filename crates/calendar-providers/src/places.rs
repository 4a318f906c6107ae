//! Where a provider is asked for what.

use crate::{discovery::Discovery, provider::Ways};
use auth_core::{model::Scopes, oidc::IssuerRule};
use auth_web::outgoing::{Endpoint, Reach};
use std::sync::Arc;

/// Where it is asked for what.
#[derive(Debug)]
pub(crate) struct Places {
    /// Where browsers are led.
    pub(crate) authorization: Endpoint,
    /// Where codes and refresh tokens become access tokens.
    pub(crate) token: Endpoint,
    /// Where it is told that what it granted is over.
    pub(crate) revocation: Option<Endpoint>,
    /// Where its keys are.
    pub(crate) keys: Endpoint,
}

/// How it is known where.
pub(crate) enum Found {
    /// It is written here.
    Pinned(Arc<Places>),
    /// The provider's own document says so.
    Discovered(Box<Discovery>),
}

/// What the settings of one kind come to.
pub(crate) struct Parts {
    pub(crate) issuer: IssuerRule,
    pub(crate) names_issuer: bool,
    pub(crate) asked: Scopes,
    pub(crate) needed: Scopes,
    pub(crate) tolerated: Scopes,
    pub(crate) reach: Reach,
    pub(crate) ways: Ways,
}

/// A setting that is wrong.
#[derive(Debug)]
pub(crate) struct Wrong {
    setting: &'static str,
    why: String,
}

impl Wrong {
    pub(crate) fn new(setting: &'static str, why: impl ToString) -> Self {
        Self { setting, why: why.to_string() }
    }
    /// One line that names the setting in its section.
    pub(crate) fn within(self, section: &str) -> String {
        format!("{section}.{}: {}", self.setting, self.why)
    }
}

/// The setting `at` of a pinned provider: how far it reaches.
pub(crate) fn reach(at: Option<&str>) -> Result<Reach, Wrong> {
    let Some(at) = at else { return Ok(Reach::Public) };
    let endpoint = Endpoint::loopback(at).map_err(|why| Wrong::new("at", why))?;
    if endpoint.path() != "/" {
        return Err(Wrong::new("at", "it names a path: expected an origin, such as http://localhost:8090"));
    }
    Ok(Reach::Loopback(endpoint.origin()))
}

/// A pinned origin, or the one that stands for it.
pub(crate) fn origin(reach: &Reach, pinned: &str) -> String {
    match reach {
        Reach::Public => pinned.to_owned(),
        Reach::Loopback(origin) => origin.clone(),
    }
}

/// A pinned endpoint, or the same path where the provider stands in development.
pub(crate) fn pinned(reach: &Reach, url: &str) -> Result<Endpoint, Wrong> {
    let wrong = |why| Wrong::new("kind", format!("{url}: {why}"));
    let endpoint = Endpoint::public(url).map_err(wrong)?;
    match reach {
        Reach::Public => Ok(endpoint),
        Reach::Loopback(origin) => reach.endpoint(&format!("{origin}{}", endpoint.path())).map_err(wrong),
    }
}

/// Values of `scope` that are written here.
pub(crate) fn scopes(text: &str) -> Result<Scopes, Wrong> {
    Scopes::parse(text).map_err(|why| Wrong::new("scopes", why))
}
