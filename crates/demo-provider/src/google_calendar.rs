//! Events in the shape of version 3 of Google's calendar API.

use crate::{
    answer::{Answer, json, with},
    calendar::{Entry, Refused, When, instead, number, page, reader},
    desk::Desk,
    like::Like,
    misbehaviour::Misbehaviour,
    parameters::Parameters,
};
use auth_core::time::Timestamp;
use data_encoding::BASE64URL_NOPAD;
use hyper::{HeaderMap, StatusCode, header::WWW_AUTHENTICATE};
use serde_json::{Value, json};

/// `GET /calendar/v3/calendars/primary/events`.
pub(crate) fn events(desk: &Desk, headers: &HeaderMap, query: &str) -> Answer {
    let account = match reader(desk, Like::Google, headers) {
        Ok(account) => account,
        Err(refused) => return not_for(refused),
    };
    if let Some(answer) = instead(desk, &json!({ "kind": "calendar#events", "items": { "id": 7 } })) {
        return answer;
    }
    let window = match Parameters::read(query.as_bytes()).and_then(|asked| Window::read(&asked)) {
        Ok(window) => window,
        Err(fault) => {
            desk.fault(format!("events: {fault}"));
            return error(StatusCode::BAD_REQUEST, "badRequest", "INVALID_ARGUMENT", &fault);
        }
    };
    let mut entries = desk.calendars.within(&account.address, window.from, window.to);
    entries.retain(|entry| !entry.event.is_cancelled);
    let (shown, next) = page(&entries, window.skip, window.most);
    let next = next.map(page_token);
    let next = if desk.does(Misbehaviour::EventsNextLinkElsewhere) { Some(desk.elsewhere()) } else { next };
    let mut body = json!({
        "kind": "calendar#events",
        "summary": account.address,
        "timeZone": "UTC",
        "accessRole": "reader",
        "items": shown.iter().map(|entry| item(desk, &account.address, entry)).collect::<Vec<_>>(),
    });
    if let (Some(members), Some(next)) = (body.as_object_mut(), next) {
        members.insert("nextPageToken".to_owned(), json!(next));
    }
    json(StatusCode::OK, &body)
}

/// Which events are asked for.
struct Window {
    from: Timestamp,
    to: Timestamp,
    most: usize,
    skip: usize,
}

impl Window {
    fn read(asked: &Parameters) -> Result<Self, String> {
        let moment = |name: &str, usual: Timestamp| match asked.get(name) {
            Some(told) => {
                told.parse().map_err(|_| format!("{name} is not a time of RFC 3339 with an offset"))
            }
            None => Ok(usual),
        };
        let (from, to) = (moment("timeMin", Timestamp::EPOCH)?, moment("timeMax", Timestamp::MAX)?);
        if from >= to {
            return Err("timeMin is not before timeMax".to_owned());
        }
        if asked.get("singleEvents") != Some("true") {
            return Err("singleEvents is not true, which an order by startTime takes".to_owned());
        }
        if asked.get("orderBy") != Some("startTime") {
            return Err("orderBy is not startTime".to_owned());
        }
        let most = number("maxResults", asked.get("maxResults"), 250, 1..=2500)?;
        let skip = asked.get("pageToken").map_or(Ok(0), |token| {
            let begins = skipped(token).filter(|skip| page_token(*skip) == token);
            begins.ok_or_else(|| "pageToken is none that was given".to_owned())
        })?;
        Ok(Self { from, to, most, skip })
    }
}

/// Names a page by how many events come before it.
fn page_token(skip: usize) -> String {
    BASE64URL_NOPAD.encode(format!("after {skip}").as_bytes())
}

fn skipped(token: &str) -> Option<usize> {
    let text = String::from_utf8(BASE64URL_NOPAD.decode(token.as_bytes()).ok()?).ok()?;
    text.strip_prefix("after ")?.parse().ok()
}

fn item(desk: &Desk, address: &str, Entry { number, event }: &Entry) -> Value {
    let (start, end) = event.when.span();
    let point = |moment: Timestamp| match event.when {
        When::Between { .. } => json!({ "dateTime": moment.to_string(), "timeZone": "UTC" }),
        When::Days { .. } => json!({ "date": moment.to_string().get(..10).unwrap_or_default() }),
    };
    let id = format!("demo{number:05}");
    let mut item = json!({
        "kind": "calendar#event",
        "id": id,
        "status": "confirmed",
        "htmlLink": format!("{}/calendar/event?eid={id}", desk.origin),
        "summary": event.title,
        "start": point(start),
        "end": point(end),
        "organizer": { "email": address, "self": true },
        "eventType": "default",
    });
    if let (Some(members), Some(place)) = (item.as_object_mut(), &event.place) {
        members.insert("location".to_owned(), json!(place));
    }
    item
}

fn not_for(refused: Refused) -> Answer {
    match refused {
        Refused::Unknown => {
            let said = "The access token is missing, unknown or over.";
            let answer = error(StatusCode::UNAUTHORIZED, "authError", "UNAUTHENTICATED", said);
            with(answer, WWW_AUTHENTICATE, "Bearer realm=\"demo\", error=\"invalid_token\"")
        }
        Refused::Scope => {
            let said = "The access token has not the scope of the calendar.";
            error(StatusCode::FORBIDDEN, "insufficientPermissions", "PERMISSION_DENIED", said)
        }
    }
}

fn error(status: StatusCode, reason: &str, name: &str, said: &str) -> Answer {
    let each = json!([{ "domain": "global", "reason": reason, "message": said }]);
    let error = json!({ "code": status.as_u16(), "message": said, "errors": each, "status": name });
    json(status, &json!({ "error": error }))
}
