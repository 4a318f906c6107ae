//! What is in the calendars of the accounts; both ways to ask for it show the same.

use crate::{
    answer::{Answer, Body, answer, failure, json, redirect},
    config::Account,
    desk::{Desk, held},
    ledger::ACCESS_LIFE,
    like::Like,
    misbehaviour::Misbehaviour,
    seen::Seen,
};
use auth_core::time::Timestamp;
use hyper::{HeaderMap, StatusCode, header::AUTHORIZATION};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Mutex, time::Duration};

const HOUR: Duration = ACCESS_LIFE;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Something in a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is.
    pub title: String,
    /// Where it is.
    pub place: Option<String>,
    /// When it is.
    pub when: When,
    /// Whether it was called off: Microsoft's shows that, and Google's leaves it out.
    pub is_cancelled: bool,
}

/// When an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// From one moment to another.
    Between {
        /// Its beginning.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// Whole days, in UTC.
    Days {
        /// A moment of the first.
        first: Timestamp,
        /// How many.
        count: u32,
    },
}

impl When {
    /// Its beginning, and its end.
    pub(crate) fn span(self) -> (Timestamp, Timestamp) {
        match self {
            Self::Between { start, end } => (start, end),
            Self::Days { first, count } => {
                let midnight = floor(first, DAY);
                (midnight, midnight + DAY * count)
            }
        }
    }
}

/// An event, and its number, which no other has.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) number: usize,
    pub(crate) event: Event,
}

/// The calendars of all accounts, by address.
pub(crate) struct Calendars(Mutex<BTreeMap<String, Vec<Entry>>>);

impl Calendars {
    /// Each account with a few events around a moment.
    pub(crate) fn around(now: Timestamp, accounts: &[Account]) -> Self {
        let calendars = Self(Mutex::default());
        for Account { address, .. } in accounts {
            usual(now, address).into_iter().for_each(|event| calendars.add(address, event));
        }
        calendars
    }
    pub(crate) fn add(&self, address: &str, event: Event) {
        let mut calendars = held(&self.0);
        let number = calendars.values().map(Vec::len).sum::<usize>() + 1;
        calendars.entry(address.to_owned()).or_default().push(Entry { number, event });
    }
    /// The events that overlap a span, by their beginning.
    pub(crate) fn within(&self, address: &str, from: Timestamp, to: Timestamp) -> Vec<Entry> {
        let mut entries = held(&self.0).get(address).cloned().unwrap_or_default();
        entries.retain(|entry| {
            let (start, end) = entry.event.when.span();
            start < to && end > from
        });
        entries.sort_by_key(|entry| (entry.event.when.span(), entry.number));
        entries
    }
}

/// Five events: one that is just now, and one that takes a whole day.
fn usual(now: Timestamp, address: &str) -> Vec<Event> {
    let (hour, day) = (floor(now, HOUR), floor(now, DAY));
    let at = |hours: u32| {
        let start = hour + HOUR * hours;
        When::Between { start, end: start + HOUR }
    };
    let event = |title: &str, place: Option<&str>, when| Event {
        title: format!("{title} ({address})"),
        place: place.map(str::to_owned),
        when,
        is_cancelled: false,
    };
    vec![
        event("Stand-up", Some("Room 1"), at(0)),
        event("Design review", None, at(2)),
        event("Training", None, When::Days { first: day + DAY, count: 1 }),
        event("Lunch", Some("Canteen"), at(26)),
        event("Retrospective", Some("Room 2"), at(72)),
    ]
}

/// The last moment, not after this one, that whole spans since the epoch lead to.
fn floor(moment: Timestamp, span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(1).max(1);
    Timestamp::from_millis(moment.millis() - moment.millis() % millis)
}

/// Who may not read, in the words of each provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no access token that is good.
    Unknown,
    /// The scope of the calendar was not granted.
    Scope,
}

/// Whose calendar the access token of a request may read.
pub(crate) fn reader(desk: &Desk, like: Like, headers: &HeaderMap) -> Result<Account, Refused> {
    let read = || {
        let head = headers.get(AUTHORIZATION).and_then(|head| head.to_str().ok()).unwrap_or_default();
        let token = head.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or(Refused::Unknown)?;
        if desk.does(Misbehaviour::EventsUnauthorized) {
            return Err(Refused::Unknown);
        }
        let ledger = desk.ledger();
        let (account, scopes) = ledger.bearer(like, token, desk.now()).ok_or(Refused::Unknown)?;
        if scopes.contains(&like.calendar_scope()) { Ok(account) } else { Err(Refused::Scope) }
    };
    let reader = read();
    desk.note(Seen::Events { granted: reader.is_ok() });
    reader
}

/// What is answered instead of events, if anything.
pub(crate) fn instead(desk: &Desk, wrong_shape: &Value) -> Option<Answer> {
    Some(match desk.how()? {
        Misbehaviour::EventsServerError => failure(),
        Misbehaviour::EventsEndless => {
            answer(StatusCode::OK, "application/json", Body::endless("{\"kind\":\""))
        }
        Misbehaviour::EventsRedirect => redirect(StatusCode::FOUND, &desk.elsewhere()),
        Misbehaviour::EventsWrongShape => json(StatusCode::OK, wrong_shape),
        _ => return None,
    })
}

/// The entries of a page, and where the next one begins.
pub(crate) fn page(entries: &[Entry], skip: usize, most: usize) -> (&[Entry], Option<usize>) {
    let rest = entries.get(skip..).unwrap_or_default();
    let shown = rest.get(..most).unwrap_or(rest);
    (shown, (shown.len() < rest.len()).then_some(skip + shown.len()))
}

/// A number that a parameter has, within bounds.
pub(crate) fn number(
    name: &str,
    told: Option<&str>,
    usual: usize,
    bounds: std::ops::RangeInclusive<usize>,
) -> Result<usize, String> {
    let Some(told) = told else { return Ok(usual) };
    let read = told.parse().ok().filter(|number| bounds.contains(number));
    read.ok_or_else(|| format!("{name} is not a number from {} to {}", bounds.start(), bounds.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_five_events_and_a_span_shows_what_overlaps_it() {
        let now = Timestamp::from_millis(1_767_225_600_000 + 34 * 60_000);
        let accounts = ["a", "b"].map(|name| Account { subject: name.to_owned(), address: name.to_owned() });
        let calendars = Calendars::around(now, &accounts);
        assert_eq!(calendars.within("a", Timestamp::EPOCH, Timestamp::MAX).len(), 5);
        assert_eq!(calendars.within("c", Timestamp::EPOCH, Timestamp::MAX).len(), 0);
        let current = calendars.within("b", now, now + Duration::from_millis(1));
        assert_eq!(current.iter().map(|entry| entry.number).collect::<Vec<_>>(), [6]);
        let when = When::Days { first: now, count: 2 };
        assert_eq!(when.span().0.to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(when.span().1.to_string(), "2026-01-03T00:00:00Z");
        calendars.add("b", Event { title: "x".to_owned(), place: None, when, is_cancelled: false });
        assert_eq!(calendars.within("b", now, now + Duration::from_millis(1)).len(), 2);
    }

    #[test]
    fn a_page_ends_where_the_next_begins() {
        let now = Timestamp::EPOCH;
        let entries: Vec<Entry> =
            usual(now, "a").into_iter().map(|event| Entry { number: 1, event }).collect();
        let lengths = |skip, most| {
            let (shown, next) = page(&entries, skip, most);
            (shown.len(), next)
        };
        assert_eq!(lengths(0, 2), (2, Some(2)));
        assert_eq!(lengths(4, 2), (1, None));
        assert_eq!(lengths(0, 5), (5, None));
        assert_eq!(lengths(9, 2), (0, None));
    }
}
