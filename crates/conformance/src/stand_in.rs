//! A provider of calendars that is in no other process: what the worlds of tests are linked with. It is one for all of them,
//! and remembers nothing but how often it was asked, so that a copied store goes on with it. What a real one does wrong,
//! `demo-provider` does.

use crate::ambient::StepClock;
use auth_core::{
    model::{ProviderName, Scopes},
    oidc::IssuerRule,
    port::{
        AuthorizationRequest, CalendarEvent, CalendarProvider, EventPage, EventQuery, EventTime, Pause,
        ProviderError, ProviderFacts, Revocation, TokenAnswer,
    },
    secret::PlainToken,
    time::Clock as _,
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How long its access tokens are good.
pub const LIFE: Duration = Duration::from_secs(3600);

/// A provider of a name.
pub struct StandIn {
    facts: ProviderFacts,
    clock: StepClock,
    exchanges: AtomicU64,
}

/// Nobody waits in tests: what is tried again is tried again at once.
pub struct NoPause;

#[async_trait::async_trait]
impl Pause for NoPause {
    async fn pause(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

/// What a browser brings back from it.
#[derive(Debug, Clone, Default)]
pub struct Consent {
    /// `state`.
    pub state: String,
    /// `code`.
    pub code: String,
}

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap()
}

fn encoded(value: &serde_json::Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

impl StandIn {
    /// One of this name.
    pub fn new(name: &str, clock: &StepClock) -> Self {
        let scopes = |text| Scopes::parse(text).unwrap();
        let facts = ProviderFacts {
            name: ProviderName::parse(name).unwrap(),
            client_id: "client".to_owned(),
            issuer: IssuerRule::Exactly(format!("https://{name}.example")),
            names_issuer: false,
            asked: scopes("openid calendar"),
            needed: scopes("calendar"),
            tolerated: Scopes::default(),
        };
        Self { facts, clock: clock.clone(), exchanges: AtomicU64::new(0) }
    }

    /// How often a code was shown to it.
    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::SeqCst)
    }

    /// What a browser brings back whose owner, of this subject, consents to what an address asks for.
    pub fn consent(url: &str, subject: &str) -> Consent {
        let of = |name: &str| {
            let (_, query) = url.split_once('?').unwrap();
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("{url} names no {name}")).to_owned()
        };
        let code =
            serde_json::json!({ "nonce": of("nonce"), "challenge": of("code_challenge"), "sub": subject });
        Consent { state: of("state"), code: encoded(&code) }
    }

    /// The ID token of a subject.
    fn id_token(&self, subject: &str, nonce: &str) -> PlainToken {
        let now = self.clock.now().millis() / 1000;
        let head = serde_json::json!({ "alg": "EdDSA", "kid": "stand-in", "typ": "JWT" });
        let claims = serde_json::json!({
            "iss": format!("https://{}.example", self.facts.name), "aud": "client", "sub": subject, "nonce": nonce,
            "iat": now, "exp": now + 600, "email": format!("{subject}@example.com"),
        });
        let signed = format!("{}.{}", encoded(&head), encoded(&claims));
        let signature = key().sign(signed.as_bytes());
        PlainToken::new(format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref())))
    }

    fn answer(&self, refresh: Option<PlainToken>, id_token: Option<PlainToken>) -> TokenAnswer {
        // Another one each time, without memory: the time makes it so.
        let access = PlainToken::new(format!("access-{}", self.clock.monotonic().nanos()));
        TokenAnswer { access, refresh, expires_in: LIFE, scopes: None, id_token }
    }
}

#[async_trait::async_trait]
impl CalendarProvider for StandIn {
    fn facts(&self) -> &ProviderFacts {
        &self.facts
    }

    async fn authorization_url(&self, request: &AuthorizationRequest<'_>) -> Result<String, ProviderError> {
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(request.verifier.expose()));
        let (state, nonce) = (request.state.expose(), request.nonce.expose());
        let name = &self.facts.name;
        Ok(format!("https://{name}.example/?state={state}&nonce={nonce}&code_challenge={challenge}"))
    }

    async fn exchange(&self, code: &PlainToken, verifier: &PlainToken) -> Result<TokenAnswer, ProviderError> {
        self.exchanges.fetch_add(1, Ordering::SeqCst);
        let code =
            BASE64URL_NOPAD.decode(code.expose().as_bytes()).map_err(|_| ProviderError::InvalidGrant)?;
        let code: serde_json::Value =
            serde_json::from_slice(&code).map_err(|_| ProviderError::InvalidGrant)?;
        let text = |name: &str| code[name].as_str().unwrap_or_default().to_owned();
        if text("challenge") != BASE64URL_NOPAD.encode(&Sha256::digest(verifier.expose())) {
            return Err(ProviderError::InvalidGrant);
        }
        let id_token = self.id_token(&text("sub"), &text("nonce"));
        Ok(self.answer(Some(PlainToken::new("refresh-of-stand-in".to_owned())), Some(id_token)))
    }

    async fn keys(&self) -> Result<Vec<u8>, ProviderError> {
        let x = BASE64URL_NOPAD.encode(key().public_key().as_ref());
        let key = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "x": x, "alg": "EdDSA", "use": "sig", "kid": "stand-in",
        });
        Ok(serde_json::json!({ "keys": [key] }).to_string().into_bytes())
    }

    async fn refresh(&self, _: &PlainToken) -> Result<TokenAnswer, ProviderError> {
        Ok(self.answer(None, None))
    }

    async fn revoke(&self, _: &PlainToken) -> Result<Revocation, ProviderError> {
        Ok(Revocation::Revoked)
    }

    async fn events(&self, _: &PlainToken, query: &EventQuery) -> Result<EventPage, ProviderError> {
        let event = CalendarEvent {
            id: "event".to_owned(),
            title: "Lunch".to_owned(),
            start: EventTime::At(query.from),
            end: EventTime::At(query.to),
            location: None,
            organizer: None,
            is_cancelled: false,
        };
        Ok(EventPage { events: vec![event], next: None })
    }
}
