//! What comes of a linked calendar: the connections of a user, a provider's access token, the events, and the end.

use crate::{
    Hub,
    rules::{Calendars, own_account},
};
use auth_core::{
    flow::{AccessToken, Disconnected, EventWindow},
    id::{AccountId, UserId},
    model::{Connection, Email, ProviderName, Scopes, StoredConnection},
    policy::{Proof, grant},
    port::{self, CalendarEvent, EventTime, UseConnection},
    time::Timestamp,
};
use auth_web::{
    Endpoint, Method, Problem, Service as _, Spec,
    input::{self, Path, Query, to_cursor},
    reply::{DoneOr, Listed, Shown},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest word of a provider for its next page.
const LONGEST_PAGE: usize = 2048;

/// A connection. No token is in it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConnectionView {
    #[schemars(with = "String")]
    provider: ProviderName,
    /// As the provider said it: for people to read.
    #[schemars(with = "Option<String>")]
    address: Option<Email>,
    scopes: Vec<String>,
    /// `active`, `needs_consent`, or `disconnecting` until the provider was told that it is over.
    status: &'static str,
    /// When the provider's access token ends; another one takes its place when it is asked for.
    #[schemars(with = "String")]
    expires_at: Timestamp,
    #[schemars(with = "String")]
    connected_at: Timestamp,
    /// How often the provider was told in vain that it is over: it is told again within an hour.
    failed_revocations: u32,
}

impl ConnectionView {
    fn of(connection: Connection) -> Self {
        Self {
            provider: connection.provider,
            address: connection.address,
            scopes: texts(&connection.scopes),
            status: connection.status.name(),
            expires_at: connection.expires_at,
            connected_at: connection.connected_at,
            failed_revocations: connection.failed_revocations,
        }
    }
}

fn texts(scopes: &Scopes) -> Vec<String> {
    scopes.iter().map(str::to_owned).collect()
}

/// `GET /accounts/{account_id}/users/{user_id}/calendar`.
pub struct List;

impl Endpoint<Hub> for List {
    type Auth = Calendars;
    type Input = Path<(AccountId, UserId)>;
    type Output = Shown<Listed<ConnectionView>>;
    const SPEC: Spec = Spec::get(
        "calendar_list",
        "/accounts/{account_id}/users/{user_id}/calendar",
        "The calendars that a user has linked: one of each provider at the most.",
    );

    async fn call(
        hub: &Hub,
        who: Proof<'_, Calendars>,
        Path((account, user)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        own_account(&who, account)?;
        let stores = &hub.platform().stores;
        let found = stores.connections.list(who.scope(), user).await?;
        // What is yet to be ended at a provider outlives its user.
        if found.is_empty() && stores.users.read(who.scope(), user).await?.is_none() {
            return Err(Problem::absent());
        }
        let items = found.into_iter().map(ConnectionView::of).collect();
        Ok(Shown(Listed { items, next_cursor: None }))
    }
}

async fn read(
    hub: &Hub,
    who: &Proof<'_, Calendars>,
    (account, user, provider): (AccountId, UserId, ProviderName),
) -> Result<StoredConnection, Problem> {
    own_account(who, account)?;
    let found = hub.platform().stores.connections.read(who.scope(), user, &provider).await?;
    found.ok_or_else(Problem::absent)
}

/// An access token of a provider.
#[derive(Serialize, JsonSchema)]
pub struct TokenView {
    access_token: String,
    token_type: &'static str,
    #[schemars(with = "String")]
    expires_at: Timestamp,
    scopes: Vec<String>,
}

/// `POST /accounts/{account_id}/users/{user_id}/calendar/{provider}/token`.
pub struct Token;

impl Endpoint<Hub> for Token {
    type Auth = Calendars;
    type Input = Path<(AccountId, UserId, ProviderName)>;
    type Output = Shown<TokenView>;
    const SPEC: Spec = Spec::new(
        "calendar_token",
        Method::Post,
        "/accounts/{account_id}/users/{user_id}/calendar/{provider}/token",
        "An access token of the provider that is not near its end.",
    )
    .audited("calendar.token_given");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Calendars>,
        Path(path): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let stored = read(hub, &who, path).await?;
        let granted = grant::<UseConnection, _>(&who, &stored.connection)?;
        let given = hub.to_providers()?.run(hub.platform(), |calendars, platform| async move {
            calendars.access_token(&platform, &granted, stored).await
        });
        let AccessToken { token, expires_at, scopes } = given.await?;
        Ok(Shown(TokenView {
            access_token: token.expose().to_owned(),
            token_type: "Bearer",
            expires_at,
            scopes: texts(&scopes),
        }))
    }
}

/// Which events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Those that end after this.
    #[schemars(with = "String")]
    from: Timestamp,
    /// Those that begin before this: at most 366 days after `from`.
    #[schemars(with = "String")]
    to: Timestamp,
    /// At most this many: 1 to 200, by default 50.
    limit: Option<u16>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl EventsQuery {
    /// The provider's word for the page. What nobody gave here, the provider refuses.
    fn page(&self) -> Result<Option<String>, Problem> {
        let wrong = || Problem::invalid("cursor", "not a cursor of this list");
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bytes = input::from_long_cursor(cursor, LONGEST_PAGE)?;
        String::from_utf8(bytes).map(Some).map_err(|_| wrong())
    }
}

/// When an event begins or ends: a moment, or a day of the calendar.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventTimeView {
    /// At this time.
    DateTime(#[schemars(with = "String")] Timestamp),
    /// On this day, wherever that is.
    Date(String),
}

impl EventTimeView {
    fn of(time: EventTime) -> Self {
        match time {
            EventTime::At(time) => Self::DateTime(time),
            EventTime::Day(day) => Self::Date(day),
        }
    }
}

/// An event, of whichever provider.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventView {
    id: String,
    title: String,
    start: EventTimeView,
    /// The first moment, or day, that is not in it.
    end: EventTimeView,
    location: Option<String>,
    organizer: Option<String>,
    cancelled: bool,
}

impl EventView {
    fn of(event: CalendarEvent) -> Self {
        Self {
            id: event.id,
            title: event.title,
            start: EventTimeView::of(event.start),
            end: EventTimeView::of(event.end),
            location: event.location,
            organizer: event.organizer,
            cancelled: event.is_cancelled,
        }
    }
}

/// `GET /accounts/{account_id}/users/{user_id}/calendar/{provider}/events`.
pub struct Events;

impl Endpoint<Hub> for Events {
    type Auth = Calendars;
    type Input = (Path<(AccountId, UserId, ProviderName)>, Query<EventsQuery>);
    type Output = Shown<Listed<EventView>>;
    const SPEC: Spec = Spec::get(
        "calendar_events",
        "/accounts/{account_id}/users/{user_id}/calendar/{provider}/events",
        "Events of a calendar, as they begin.",
    )
    .query("from=2026-12-01T00:00:00Z&to=2026-12-31T00:00:00Z");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Calendars>,
        (Path(path), Query(query)): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let wanted = (EventWindow::new(query.from, query.to)?, input::limit(query.limit)?, query.page()?);
        let stored = read(hub, &who, path).await?;
        let granted = grant::<UseConnection, _>(&who, &stored.connection)?;
        let page = hub.to_providers()?.run(hub.platform(), |calendars, platform| async move {
            calendars.events(&platform, &granted, stored, wanted).await
        });
        let page = page.await?;
        Ok(Shown(Listed {
            items: page.events.into_iter().map(EventView::of).collect(),
            next_cursor: page.next.map(|next| to_cursor(next.as_bytes())),
        }))
    }
}

/// `DELETE /accounts/{account_id}/users/{user_id}/calendar/{provider}`.
pub struct Disconnect;

impl Endpoint<Hub> for Disconnect {
    type Auth = Calendars;
    type Input = Path<(AccountId, UserId, ProviderName)>;
    type Output = DoneOr<ConnectionView>;
    const SPEC: Spec = Spec::new(
        "calendar_disconnect",
        Method::Delete,
        "/accounts/{account_id}/users/{user_id}/calendar/{provider}",
        "Ends a connection: its tokens are given to nobody from then on, and forgotten once the provider was told.",
    )
    .audited("calendar.disconnected");

    async fn call(
        hub: &Hub,
        who: Proof<'_, Calendars>,
        Path(path): Self::Input,
    ) -> Result<Self::Output, Problem> {
        let StoredConnection { connection, .. } = read(hub, &who, path.clone()).await?;
        let (granted, platform) = (grant::<port::Disconnect, _>(&who, &connection)?, hub.platform());
        let ended = hub.to_providers()?.run(platform, |calendars, platform| async move {
            calendars.disconnect(&platform, &granted).await
        });
        match ended.await? {
            Disconnected::Forgotten => Ok(DoneOr::Done),
            Disconnected::Waits => {
                let (_, user, provider) = &path;
                match platform.stores.connections.read(who.scope(), *user, provider).await? {
                    Some(stored) if stored.connection.id == connection.id => {
                        Ok(DoneOr::Begun(ConnectionView::of(stored.connection)))
                    }
                    _ => Ok(DoneOr::Done),
                }
            }
        }
    }
}
