//! The authorization request and the token endpoint (RFC 6749 §4.1, §6), by way of the crate `oauth2`. What is answered is
//! read here, more strictly than by the crate: each member once, nothing behind them, and all of the form. The crate's own
//! copies of secrets live as long as one request; they are freed, not wiped.

use crate::places::Places;
use auth_core::{
    model::Scopes,
    oidc,
    port::{AuthorizationRequest, ProviderError, TokenAnswer},
    secret::PlainToken,
};
use auth_web::outgoing::{Answer, Endpoint, Question, Stranger};
use data_encoding::BASE64;
use oauth2::{
    AccessToken, AsyncHttpClient, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, StandardRevocableToken, TokenResponse, TokenType, TokenUrl,
    basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};
use std::{fmt, pin::Pin, time::Duration};

/// The most bytes of an access token or a refresh token.
const MOST_BYTES: usize = 8192;
/// The longest life of an access token that is believed, in seconds.
const LONGEST: u64 = 90 * 86400;
/// What a token endpoint may say of an error (RFC 6749 §5.2).
const ERRORS: &[&str] = &[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// What it may say where its user has to come back (OpenID Connect Core §3.1.2.6).
const ABSENT: &[&str] = &["interaction_required", "login_required", "consent_required"];

type Client = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Who we are to a provider.
pub(crate) struct Account {
    client_id: String,
    secret: PlainToken,
    redirect_uri: RedirectUrl,
}

impl Account {
    pub(crate) fn new(
        client_id: String,
        secret: PlainToken,
        redirect_uri: &str,
    ) -> Result<Self, &'static str> {
        let redirect_uri = RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| "its redirect is no URL")?;
        Ok(Self { client_id, secret, redirect_uri })
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The credentials of HTTP (RFC 6749 §2.3.1).
    pub(crate) fn basic(&self) -> PlainToken {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = PlainToken::new(format!("{}:{}", encode(&self.client_id), encode(self.secret.expose())));
        PlainToken::new(format!("Basic {}", BASE64.encode(pair.expose().as_bytes())))
    }

    /// A client for one request: what it copies of the secret lives no longer.
    fn client(&self, places: &Places) -> Result<Client, ProviderError> {
        let no_url = |_| unusable("an endpoint is no URL");
        let authorization = AuthUrl::new(places.authorization.as_str().to_owned()).map_err(no_url)?;
        let token = TokenUrl::new(places.token.as_str().to_owned()).map_err(no_url)?;
        Ok(oauth2::Client::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.secret.expose().to_owned()))
            .set_redirect_uri(self.redirect_uri.clone())
            .set_auth_uri(authorization)
            .set_token_uri(token))
    }

    /// Where a browser is led.
    pub(crate) fn authorization_url(
        &self,
        places: &Places,
        asked: &Scopes,
        asking: &'static [(&'static str, &'static str)],
        request: &AuthorizationRequest<'_>,
    ) -> Result<String, ProviderError> {
        let verifier = verifier(request.verifier)?;
        let client = self.client(places)?;
        let state = || CsrfToken::new(request.state.expose().to_owned());
        let mut wanted = client
            .authorize_url(state)
            .add_scopes(asked.iter().map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_extra_param("nonce", request.nonce.expose());
        for (name, value) in asking {
            wanted = wanted.add_extra_param(*name, *value);
        }
        let (url, _) = wanted.url();
        Ok(url.into())
    }

    /// Exchanges a code.
    pub(crate) async fn exchange(
        &self,
        stranger: &Stranger,
        places: &Places,
        (code, by): (&PlainToken, &PlainToken),
    ) -> Result<Tokens, ProviderError> {
        let client = self.client(places)?;
        let code = AuthorizationCode::new(code.expose().to_owned());
        let request = client.exchange_code(code).set_pkce_verifier(verifier(by)?);
        request.request_async(&TokenEndpoint { stranger, token: &places.token }).await.map_err(told)
    }

    /// Asks for another access token.
    pub(crate) async fn refresh(
        &self,
        stranger: &Stranger,
        places: &Places,
        refresh: &PlainToken,
    ) -> Result<Tokens, ProviderError> {
        let client = self.client(places)?;
        let refresh = RefreshToken::new(refresh.expose().to_owned());
        let there = TokenEndpoint { stranger, token: &places.token };
        client.exchange_refresh_token(&refresh).request_async(&there).await.map_err(told)
    }
}

/// A verifier of a length that PKCE takes (RFC 7636 §4.1).
fn verifier(text: &PlainToken) -> Result<PkceCodeVerifier, ProviderError> {
    if (43..=128).contains(&text.expose().len()) {
        Ok(PkceCodeVerifier::new(text.expose().to_owned()))
    } else {
        Err(unusable("its verifier is none of PKCE"))
    }
}

/// The token endpoint, as the crate asks it.
struct TokenEndpoint<'a> {
    stranger: &'a Stranger,
    token: &'a Endpoint,
}

impl<'c> AsyncHttpClient<'c> for TokenEndpoint<'_> {
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(ask(self.stranger, self.token, request))
    }
}

/// Sends a request to the token endpoint. Only an answer of success gets out of here.
async fn ask(
    stranger: &Stranger,
    token: &Endpoint,
    request: HttpRequest,
) -> Result<HttpResponse, ProviderError> {
    let (head, form) = request.into_parts();
    let credentials = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let credentials = credentials.ok_or_else(|| unusable("a request without credentials"))?;
    let question = Question { headers: &[("authorization", credentials)], ..Question::default() };
    let answer = stranger.post_form(token, form, &question).await;
    let answer = answer.map_err(|why| unusable(format!("its token endpoint: {why}")))?;
    if answer.status != 200 {
        return Err(refusal(&answer));
    }
    if !answer.is_json() {
        return Err(unusable("its token answer is not JSON"));
    }
    // The crate would not look at what stands behind the object.
    serde_json::from_slice::<IgnoredAny>(&answer.body).map_err(|_| unusable(NO_FORM))?;
    Ok(HttpResponse::new(answer.body))
}

const NO_FORM: &str = "its token answer is not of the form";

/// What an answer of no success says.
fn refusal(answer: &Answer) -> ProviderError {
    if answer.status == 400 && error_of(answer, ABSENT).is_some() {
        return ProviderError::InvalidGrant;
    }
    match error_of(answer, ERRORS) {
        Some("invalid_grant") if answer.status == 400 => ProviderError::InvalidGrant,
        Some(error) => ProviderError::Refused(error.to_owned()),
        None => unusable(format!("its token endpoint: status {}", answer.status)),
    }
}

/// The error that an answer names (RFC 6749 §5.2), if it is one of these.
pub(crate) fn error_of(answer: &Answer, known: &[&'static str]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Named {
        error: String,
    }
    if !(400..=499).contains(&answer.status) || !answer.is_json() {
        return None;
    }
    let named: Named = serde_json::from_slice(&answer.body).ok()?;
    known.iter().copied().find(|error| *error == named.error)
}

/// What went wrong, without any text of the provider.
fn told(error: RequestTokenError<ProviderError, BasicErrorResponse>) -> ProviderError {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(_) | RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            unusable(NO_FORM)
        }
    }
}

pub(crate) fn unusable(why: impl Into<String>) -> ProviderError {
    ProviderError::Unusable(why.into())
}

/// An answer of the token endpoint, as it came (RFC 6749 §5.1). A member that is there twice is refused.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    access_token: AccessToken,
    token_type: Bearer,
    expires_in: u64,
    refresh_token: Option<RefreshToken>,
    scope: Option<String>,
    id_token: Option<Secret>,
}

/// The type of a token that whoever holds it can use (RFC 6750).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bearer;

/// A text that is not printed.
#[derive(Deserialize)]
struct Secret(String);

impl Tokens {
    /// The answer, if all of it is within limits. `scope_names` gives a granted scope the name under which it is asked for.
    pub(crate) fn check(self, scope_names: fn(&str) -> String) -> Result<TokenAnswer, ProviderError> {
        let token = |text: &str, most: usize| {
            let plain = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
            plain.then(|| PlainToken::new(text.to_owned())).ok_or_else(|| unusable(NO_FORM))
        };
        if !(1..=LONGEST).contains(&self.expires_in) {
            return Err(unusable("its access token ends at no time that is believed"));
        }
        let scopes = self.scope.map(|text| {
            let named: Vec<_> = text.split(' ').map(scope_names).collect();
            Scopes::parse(&named.join(" ")).map_err(|_| unusable(NO_FORM))
        });
        let refresh = self.refresh_token.map(|text| token(text.secret(), MOST_BYTES));
        let id_token = self.id_token.map(|Secret(text)| token(&text, oidc::MOST_BYTES));
        Ok(TokenAnswer {
            access: token(self.access_token.secret(), MOST_BYTES)?,
            refresh: refresh.transpose()?,
            expires_in: Duration::from_secs(self.expires_in),
            scopes: scopes.transpose()?,
            id_token: id_token.transpose()?,
        })
    }
}

/// Tokens are not printed.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// Tokens are not written either, although the crate could do it.
impl Serialize for Tokens {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("tokens are not written"))
    }
}

impl<'de> Deserialize<'de> for Bearer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bearer = text.eq_ignore_ascii_case("bearer");
        if bearer { Ok(Self) } else { Err(serde::de::Error::custom("another type of token")) }
    }
}
impl Serialize for Bearer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("bearer")
    }
}
impl TokenType for Bearer {}

impl TokenResponse for Tokens {
    type TokenType = Bearer;
    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }
    fn token_type(&self) -> &Bearer {
        &self.token_type
    }
    fn expires_in(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.expires_in))
    }
    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }
    /// They are checked from the text.
    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}
