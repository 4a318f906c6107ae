//! Bodies: their size, form and time, on every route of both tables, and what becomes of one that is not read.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{policy::Rule, service::Service};
use auth_web::{Place, Service as WebService, endpoint::Row};
use chatbot_service::Chatbot;
use conformance::place::changes;
use conformance::{caller::Kind, client::Response, world::World};
use hub_service::Hub;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const LIMIT: usize = 64 * 1024;

/// The head of a request of a row, without the blank line: with the first tenant's credential, or a stranger's.
fn head<S: WebService>(world: &World, row: &Row<S>, known: bool) -> String {
    let holdings = &world.a;
    let query = match row.spec.query {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let taken = Kind::of_row(row);
    // The first that a service's backend has; a public route is shown a key.
    let kind = if taken.is_empty() || taken.contains(&Kind::Key) { Kind::Key } else { taken[0] };
    let credential = kind.of(holdings, S::KIND);
    let credential = match row.spec.place {
        Place::Cookie(name) | Place::Page(name) => format!("Cookie: {name}={credential}\r\n"),
        Place::Query(_) => String::new(),
        Place::Header => format!("Authorization: Bearer {credential}\r\n"),
    };
    let target = if known {
        holdings.fill(S::KIND, &format!("{}{query}", row.spec.path))
    } else {
        holdings.fill(S::KIND, row.spec.path)
    };
    let is_form = !row.spec.body.is_empty() && !row.spec.body.starts_with('{');
    let media = if is_form { "x-www-form-urlencoded" } else { "json" };
    format!(
        "{} {target} HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/{media}\r\n{}",
        row.spec.method.name(),
        if known { &credential } else { "" }
    )
}

/// The first answer on a connection of its own; the server may wait for the rest of a request before it closes.
async fn answer(to: SocketAddr, text: &str) -> Response {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut heard = Vec::new();
    let write = async {
        // A server may answer and close before it has read everything.
        let _ = writing.write_all(text.as_bytes()).await;
        std::future::pending::<()>().await;
    };
    let read =
        async { while !is_whole(&heard) && reading.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {} };
    let both = async {
        tokio::select! { () = write => {} () = read => {} }
    };
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    Response::parse(&heard).unwrap_or_else(|| panic!("no answer to {}", text.lines().next().unwrap()))
}

/// Whether an answer has come with all of its body.
fn is_whole(heard: &[u8]) -> bool {
    let Some(answer) = Response::parse(heard) else { return false };
    let length = answer.header("content-length").and_then(|length| length.parse().ok());
    answer.body.len() >= length.unwrap_or(0)
}

/// A body of so many bytes in chunks.
fn chunked(bytes: usize) -> String {
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    format!("{}0\r\n\r\n", chunk.repeat(bytes.div_ceil(0x1000)))
}

async fn too_large<S: WebService>(world: &World) {
    let to = world.address(S::KIND);
    for row in S::TABLE.rows() {
        let guarded = matches!(row.rule, Rule::AnyOf(_));
        for (known, refused) in [(true, 413), (false, if guarded { 401 } else { 413 })] {
            let head = head(world, row, known);
            let spec = format!("{} {known}", row.spec.id);
            let close = "Connection: close\r\n";
            // The length alone says it: nothing else is sent.
            let told = answer(to, &format!("{head}{close}Content-Length: {}\r\n\r\n", LIMIT + 1)).await;
            assert_eq!(told.status, refused, "{spec}: {}", told.body);
            let huge = answer(to, &format!("{head}{close}Content-Length: 99999999999\r\n\r\n")).await;
            assert_eq!(huge.status, refused, "{spec}: {}", huge.body);
            let body = chunked(2 * LIMIT);
            let text = format!("{head}{close}Transfer-Encoding: chunked\r\n\r\n{body}");
            let counted = answer(to, &text).await;
            assert_eq!(counted.status, refused, "{spec}: {}", counted.body);
            if refused == 413 {
                assert_eq!(counted.field("code"), "body_too_large");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_takes_more_than_the_limit_and_a_stranger_is_told_nothing_else() {
    let world = World::start().await;
    let before = world.dump().await;
    too_large::<Hub>(&world).await;
    too_large::<Chatbot>(&world).await;
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    // At the limit it is taken, and beside a route that reads none it is dropped.
    let key = &world.a.hub_key;
    let body = format!(r#"{{"name":"x","permissions":[]{}}}"#, " ".repeat(LIMIT - 31));
    assert!(body.len() <= LIMIT);
    for request in [
        format!("POST /api-keys HTTP/1.1\r\nContent-Length: {}\r\n", body.len()),
        "GET /calls HTTP/1.1\r\nContent-Length: 65536\r\n".to_owned(),
    ] {
        let filled = if request.starts_with("GET") { " ".repeat(LIMIT) } else { body.clone() };
        let text = format!(
            "{request}Host: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n{filled}"
        );
        let taken = answer(world.hub, &text).await;
        assert!(taken.status < 300, "{}", taken.body);
    }
    world.end().await;
}

async fn forms<S: WebService>(world: &World) {
    let to = world.address(S::KIND);
    for row in S::TABLE.rows().iter().filter(|row| !row.spec.body.is_empty()) {
        let head = head(world, row, true);
        let body = world.a.fill(S::KIND, row.spec.body);
        let rest = format!("Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        let (own, other) = if head.contains(json) { (json, form) } else { (form, json) };
        for media in [other, "text/plain", "", "application/json2", "multipart/form-data"] {
            let text = format!("{}{rest}", head.replace(own, media));
            let refused = answer(to, &text).await;
            assert_eq!(refused.status, 415, "{} {media}: {}", row.spec.id, refused.body);
            assert!(refused.body.contains(own), "{} is told what to send: {}", row.spec.id, refused.body);
        }
        for encoding in ["gzip", "deflate", "br", "identity, gzip"] {
            let text = format!("{head}Content-Encoding: {encoding}\r\n{rest}");
            assert_eq!(answer(to, &text).await.status, 415, "{} {encoding}", row.spec.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_of_the_one_type_and_is_not_unpacked() {
    let world = World::start().await;
    let before = world.dump().await;
    forms::<Hub>(&world).await;
    forms::<Chatbot>(&world).await;
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_no_object_though_it_holds_all_members() {
    let world = World::start().await;
    let before = world.dump().await;
    let users = format!("/accounts/{}/users", world.a.account_id);
    let token = format!(r#"["{}"]"#, world.a.temp.0);
    for (service, target, body) in [
        (Service::Hub, users.as_str(), r#"["Alice","alice.array@example.com"]"#),
        (Service::Hub, "/api-keys", r#" ["x",null,["audit_read"],null,[],null]"#),
        (
            Service::Hub,
            "/start",
            r#"["reminder","sms","+14155550123","Alice","alice@example.com","Call.","x","en",null]"#,
        ),
        (Service::Chatbot, "/auth/api/v1/tokens/generate", r#"["alice","en",1]"#),
        (Service::Chatbot, "/auth/api/v1/tokens/validate", &token),
        (Service::Chatbot, "/query/", r#"["Open?",null,"en",null,null,null,null,null]"#),
    ] {
        let key = if service == Service::Hub { &world.a.hub_key } else { &world.a.domain_key };
        let request = conformance::client::Request::post(target, body).bearer(key);
        let refused = request.send(world.address(service)).await.unwrap();
        assert_eq!((refused.status, refused.field("code")), (400, "invalid_request".to_owned()), "{target}");
        assert!(refused.field("detail").contains("object"), "{target}: {}", refused.body);
    }
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

/// What comes back on one connection until it is closed or silent.
async fn conversation(to: SocketAddr, text: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(text).await;
    let mut heard = Vec::new();
    while let Ok(Ok(1..)) =
        tokio::time::timeout(Duration::from_millis(700), stream.read_buf(&mut heard)).await
    {}
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_read_is_no_request() {
    let world = World::start().await;
    let key = &world.a.hub_key;
    let hidden = format!("GET /calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
    let large = hidden.repeat(2 * LIMIT / hidden.len());
    let chunk = |body: &str| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let bearer = format!("Authorization: Bearer {key}\r\n");
    let json = "Content-Type: application/json\r\n";
    for (head, body, status) in [
        (String::new(), &hidden, 401),
        (String::new(), &large, 401),
        (format!("{bearer}Content-Type: text/plain\r\n"), &hidden, 415),
        (format!("{bearer}Content-Type: text/plain\r\n"), &large, 415),
        (format!("{bearer}{json}"), &large, 413),
        (format!("{bearer}{json}"), &hidden, 400),
        (format!("{bearer}{bearer}"), &hidden, 400),
    ] {
        for (framing, sent) in [
            (format!("Content-Length: {}\r\n", body.len()), body.clone()),
            ("Transfer-Encoding: chunked\r\n".to_owned(), chunk(body)),
        ] {
            for line in ["POST /api-keys", "PATCH /api-keys/x", "PUT /calls", "POST /nowhere"] {
                let text = format!("{line} HTTP/1.1\r\nHost: x\r\n{head}{framing}\r\n{sent}");
                let heard = conversation(world.hub, text.as_bytes()).await;
                let told = format!(
                    "{line} {status} {framing}: {}",
                    heard.get(..300.min(heard.len())).unwrap_or(&heard)
                );
                assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{told}");
                assert!(!heard.contains("\"items\""), "{told}");
                if line == "POST /api-keys" {
                    assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{told}");
                }
            }
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::start().await;
    let key = &world.a.hub_key;
    let slow = async |line: &str, framing: &str| {
        let mut stream = TcpStream::connect(world.hub).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        for _ in 0..60 {
            // Drop by drop, so that the connection is never silent.
            let drop: &[u8] = if framing.contains("chunked") { b"1\r\n \r\n" } else { b" " };
            let _ = stream.write_all(drop).await;
            let pause = Duration::from_millis(250);
            let read = tokio::time::timeout(pause, stream.read_buf(&mut heard)).await;
            if is_whole(&heard) || read.is_ok_and(|read| read.is_ok_and(|read| read == 0)) {
                break;
            }
        }
        let told = Response::parse(&heard).unwrap_or_else(|| panic!("{line}: nothing came back"));
        (told.status, told.field("code"))
    };
    let late = (408, "timeout".to_owned());
    let told = tokio::join!(
        slow("POST /api-keys", "Content-Length: 1000"),
        slow("POST /api-keys", "Transfer-Encoding: chunked"),
        slow("GET /calls", "Content-Length: 1000"),
        slow("DELETE /api-keys/x", "Transfer-Encoding: chunked"),
    );
    assert_eq!(told, (late.clone(), late.clone(), late.clone(), late));
    world.end().await;
}
