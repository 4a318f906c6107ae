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

