//! Linking a calendar: where to lead the browser, and what it brings back.

use crate::{
    Hub,
    rules::{Calendars, ComesBack},
};
use auth_core::{
    credential::AUTHORIZATION_LIFE,
    error::FlowError,
    flow::{Arrival, Order},
    id::UserId,
    model::ProviderName,
    policy::Proof,
    secret::PlainToken,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{CookieName, FromCookie, Json, Path, Query},
    reply::{LedOn, Shown, WithCookies},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The cookie that binds a transaction to a browser. Its prefix binds it to this host, every path of it, and TLS
/// (RFC 6265bis §4.1.3.2). `Lax`: it comes along when the provider leads the browser here, and with nothing else that
/// another site does.
const BINDING: &str = "__Host-oauth";

/// Callbacks that one address may bring a minute: each may ask the store.
const BROUGHT_PER_MINUTE: u32 = 3000;

fn cookie(value: &str, seconds: u64) -> String {
    format!("{BINDING}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

/// What a browser holds.
#[derive(Debug)]
pub struct Binding;

impl CookieName for Binding {
    const NAME: &'static str = BINDING;
}

/// Whose calendar is to be linked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizeBody {
    #[schemars(with = "String")]
    user_id: UserId,
    /// Where the browser is led afterwards: one of the addresses that the Hub is configured with, by default the first.
    redirect_after: Option<String>,
}

/// Where to lead the browser.
#[derive(Serialize, JsonSchema)]
pub struct AuthorizeView {
    authorization_url: String,
}

/// `POST /oauth/{provider}/authorize`.
pub struct Authorize;

impl Endpoint<Hub> for Authorize {
    type Auth = Calendars;
    type Input = (Path<ProviderName>, Json<AuthorizeBody>);
    type Output = WithCookies<Shown<AuthorizeView>>;
    const SPEC: Spec = Spec::new(
        "oauth_authorize",
        Method::Post,
        "/oauth/{provider}/authorize",
        "Begins to link a calendar of a user: lead their browser there, with the cookie that comes along.",
    )
    .audited("calendar.authorization_begun")
    .body(r#"{"user_id":"{user_id}"}"#);

    async fn call(
        hub: &Hub,
        who: Proof<'_, Calendars>,
        (Path(provider), Json(body)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let (platform, calendars) = (hub.platform(), hub.to_providers()?.calendars());
        let user = platform.stores.users.read(who.scope(), body.user_id).await?;
        let user = user.ok_or_else(Problem::absent)?;
        let order = Order { provider, redirect_after: body.redirect_after };
        let begun = calendars.begin(platform, &who, &user, order).await?;
        let cookies = vec![cookie(begun.binding.reveal().expose(), AUTHORIZATION_LIFE.as_secs())];
        Ok(WithCookies { reply: Shown(AuthorizeView { authorization_url: begun.url }), cookies })
    }
}

/// What a browser brings back (RFC 6749 §4.1.2, RFC 9207). A member that stands twice is none; what else a provider sends
/// along is not looked at.
#[derive(Default, JsonSchema)]
pub struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

impl<'de> Deserialize<'de> for CallbackQuery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(deserializer)?;
        let once = |name: &str| {
            let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
            values.next().filter(|_| values.next().is_none())
        };
        let has = |name: &str| pairs.iter().any(|(key, _)| key == name);
        // Twice an issuer is none that could be right; twice an error is one.
        let iss = has("iss").then(|| once("iss").unwrap_or_default());
        let error = has("error").then(String::new);
        Ok(Self { state: once("state"), code: once("code"), error, iss })
    }
}

/// All that a browser brings back.
struct Brought {
    provider: ProviderName,
    query: CallbackQuery,
    binding: Option<PlainToken>,
}

impl Brought {
    fn arrival(&self) -> Arrival<'_> {
        Arrival {
            provider: self.provider.clone(),
            state: self.query.state.as_deref(),
            code: self.query.code.as_deref(),
            has_error: self.query.error.is_some(),
            issuer: self.query.iss.as_deref(),
            binding: self.binding.as_ref(),
        }
    }
}

/// `GET /oauth/{provider}/callback`.
pub struct Callback;

impl Endpoint<Hub> for Callback {
    type Auth = ComesBack;
    type Input = (Path<ProviderName>, Query<CallbackQuery>, FromCookie<Binding>);
    type Output = LedOn;
    const SPEC: Spec = Spec::get(
        "oauth_callback",
        "/oauth/{provider}/callback",
        "Where a provider leads a browser back to: links the calendar, and leads on.",
    )
    .audited("calendar.connected")
    .page()
    .throttled(BROUGHT_PER_MINUTE)
    .query("code={code}&state={state}");

    async fn call(
        hub: &Hub,
        who: Proof<'_, ComesBack>,
        (Path(provider), Query(query), binding): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let underway = hub.underway.as_ref().ok_or(FlowError::InvalidState)?;
        let (origin, brought) = (who.origin().clone(), Brought { provider, query, binding: binding.0 });
        let finished = underway.run_in_turn(hub.platform(), |calendars, platform| async move {
            let taken = calendars.take(&platform, &brought.arrival()).await?;
            calendars.finish(&platform, &origin, &brought.arrival(), taken).await
        });
        Ok(LedOn { target: finished.await?, cookies: vec![cookie("", 0)] })
    }
}
