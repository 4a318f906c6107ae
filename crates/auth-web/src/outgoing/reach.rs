//! What may be asked at all: checked URLs, and how far a client reaches.

use super::{Url, is_loopback};
use auth_core::model::DomainName;
use std::{error::Error, fmt};

/// The most bytes of an endpoint's URL.
const MOST_OF_URL: usize = 2048;
/// Names that lead into the network where they are asked for, whatever is public there.
const INNER_NAMES: &[&str] = &[".localhost", ".local", ".internal", ".home.arpa"];

/// What may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Servers of the public Internet, over TLS.
    Public,
    /// One origin on this machine, such as `http://localhost:8090`: for development and tests.
    Loopback(String),
}

impl Reach {
    /// The reach of one origin on this machine. `url` may name a path there.
    ///
    /// # Errors
    /// As of [`Endpoint::loopback`].
    pub fn loopback(url: &str) -> Result<Self, NotAnEndpoint> {
        Ok(Self::Loopback(Endpoint::loopback(url)?.origin()))
    }

    /// An endpoint within reach.
    ///
    /// # Errors
    /// [`NotAnEndpoint`] says what is wrong with the URL.
    pub fn endpoint(&self, url: &str) -> Result<Endpoint, NotAnEndpoint> {
        match self {
            Self::Public => Endpoint::public(url),
            Self::Loopback(origin) => match Endpoint::loopback(url)? {
                endpoint if endpoint.origin() == *origin => Ok(endpoint),
                _ => Err(NotAnEndpoint("it is not at the one origin that may be reached")),
            },
        }
    }

    pub(super) fn has(&self, endpoint: &Endpoint) -> bool {
        match self {
            Self::Public => endpoint.public,
            Self::Loopback(origin) => !endpoint.public && endpoint.origin() == *origin,
        }
    }
}

/// What is wrong with the URL of an endpoint. The URL is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnEndpoint(&'static str);

impl fmt::Display for NotAnEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl Error for NotAnEndpoint {}

/// A URL without a query that was checked: nothing else can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    public: bool,
}

impl Endpoint {
    /// An endpoint on the public Internet: `https`, at a name of the DNS, and at the port of HTTPS.
    ///
    /// # Errors
    /// [`NotAnEndpoint`] for any other URL, and for one with a user, a query or a fragment.
    pub fn public(url: &str) -> Result<Self, NotAnEndpoint> {
        let url = plain(url)?;
        if url.scheme() != "https" {
            return Err(NotAnEndpoint("it is not https"));
        }
        let Some(name) = url.domain() else {
            return Err(NotAnEndpoint("its host is an address, not a name"));
        };
        if url.port().is_some() {
            return Err(NotAnEndpoint("it names another port than that of https"));
        }
        if !DomainName::parse(name).is_ok_and(|normal| normal.as_str() == name) || !name.contains('.') {
            return Err(NotAnEndpoint("its host is not the full name of a server"));
        }
        if INNER_NAMES.iter().any(|inner| name.ends_with(inner)) {
            return Err(NotAnEndpoint("its host is a name of an inner network"));
        }
        Ok(Self { url, public: true })
    }

    /// An endpoint on this machine: `http` or `https`, at `localhost`, `127.0.0.1` or `[::1]`.
    ///
    /// # Errors
    /// [`NotAnEndpoint`] for any other URL, and for one with a user, a query or a fragment.
    pub fn loopback(url: &str) -> Result<Self, NotAnEndpoint> {
        let url = plain(url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotAnEndpoint("it is neither https nor http"));
        }
        if !is_loopback(&url) || !matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            return Err(NotAnEndpoint("its host is not this machine: say localhost"));
        }
        Ok(Self { url, public: false })
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }
    /// The URL.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }
    /// Scheme, host, and port where it is not the scheme's own.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
    /// The host.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
    /// The path.
    pub fn path(&self) -> &str {
        self.url.path()
    }
}

/// A URL that says where something is and no more.
fn plain(text: &str) -> Result<Url, NotAnEndpoint> {
    if text.len() > MOST_OF_URL {
        return Err(NotAnEndpoint("it is too long"));
    }
    // What the parser would repair, others may read in another way.
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(NotAnEndpoint("it has characters that no URL has"));
    }
    let (_, rest) = text.split_once("://").ok_or(NotAnEndpoint("it is no URL"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(NotAnEndpoint("it names no host"));
    }
    if authority.contains('@') {
        return Err(NotAnEndpoint("a user has no place in it"));
    }
    if rest.contains(['?', '#']) {
        return Err(NotAnEndpoint("a query or a fragment has no place in it"));
    }
    Url::parse(text).map_err(|_| NotAnEndpoint("it is no URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_public_or_on_this_machine_and_never_both() {
        for url in [
            "https://accounts.example.com",
            "https://accounts.example.com/",
            "https://accounts.example.com:443/o/oauth2/v2/auth",
            "https://ACCOUNTS.example.com/token",
            "https://xn--bcher-kva.example/",
        ] {
            assert!(Endpoint::public(url).is_ok(), "{url}");
            assert!(Endpoint::loopback(url).is_err(), "{url}");
        }
        for url in [
            "http://localhost:8090",
            "http://localhost/a/path",
            "https://localhost:1",
            "http://127.0.0.1:65535/",
            "http://[::1]:80/",
        ] {
            assert!(Endpoint::loopback(url).is_ok(), "{url}");
            assert!(Endpoint::public(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_leads_elsewhere_than_it_seems_is_no_endpoint() {
        for url in [
            "",
            "accounts.example.com",
            "https://",
            "https:///accounts.example.com",
            "https:accounts.example.com",
            "http://accounts.example.com",
            "ftp://accounts.example.com",
            "file:///etc/passwd",
            "unix:///run/socket",
            "https://accounts.example.com:444/",
            "https://accounts.example.com:80/",
            "https://alice@accounts.example.com/",
            "https://alice:secret@accounts.example.com/",
            "https://@accounts.example.com/",
            "https://accounts.example.com@evil.example/",
            "https://accounts.example.com/#",
            "https://accounts.example.com/#fragment",
            "https://accounts.example.com/?",
            "https://accounts.example.com/?client_id=other",
            "https://accounts.example.com\\@evil.example/",
            "https:\\\\accounts.example.com/",
            " https://accounts.example.com/",
            "https://accounts.example.com/ a",
            "https://accounts.example.com/\u{e9}",
            "https://accounts.\texample.com/",
            "https://accounts.example.com./",
            "https://accounts..example.com/",
            "https://-accounts.example.com/",
            "https://acc_ounts.example.com/",
            "https://intranet/",
            "https://metadata.google.internal/",
            "https://printer.local/",
            "https://app.localhost/",
            "https://router.home.arpa/",
            "https://169.254.169.254/latest/meta-data",
            "https://0/",
            "https://8.8.8.8/",
            "https://[::ffff:127.0.0.1]/",
            "https://[2001:4860:4860::8888]/",
            "http://10.0.0.1:80",
            "http://127.0.0.2:80",
            "http://0.0.0.0:80",
            "http://[::]:80",
            "http://localhost.example:80",
            "http://app.localhost:80",
            "http://alice@localhost:80",
            "http://localhost:80/?a=b",
        ] {
            assert!(Endpoint::public(url).is_err(), "{url}");
            assert!(Endpoint::loopback(url).is_err(), "{url}");
        }
        // However it is spelt.
        for url in [
            "https://LOCALHOST/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://%31%32%37.0.0.1/",
            "https://[::1]/",
        ] {
            assert!(Endpoint::public(url).is_err(), "{url}");
        }
        assert!(Endpoint::public(&format!("https://accounts.example.com/{}", "a".repeat(2048))).is_err());
    }

    #[test]
    fn a_reach_on_this_machine_is_one_origin() {
        let reach = Reach::loopback("http://localhost:8090/realm").unwrap();
        assert_eq!(reach, Reach::Loopback("http://localhost:8090".to_owned()));
        assert!(reach.endpoint("http://localhost:8090/token").is_ok());
        for other in [
            "http://localhost:8091/token",
            "https://localhost:8090/token",
            "http://127.0.0.1:8090/token",
            "http://localhost/token",
            "https://accounts.example.com/token",
        ] {
            assert!(reach.endpoint(other).is_err(), "{other}");
        }
        assert!(Reach::loopback("https://accounts.example.com").is_err());
        assert!(Reach::Public.endpoint("http://localhost:8090/token").is_err());
    }
}
