//! What the Hub says of calendars of one user.

use super::hub::{Hub, Told, Trouble};
use auth_core::{
    id::{AccountId, UserId},
    model::ProviderName,
    time::Timestamp,
};
use form_urlencoded::Serializer;
use hyper::{Method, StatusCode, header::HeaderValue};
use serde::Deserialize;
use serde_json::json;

/// The calendars of one user.
pub(crate) struct Calendars {
    pub(crate) hub: Hub,
    pub(crate) account: AccountId,
    pub(crate) user: UserId,
}

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

/// A calendar that is linked, or was.
#[derive(Deserialize)]
pub(crate) struct Connection {
    pub(crate) provider: ProviderName,
    pub(crate) address: Option<String>,
    pub(crate) status: Status,
}

/// What state that is in.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Active,
    NeedsConsent,
    Disconnecting,
}

/// Something in a calendar.
#[derive(Deserialize)]
pub(crate) struct Event {
    pub(crate) title: String,
    pub(crate) start: Moment,
    /// The first moment, or day, that is not in it.
    pub(crate) end: Moment,
    pub(crate) location: Option<String>,
    pub(crate) organizer: Option<String>,
    pub(crate) cancelled: bool,
}

/// When something begins or ends.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Moment {
    DateTime(Timestamp),
    Date(String),
}

/// Which events.
pub(crate) struct Wanted<'a> {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) cursor: Option<&'a str>,
}

impl Wanted<'_> {
    fn query(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("from", &self.from.to_string()).append_pair("to", &self.to.to_string());
        query.extend_pairs(self.cursor.map(|cursor| ("cursor", cursor))).finish()
    }
}

/// Where a browser is led to link a calendar, and what it has to hold.
pub(crate) struct Begun {
    pub(crate) url: String,
    pub(crate) cookies: Vec<HeaderValue>,
}

/// What came of the end of a connection.
#[derive(PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nothing is left of it.
    Forgotten,
    /// The provider could not be told yet.
    Waits,
}

impl Calendars {
    /// All of them.
    pub(crate) async fn list(&self) -> Result<Vec<Connection>, Trouble> {
        let told = self.hub.ask(Method::GET, &self.path(), None).await?;
        Ok(told.read::<Listed<Connection>>()?.items)
    }
    /// Begins to link one.
    pub(crate) async fn begin(
        &self,
        provider: &ProviderName,
        redirect_after: &str,
    ) -> Result<Begun, Trouble> {
        #[derive(Deserialize)]
        struct View {
            authorization_url: String,
        }
        let body = json!({ "user_id": self.user, "redirect_after": redirect_after });
        let target = format!("/oauth/{}/authorize", provider.as_str());
        let told = self.hub.ask(Method::POST, &target, Some(body)).await?;
        let View { authorization_url } = told.read()?;
        Ok(Begun { url: authorization_url, cookies: told.cookies })
    }
    /// Events of one.
    pub(crate) async fn events(
        &self,
        provider: &ProviderName,
        wanted: &Wanted<'_>,
    ) -> Result<Listed<Event>, Trouble> {
        let target = format!("{}/{}/events?{}", self.path(), provider.as_str(), wanted.query());
        self.hub.ask(Method::GET, &target, None).await?.read()
    }
    /// Ends one.
    pub(crate) async fn end(&self, provider: &ProviderName) -> Result<Ended, Trouble> {
        let target = format!("{}/{}", self.path(), provider.as_str());
        let Told { status, .. } = self.hub.ask(Method::DELETE, &target, None).await?;
        match status {
            StatusCode::NO_CONTENT => Ok(Ended::Forgotten),
            StatusCode::ACCEPTED => Ok(Ended::Waits),
            other => Err(Trouble::hub(format!("It answered {other}."))),
        }
    }

    fn path(&self) -> String {
        format!("/accounts/{}/users/{}/calendar", self.account, self.user)
    }
}
