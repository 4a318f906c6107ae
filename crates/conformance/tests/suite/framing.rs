//! How requests are framed: what could be read in two ways is not read at all.

use conformance::{
    client::{Request, heard},
    world::World,
};
use std::time::Duration;

/// How requests end that could be read in more than one way.
const AMBIGUOUS: &[&str] = &[
    "Host: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    "Host: x\r\nContent-Length: 4\r\nTransfer-Encoding: identity\r\n",
    "Host: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n",
    "Host: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
    "Host: x\r\nContent-Length: +0\r\n",
    "Host: x\r\nContent-Length: 0, 0\r\n",
    "Host: x\r\nContent-Length: 0, 5\r\n",
    "Host: x\r\nContent-Length: 0x10\r\n",
    "Host: x\r\nContent-Length: -1\r\n",
    "Host: x\r\nContent-Length: 1 1\r\n",
    "Host: x\r\nContent-Length: \r\n",
    "Host: x\r\nContent-Length: 99999999999999999999\r\n",
    "Host: x\r\nTransfer-Encoding: xchunked\r\n",
    "Host: x\r\nTransfer-Encoding: chunked;\r\n",
    "Host: x\r\nTransfer-Encoding: chunked, identity\r\n",
    "Host: x\r\nTransfer-Encoding: chunked, chunked\r\n",
    "Host: x\r\nTransfer-Encoding: identity\r\n",
    "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
    "Host: x\r\nTransfer-Encoding: \"chunked\"\r\n",
    "Host: x\r\nTransfer-Encoding:\u{b}chunked\r\n",
    "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Host: x\r\nTransfer-Encoding : chunked\r\n",
    "Host: x\r\nX: a\r\n folded\r\n",
    "Host: x\r\nX\0: a\r\n",
    "Host: x\r\nX: a\0b\r\n",
    "Host: x\r\n X: a\r\n",
    "Host: x\r\nX: a\rY: b\r\n",
    "Host: x\r\nno colon\r\n",
    "Host: x\r\n: no name\r\n",
    "Host: x\r\nHost: y\r\n",
    "Host: x\r\nHost: x\r\n",
    "",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_reads_in_two_ways_is_refused_and_the_connection_closed() {
    let world = World::start().await;
    let mut wrong = Vec::new();
    for head in AMBIGUOUS {
        let text = format!("POST /v1/nothing HTTP/1.1\r\n{head}\r\n{}", inner(&world));
        let answered = heard(world.hub, text.as_bytes(), PATIENCE).await.unwrap();
        if (answered.statuses(), answered.closed) != (vec![400], true) {
            wrong.push((head, answered));
        }
    }
    assert!(wrong.is_empty(), "{} heads were not refused: {wrong:#?}", wrong.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_that_reads_in_two_ways_is_refused_and_the_connection_closed() {
    let world = World::start().await;
    let key = &world.a.hub_key;
    // A key that is known already: where it is looked up, the library may close before there is an answer.
    assert_eq!(world.hub(Request::get("/calls").bearer(key)).await.status, 200);
    let mut wrong = Vec::new();
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}xx\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\n{}\n0\n\n",
        "2\r{}\r0\r\r",
        "2;ext=\n\r\n{}\r\n0\r\n\r\n",
    ] {
        let text = format!(
            "POST /api-keys/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: \
             application/json\r\nTransfer-Encoding: chunked\r\n\r\n{body}{}",
            inner(&world)
        );
        let answered = heard(world.hub, text.as_bytes(), PATIENCE).await.unwrap();
        if (answered.statuses(), answered.closed) != (vec![400], true) {
            wrong.push((body, answered));
        }
    }
    assert!(wrong.is_empty(), "{} bodies were not refused: {wrong:#?}", wrong.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_in_one_way_is_one_request() {
    let world = World::start().await;
    let key = &world.a.hub_key;
    let body = format!(r#"{{"key":"{key}"}}"#);
    let size = body.len();
    let head = format!("POST /api-keys/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n");
    let json = "Content-Type: application/json\r\n";
    let last = "GET /calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // A body ends where its framing says, and what follows is a request by itself: without a credential.
    for framed in [
        format!("Content-Length: {size}\r\n\r\n{body}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: ChunKed\r\n\r\n{size:X}\r\n{body}\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\n\r\n{size:x};a=b;c=\"d\"\r\n{body}\r\n0;e\r\n\r\n"),
    ] {
        let text = format!("{head}{json}{framed}{last}");
        let answered = heard(world.hub, text.as_bytes(), PATIENCE).await.unwrap();
        assert_eq!(
            (answered.statuses(), answered.closed),
            (vec![200, 401], true),
            "{framed:?}: {answered:?}"
        );
        assert!(answered.text.contains("\"valid\":true"), "{framed:?}: {answered:?}");
    }
    // One connection has no identity: the second request is judged by itself.
    let text = format!("{}{last}", inner(&world));
    let answered = heard(world.hub, text.as_bytes(), PATIENCE).await.unwrap();
    assert_eq!((answered.statuses(), answered.closed), (vec![200, 401], true), "{answered:?}");
    // A line that ends with a bare line feed ends the line (RFC 9112 §2.2), and hides nothing.
    let unix = format!("{}{last}", inner(&world)).replace("\r\n", "\n");
    let answered = heard(world.hub, unix.as_bytes(), PATIENCE).await.unwrap();
    assert!(matches!(answered.statuses().as_slice(), [400] | [200, 401]) && answered.closed, "{answered:?}");
    world.end().await;
}

/// How long a server may say nothing before it is taken to wait for more.
const PATIENCE: Duration = Duration::from_secs(2);

/// A request that must not be answered where it hides in another.
fn inner(world: &World) -> String {
    format!("GET /calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", world.a.hub_key)
}
