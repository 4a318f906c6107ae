//! Google Calendar, version 3: the list of events.

use super::{Few, Parameters, Raw, day, moment};
use auth_core::port::{EventQuery, EventTime};
use serde::Deserialize;

/// The most events of a page that Google gives.
const MOST_OF_PAGE: u16 = 2500;
/// What is read of the answer, and so all that is asked for.
const FIELDS: &str = "items(id,summary,start,end,location,organizer,status),nextPageToken";

pub(super) fn parameters(query: &EventQuery) -> Parameters {
    let mut parameters = vec![
        ("timeMin", query.from.to_string()),
        ("timeMax", query.to.to_string()),
        ("singleEvents", "true".to_owned()),
        ("orderBy", "startTime".to_owned()),
        ("maxResults", query.limit.clamp(1, MOST_OF_PAGE).to_string()),
        ("fields", FIELDS.to_owned()),
    ];
    parameters.extend(query.page.clone().map(|page| ("pageToken", page)));
    parameters
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    items: Few<Item>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    summary: Option<String>,
    start: Option<When>,
    end: Option<When>,
    location: Option<String>,
    organizer: Option<Organizer>,
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct When {
    date: Option<String>,
    date_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Organizer {
    display_name: Option<String>,
    email: Option<String>,
}

pub(super) fn page(json: &[u8]) -> Option<(Vec<Raw>, Option<String>)> {
    let list: List = serde_json::from_slice(json).ok()?;
    let events = list.items.0.into_iter().map(|item| Raw {
        id: item.id,
        title: item.summary,
        start: item.start.and_then(When::read),
        end: item.end.and_then(When::read),
        location: item.location,
        organizer: item.organizer.and_then(|organizer| organizer.display_name.or(organizer.email)),
        is_cancelled: item.status.as_deref() == Some("cancelled"),
    });
    Some((events.collect(), list.next_page_token))
}

impl When {
    fn read(self) -> Option<EventTime> {
        match (self.date, self.date_time) {
            (Some(date), None) => day(&date),
            (None, Some(time)) => moment(&time),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}
