//! Events in the shape of Microsoft Graph.

use crate::{
    answer::{Answer, json, with},
    calendar::{Entry, Refused, When, instead, number, page, reader},
    desk::Desk,
    like::Like,
    misbehaviour::Misbehaviour,
    parameters::Parameters,
};
use auth_core::time::Timestamp;
use form_urlencoded::Serializer;
use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

const PATH: &str = "/v1.0/me/calendarView";

/// `GET /v1.0/me/calendarView`.
pub(crate) fn events(desk: &Desk, headers: &HeaderMap, query: &str) -> Answer {
    let account = match reader(desk, Like::Microsoft, headers) {
        Ok(account) => account,
        Err(refused) => return not_for(refused),
    };
    if let Some(answer) = instead(desk, &json!({ "value": "none" })) {
        return answer;
    }
    let window = Parameters::read(query.as_bytes()).and_then(|asked| Window::read(&asked));
    let window = match window.and_then(|window| in_utc(headers).map(|()| window)) {
        Ok(window) => window,
        Err(fault) => {
            desk.fault(format!("events: {fault}"));
            return error(StatusCode::BAD_REQUEST, "ErrorInvalidParameter", &fault);
        }
    };
    let entries = desk.calendars.within(&account.address, window.from, window.to);
    let (shown, next) = page(&entries, window.skip, window.most);
    let next = next.map(|skip| window.link(&desk.origin, skip));
    let next = if desk.does(Misbehaviour::EventsNextLinkElsewhere) { Some(desk.elsewhere()) } else { next };
    let mut body = json!({
        "@odata.context": format!("{}/v1.0/$metadata#users('me')/calendarView", desk.origin),
        "value": shown.iter().map(|entry| item(desk, &account.address, entry)).collect::<Vec<_>>(),
    });
    if let (Some(members), Some(next)) = (body.as_object_mut(), next) {
        members.insert("@odata.nextLink".to_owned(), json!(next));
    }
    let applied = HeaderName::from_static("preference-applied");
    with(json(StatusCode::OK, &body), applied, "outlook.timezone=\"UTC\"")
}

/// Which events are asked for.
struct Window {
    from: Timestamp,
    to: Timestamp,
    told: [String; 2],
    most: usize,
    skip: usize,
}

impl Window {
    fn read(asked: &Parameters) -> Result<Self, String> {
        let moment = |name: &str| {
            let told = asked.need(name)?;
            // Without an offset it is in UTC.
            let read = told.parse().or_else(|_| format!("{told}Z").parse());
            read.map(|moment: Timestamp| (moment, told.to_owned()))
                .map_err(|_| format!("{name} is not a time"))
        };
        let ((from, told_from), (to, told_to)) = (moment("startDateTime")?, moment("endDateTime")?);
        if from >= to {
            return Err("startDateTime is not before endDateTime".to_owned());
        }
        if asked
            .get("$orderby")
            .is_some_and(|order| !matches!(order, "start/dateTime" | "start/dateTime asc"))
        {
            return Err("$orderby is not start/dateTime".to_owned());
        }
        let most = number("$top", asked.get("$top"), 10, 1..=1000)?;
        let skip = asked.get("$skip").or(asked.get("$skiptoken"));
        let skip = number("$skip", skip, 0, 0..=usize::MAX)?;
        Ok(Self { from, to, told: [told_from, told_to], most, skip })
    }
    /// The next page: a whole URL.
    fn link(&self, origin: &str, skip: usize) -> String {
        let [from, to] = &self.told;
        let rest = Serializer::new(String::new())
            .append_pair("startDateTime", from)
            .append_pair("endDateTime", to)
            .append_pair("$orderby", "start/dateTime")
            .append_pair("$top", &self.most.to_string())
            .append_pair("$skip", &skip.to_string())
            .finish();
        format!("{origin}{PATH}?{rest}")
    }
}

/// Times are told in UTC; who prefers another zone is refused.
fn in_utc(headers: &HeaderMap) -> Result<(), String> {
    let preferred = headers.get_all("prefer").iter().filter_map(|head| head.to_str().ok());
    let mut zones = preferred.flat_map(|head| head.split(',')).filter_map(|each| {
        let (name, zone) = each.split_once('=')?;
        name.trim().eq_ignore_ascii_case("outlook.timezone").then(|| zone.trim().trim_matches('"'))
    });
    if zones.all(|zone| zone == "UTC") { Ok(()) } else { Err("the time zone is not UTC".to_owned()) }
}

fn item(desk: &Desk, address: &str, Entry { number, event }: &Entry) -> Value {
    let (start, end) = event.when.span();
    let id = format!("AAMkDemo{number:05}=");
    json!({
        "id": id,
        "subject": event.title,
        "isAllDay": matches!(event.when, When::Days { .. }),
        "isCancelled": event.is_cancelled,
        "showAs": if event.is_cancelled { "free" } else { "busy" },
        "webLink": format!("{}/calendar/item?id={number:05}", desk.origin),
        "location": { "displayName": event.place.as_deref().unwrap_or_default() },
        "start": point(start),
        "end": point(end),
        "organizer": { "emailAddress": { "name": address, "address": address } },
    })
}

/// A moment without an offset, with seven digits of a second.
fn point(moment: Timestamp) -> Value {
    let text = moment.to_string();
    let seconds = text.get(..19).unwrap_or_default();
    let millis = moment.millis() % 1000;
    json!({ "dateTime": format!("{seconds}.{millis:03}0000"), "timeZone": "UTC" })
}

fn not_for(refused: Refused) -> Answer {
    match refused {
        Refused::Unknown => {
            let said = "The access token is missing, unknown or over.";
            let answer = error(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", said);
            with(answer, WWW_AUTHENTICATE, "Bearer realm=\"demo\", error=\"invalid_token\"")
        }
        Refused::Scope => {
            let said = "The access token has not the scope of the calendar.";
            error(StatusCode::FORBIDDEN, "ErrorAccessDenied", said)
        }
    }
}

fn error(status: StatusCode, code: &str, said: &str) -> Answer {
    json(status, &json!({ "error": { "code": code, "message": said, "innerError": {} } }))
}
