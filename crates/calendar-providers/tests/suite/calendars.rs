//! Reading calendars in both shapes.

use crate::server::{Reply, Server, at, discovered, header, http, json_of, opened, owned, query, unusable};
use auth_core::{
    port::{CalendarEvent, EventPage, EventQuery, EventTime, ProviderError},
    secret::PlainToken,
};
use serde_json::{Value, json};
use std::slice;

fn asked(limit: u16, page: Option<&str>) -> EventQuery {
    EventQuery {
        from: "2026-12-01T00:00:00Z".parse().unwrap(),
        to: "2026-12-08T00:00:00.5Z".parse().unwrap(),
        limit,
        page: page.map(str::to_owned),
    }
}

async fn read(kind: &str, server: &Server, query: &EventQuery) -> Result<EventPage, ProviderError> {
    at(kind, server).events(&PlainToken::new("ya29.access".to_owned()), query).await
}

/// What is read of this answer, if two events are asked for.
async fn of(kind: &str, body: &Value) -> Result<EventPage, ProviderError> {
    let server = Server::always(json_of("200 OK", &body.to_string())).await;
    read(kind, &server, &asked(2, None)).await
}

fn time(text: &str) -> EventTime {
    EventTime::At(text.parse().unwrap())
}

fn day(text: &str) -> EventTime {
    EventTime::Day(text.to_owned())
}

fn event(id: &str, start: EventTime, end: EventTime) -> CalendarEvent {
    CalendarEvent {
        id: id.to_owned(),
        title: String::new(),
        start,
        end,
        location: None,
        organizer: None,
        is_cancelled: false,
    }
}

fn google_event(id: &str) -> Value {
    json!({ "id": id, "start": { "date": "2026-12-01" }, "end": { "date": "2026-12-02" } })
}

fn graph_event(id: &str) -> Value {
    let at = |time: &str| json!({ "dateTime": format!("2026-12-01T{time}.0000000"), "timeZone": "UTC" });
    json!({ "id": id, "start": at("09:00:00"), "end": at("10:00:00") })
}

#[tokio::test]
async fn events_of_google_are_read() {
    let body = json!({
        "kind": "calendar#events",
        "nextPageToken": "CiAK&more",
        "items": [
            {
                "id": "one",
                "status": "confirmed",
                "summary": "Plan\u{7}ning\n of the year",
                "location": "Room 1",
                "organizer": { "email": "alice@example.com", "displayName": "Alice", "self": true },
                "start": { "dateTime": "2026-12-01T10:00:00+01:00", "timeZone": "Europe/Berlin" },
                "end": { "dateTime": "2026-12-01T09:30:00Z" },
                "description": "not read",
            },
            {
                "id": "two",
                "status": "cancelled",
                "organizer": { "email": "alice@example.com" },
                "start": { "date": "2026-12-02" },
                "end": { "date": "2026-12-04" },
            },
            { "id": "three", "status": "cancelled" },
        ],
    });
    let server = Server::always(json_of("200 OK", &body.to_string())).await;
    let page = read("google", &server, &asked(3, None)).await.unwrap();
    let one = CalendarEvent {
        title: "Planning of the year".to_owned(),
        location: Some("Room 1".to_owned()),
        organizer: Some("Alice".to_owned()),
        ..event("one", time("2026-12-01T09:00:00Z"), time("2026-12-01T09:30:00Z"))
    };
    let two = CalendarEvent {
        organizer: Some("alice@example.com".to_owned()),
        is_cancelled: true,
        ..event("two", day("2026-12-02"), day("2026-12-04"))
    };
    assert_eq!(page, EventPage { events: vec![one, two], next: Some("CiAK&more".to_owned()) });

    let request = server.one();
    assert!(request.starts_with("GET /calendar/v3/calendars/primary/events?"), "{request}");
    assert_eq!(header(&request, "authorization").as_deref(), Some("Bearer ya29.access"));
    assert_eq!(header(&request, "prefer"), None);
    let sent = [
        ("timeMin", "2026-12-01T00:00:00Z"),
        ("timeMax", "2026-12-08T00:00:00.5Z"),
        ("singleEvents", "true"),
        ("orderBy", "startTime"),
        ("maxResults", "3"),
        ("fields", "items(id,summary,start,end,location,organizer,status),nextPageToken"),
    ];
    assert_eq!(query(&request), owned(&sent));
}

#[tokio::test]
async fn events_of_microsoft_are_read() {
    let at = |time: &str| json!({ "dateTime": time, "timeZone": "UTC" });
    let body = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users",
        "value": [
            {
                "id": "AAMk=",
                "subject": "Planning",
                "isAllDay": false,
                "isCancelled": true,
                "start": at("2026-12-01T09:00:00.1230000"),
                "end": at("2026-12-01T09:30:00.0000000"),
                "location": { "displayName": "", "locationType": "default" },
                "organizer": { "emailAddress": { "name": "", "address": "alice@example.com" } },
            },
            {
                "id": "AAMl=",
                "subject": null,
                "isAllDay": true,
                "start": at("2026-12-02T00:00:00.0000000"),
                "end": at("2026-12-04T00:00:00.0000000"),
                "organizer": null,
                "location": null,
            },
        ],
    });
    let server = Server::always(json_of("200 OK", &body.to_string())).await;
    let page = read("microsoft", &server, &asked(2, None)).await.unwrap();
    let one = CalendarEvent {
        title: "Planning".to_owned(),
        organizer: Some("alice@example.com".to_owned()),
        is_cancelled: true,
        ..event("AAMk=", time("2026-12-01T09:00:00.123Z"), time("2026-12-01T09:30:00Z"))
    };
    let two = event("AAMl=", day("2026-12-02"), day("2026-12-04"));
    assert_eq!(page, EventPage { events: vec![one, two], next: None });

    let request = server.one();
    assert!(request.starts_with("GET /v1.0/me/calendarView?"), "{request}");
    assert_eq!(header(&request, "authorization").as_deref(), Some("Bearer ya29.access"));
    assert_eq!(header(&request, "prefer").as_deref(), Some("outlook.timezone=\"UTC\""));
    let sent = [
        ("startDateTime", "2026-12-01T00:00:00Z"),
        ("endDateTime", "2026-12-08T00:00:00.5Z"),
        ("$top", "2"),
        ("$orderby", "start/dateTime"),
        ("$select", "id,subject,start,end,isAllDay,isCancelled,location,organizer"),
    ];
    assert_eq!(query(&request), owned(&sent));
}

#[tokio::test]
async fn the_word_for_a_page_is_one_value_whatever_is_in_it() {
    let server = Server::always(json_of("200 OK", r#"{"items":[],"value":[]}"#)).await;
    let strange = "a&singleEvents=false#/../?b=c d%26\u{e9}\r\nX-Header: d";
    for page in [strange.to_owned(), "token:x".to_owned(), String::new()] {
        assert!(read("google", &server, &asked(1, Some(&page))).await.is_ok());
        let request = server.asked().pop().unwrap();
        assert_eq!(query(&request).pop(), Some(("pageToken".to_owned(), page)));
        assert_eq!((query(&request).len(), header(&request, "x-header")), (7, None));
    }
    for (page, name, value) in [
        (format!("token:{strange}"), "$skiptoken", strange),
        ("token:skip:1".to_owned(), "$skiptoken", "skip:1"),
        ("skip:10".to_owned(), "$skip", "10"),
    ] {
        assert!(read("microsoft", &server, &asked(1, Some(&page))).await.is_ok());
        let request = server.asked().pop().unwrap();
        assert_eq!(query(&request).pop(), Some((name.to_owned(), value.to_owned())));
        assert_eq!((query(&request).len(), header(&request, "x-header")), (6, None));
    }
    let before = server.asked().len();
    for page in
        ["", "10", "skip:", "skip:-1", "skip:1&$top=9", "skip:1234567890", "token:", "$skip=1", "Skip:1"]
    {
        let refused = read("microsoft", &server, &asked(1, Some(page))).await;
        assert_eq!(refused, Err(ProviderError::NoSuchPage), "{page}");
    }
    for kind in ["google", "microsoft"] {
        let long = format!("token:{}", "a".repeat(2043));
        let refused = read(kind, &server, &asked(1, Some(&long))).await;
        assert_eq!(refused, Err(ProviderError::NoSuchPage), "{kind}");
    }
    assert_eq!(server.asked().len(), before, "what is none of ours is not sent");
}

#[tokio::test]
async fn a_link_to_the_next_page_is_not_followed_and_leads_to_where_we_are() {
    let elsewhere = Server::always(json_of("200 OK", r#"{"value":[]}"#)).await;
    for (link, next) in [
        ("{here}/v1.0/me/calendarView?startDateTime=a&$top=1&$skip=10", Some("skip:10")),
        ("{here}/v1.0/me/calendarView?%24skiptoken=a%26b&$top=1", Some("token:a&b")),
        ("{here}/v1.0/me/calendarView", None),
        ("{here}/v1.0/me/calendarView?$top=10", None),
        ("{here}/v1.0/me/calendarView?$skip=10&$skip=20", None),
        ("{here}/v1.0/me/calendarView?$skip=10&$skiptoken=a", None),
        ("{here}/v1.0/me/calendarView?$skip=", None),
        ("{here}/v1.0/me/calendarView?$skip=canary", None),
        ("{here}/v1.0/me/calendarView?$skiptoken=", None),
        ("{here}/v1.0/me/calendarView?$skip=10#fragment", None),
        ("{here}/v1.0/me/calendarView/?$skip=10", None),
        ("{here}/v1.0/me/calendarView/../events?$skip=10", None),
        ("{here}/v1.0/users/alice/calendarView?$skip=10", None),
        ("{elsewhere}/v1.0/me/calendarView?$skip=10", None),
        ("https://graph.microsoft.com/v1.0/me/calendarView?$skip=10", None),
        ("http://alice@{host}/v1.0/me/calendarView?$skip=10", None),
        ("/v1.0/me/calendarView?$skip=10", None),
        ("javascript:canary", None),
        ("", None),
        ("{here}/v1.0/me/calendarView?$skiptoken={long}", None),
    ] {
        let (template, there) = (link.to_owned(), elsewhere.origin.clone());
        let server = Server::start(move |request| {
            let host = header(request, "host").unwrap();
            let link = template
                .replace("{here}", &format!("http://{host}"))
                .replace("{host}", &host)
                .replace("{elsewhere}", &there)
                .replace("{long}", &"a".repeat(2048));
            json_of("200 OK", &json!({ "value": [], "@odata.nextLink": link }).to_string())
        })
        .await;
        let page = read("microsoft", &server, &asked(1, None)).await;
        match next {
            Some(next) => assert_eq!(page.unwrap().next.as_deref(), Some(next), "{link}"),
            None => drop(unusable(page, link)),
        }
        assert_eq!(server.asked().len(), 1, "{link}");
    }
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[tokio::test]
async fn a_provider_that_is_discovered_has_a_calendar_of_either_shape() {
    for (api, name) in [("google", "pageToken"), ("microsoft", "$skiptoken")] {
        let server = Server::start(|request| {
            let here = format!("http://{}", header(request, "host").unwrap());
            let link = format!("{here}/events?$skiptoken=more");
            let body = json!({ "items": [], "nextPageToken": "more", "value": [], "@odata.nextLink": link });
            json_of("200 OK", &body.to_string())
        })
        .await;
        let mut settings = discovered(&server.origin);
        settings["api"] = json!(api);
        let provider = opened(settings);
        let access = PlainToken::new("access".to_owned());
        let next = provider.events(&access, &asked(1, None)).await.unwrap().next;
        provider.events(&access, &asked(1, next.as_deref())).await.unwrap();
        let requests = server.asked();
        assert_eq!(requests.len(), 2, "a calendar is read without its document");
        let last = requests.last().unwrap();
        assert!(last.starts_with("GET /events?"), "{last}");
        assert_eq!(query(last).pop(), Some((name.to_owned(), "more".to_owned())));
    }
}

/// An event that is of no form is not told: it hides none that is, or the whole page is none.
fn untold(read: Result<EventPage, ProviderError>, what: &str) {
    match read {
        Ok(page) => assert_eq!(page.events, [], "{what}"),
        read => drop(unusable(read, what)),
    }
}

/// Whoever invites somebody writes into their calendar.
#[tokio::test]
async fn an_event_of_no_form_hides_no_other() {
    for (kind, list, odd, good) in [
        ("google", "items", google_event(&"i".repeat(1025)), google_event("good")),
        ("microsoft", "value", graph_event(&"i".repeat(1025)), graph_event("good")),
    ] {
        let read = of(kind, &json!({ list: [odd, good] })).await.unwrap();
        assert_eq!(read.events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["good"], "{kind}");
    }
}

#[tokio::test]
async fn texts_are_cut_and_what_names_an_event_is_not() {
    let long = "ü".repeat(2000);
    let mut event = google_event(&"i".repeat(1024));
    for member in ["summary", "location"] {
        event[member] = json!(format!("\u{0}\u{85}{long}"));
    }
    event["organizer"] = json!({ "displayName": long });
    let read = of("google", &json!({ "items": [event] })).await.unwrap();
    let [event] = read.events.as_slice() else { panic!("{read:?}") };
    let expected = "ü".repeat(1024);
    assert_eq!(event.title, expected);
    assert_eq!((event.location.as_ref(), event.organizer.as_ref()), (Some(&expected), Some(&expected)));
    for id in [String::new(), "i".repeat(1025), "ü".repeat(513), "can\nary".to_owned()] {
        untold(of("google", &json!({ "items": [google_event(&id)] })).await, "google");
        untold(of("microsoft", &json!({ "value": [graph_event(&id)] })).await, "microsoft");
    }
}

#[tokio::test]
async fn a_calendar_of_another_form_is_not_taken() {
    let with = |mut event: Value, member: &str, value: Value| {
        event[member] = value;
        event
    };
    let google = |member: &str, value: Value| with(google_event("canary"), member, value);
    for event in [
        json!("canary"),
        json!({ "id": "canary" }),
        google("id", json!(7)),
        google("start", json!(null)),
        google("start", json!({})),
        google("start", json!({ "date": "2026-12-01", "dateTime": "2026-12-01T00:00:00Z" })),
        google("start", json!({ "date": "2026-13-01" })),
        google("start", json!({ "date": "2026-02-30" })),
        google("start", json!({ "date": "canary" })),
        google("start", json!({ "dateTime": "2026-12-01T00:00:00" })),
        google("start", json!({ "dateTime": "2026-12-01" })),
        google("end", json!({ "dateTime": "canary" })),
        google("summary", json!(["canary"])),
    ] {
        untold(of("google", &json!({ "items": [event] })).await, &event.to_string());
    }
    let graph = |member: &str, value: Value| with(graph_event("canary"), member, value);
    let at = |time: &str, zone: &str| json!({ "dateTime": time, "timeZone": zone });
    for event in [
        json!(null),
        json!({ "id": "canary" }),
        graph("start", at("2026-12-01T09:00:00.0000000", "Pacific Standard Time")),
        graph("start", at("2026-12-01T09:00:00.0000000", "")),
        graph("start", at("2026-12-01T09:00:00+01:00", "UTC")),
        graph("start", at("2026-12-01", "UTC")),
        graph("start", at("canary", "UTC")),
        graph("end", json!({ "dateTime": "2026-12-01T09:00:00.0000000" })),
        graph("isCancelled", json!("canary")),
    ] {
        untold(of("microsoft", &json!({ "value": [event] })).await, &event.to_string());
    }
    for (kind, body) in [
        ("google", json!([])),
        ("google", json!({ "items": {} })),
        ("google", json!({ "items": [], "nextPageToken": "" })),
        ("google", json!({ "items": [], "nextPageToken": "a".repeat(2049) })),
        ("google", json!({ "items": (["1", "2", "3"].map(google_event)) })),
        ("microsoft", json!({})),
        ("microsoft", json!({ "value": (["1", "2", "3"].map(graph_event)) })),
    ] {
        unusable(of(kind, &body).await, &body.to_string());
    }
}

#[tokio::test]
async fn a_refusal_is_told_from_a_token_that_is_not_taken() {
    for kind in ["google", "microsoft"] {
        let answered = async |reply: &Reply| {
            let server = Server::always(reply.clone()).await;
            read(kind, &server, &asked(1, None)).await
        };
        let unauthorized = json_of("401 Unauthorized", r#"{"error":{"message":"canary"}}"#);
        assert_eq!(answered(&unauthorized).await, Err(ProviderError::Unauthorized));
        let forbidden = json_of("403 Forbidden", "canary");
        let refused = answered(&forbidden).await;
        assert!(
            matches!(&refused, Err(ProviderError::Refused(why)) if !why.contains("canary")),
            "{refused:?}"
        );
        let good = r#"{"items":[],"value":[]}"#;
        for (what, reply) in [
            ("gone", json_of("410 Gone", good)),
            ("too often", json_of("429 Too Many Requests", good)),
            ("its own failure", json_of("500 Internal Server Error", good)),
            ("another success", json_of("206 Partial Content", good)),
            ("another type", http("200 OK", &["Content-Type: text/calendar"], good)),
            ("a redirect", http("302 Found", &["Location: http://localhost/canary"], good)),
        ] {
            unusable(answered(&reply).await, what);
        }
    }
}

#[tokio::test]
async fn a_page_of_four_mebibytes_is_read_and_a_longer_one_is_not() {
    let mut event = google_event("one");
    event["description"] = json!("");
    let bare = json!({ "items": slice::from_ref(&event) }).to_string().len();
    for (length, good) in [(4 * 1024 * 1024, true), (4 * 1024 * 1024 + 1, false)] {
        event["description"] = json!("d".repeat(length - bare));
        let page = of("google", &json!({ "items": slice::from_ref(&event) })).await;
        if good {
            assert_eq!(page.unwrap().events.len(), 1);
        } else {
            assert_eq!(unusable(page, "long"), "its calendar: more than 4194304 bytes");
        }
    }
}

/// A page may hold very many events that say nothing: they are not all read.
#[tokio::test]
async fn of_no_page_more_events_are_read_than_a_page_may_hold() {
    for (kind, name, event) in
        [("google", "items", google_event("one")), ("microsoft", "value", graph_event("one"))]
    {
        for (count, good) in [(2500, true), (2501, false)] {
            let page = json!({ (name): vec![event.clone(); count] });
            let server = Server::always(json_of("200 OK", &page.to_string())).await;
            let page = read(kind, &server, &asked(u16::MAX, None)).await;
            if good {
                assert_eq!(page.unwrap().events.len(), count, "{kind}");
            } else {
                assert_eq!(unusable(page, kind), "its calendar: not of the form");
            }
        }
    }
}

#[tokio::test]
async fn an_access_token_that_is_no_value_of_a_header_is_not_sent() {
    let server = Server::always(json_of("200 OK", "{}")).await;
    for kind in ["google", "microsoft"] {
        let access = PlainToken::new("canary\r\nX-Header: canary".to_owned());
        unusable(at(kind, &server).events(&access, &asked(1, None)).await, kind);
    }
    assert_eq!(server.asked(), [""; 0]);
}
