//! Issuing access tokens: the keys that sign them, their rotation, and what is published of them.

use crate::{
    Chatbot,
    earlier::Earlier,
    introspection::{Introspect, Revoke},
    rules::Published,
};
use auth_core::{
    amr::CONTEXTS,
    attempts::REMEMBERED,
    entropy::Entropy,
    error::{FlowError, StoreError},
    flow::{Handover, rotate_signing_key},
    jwt::{Algorithm, Issuer, SigningKey},
    policy::{Proof, grant_to_schedule},
    time::Timestamp,
};
use auth_web::{Endpoint, Problem, Spec, reply::Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How access tokens are issued: the section `[tokens]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// The service's own origin, as clients reach it: the `iss` of its tokens. By default where it listens.
    pub issuer: Option<String>,
    /// What new keys sign with: `EdDSA`, `ES256` or `RS256`.
    pub algorithm: Algorithm,
    /// After how many days the next signing key is made; 0 is never.
    pub rotate_days: u32,
    /// `[tokens.earlier]`: tokens of the earlier system, if any are taken.
    pub earlier: Option<Earlier>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { issuer: None, algorithm: Algorithm::default(), rotate_days: 90, earlier: None }
    }
}

impl Tokens {
    /// Who issues, where the service is reached at `own` if nothing else is said.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn issuer(&self, own: &str) -> Result<Issuer, String> {
        Issuer::parse(self.issuer.as_deref().unwrap_or(own))
            .map_err(|error| format!("tokens.issuer: {error}"))
    }
}

/// Makes a key, away from the threads that serve requests.
async fn generate(algorithm: Algorithm, entropy: Arc<dyn Entropy>) -> Result<SigningKey, FlowError> {
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm, entropy.as_ref())).await;
    let unavailable =
        |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("no signing key: {error}"));
    Ok(made.map_err(|error| unavailable(&error))?.map_err(|error| unavailable(&error))?)
}

impl Chatbot {
    /// Makes the first signing key, and the next one where the newest is old enough. Of several processes one does it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn rotate_if_due(&self) -> Result<(), FlowError> {
        let Tokens { algorithm, rotate_days, .. } = self.tokens;
        let (platform, port) = (&self.platform, self.platform.stores.signing_keys.as_ref());
        let known = port.list().await?;
        let due = match known.last() {
            None => true,
            Some(newest) => rotate_days > 0 && newest.created_at + DAY * rotate_days <= platform.now(),
        };
        if due {
            let key = generate(algorithm, Arc::clone(&platform.entropy)).await?;
            let (newest, grant) = (known.last(), grant_to_schedule());
            match rotate_signing_key(platform, &self.logins.keys, &grant, newest, &key, Handover::Orderly)
                .await
            {
                Ok(made) => {
                    tracing::info!(kid = %made.kid, signs_from = %made.signs_from, "a new signing key")
                }
                // Another process was first.
                Err(FlowError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the service does by itself with its keys.
    pub(crate) async fn keep_keys(&self) {
        if let Err(error) = self.rotate_if_due().await {
            tracing::error!(%error, "the signing keys could not be looked after");
        }
        let now = self.platform.now();
        let before = ago(now, KEPT);
        if let Err(error) = self.platform.stores.sessions.purge(before).await {
            tracing::warn!(%error, "sessions that are over could not be forgotten");
        }
        if let Err(error) = self.platform.stores.attempts.purge(ago(now, REMEMBERED)).await {
            tracing::warn!(%error, "guesses that are long ago could not be forgotten");
        }
        if let Err(error) = self.platform.stores.signing_keys.purge(before).await {
            tracing::warn!(%error, "signing keys that are over could not be forgotten");
        }
    }
}

/// How long a signing key, or a session, is kept after its end: whoever reads an old log still finds it.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

fn ago(now: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}

/// The public halves of the signing keys: a JWK Set (RFC 7517 §5).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct JwkSet(#[schemars(with = "serde_json::Value")] Box<RawValue>);

/// `GET /.well-known/jwks.json`.
pub struct Jwks;

impl Endpoint<Chatbot> for Jwks {
    type Auth = Published;
    type Input = ();
    type Output = Shown<JwkSet>;
    const SPEC: Spec =
        Spec::get("jwks", "/.well-known/jwks.json", "The public keys that verify access tokens (RFC 7517).");

    async fn call(chatbot: &Chatbot, _: Proof<'_, Published>, (): ()) -> Result<Self::Output, Problem> {
        let set = RawValue::from_string(chatbot.logins.keys.published(chatbot.platform.now()));
        set.map(|set| Shown(JwkSet(set))).map_err(|error| Problem::internal(error.to_string()))
    }
}

/// Authorization server metadata (RFC 8414 §2).
#[derive(Debug, Serialize, JsonSchema)]
pub struct Metadata {
    /// The `iss` of its tokens.
    issuer: String,
    /// Where its keys are.
    jwks_uri: String,
    /// None: nobody is sent here to authorize a client.
    response_types_supported: [&'static str; 0],
    /// None: people log in to the platform itself.
    grant_types_supported: [&'static str; 0],
    /// Where services of the platform ask in which state a token is (RFC 7662).
    introspection_endpoint: String,
    /// Where whoever holds a token ends its session (RFC 7009).
    revocation_endpoint: String,
    /// None: the token itself is what is needed.
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    /// How strongly a person can have logged in (RFC 9470 §7).
    acr_values_supported: [&'static str; 2],
}

/// `GET /.well-known/oauth-authorization-server`.
pub struct AuthorizationServer;

impl Endpoint<Chatbot> for AuthorizationServer {
    type Auth = Published;
    type Input = ();
    type Output = Shown<Metadata>;
    const SPEC: Spec = Spec::get(
        "oauth_authorization_server",
        "/.well-known/oauth-authorization-server",
        "Who issues access tokens, and where to ask about them (RFC 8414).",
    );

    async fn call(chatbot: &Chatbot, _: Proof<'_, Published>, (): ()) -> Result<Self::Output, Problem> {
        let issuer = chatbot.logins.keys.issuer().as_str();
        Ok(Shown(Metadata {
            issuer: issuer.to_owned(),
            jwks_uri: format!("{issuer}{}", Jwks::SPEC.path),
            introspection_endpoint: format!("{issuer}{}", Introspect::SPEC.path),
            revocation_endpoint: format!("{issuer}{}", Revoke::SPEC.path),
            revocation_endpoint_auth_methods_supported: ["none"],
            response_types_supported: [],
            grant_types_supported: [],
            acr_values_supported: CONTEXTS,
        }))
    }
}
