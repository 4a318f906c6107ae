//! Microsoft Graph, version 1.0: the view of a calendar.

use super::{Few, Parameters, Raw, day, moment};
use auth_core::port::{EventQuery, EventTime};
use auth_web::outgoing::{Endpoint, Url};
use serde::Deserialize;

/// The most events of a page that Graph gives.
const MOST_OF_PAGE: u16 = 1000;
/// Times are asked for in UTC.
pub(super) const IN_UTC: (&str, &str) = ("prefer", "outlook.timezone=\"UTC\"");
/// What is read of the answer, and so all that is asked for: no text of an invitation.
const FIELDS: &str = "id,subject,start,end,isAllDay,isCancelled,location,organizer";

/// The parameters of the next page that Graph knows, and what stands before their values in our word for it.
const PAGES: [(&str, &str); 2] = [("$skip", "skip:"), ("$skiptoken", "token:")];

/// `None` for a page that is none of ours.
pub(super) fn parameters(query: &EventQuery) -> Option<Parameters> {
    let mut parameters = vec![
        ("startDateTime", query.from.to_string()),
        ("endDateTime", query.to.to_string()),
        ("$top", query.limit.clamp(1, MOST_OF_PAGE).to_string()),
        ("$orderby", "start/dateTime".to_owned()),
        ("$select", FIELDS.to_owned()),
    ];
    if let Some(page) = &query.page {
        let ours = |(name, before)| Some((name, page.strip_prefix(before)?.to_owned()));
        let (name, value) = PAGES.into_iter().find_map(ours)?;
        is_good(name, &value).then_some(())?;
        parameters.push((name, value));
    }
    Some(parameters)
}

fn is_good(name: &str, value: &str) -> bool {
    let number = (1..=9).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    !value.is_empty() && (name != "$skip" || number)
}

#[derive(Deserialize)]
struct View {
    value: Few<Item>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    subject: Option<String>,
    start: Option<When>,
    end: Option<When>,
    #[serde(default)]
    is_all_day: bool,
    #[serde(default)]
    is_cancelled: bool,
    location: Option<Location>,
    organizer: Option<Organizer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct When {
    date_time: String,
    time_zone: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Organizer {
    email_address: Option<Address>,
}

#[derive(Deserialize)]
struct Address {
    name: Option<String>,
    address: Option<String>,
}

pub(super) fn page(json: &[u8], here: &Endpoint) -> Option<(Vec<Raw>, Option<String>)> {
    let view: View = serde_json::from_slice(json).ok()?;
    let next = match view.next_link {
        Some(link) => Some(next(&link, here)?),
        None => None,
    };
    let events = view.value.0.into_iter().map(|item| Raw {
        id: item.id,
        title: item.subject,
        start: item.start.and_then(|when| when.read(item.is_all_day)),
        end: item.end.and_then(|when| when.read(item.is_all_day)),
        location: item.location.and_then(|location| location.display_name),
        organizer: item.organizer.and_then(|organizer| {
            let Address { name, address } = organizer.email_address?;
            name.filter(|name| !name.is_empty()).or(address)
        }),
        is_cancelled: item.is_cancelled,
    });
    Some((events.collect(), next))
}

/// Our word for the page that a link leads to: the link itself is not followed, and must be one to where we are.
fn next(link: &str, here: &Endpoint) -> Option<String> {
    let url = Url::parse(link).ok()?;
    let same = url.origin().ascii_serialization() == here.origin() && url.path() == here.path();
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (same && plain).then_some(())?;
    let mut found = url.query_pairs().filter_map(|(name, value)| {
        let (name, before) = PAGES.into_iter().find(|(known, _)| *known == name)?;
        Some((name, before, value))
    });
    let (Some((name, before, value)), None) = (found.next(), found.next()) else { return None };
    is_good(name, &value).then(|| format!("{before}{value}"))
}

impl When {
    /// A time of UTC, or a day where it is one as a whole.
    fn read(self, is_all_day: bool) -> Option<EventTime> {
        (self.time_zone == "UTC").then_some(())?;
        match self.date_time.split_once('T') {
            Some((date, time)) if is_all_day && time.bytes().all(|byte| b"0:.".contains(&byte)) => day(date),
            _ => moment(&format!("{}Z", self.date_time)),
        }
    }
}
