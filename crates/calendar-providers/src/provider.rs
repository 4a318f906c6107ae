//! A provider of calendars, as its settings make it.

use crate::{
    calendar::Calendar,
    places::{Found, Places},
    tokens::{Account, error_of, unusable},
};
use auth_core::{
    port::{
        AuthorizationRequest, CalendarProvider, EventPage, EventQuery, ProviderError, ProviderFacts,
        Revocation, TokenAnswer,
    },
    secret::PlainToken,
};
use auth_web::outgoing::{Patience, Question, Reach, Stranger};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What one kind does in its own way.
pub(crate) struct Ways {
    /// How it is known where.
    pub(crate) found: Found,
    /// Parameters of its authorization requests, beside those of the standards.
    pub(crate) asking: &'static [(&'static str, &'static str)],
    /// The name, as it is asked for, of a scope that was granted.
    pub(crate) scope_names: fn(&str) -> String,
    /// Who tells it that a connection is over.
    pub(crate) revoking: Revoking,
    /// Its calendar.
    pub(crate) calendar: Calendar,
}

/// Who tells a provider that a connection is over.
pub(crate) enum Revoking {
    /// Whoever has the token.
    Anonymously,
    /// Its client, authenticated (RFC 7009 §2.1).
    AsClient,
}

/// Questions that are with a provider at once: each holds a connection, and as much of an answer as may come.
const MOST_ASKED: usize = 64;

/// A provider.
pub(crate) struct Provider {
    asked: Semaphore,
    /// So long what cannot be asked for again waits for its place: as long as an answer may take.
    longest_wait: Duration,
    facts: ProviderFacts,
    account: Account,
    stranger: Stranger,
    ways: Ways,
}

impl Provider {
    pub(crate) fn new(
        facts: ProviderFacts,
        account: Account,
        (reach, patience): (Reach, Patience),
        ways: Ways,
    ) -> Result<Self, String> {
        let (asked, longest_wait) = (Semaphore::new(MOST_ASKED), patience.whole);
        Ok(Self { asked, longest_wait, facts, account, stranger: Stranger::new(reach, patience)?, ways })
    }

    /// A place among those who ask.
    fn place(&self) -> Result<SemaphorePermit<'_>, ProviderError> {
        self.asked.try_acquire().map_err(|_| ProviderError::Busy)
    }

    /// One for what cannot be asked for again, such as the exchange of a code: it is waited for.
    async fn place_in_turn(&self) -> Result<SemaphorePermit<'_>, ProviderError> {
        match tokio::time::timeout(self.longest_wait, self.asked.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(ProviderError::Busy),
        }
    }

    async fn places(&self) -> Result<Arc<Places>, ProviderError> {
        match &self.ways.found {
            Found::Pinned(places) => Ok(Arc::clone(places)),
            Found::Discovered(discovery) => discovery.places(&self.stranger).await.map_err(unusable),
        }
    }
}

#[async_trait::async_trait]
impl CalendarProvider for Provider {
    fn facts(&self) -> &ProviderFacts {
        &self.facts
    }

    async fn authorization_url(&self, request: &AuthorizationRequest<'_>) -> Result<String, ProviderError> {
        let places = self.places().await?;
        self.account.authorization_url(&places, &self.facts.asked, self.ways.asking, request)
    }

    async fn exchange(&self, code: &PlainToken, verifier: &PlainToken) -> Result<TokenAnswer, ProviderError> {
        let _place = self.place_in_turn().await?;
        let places = self.places().await?;
        let tokens = self.account.exchange(&self.stranger, &places, (code, verifier)).await?;
        tokens.check(self.ways.scope_names)
    }

    async fn keys(&self) -> Result<Vec<u8>, ProviderError> {
        let _place = self.place_in_turn().await?;
        let places = self.places().await?;
        let answer = self.stranger.get(&places.keys, &Question::default()).await;
        let answer = answer.map_err(|why| unusable(format!("its keys: {why}")))?;
        if answer.status != 200 {
            return Err(unusable(format!("its keys: status {}", answer.status)));
        }
        if !answer.is_json() && !answer.is("application/jwk-set+json") {
            return Err(unusable("its keys: not JSON"));
        }
        Ok(answer.body)
    }

    async fn refresh(&self, refresh: &PlainToken) -> Result<TokenAnswer, ProviderError> {
        let _place = self.place()?;
        let places = self.places().await?;
        let tokens = self.account.refresh(&self.stranger, &places, refresh).await?;
        tokens.check(self.ways.scope_names)
    }

    async fn revoke(&self, refresh: &PlainToken) -> Result<Revocation, ProviderError> {
        let _place = self.place_in_turn().await?;
        let places = self.places().await?;
        let Some(revocation) = &places.revocation else { return Ok(Revocation::Unsupported) };
        let basic = self.account.basic();
        let headers = [("authorization", basic.expose())];
        let headers = match self.ways.revoking {
            Revoking::Anonymously => [].as_slice(),
            Revoking::AsClient => headers.as_slice(),
        };
        let form =
            form_urlencoded::Serializer::new(String::new()).append_pair("token", refresh.expose()).finish();
        let question = Question { headers, ..Question::default() };
        let answer = self.stranger.post_form(revocation, form.into_bytes(), &question).await;
        let answer = answer.map_err(|why| unusable(format!("its revocation endpoint: {why}")))?;
        match (answer.status, error_of(&answer, REVOCATION_ERRORS)) {
            (200, _) | (400, Some("invalid_token")) => Ok(Revocation::Revoked),
            (400, Some("unsupported_token_type")) => Ok(Revocation::Unsupported),
            (_, Some(error)) => Err(ProviderError::Refused(error.to_owned())),
            (status, None) => Err(unusable(format!("its revocation endpoint: status {status}"))),
        }
    }

    async fn events(&self, access: &PlainToken, query: &EventQuery) -> Result<EventPage, ProviderError> {
        let _place = self.place()?;
        self.ways.calendar.read(&self.stranger, access, query).await
    }
}

/// What a revocation endpoint may say of an error (RFC 7009 §2.2.1); `invalid_token` is Google's word for a token that is
/// none any more.
const REVOCATION_ERRORS: &[&str] = &[
    "invalid_token",
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_token_type",
];
