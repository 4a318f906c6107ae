//! Asking a stranger's server: at an address that was checked before, over TLS, without redirects, and with limits to all
//! that it may take and answer. Nothing of what a stranger says gets into an error.

use super::{
    public::{NotPublic, PublicNames, ThisMachine},
    reach::{Endpoint, Reach},
};
use reqwest::{
    Client as Http, RequestBuilder, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use std::{error::Error, fmt, sync::Arc, time::Duration};

/// The most bytes of an answer, where nothing else is said.
pub const MOST_BYTES: usize = 256 * 1024;
/// What a stranger may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// For all of it, to the last byte of the answer.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), whole: Duration::from_secs(10) }
    }
}

/// A client for servers of strangers.
#[derive(Clone)]
pub struct Stranger {
    http: Http,
    reach: Reach,
}

impl fmt::Debug for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stranger").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// A request, beside where it goes.
#[derive(Default)]
pub struct Question<'a> {
    /// Parameters of the query.
    pub query: &'a [(&'a str, &'a str)],
    /// Names and values of headers. `Authorization` is kept out of whatever is printed.
    pub headers: &'a [(&'static str, &'a str)],
    /// The most bytes that may be answered; [`MOST_BYTES`] where nothing is said.
    pub most_bytes: Option<usize>,
}

/// An answer of success or of an error: no redirect.
pub struct Answer {
    /// Its status: 200 to 299, or 400 to 599.
    pub status: u16,
    /// Its media type in lower case, without parameters; empty where it names none or several.
    media_type: String,
    /// Its content.
    pub body: Vec<u8>,
}

/// What is in it is a stranger's, or a secret.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// Whether it says that it is JSON (`application/json`).
    pub fn is_json(&self) -> bool {
        self.is("application/json")
    }
    /// Whether it says that it is of this media type.
    pub fn is(&self, media_type: &str) -> bool {
        self.media_type == media_type
    }
}

impl Stranger {
    /// A client with this reach.
    ///
    /// # Errors
    /// One line: the HTTP client cannot be made.
    pub fn new(reach: Reach, patience: Patience) -> Result<Self, String> {
        Self::finding(PublicNames::of_this_machine(), reach, patience)
    }

    /// A client that finds public servers by these names.
    fn finding(names: PublicNames, reach: Reach, patience: Patience) -> Result<Self, String> {
        let builder = Http::builder()
            .timeout(patience.whole)
            .connect_timeout(patience.connect)
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd();
        let builder = match &reach {
            Reach::Public => builder.https_only(true).dns_resolver(Arc::new(names)),
            Reach::Loopback(origin) => {
                let builder = builder.dns_resolver(Arc::new(ThisMachine));
                // What never speaks TLS needs no authorities, which the machine may not have.
                if origin.starts_with("http://") { builder.tls_certs_only([]) } else { builder }
            }
        };
        let why = "no HTTP client can be made; are there certificates of authorities on this machine?";
        let http = builder.build().map_err(|error| format!("{why} ({error})"))?;
        Ok(Self { http, reach })
    }

    /// What it may reach.
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Asks for what is there.
    ///
    /// # Errors
    /// In one line, which has nothing of the query, of the headers or of the answer: the endpoint is out of reach; it could
    /// not be reached, or took too long; it answered a redirect, more than it may, or encoded what nobody asked it to encode.
    pub async fn get(&self, endpoint: &Endpoint, question: &Question<'_>) -> Result<Answer, String> {
        let mut url = endpoint.url().clone();
        if !question.query.is_empty() {
            url.query_pairs_mut().extend_pairs(question.query);
        }
        self.send(endpoint, self.http.get(url), question).await
    }

    /// Sends a form, which is encoded already.
    ///
    /// # Errors
    /// As of [`get`](Self::get).
    pub async fn post_form(
        &self,
        endpoint: &Endpoint,
        form: Vec<u8>,
        question: &Question<'_>,
    ) -> Result<Answer, String> {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = self.http.post(endpoint.url().clone()).header(CONTENT_TYPE, form_type).body(form);
        self.send(endpoint, request, question).await
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        request: RequestBuilder,
        question: &Question<'_>,
    ) -> Result<Answer, String> {
        if !self.reach.has(endpoint) {
            return Err("it is out of reach".to_owned());
        }
        let request = request.headers(headers(question.headers)?);
        let answer = request.send().await.map_err(|error| told(&error).to_owned())?;
        read(answer, question.most_bytes.unwrap_or(MOST_BYTES)).await
    }
}

fn headers(given: &[(&'static str, &str)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header has no such name")?;
        let mut value = HeaderValue::from_str(value).map_err(|_| format!("{name} has no such value"))?;
        value.set_sensitive(name == AUTHORIZATION);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Reads an answer up to so many bytes.
async fn read(mut answer: Response, most_bytes: usize) -> Result<Answer, String> {
    let status = answer.status().as_u16();
    match status {
        200..=299 | 400..=599 => {}
        300..=399 => return Err(format!("a redirect ({status}), which is not followed")),
        _ => return Err(format!("status {status}")),
    }
    let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !answer.headers().get_all(CONTENT_ENCODING).iter().all(identity) {
        return Err("an encoded answer, which was not asked for".to_owned());
    }
    let media_type = media_type(answer.headers());
    let too_long = || format!("more than {most_bytes} bytes");
    if answer.content_length().is_some_and(|length| length > most_bytes as u64) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| told(&error).to_owned())? {
        if body.len() + chunk.len() > most_bytes {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, media_type, body })
}

fn media_type(headers: &HeaderMap) -> String {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(one), None) = (values.next(), values.next()) else { return String::new() };
    let text = one.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase()
}

/// What went wrong, in words of our own.
fn told(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if one.is::<NotPublic>() {
            return "its name leads to an address that is not public";
        }
        cause = one.source();
    }
    if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection to it could be made"
    } else {
        "it broke the connection off, or does not speak HTTP"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io, net::SocketAddr, pin::Pin};

    type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

    #[tokio::test]
    async fn what_is_out_of_reach_is_not_asked() {
        let stranger = |reach| Stranger::new(reach, Patience::default()).unwrap();
        let here = stranger(Reach::loopback("http://localhost:9").unwrap());
        for endpoint in [
            Endpoint::loopback("http://localhost:10/").unwrap(),
            Endpoint::loopback("http://127.0.0.1:9/").unwrap(),
            Endpoint::public("https://accounts.example.com/").unwrap(),
        ] {
            let refused = here.get(&endpoint, &Question::default()).await.unwrap_err();
            assert_eq!(refused, "it is out of reach", "{endpoint:?}");
        }
    }

    /// What is found is judged where the connection is made: there is no other look-up that could find something else.
    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let told = async |lookup| {
            let stranger =
                Stranger::finding(PublicNames::by(lookup), Reach::Public, Patience::default()).unwrap();
            let endpoint = Endpoint::public("https://rebinding.example.com/?canary").unwrap_err();
            assert!(!endpoint.to_string().contains("canary"));
            let endpoint = Endpoint::public("https://rebinding.example.com/canary").unwrap();
            stranger
                .get(&endpoint, &Question { query: &[("code", "canary")], ..Question::default() })
                .await
                .unwrap_err()
        };
        let here = |_| Box::pin(async { Ok(vec![SocketAddr::from(([127, 0, 0, 1], 443))]) }) as Lookup;
        assert_eq!(told(here).await, "its name leads to an address that is not public");
        let mixed = |_| {
            let addresses =
                [[8, 8, 8, 8], [169, 254, 169, 254]].map(|address| SocketAddr::from((address, 0)));
            Box::pin(async move { Ok(addresses.to_vec()) }) as Lookup
        };
        assert_eq!(told(mixed).await, "its name leads to an address that is not public");
        let unknown = |_| Box::pin(async { Err(io::Error::other("canary")) }) as Lookup;
        assert_eq!(told(unknown).await, "no connection to it could be made");
        let nothing = |_| Box::pin(async { Ok(Vec::new()) }) as Lookup;
        assert_eq!(told(nothing).await, "no connection to it could be made");
    }
}
