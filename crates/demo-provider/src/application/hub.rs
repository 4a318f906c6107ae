//! One request to the Hub, and what it answered.

use auth_core::secret::PlainToken;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, SET_COOKIE},
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt::Display, net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};

/// The longest answer that is read: 1 MiB.
const LONGEST: usize = 1 << 20;

/// The Hub, and the key that it is asked with.
pub(crate) struct Hub {
    authority: String,
    key: PlainToken,
    bearer: HeaderValue,
    limit: Duration,
}

/// What it answered to something that went well.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    /// As they came.
    pub(crate) cookies: Vec<HeaderValue>,
    body: Bytes,
}

impl Told {
    /// What the answer says.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        serde_json::from_slice(&self.body).map_err(|_| Trouble::hub("Its answer cannot be read."))
    }
}

/// What a person is told instead of what was asked for.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) status: StatusCode,
    pub(crate) title: String,
    pub(crate) detail: String,
}

impl Trouble {
    /// Something that this application says itself.
    pub(crate) fn new(status: StatusCode, title: &str, detail: impl Display) -> Self {
        Self { status, title: title.to_owned(), detail: detail.to_string() }
    }
    /// The Hub did not do its part.
    pub(crate) fn hub(detail: impl Display) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "The Hub did not answer as it should", detail)
    }
    /// The problem (RFC 9457) that the Hub told, with its status.
    fn told(told: &Told) -> Self {
        #[derive(Deserialize)]
        struct Problem {
            title: String,
            #[serde(default)]
            detail: String,
        }
        let Told { status, .. } = told;
        match told.read::<Problem>() {
            Ok(Problem { title, detail }) => Self { status: *status, title, detail },
            Err(_) => Self::new(*status, "The Hub refused this, or failed", format!("It answered {status}.")),
        }
    }
}

impl Hub {
    /// The Hub at an origin of the loopback. The error never tells the key.
    pub(crate) fn new(origin: &str, key: PlainToken, limit: Duration) -> Result<Self, String> {
        let is_here = |uri: &Uri| {
            let host = uri.host().unwrap_or_default();
            let is_bare = uri.path() == "/" && uri.query().is_none() && !origin.contains(['@', '#']);
            uri.scheme_str() == Some("http")
                && uri.port().is_some()
                && is_bare
                && matches!(host, "localhost" | "127.0.0.1" | "[::1]")
        };
        let uri = origin.parse::<Uri>().ok().filter(is_here);
        let authority = uri.as_ref().and_then(Uri::authority);
        let authority =
            authority.ok_or_else(|| format!("{origin} is not the origin of a Hub on the loopback"))?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", key.expose()));
        let bearer = bearer.ok().filter(|_| !key.expose().is_empty());
        let mut bearer = bearer.ok_or("the key cannot be one")?;
        bearer.set_sensitive(true);
        Ok(Self { authority: authority.to_string(), key, bearer, limit })
    }

    /// `http://` and its authority.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Asks it for something. What did not go well is the error.
    pub(crate) async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Option<Value>,
    ) -> Result<Told, Trouble> {
        let Ok(told) = timeout(self.limit, self.exchange(method, target, body)).await else {
            let title = "The Hub did not answer in time";
            return Err(Trouble::new(
                StatusCode::GATEWAY_TIMEOUT,
                title,
                format!("{:?} are over.", self.limit),
            ));
        };
        let told = told?;
        // A key has no character that JSON would write another way.
        if String::from_utf8_lossy(&told.body).contains(self.key.expose()) {
            return Err(Trouble::hub("Its answer has the key in it, which nobody is shown."));
        }
        match told.status {
            status if status.is_success() => Ok(told),
            status if status.is_client_error() || status.is_server_error() => Err(Trouble::told(&told)),
            status => Err(Trouble::hub(format!("It answered {status}."))),
        }
    }

    async fn exchange(&self, method: Method, target: &str, body: Option<Value>) -> Result<Told, Trouble> {
        let broken = |error: hyper::Error| Trouble::hub(format!("The connection failed: {error}."));
        let stream =
            self.connect().await.map_err(|error| Trouble::hub(format!("No connection: {error}.")))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with this, whatever becomes of it.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, &self.authority)
            .header(AUTHORIZATION, &self.bearer)
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(body.map(|body| body.to_string()).unwrap_or_default()));
        let request = request.body(body).map_err(|_| Trouble::hub("It cannot be asked for this."))?;
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(|_| Trouble::hub("Its answer is too long, or was cut."))?;
        let cookies = head.headers.get_all(SET_COOKIE).into_iter().cloned().collect();
        Ok(Told { status: head.status, cookies, body: body.to_bytes() })
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let addresses = lookup_host(&self.authority).await?;
        let here: Vec<SocketAddr> = addresses.filter(|address| address.ip().is_loopback()).collect();
        TcpStream::connect(&*here).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_on_the_loopback_and_its_key_in_no_error() {
        let hub = |origin: &str, key: &str| {
            Hub::new(origin, PlainToken::new(key.to_owned()), Duration::ZERO).map(|hub| hub.origin())
        };
        for origin in ["http://localhost:9", "http://127.0.0.1:9", "http://[::1]:9"] {
            assert_eq!(hub(origin, "canary").as_deref(), Ok(origin));
        }
        for origin in [
            "https://localhost:9",
            "http://localhost",
            "http://hub.example:9",
            "http://localhost.example:9",
            "http://localhost:9/hub",
            "http://localhost:9?a",
            "http://localhost:9#a",
            "http://a@localhost:9",
            "localhost:9",
            "",
        ] {
            assert!(hub(origin, "canary").is_err_and(|error| !error.contains("canary")), "{origin}");
        }
        for key in ["", "canary\n"] {
            assert_eq!(hub("http://localhost:9", key), Err("the key cannot be one".to_owned()));
        }
    }
}
