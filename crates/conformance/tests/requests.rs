//! How requests are taken: credentials, bodies, paths, methods, framing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;

use auth_core::{policy::Rule, service::Service};
use auth_web::{Place, Service as WebService};
use chatbot_service::Chatbot;
use conformance::{
    client::{Request, Response, heard, raw},
    world::World,
};
use dump::{changes, dump};
use hub_service::Hub;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_refused_wherever_they_come_from() {
    let world = World::start().await;
    let (a, b) = (&world.a.hub_key, &world.b.hub_key);
    let get = || Request::get("/calls");
    assert_eq!(
        world.hub(get().bearer(a).header("X-API-Key", a)).await.status,
        200,
        "one credential, said twice"
    );
    for request in [
        get().bearer(a).header("X-API-Key", b),
        get().bearer(a).bearer(a),
        get().bearer(a).bearer(b),
        get().header("X-API-Key", a).header("X-API-Key", a),
    ] {
        let refused = world.hub(request).await;
        assert_eq!((refused.status, refused.field("code")), (400, "invalid_request".to_owned()));
    }
    let connect = format!("/autoconnect?token={}", world.a.temp.0);
    let both = Request::get(&connect).bearer(&world.a.temp.0);
    assert_eq!(world.chatbot(both).await.status, 400);
    let twice = Request::get(&format!("{connect}&token={}", world.a.temp.0));
    assert_eq!(world.chatbot(twice).await.status, 400);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_counts_in_its_place_alone() {
    let world = World::start().await;
    let key = &world.a.hub_key;
    let digest = auth_core::secret::TokenDigest::of(key);
    let hex = data_encoding::HEXLOWER.encode(digest.as_bytes());
    let base64 = data_encoding::BASE64.encode(digest.as_bytes());
    let mut flipped = key.clone();
    let last = flipped.pop().unwrap();
    flipped.push(if last == 'a' { 'b' } else { 'a' });
    for request in [
        Request::get(&format!("/calls?token={key}&api_key={key}&access_token={key}")),
        Request::get("/calls").header("Cookie", &format!("token={key}; __Host-chat={key}")),
        Request::get("/calls").header("Authorization", &format!("Basic {key}")),
        Request::get("/calls").header("Authorization", key),
        Request::get("/calls").header("X-User", "admin").header("X-Forwarded-User", "admin"),
        Request::get("/calls").bearer(&hex),
        Request::get("/calls").bearer(&base64),
        Request::get("/calls").bearer(&format!("{key}{key}")),
        Request::get("/calls").bearer(&format!("{key}\u{e9}")),
        Request::get("/calls").bearer(&key.replace('_', "%5f")),
        Request::get("/calls").bearer(&key.to_uppercase()),
        Request::get("/calls").bearer(&flipped),
        Request::get("/calls").bearer(""),
        Request::get("/calls").bearer("null"),
        Request::get("/calls").bearer("undefined"),
        Request::get("/calls").header("X-API-Key", &world.a.temp.0),
    ] {
        assert_eq!(world.hub(request.clone()).await.status, 401, "{request:?}");
    }
    for request in [
        Request::get("/calls").header("authorization", &format!("bEaReR {key}")),
        Request::get("/calls").header("AUTHORIZATION", &format!("Bearer  {key} ")),
    ] {
        assert_eq!(world.hub(request.clone()).await.status, 200, "{request:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decision_comes_before_the_body() {
    let world = World::start().await;
    let (huge, broken) = ("x".repeat(100_000), "{\"name\":");
    for row in Hub::TABLE.rows().iter().filter(|row| !row.spec.body.is_empty()) {
        let target = world.a.fill(Service::Hub, row.spec.path);
        for body in [broken, &huge, "{}"] {
            let answer = world.hub(Request::new(row.spec.method.name(), &target).json(body)).await;
            assert_eq!(answer.status, 401, "{} without a credential", row.spec.id);
        }
        let with =
            |body: &str| Request::new(row.spec.method.name(), &target).json(body).bearer(&world.a.hub_key);
        assert_eq!(world.hub(with(broken)).await.status, 400, "{}", row.spec.id);
        assert_eq!(world.hub(with(&huge)).await.status, 413, "{}", row.spec.id);
        let mut text = with("{}").header("Content-Type", "text/plain");
        text.headers.retain(|(name, value)| name != "Content-Type" || value == "text/plain");
        assert_eq!(world.hub(text).await.status, 415, "{}", row.spec.id);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_body_is_answered_with_the_field_that_is_wrong() {
    let world = World::start().await;
    let before = dump(&world);
    let users = format!("/accounts/{}/users", world.a.account_id);
    for (target, body, field) in [
        ("/api-keys", r#"{"permissions":[]}"#, "name"),
        ("/api-keys", r#"{"name":7,"permissions":[]}"#, "name"),
        ("/api-keys", r#"{"name":"x","permissions":["root"]}"#, "permissions[0]"),
        ("/api-keys", r#"{"name":"x","permissions":["ACCOUNT_ACCESS"]}"#, "permissions[0]"),
        ("/api-keys", r#"{"name":"x","permissions":["chat_access"]}"#, "permissions"),
        ("/api-keys", r#"{"name":"x","permissions":"*"}"#, "permissions"),
        ("/api-keys", r#"{"name":"x","permissions":[],"is_admin":true}"#, "is_admin"),
        ("/api-keys", r#"{"name":"x","permissions":[],"hash":"00"}"#, "hash"),
        ("/api-keys", r#"{"name":"x","name":"y","permissions":[]}"#, "name"),
        ("/api-keys", r#"{"name":"x","permissions":[],"rate_limit":0}"#, "rate_limit"),
        ("/api-keys", r#"{"name":"x","permissions":[],"rate_limit":-1}"#, "rate_limit"),
        ("/api-keys", r#"{"name":"x","permissions":[],"allowed_cidrs":["10.0.0.0/99"]}"#, "allowed_cidrs[0]"),
        ("/api-keys", r#"{"name":"x","permissions":[],"expires_at":"2020-01-01T00:00:00Z"}"#, "expires_at"),
        ("/api-keys", r#"{"name":"x","permissions":[],"expires_at":"tomorrow"}"#, "expires_at"),
        ("/api-keys", "{\"name\":\"a\\u0000b\",\"permissions\":[]}", "name"),
        (&users, r#"{"name":"Carol","email":"nowhere"}"#, "email"),
        (&users, r#"{"name":"","email":"carol@example.com"}"#, "name"),
        (&users, r#"{"name":"Carol","email":"carol@example.com","id":"x"}"#, "id"),
        ("/start", r#"{"type":"x","channel":"fax"}"#, "channel"),
    ] {
        let answer = world.hub(Request::post(target, body).bearer(&world.a.hub_key)).await;
        assert_eq!(
            (answer.status, answer.field("field")),
            (400, field.to_owned()),
            "{body}: {}",
            answer.body
        );
    }
    for body in ["[]", "null", "\"x\"", "{\"name\":\"\\ud800\",\"permissions\":[]}", "{} {}", ""] {
        let answer =
            world.hub(Request::post("/api-keys", body).bearer(&world.a.hub_key).header("X", "y")).await;
        assert!(matches!(answer.status, 400 | 415), "{body:?}: {}", answer.body);
    }
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(world.hub(Request::post("/api-keys", &deep).bearer(&world.a.hub_key)).await.status, 400);
    for query in
        ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=AAAA", "nonsense=1", "limit=1&limit=2"]
    {
        let answer = world.hub(Request::get(&format!("/calls?{query}")).bearer(&world.a.hub_key)).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    assert_eq!(changes(&before, &dump(&world)), [""; 0], "nothing was changed");
    world.end().await;
}

/// Paths that mean, or could be taken to mean, the same as `path`.
fn tricks(path: &str) -> Vec<String> {
    let mut found = vec![
        format!("/{path}"),
        format!("//{path}"),
        format!("/.{path}"),
        format!("/x/..{path}"),
        format!("/health/live/..{path}"),
        format!("/%2e{path}"),
        format!("/x/%2e%2e{path}"),
        format!("/health/live;{path}"),
        format!("{path}/"),
        format!("{path}//"),
        format!("{path}/."),
        format!("{path}/x/.."),
        format!("{path};x"),
        format!("{path};x=1"),
        format!("{path}%00"),
        format!("{path}%20"),
        format!("{path}%3f"),
        format!("{path}%23"),
        format!("{path}.json"),
        format!("{path}%2f"),
        format!("{path}%5c"),
        format!("{path}\\"),
        path.to_uppercase(),
        path.replace('/', "//"),
        path.replace('/', "/./"),
        path.replace('/', "\\"),
        path.replace('/', "%2f"),
        path.replace('/', "%2F"),
        path.replace('/', "%252f"),
        path.replace('/', "%c0%af"),
        path.replace('/', "/%2e/"),
        format!("http://localhost{path}"),
        format!("{path}#x"),
    ];
    found.extend(path.char_indices().skip(1).step_by(3).map(|(at, c)| {
        let mut encoded = path.to_owned();
        encoded.replace_range(at..at + c.len_utf8(), &format!("%{:02x}", u32::from(c)));
        encoded
    }));
    found.retain(|trick| trick != path);
    found
}

async fn tricked<S: WebService>(world: &World) {
    for row in S::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_))) {
        let path = world.a.fill(S::KIND, row.spec.path);
        for trick in tricks(&path) {
            let answer = send(world, S::KIND, row.spec.method.name(), &trick).await;
            assert!(
                matches!(answer.status, 400 | 401 | 404 | 405),
                "{} {trick}: {}",
                row.spec.id,
                answer.status
            );
            let body = format!("{} {trick}: {}", row.spec.id, answer.body);
            assert!(world.a.marks().iter().all(|mark| !answer.body.contains(mark)), "{body}");
        }
    }
}

async fn send(world: &World, service: Service, method: &str, target: &str) -> Response {
    let text = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    Response::parse(&raw(world.address(service), text.as_bytes()).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_of_writing_a_path_reaches_a_guarded_handler_unguarded() {
    let world = World::start().await;
    let before = dump(&world);
    tricked::<Hub>(&world).await;
    tricked::<Chatbot>(&world).await;
    assert_eq!(changes(&before, &dump(&world)), [""; 0], "nothing was changed");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_but_those_of_the_table_does_anything() {
    let world = World::start().await;
    let before = dump(&world);
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "Get", "XYZ", "PROPFIND",
    ];
    for row in Hub::TABLE.rows() {
        let target = world.a.fill(Service::Hub, row.spec.path);
        let own: Vec<_> = Hub::TABLE
            .rows()
            .iter()
            .filter(|other| other.spec.path == row.spec.path)
            .map(|other| other.spec.method.name())
            .collect();
        for method in methods.iter().filter(|method| !own.contains(*method)) {
            let head = *method == "HEAD" && own.contains(&"GET");
            if head && matches!(row.rule, Rule::Public { .. }) {
                continue;
            }
            let request = Request::new(method, &target).header("X-HTTP-Method-Override", own[0]);
            let answer = world.hub(request.bearer(&world.a.hub_key)).await;
            if head {
                assert_eq!((answer.status, answer.body.as_str()), (200, ""), "HEAD {target}");
                let bare = Request::new("HEAD", &target);
                assert_eq!(world.hub(bare).await.status, 401, "HEAD {target} is guarded as GET is");
            } else {
                assert_eq!(answer.status, 405, "{method} {target}");
                let allow = answer.header("allow").unwrap();
                assert!(own.iter().all(|own| allow.contains(own)), "{method} {target}: {allow}");
            }
        }
    }
    assert_eq!(changes(&before, &dump(&world)), [""; 0], "nothing was changed");
    world.end().await;
}

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

#[test]
fn no_route_takes_its_credential_from_the_query_but_the_fixed_one() {
    let elsewhere = Hub::TABLE.rows().iter().map(|row| (row.spec.id, row.spec.place));
    let elsewhere: Vec<_> = elsewhere
        .chain(Chatbot::TABLE.rows().iter().map(|row| (row.spec.id, row.spec.place)))
        .filter(|(_, place)| *place != Place::Header)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(elsewhere, ["autoconnect", "chat_page", "chat_ask"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_say_what_is_enforced() {
    let world = World::start().await;
    for service in Service::ALL {
        let get =
            async |target: &str| Request::get(target).send(world.address(service)).await.unwrap().json();
        let (document, routes) = (get("/openapi.json").await, get("/auth/routes").await);
        let mut operations = 0;
        for route in routes.as_array().unwrap() {
            let method = route["method"].as_str().unwrap().to_lowercase();
            let operation = &document["paths"][route["path"].as_str().unwrap()][&method];
            assert_eq!(operation["operationId"], route["id"]);
            let public = route["requirement"] == "public";
            assert_eq!(operation["security"].as_array().unwrap().is_empty(), public, "{route}");
            assert_eq!(public, route["because"].is_string(), "a public route says why");
            operations += 1;
        }
        let documented: usize =
            document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
        assert_eq!(documented, operations);
    }
    world.end().await;
}
