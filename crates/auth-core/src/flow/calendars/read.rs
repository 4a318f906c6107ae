//! Reading a calendar by the tokens of a connection.

use super::{
    Calendars,
    tokens::{AccessToken, Wanted},
};
use crate::{
    error::{Denial, FlowError},
    flow::Platform,
    model::{Connection, StoredConnection},
    policy::Granted,
    port::{EventPage, EventQuery, ProviderError, UseConnection},
    secret::TokenDigest,
    time::Timestamp,
};
use std::time::Duration;

/// The longest part of a calendar that is read at once.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A part of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventWindow {
    from: Timestamp,
    to: Timestamp,
}

impl EventWindow {
    /// From a time until before another.
    ///
    /// # Errors
    /// [`FlowError::Invalid`] where that is nothing, or more than a year.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Self, FlowError> {
        let length = to.since(from);
        if length.is_zero() || length > LONGEST {
            let reason = "expected a time after `from`, within 366 days of it".to_owned();
            return Err(FlowError::Invalid { field: "to", reason });
        }
        Ok(Self { from, to })
    }
}

/// How long nothing else is tried where an access token was not taken before its end.
const REPLACED_EVERY: Duration = Duration::from_secs(60);

impl Calendars {
    /// Whether an access token that the calendar does not take is worth another: where it did not come just now, and none
    /// was asked for so a moment ago.
    fn may_replace(&self, platform: &Platform, connection: &Connection, token: &AccessToken) -> bool {
        let now = platform.clock.monotonic();
        let what = TokenDigest::of([b"replaced".as_slice(), connection.id.as_bytes()].concat());
        let may =
            token.expires_at == connection.expires_at && self.noticed.is_news(&what, REPLACED_EVERY, now);
        if may {
            self.noticed.notice(&what, now);
        }
        may
    }

    /// Reads a page of events of a connection. An access token that the provider does not take is replaced once.
    ///
    /// To be run to its end, as [`access_token`](Self::access_token).
    ///
    /// # Errors
    /// As of [`access_token`](Self::access_token); [`FlowError::Provider`] where the calendar cannot be read.
    pub async fn events(
        &self,
        platform: &Platform,
        granted: &Granted<UseConnection>,
        stored: StoredConnection,
        (window, limit, page): (EventWindow, u16, Option<String>),
    ) -> Result<EventPage, FlowError> {
        let provider = self.provider_of(&stored.connection).ok_or(Denial::Absent)?;
        let query = EventQuery { from: window.from, to: window.to, limit, page };
        let token = self.fresh(platform, granted, stored.clone(), Wanted::Fresh).await?;
        let answer = match provider.client.events(&token.token, &query).await {
            Err(ProviderError::Unauthorized) if self.may_replace(platform, &stored.connection, &token) => {
                let other = Wanted::Other(token.expires_at);
                let token = self.fresh(platform, granted, stored, other).await?;
                provider.client.events(&token.token, &query).await
            }
            answer => answer,
        };
        answer.map_err(|error| match error {
            ProviderError::NoSuchPage => {
                FlowError::Invalid { field: "cursor", reason: "not a cursor of this list".to_owned() }
            }
            error => error.into(),
        })
    }
}
