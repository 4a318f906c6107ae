//! What is configured of a provider, and opening it.

use crate::{google, microsoft, oidc, places::Wrong, provider::Provider, tokens::Account};
use auth_core::{
    model::ProviderName,
    port::{CalendarProvider, ProviderFacts},
    secret::PlainToken,
};
use auth_web::outgoing::{Patience, Url, is_loopback};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// A provider: the section `[calendars.providers.NAME]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ProviderSettings {
    /// Google.
    Google(Google),
    /// Microsoft.
    Microsoft(Microsoft),
    /// Any other that speaks OpenID Connect and has a calendar of one of the two shapes.
    Oidc(Oidc),
}

/// Google: `kind = "google"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Google {
    /// Who we are to it.
    pub client_id: String,
    /// The file of the client's secret.
    pub client_secret_file: PathBuf,
    /// For development: an origin on this machine that stands for it, such as `http://localhost:8090`.
    pub at: Option<String>,
}

/// Microsoft: `kind = "microsoft"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Microsoft {
    /// Who we are to it.
    pub client_id: String,
    /// The file of the client's secret.
    pub client_secret_file: PathBuf,
    /// Whose calendars: `organizations` (the default), `consumers`, `common`, or the GUID of one tenant.
    #[serde(default = "organizations")]
    pub tenant: String,
    /// For development: an origin on this machine that stands for it, such as `http://localhost:8090`.
    pub at: Option<String>,
}

/// Any provider of OpenID Connect: `kind = "oidc"`. One whose issuer is on this machine is reached there, and nowhere else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Who we are to it.
    pub client_id: String,
    /// The file of the client's secret.
    pub client_secret_file: PathBuf,
    /// Its issuer, to the letter. Its document says where the rest is.
    pub issuer: String,
    /// What its calendar looks like.
    pub api: CalendarApi,
    /// Where its calendar is read.
    pub api_url: String,
    /// What it is asked for, separated by blanks: `openid`, and something by which a calendar can be read.
    pub scopes: String,
    /// Hosts, beside the issuer's, at which its endpoints may be.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Whether its callbacks name the issuer (RFC 9207): its document has to say so, too.
    #[serde(default = "yes")]
    pub names_issuer: bool,
}

/// What the answers of a calendar look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalendarApi {
    /// Google Calendar, version 3: a list of events.
    Google,
    /// Microsoft Graph, version 1.0: a view of a calendar.
    Microsoft,
}

fn organizations() -> String {
    "organizations".to_owned()
}
const fn yes() -> bool {
    true
}

/// Opens a provider. Nobody is asked anything yet. `redirect_uri` is where it sends browsers back to.
///
/// # Errors
/// One line that names the setting that is wrong.
pub fn open(
    name: ProviderName,
    settings: &ProviderSettings,
    redirect_uri: &str,
) -> Result<Arc<dyn CalendarProvider>, String> {
    open_with(name, settings, redirect_uri, Patience::default())
}

/// Opens a provider that may take so long for an answer.
///
/// # Errors
/// As of [`open`].
pub fn open_with(
    name: ProviderName,
    settings: &ProviderSettings,
    redirect_uri: &str,
    patience: Patience,
) -> Result<Arc<dyn CalendarProvider>, String> {
    let section = format!("calendars.providers.{name}");
    check_redirect(redirect_uri).map_err(|why| format!("calendars.public_url: {why}"))?;
    let account = settings.account(redirect_uri).map_err(|wrong| wrong.within(&section))?;
    let client_id = account.client_id().to_owned();
    let parts = match settings {
        ProviderSettings::Google(settings) => google::parts(settings),
        ProviderSettings::Microsoft(settings) => microsoft::parts(settings),
        ProviderSettings::Oidc(settings) => oidc::parts(settings),
    };
    let parts = parts.map_err(|wrong| wrong.within(&section))?;
    let facts = ProviderFacts {
        name,
        client_id,
        issuer: parts.issuer,
        names_issuer: parts.names_issuer,
        asked: parts.asked,
        needed: parts.needed,
        tolerated: parts.tolerated,
    };
    let provider = Provider::new(facts, account, (parts.reach, patience), parts.ways);
    Ok(Arc::new(provider.map_err(|why| format!("{section}: {why}"))?))
}

/// Where browsers are sent back to is reached over TLS, or on this machine.
fn check_redirect(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "it is no URL")?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err("it is not https"),
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("neither a fragment nor a user has a place in it");
    }
    Ok(())
}

impl ProviderSettings {
    fn account(&self, redirect_uri: &str) -> Result<Account, Wrong> {
        let (client_id, file) = match self {
            Self::Google(Google { client_id, client_secret_file, .. })
            | Self::Microsoft(Microsoft { client_id, client_secret_file, .. })
            | Self::Oidc(Oidc { client_id, client_secret_file, .. }) => (client_id, client_secret_file),
        };
        if !(1..=512).contains(&client_id.len()) || !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Wrong::new("client_id", "expected 1 to 512 characters of ASCII"));
        }
        let secret = secret(file).map_err(|why| Wrong::new("client_secret_file", why))?;
        let account = Account::new(client_id.clone(), secret, redirect_uri);
        account.map_err(|why| Wrong::new("client_id", why))
    }
}

#[expect(clippy::disallowed_methods, reason = "a secret of the configuration is read from its file")]
fn secret(file: &Path) -> Result<PlainToken, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = Zeroizing::new(text);
    let secret = text.trim();
    if secret.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if secret.len() > 4096 || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("expected one line of at most 4096 characters of ASCII, without blanks".to_owned());
    }
    Ok(PlainToken::new(secret.to_owned()))
}
