//! Asking another service over HTTP: within a time, without redirects, up to so many bytes, and with a key over TLS alone.
//! Servers of strangers are asked by [`Stranger`], with more care.

mod public;
mod reach;
mod stranger;

pub use public::is_public;
pub use reach::{Endpoint, NotAnEndpoint, Reach};
pub use reqwest::Url;
pub use stranger::{Answer, MOST_BYTES, Patience, Question, Stranger};

use reqwest::{Client as Http, RequestBuilder, redirect::Policy};
use std::{fmt, net::IpAddr, time::Duration};

/// Another service, at a base URL.
#[derive(Clone)]
pub struct Client {
    http: Http,
    url: String,
    key: Option<String>,
    most_bytes: usize,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// A service at a base URL that may take `patience` for an answer of at most `most_bytes`; `key` is sent as its bearer
    /// credential. `setting` names the URL's setting in errors.
    ///
    /// # Errors
    /// The URL is none of HTTP, or a key would go over the network in the clear; the HTTP client cannot be made.
    pub fn new(
        setting: &str,
        url: &str,
        key: Option<String>,
        (patience, most_bytes): (Duration, usize),
    ) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|error| format!("{setting}: {error}"))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(format!("{setting}: a secret has no place in a URL"));
        }
        match parsed.scheme() {
            "https" => {}
            "http" if key.is_none() || is_loopback(&parsed) => {}
            "http" => return Err(format!("{setting}: {url} would send the key in the clear: say https")),
            _ => return Err(format!("{setting}: {url} is neither https nor http")),
        }
        // Whatever the environment says of proxies: what is sent is for that service alone.
        let http = Http::builder().timeout(patience).redirect(Policy::none()).no_proxy();
        // What never speaks TLS needs no authorities, which the machine may not have.
        let http = if parsed.scheme() == "http" { http.tls_certs_only([]) } else { http };
        let http = http.build();
        let why = "no HTTP client can be made; are there certificates of authorities on this machine?";
        let http = http.map_err(|error| format!("{setting}: {why} ({error})"))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), key, most_bytes })
    }

    /// The base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// As of [`post_json`](Self::post_json).
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// In one line: it could not be reached, or took too long; it answered another status than one of success, or more
    /// than it may.
    pub async fn post_json(&self, path: &str, body: &impl serde::Serialize) -> Result<Vec<u8>, String> {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Sends a form.
    ///
    /// # Errors
    /// As of [`post_json`](Self::post_json).
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(format!("{}{path}", self.url));
        self.send(request.header("Content-Type", "application/x-www-form-urlencoded").body(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>, String> {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let mut answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
            if bytes.len() + chunk.len() > self.most_bytes {
                return Err(format!("more than {} bytes", self.most_bytes));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// Whether a URL stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_over_tls_or_stays_on_this_machine() {
        let limits = (Duration::from_secs(1), 1);
        let new = |url: &str, key: Option<&str>| {
            Client::new("there.url", url, key.map(str::to_owned), limits).map(drop)
        };
        for url in
            ["https://llm.example", "http://localhost:8000", "http://127.0.0.1:1/", "http://[::1]:8000"]
        {
            assert_eq!(new(url, Some("key")), Ok(()), "{url}");
        }
        assert_eq!(new("http://llm.example", None), Ok(()));
        for url in
            ["http://llm.example", "http://127.0.0.1.example", "http://10.0.0.1", "http://localhost.example"]
        {
            assert!(new(url, Some("key")).unwrap_err().contains("https"), "{url}");
        }
        let named = new("https://alice:secret@llm.example", None).unwrap_err();
        assert!(named.starts_with("there.url") && !named.contains("secret@"), "{named}");
        for url in ["", "llm.example", "ftp://llm.example", "https://", "unix:/run/llm"] {
            assert!(new(url, None).unwrap_err().starts_with("there.url"), "{url}");
        }
    }
}
