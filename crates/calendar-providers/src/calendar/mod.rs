//! Reading a calendar: one request for one page, in one of two shapes.

mod google;
mod graph;

use crate::{settings::CalendarApi, tokens::unusable};
use auth_core::{
    port::{CalendarEvent, EventPage, EventQuery, EventTime, ProviderError},
    secret::PlainToken,
    time::Timestamp,
};
use auth_web::outgoing::{Endpoint, Question, Stranger};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use std::{fmt, marker::PhantomData};

/// The most bytes of a page.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The most events of a page, whoever gives it: no more are read, of those that say nothing either.
const MOST_EVENTS: usize = 2500;
/// The most bytes of an event's identifier.
const MOST_OF_ID: usize = 1024;
/// The most characters of a title, and of the other texts.
const MOST_OF_TEXT: usize = 1024;
/// The most bytes of the word for the next page.
const MOST_OF_PAGE: usize = 2048;

/// A calendar at a provider.
pub(crate) struct Calendar {
    api: CalendarApi,
    events: Endpoint,
}

/// Parameters of a query.
type Parameters = Vec<(&'static str, String)>;

/// Events of one shape, [`MOST_EVENTS`] at the most.
struct Few<T>(Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ReadFew(PhantomData))
    }
}

struct ReadFew<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ReadFew<T> {
    type Value = Few<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MOST_EVENTS} events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Few<T>, A::Error> {
        let mut few = Vec::new();
        while let Some(item) = items.next_element()? {
            if few.len() == MOST_EVENTS {
                return Err(serde::de::Error::invalid_length(MOST_EVENTS + 1, &self));
            }
            few.push(item);
        }
        Ok(Few(few))
    }
}

/// An event as it came, whatever its shape.
struct Raw {
    id: String,
    title: Option<String>,
    start: Option<EventTime>,
    end: Option<EventTime>,
    location: Option<String>,
    organizer: Option<String>,
    is_cancelled: bool,
}

impl Calendar {
    pub(crate) const fn new(api: CalendarApi, events: Endpoint) -> Self {
        Self { api, events }
    }

    /// Reads a page.
    pub(crate) async fn read(
        &self,
        stranger: &Stranger,
        access: &PlainToken,
        query: &EventQuery,
    ) -> Result<EventPage, ProviderError> {
        let parameters = match self.api {
            _ if query.page.as_ref().is_some_and(|page| page.len() > MOST_OF_PAGE) => None,
            CalendarApi::Google => Some(google::parameters(query)),
            CalendarApi::Microsoft => graph::parameters(query),
        };
        let parameters = parameters.ok_or(ProviderError::NoSuchPage)?;
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let bearer = PlainToken::new(format!("Bearer {}", access.expose()));
        let headers = [("authorization", bearer.expose()), graph::IN_UTC];
        let headers = match self.api {
            CalendarApi::Google => headers.get(..1).unwrap_or_default(),
            CalendarApi::Microsoft => headers.as_slice(),
        };
        let question = Question { query: &parameters, headers, most_bytes: Some(MOST_BYTES) };
        let answer = stranger.get(&self.events, &question).await;
        let answer = answer.map_err(|why| unusable(format!("its calendar: {why}")))?;
        match answer.status {
            200 if answer.is_json() => {}
            200 => return Err(unusable("its calendar: not JSON")),
            400 | 410 if query.page.is_some() => return Err(ProviderError::NoSuchPage),
            401 => return Err(ProviderError::Unauthorized),
            403 => return Err(ProviderError::Refused("the calendar may not be read".to_owned())),
            status => return Err(unusable(format!("its calendar: status {status}"))),
        }
        let page = match self.api {
            CalendarApi::Google => google::page(&answer.body),
            CalendarApi::Microsoft => graph::page(&answer.body, &self.events),
        };
        let (events, next) = page.ok_or_else(no_form)?;
        if events.len() > usize::from(query.limit) {
            return Err(unusable("its calendar: more events than were asked for"));
        }
        if next.as_ref().is_some_and(|next| !(1..=MOST_OF_PAGE).contains(&next.len())) {
            return Err(no_form());
        }
        // One that is of no form hides no other: whoever invites somebody writes into their calendar. One that was called off
        // may be nothing but a name.
        let events = events.into_iter().filter_map(Raw::check).collect();
        Ok(EventPage { events, next })
    }
}

fn no_form() -> ProviderError {
    unusable("its calendar: not of the form")
}

impl Raw {
    fn check(self) -> Option<CalendarEvent> {
        let id = (1..=MOST_OF_ID).contains(&self.id.len()) && !self.id.contains(char::is_control);
        Some(CalendarEvent {
            id: id.then_some(self.id)?,
            title: plain(self.title).unwrap_or_default(),
            start: self.start?,
            end: self.end?,
            location: plain(self.location),
            organizer: plain(self.organizer),
            is_cancelled: self.is_cancelled,
        })
    }
}

/// A text without control characters, cut to its length; none for an empty one.
fn plain(text: Option<String>) -> Option<String> {
    let plain: String = text?.chars().filter(|c| !c.is_control()).take(MOST_OF_TEXT).collect();
    (!plain.is_empty()).then_some(plain)
}

/// A day of the calendar that exists.
fn day(text: &str) -> Option<EventTime> {
    let exists = text.len() == 10 && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok();
    exists.then(|| EventTime::Day(text.to_owned()))
}

/// A time of RFC 3339.
fn moment(text: &str) -> Option<EventTime> {
    text.parse().ok().map(EventTime::At)
}
