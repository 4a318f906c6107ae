//! The document in which a provider of OpenID Connect says where it is asked for what (OpenID Connect Discovery §4). What
//! it names must be within what was configured: a document that is wrong leads us nowhere.

use crate::places::Places;
use auth_web::outgoing::{Endpoint, NotAnEndpoint, Question, Reach, Stranger};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// For how long a document is believed.
const KEPT: Duration = Duration::from_secs(3600);
/// For how long nobody asks again after a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// Algorithms of signatures that can be checked here.
const ALGORITHMS: &[&str] = &["RS256", "ES256", "EdDSA"];

/// A document that is fetched when it is needed.
pub(crate) struct Discovery {
    /// To the letter.
    issuer: String,
    issuer_host: String,
    document: Endpoint,
    reach: Reach,
    hosts: Vec<String>,
    names_issuer: bool,
    /// Held while it is fetched, so that nobody else fetches it.
    last: Mutex<Last>,
}

/// What came of the last fetch.
enum Last {
    Never,
    Known(Instant, Arc<Places>),
    Failed(Instant, String),
}

/// The document, as far as it counts.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    revocation_endpoint: Option<String>,
    response_types_supported: Vec<String>,
    id_token_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    /// Basic authentication, where it does not say.
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Discovery {
    /// The document of an issuer, whose endpoints are at its own host or at one of these.
    pub(crate) fn new(
        issuer: String,
        endpoint: Endpoint,
        reach: Reach,
        hosts: Vec<String>,
    ) -> Result<Self, NotAnEndpoint> {
        let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        Ok(Self {
            issuer_host: endpoint.host().to_owned(),
            document: reach.endpoint(&document)?,
            issuer,
            reach,
            hosts,
            names_issuer: false,
            last: Mutex::new(Last::Never),
        })
    }

    /// Whether the document must say that callbacks name the issuer.
    pub(crate) fn that_names_issuer(self, names_issuer: bool) -> Self {
        Self { names_issuer, ..self }
    }

    /// Where the provider is asked for what: from the last document while it is believed, else from another.
    pub(crate) async fn places(&self, stranger: &Stranger) -> Result<Arc<Places>, String> {
        let mut last = self.last.lock().await;
        match &*last {
            Last::Known(at, places) if at.elapsed() < KEPT => return Ok(Arc::clone(places)),
            Last::Failed(at, why) if at.elapsed() < PAUSE => return Err(why.clone()),
            Last::Never | Last::Known(..) | Last::Failed(..) => {}
        }
        match self.fetch(stranger).await {
            Ok(places) => {
                let places = Arc::new(places);
                *last = Last::Known(Instant::now(), Arc::clone(&places));
                Ok(places)
            }
            Err(why) => {
                let why = format!("its discovery document: {why}");
                *last = Last::Failed(Instant::now(), why.clone());
                Err(why)
            }
        }
    }

    async fn fetch(&self, stranger: &Stranger) -> Result<Places, String> {
        let answer = stranger.get(&self.document, &Question::default()).await?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        if !answer.is_json() {
            return Err("it is not JSON".to_owned());
        }
        self.read(&answer.body)
    }

    fn read(&self, json: &[u8]) -> Result<Places, String> {
        let document: Document = serde_json::from_slice(json).map_err(|_| "it is not of the form")?;
        if document.issuer != self.issuer {
            return Err("it is another issuer's".to_owned());
        }
        let has =
            |values: &[String], wanted: &[&str]| values.iter().any(|value| wanted.contains(&value.as_str()));
        let basic = document.token_endpoint_auth_methods_supported;
        for (good, what) in [
            (has(&document.response_types_supported, &["code"]), "the response type code"),
            (has(&document.code_challenge_methods_supported, &["S256"]), "S256"),
            (
                has(&document.id_token_signing_alg_values_supported, ALGORITHMS),
                "an algorithm that is known here",
            ),
            (basic.is_none_or(|methods| has(&methods, &["client_secret_basic"])), "client_secret_basic"),
            (
                document.authorization_response_iss_parameter_supported || !self.names_issuer,
                "callbacks that name the issuer, although names_issuer says so",
            ),
        ] {
            if !good {
                return Err(format!("it does not have {what}"));
            }
        }
        let endpoint = |member: &str, url: &str| {
            self.endpoint(url).map_err(|why| format!("its {member} is none that is asked: {why}"))
        };
        let revocation = document.revocation_endpoint.as_deref();
        Ok(Places {
            authorization: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
            token: endpoint("token_endpoint", &document.token_endpoint)?,
            revocation: revocation.map(|url| endpoint("revocation_endpoint", url)).transpose()?,
            keys: endpoint("jwks_uri", &document.jwks_uri)?,
        })
    }

    /// An endpoint within reach, at the issuer's host or at one that was configured.
    fn endpoint(&self, url: &str) -> Result<Endpoint, String> {
        let endpoint = self.reach.endpoint(url).map_err(|why| why.to_string())?;
        let known =
            endpoint.host() == self.issuer_host || self.hosts.iter().any(|host| host == endpoint.host());
        if known { Ok(endpoint) } else { Err("its host is none of those that are configured".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn discovery(hosts: &[&str]) -> Discovery {
        let issuer = "https://id.example.com/realm".to_owned();
        let endpoint = Endpoint::public(&issuer).unwrap();
        let hosts = hosts.iter().map(ToString::to_string).collect();
        Discovery::new(issuer, endpoint, Reach::Public, hosts).unwrap()
    }

    fn read(hosts: &[&str], member: &str, url: &str) -> Result<Places, String> {
        let mut document = json!({
            "issuer": "https://id.example.com/realm",
            "authorization_endpoint": "https://id.example.com/realm/authorize",
            "token_endpoint": "https://id.example.com/realm/token",
            "revocation_endpoint": "https://id.example.com/realm/revoke",
            "jwks_uri": "https://id.example.com/realm/keys",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        document[member] = json!(url);
        discovery(hosts).read(document.to_string().as_bytes())
    }

    const ENDPOINTS: &[&str] =
        &["authorization_endpoint", "token_endpoint", "revocation_endpoint", "jwks_uri"];

    #[test]
    fn endpoints_are_at_the_issuers_host_or_at_one_that_is_configured() {
        for member in ENDPOINTS {
            assert!(read(&[], member, "https://ID.example.com:443/other").is_ok(), "{member}");
            let url = "https://api.example.com/other";
            assert!(read(&[], member, url).is_err(), "{member}");
            assert!(read(&["keys.example.com", "api.example.com"], member, url).is_ok(), "{member}");
        }
    }

    /// A document is read without asking anybody: whatever it names is refused before there could be a connection.
    #[test]
    fn a_document_leads_to_nothing_that_lies_inside() {
        for url in [
            "https://169.254.169.254/latest/meta-data",
            "http://169.254.169.254/latest/meta-data",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://127.0.0.1:8443/",
            "https://[::1]/",
            "https://[::]/",
            "https://0.0.0.0/",
            "https://0/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://192.168.0.1/",
            "https://100.64.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.0x0.0x0.0x1/",
            "https://017700000001/",
            "https://0177.0.0.1/",
            "https://%31%32%37%2e0.0.1/",
            "https://①②⑦.0.0.1/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[fe80::1]/",
            "https://[fe80::1%25eth0]/",
            "https://[fd00:ec2::254]/",
            "https://[2001:4860:4860::8888]/",
            "https://8.8.8.8/",
            "https://localhost/",
            "https://LOCALHOST/",
            "https://localhost./",
            "https://id.localhost/",
            "https://metadata.google.internal/computeMetadata/v1/",
            "https://instance-data/",
            "https://printer.local/",
            "https://id.example.com./",
            "https://id.example.com:8443/",
            "https://id.example.com@10.0.0.1/",
            "https://10.0.0.1\\@id.example.com/",
            "https://10.0.0.1#@id.example.com/",
            "http://id.example.com/",
            "ftp://id.example.com/",
            "file:///etc/passwd",
            "data:application/json,{}",
            "//id.example.com/",
            "https://id.example.com/?token_endpoint=other",
            "https://id.example.com/\r\nX: y",
        ] {
            for member in ENDPOINTS {
                // Not even if somebody configured its host.
                let host = url.split('/').nth(2).unwrap_or_default();
                for hosts in [&[][..], &[host]] {
                    let told = read(hosts, member, url).unwrap_err();
                    assert!(
                        told.starts_with(&format!("its {member} is none that is asked: ")),
                        "{url}: {told}"
                    );
                    assert!(!told.contains("meta-data") && !told.contains("10.0.0.1"), "{told}");
                }
            }
        }
    }
}
