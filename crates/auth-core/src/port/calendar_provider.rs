//! A provider of calendars, as its client sees it: OAuth 2.0 (RFC 6749), OpenID Connect, and the calendar itself.
//!
//! What a provider answers is a stranger's word. An implementation reaches the provider's own addresses alone, follows no
//! redirect, waits and reads within limits, and gives on what has the right form; what it means, the flows judge.

use crate::{
    model::{ProviderName, Scopes},
    oidc::IssuerRule,
    secret::PlainToken,
    time::Timestamp,
};
use std::time::Duration;

/// What is known of a provider before anybody asks it.
#[derive(Debug, Clone)]
pub struct ProviderFacts {
    /// What it is called here.
    pub name: ProviderName,
    /// Who we are to it.
    pub client_id: String,
    /// Who may have issued its ID tokens.
    pub issuer: IssuerRule,
    /// Whether its callbacks name the issuer (RFC 9207 §2.3): one that is missing then is refused. One that is there always
    /// has to be the right one.
    pub names_issuer: bool,
    /// What it is asked for.
    pub asked: Scopes,
    /// What it must grant for the calendar to be read.
    pub needed: Scopes,
    /// What it may grant beside that.
    pub tolerated: Scopes,
}

/// An authorization request (RFC 6749 §4.1.1; RFC 7636 §4.3; OpenID Connect Core §3.1.2.1).
#[derive(Debug)]
pub struct AuthorizationRequest<'a> {
    /// `state`.
    pub state: &'a PlainToken,
    /// `nonce`.
    pub nonce: &'a PlainToken,
    /// The verifier, of which the challenge is made (S256).
    pub verifier: &'a PlainToken,
}

/// A token answer of the right form (RFC 6749 §5.1; OpenID Connect Core §3.1.3.3): of a bearer token that ends.
#[derive(Debug, Clone)]
pub struct TokenAnswer {
    /// The access token.
    pub access: PlainToken,
    /// The refresh token, if one was given.
    pub refresh: Option<PlainToken>,
    /// For how long the access token is good.
    pub expires_in: Duration,
    /// What was granted; `None` where the provider does not say, which means what was asked for.
    pub scopes: Option<Scopes>,
    /// The ID token, if one was given.
    pub id_token: Option<PlainToken>,
}

/// Why a provider did not do what it was asked to do. No text of it is the provider's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It could not be reached, took too long, failed, or answered what it may not: nothing is known of what it did.
    #[error("the provider cannot be used: {0}")]
    Unusable(String),
    /// The code or token is not good, or not any more (`invalid_grant`, RFC 6749 §5.2).
    #[error("the provider does not take the grant")]
    InvalidGrant,
    /// It refused for another reason, such as a client that it does not know.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// It has no such page of its calendar.
    #[error("the provider has no such page")]
    NoSuchPage,
    /// So much is asked of it that it was not asked.
    #[error("too much is asked of the provider")]
    Busy,
    /// It does not take the access token (RFC 6750 §3.1).
    #[error("the provider does not take the access token")]
    Unauthorized,
}

/// What came of telling a provider that a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The tokens are good for nothing there (RFC 7009 §2.2).
    Revoked,
    /// It has no way to be told.
    Unsupported,
}

/// The part of a calendar that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// Events that end after this.
    pub from: Timestamp,
    /// Events that begin before this.
    pub to: Timestamp,
    /// At most so many.
    pub limit: u16,
    /// The provider's own word for the page that is wanted; `None` for the first.
    pub page: Option<String>,
}

/// When an event begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventTime {
    /// At this time.
    At(Timestamp),
    /// On this day of the calendar, `2026-12-01`, wherever that is.
    Day(String),
}

/// An event of a calendar, in the one shape that all providers are read into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEvent {
    /// What the provider calls it.
    pub id: String,
    /// Its title; empty where it has none.
    pub title: String,
    /// When it begins.
    pub start: EventTime,
    /// When it ends: the first moment, or day, that is not in it.
    pub end: EventTime,
    /// Where it is.
    pub location: Option<String>,
    /// Who arranged it.
    pub organizer: Option<String>,
    /// Whether it was called off.
    pub is_cancelled: bool,
}

/// A page of events, in the order of their beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<CalendarEvent>,
    /// The provider's own word for the next page, of at most 2,048 bytes; `None` where this is the last.
    pub next: Option<String>,
}

/// A provider of calendars.
#[async_trait::async_trait]
pub trait CalendarProvider: Send + Sync {
    /// What is known of it.
    fn facts(&self) -> &ProviderFacts;
    /// Where a browser is led, so that its owner may consent.
    async fn authorization_url(&self, request: &AuthorizationRequest<'_>) -> Result<String, ProviderError>;
    /// Exchanges a code for tokens (RFC 6749 §4.1.3), by its verifier (RFC 7636 §4.5).
    async fn exchange(&self, code: &PlainToken, verifier: &PlainToken) -> Result<TokenAnswer, ProviderError>;
    /// The keys that it publishes (RFC 7517 §5), as they came.
    async fn keys(&self) -> Result<Vec<u8>, ProviderError>;
    /// Asks for another access token (RFC 6749 §6).
    async fn refresh(&self, refresh: &PlainToken) -> Result<TokenAnswer, ProviderError>;
    /// Tells it that what it granted is over (RFC 7009).
    async fn revoke(&self, refresh: &PlainToken) -> Result<Revocation, ProviderError>;
    /// Reads a calendar.
    async fn events(&self, access: &PlainToken, query: &EventQuery) -> Result<EventPage, ProviderError>;
}
