//! How a route is reached: by its path and its method as they are in the table, and in no other way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{policy::Rule, service::Service};
use auth_web::{Place, Row, Service as WebService};
use chatbot_service::Chatbot;
use conformance::place::changes;
use conformance::{
    caller::{Kind, request, wrong_form},
    client::{Request, Response, raw},
    world::{Holdings, World},
};
use hub_service::Hub;

/// The first kind of credential that a guarded row takes.
fn kind_of<S>(row: &Row<S>) -> Option<Kind> {
    Kind::of_row(row).first().copied()
}

fn guarded<S: WebService>() -> impl Iterator<Item = &'static Row<S>> {
    S::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::AnyOf(_)))
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

/// A header that presents a credential where a row takes it, if that is a header.
fn presented<S: WebService>(row: &Row<S>, holdings: &Holdings) -> Option<String> {
    let credential = kind_of(row)?.of(holdings, S::KIND);
    match row.spec.place {
        Place::Header => Some(format!("Authorization: Bearer {credential}\r\n")),
        Place::Cookie(name) | Place::Page(name) => Some(format!("Cookie: {name}={credential}\r\n")),
        Place::Query(_) => None,
    }
}

async fn send(world: &World, service: Service, line: &str, headers: &str) -> Response {
    let text = format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
    Response::parse(&raw(world.address(service), text.as_bytes()).await.unwrap()).unwrap()
}

/// Tries every trick with the path of every guarded row, without a credential and with another tenant's.
async fn tricked<S: WebService>(world: &World) {
    for row in guarded::<S>() {
        let path = world.a.fill(S::KIND, row.spec.path);
        for trick in tricks(&path) {
            let line = format!("{} {trick}", row.spec.method.name());
            let stranger = send(world, S::KIND, &line, "").await;
            let refused = matches!(stranger.status, 400 | 401 | 404 | 405);
            assert!(refused, "{} {line}: {}", row.spec.id, stranger.status);
            let mut answers = vec![stranger];
            // Whoever logs out, however the path is written, ends what is their own; and so with their factors.
            let own = ["logout", "logout_all", "mfa_totp_enroll", "mfa_totp_remove", "mfa_recovery_codes"];
            // And a super admin has no other's to reach.
            let own = own.contains(&row.spec.id) || kind_of(row) == Some(Kind::SuperAdmin);
            if let Some(headers) = presented(row, &world.b).filter(|_| !own) {
                answers.push(send(world, S::KIND, &line, &headers).await);
            }
            for answer in answers {
                let shown = world.a.marks().into_iter().find(|mark| answer.body.contains(mark));
                assert_eq!(shown, None, "{} {line}: {}", row.spec.id, answer.body);
                if matches!(answer.status, 401 | 404 | 405) {
                    assert_eq!(wrong_form(&answer, S::KIND), [""; 0], "{} {line}", row.spec.id);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_of_writing_a_path_reaches_a_guarded_handler_unguarded() {
    let world = World::start().await;
    let before = world.dump().await;
    tricked::<Hub>(&world).await;
    tricked::<Chatbot>(&world).await;
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "Get", "pOST", "XYZ",
    "PROPFIND", "MKCOL", "QUERY", "GETT",
];

async fn other_methods<S: WebService>(world: &World) {
    for row in S::TABLE.rows() {
        let kind = kind_of(row);
        let credential = kind.map(|kind| kind.of(&world.a, S::KIND));
        let sent = request(row, &world.a, credential.as_deref());
        let bare = request(row, &world.a, None);
        let rows = S::TABLE.rows().iter().filter(|other| other.spec.path == row.spec.path);
        let own: Vec<_> = rows.map(|other| other.spec.method.name()).collect();
        for method in METHODS.iter().filter(|method| !own.contains(*method)) {
            let with = |request: &Request| Request { method: (*method).to_owned(), ..request.clone() };
            let target = format!("{method} {}", sent.target);
            if *method == "HEAD" && own.contains(&"GET") {
                // Opening a chat, or linking a calendar, is what these do, whatever is told of it.
                if ["autoconnect", "oauth_callback"].contains(&row.spec.id) || row.spec.method.name() != "GET"
                {
                    continue;
                }
                let answer = with(&sent).send(world.address(S::KIND)).await.unwrap();
                assert_eq!((answer.status, answer.body.as_str()), (row.status, ""), "{target}");
                let stranger = with(&bare).send(world.address(S::KIND)).await.unwrap();
                let expected = if kind.is_some() { 401 } else { row.status };
                assert_eq!((stranger.status, stranger.body.as_str()), (expected, ""), "{target}");
                continue;
            }
            for request in [with(&sent), with(&bare)] {
                let answer = request.send(world.address(S::KIND)).await.unwrap();
                if *method == "HEAD" {
                    assert_eq!((answer.status, answer.body.as_str()), (405, ""), "{target}");
                    continue;
                }
                assert_eq!(answer.status, 405, "{target}");
                assert_eq!(wrong_form(&answer, S::KIND), [""; 0], "{target}");
                let allow = answer.header("allow").unwrap();
                assert!(own.iter().all(|own| allow.contains(own)), "{target}: {allow}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_but_those_of_the_table_does_anything() {
    let world = World::start().await;
    let before = world.dump().await;
    other_methods::<Hub>(&world).await;
    other_methods::<Chatbot>(&world).await;
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

/// Headers and queries by which some servers take another method or path than the request's own.
async fn elsewhere<S: WebService>(world: &World) {
    let to = world.address(S::KIND);
    let live = Request::get("/health/live").send(to).await.unwrap().body;
    for row in guarded::<S>() {
        let credential = kind_of(row).unwrap().of(&world.a, S::KIND);
        let target = request(row, &world.a, Some(&credential)).target;
        for name in
            ["X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Prefix"]
        {
            // Who may, and who may not, gets the route of the request line.
            let open = Request::get("/health/live").header(name, &target).bearer(&credential);
            let answer = open.send(to).await.unwrap();
            assert_eq!((answer.status, &answer.body), (200, &live), "{name}: {target}");
            let shut = request(row, &world.a, None).header(name, "/health/live").send(to).await.unwrap();
            assert_eq!(shut.status, 401, "{} with {name}", row.spec.id);
        }
        for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
            let live = Request::get("/health/live").header(name, "DELETE").send(to).await.unwrap();
            assert_eq!(live.status, 200);
            let path = world.a.fill(S::KIND, row.spec.path);
            // One that no row of that path has.
            let no_own = if row.spec.method.name() == "PUT" { "PATCH" } else { "PUT" };
            let shut = Request::new(no_own, &format!("{path}?_method={}", row.spec.method.name()));
            let shut = shut.header(name, row.spec.method.name()).bearer(&credential).send(to).await.unwrap();
            assert_eq!(shut.status, 405, "{} with {name}", row.spec.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_leads_to_another_route_or_method() {
    let world = World::start().await;
    let before = world.dump().await;
    elsewhere::<Hub>(&world).await;
    elsewhere::<Chatbot>(&world).await;
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_route_is_absent_in_the_common_form() {
    let world = World::start().await;
    for service in Service::ALL {
        for target in ["/", "/nothing", "/api-keys/x/y/z", "/auth", "/..", "/%00", "/favicon.ico", "/metrics"]
        {
            for credential in [None, Some(Kind::Key.of(&world.a, service))] {
                let request = Request::get(target);
                let request = credential.map_or(request.clone(), |credential| request.bearer(&credential));
                let answer = request.send(world.address(service)).await.unwrap();
                assert_eq!(answer.status, 404, "{service} {target}");
                assert_eq!(wrong_form(&answer, service), [""; 0], "{service} {target}");
            }
        }
    }
    world.end().await;
}

/// The public rows of a table that an address asks so many times a minute.
fn limited<S: WebService>() -> impl Iterator<Item = &'static Row<S>> {
    let public = S::TABLE.rows().iter().filter(|row| matches!(row.rule, Rule::Public { .. }));
    public.filter(|row| row.spec.throttle.is_some())
}

/// Row C6: asks each limited row as often as may be, and then in every other writing of its path, as it should be asked.
async fn beyond_limits<S: WebService>(world: &World) -> usize {
    let to = world.address(S::KIND);
    let mut tried = 0;
    for row in limited::<S>() {
        let good = request(row, &world.a, None);
        // What does not read is counted as well.
        let mut spent = Request { body: String::new(), ..good.clone() };
        if row.spec.id == "oauth_callback" {
            spent.headers.clear();
        }
        let mut status = 0;
        for _ in 0..=row.spec.throttle.unwrap().get() {
            status = spent.send(to).await.unwrap().status;
            if status == 429 {
                break;
            }
        }
        assert_eq!((status, good.send(to).await.unwrap().status), (429, 429), "{}", row.spec.id);
        let path = world.a.fill(S::KIND, row.spec.path);
        for trick in tricks(&path) {
            let sent = Request { target: good.target.replacen(&path, &trick, 1), ..good.clone() };
            let answer = sent.send(to).await.unwrap();
            let refused = matches!(answer.status, 400 | 404 | 405 | 429);
            assert!(refused, "{} {trick}: {} {}", row.spec.id, answer.status, answer.body);
            tried += 1;
        }
    }
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_of_writing_a_path_passes_by_its_limit() {
    let world = World::start().await;
    let (before, trail) = (world.dump().await, world.stores.audit.head().await.unwrap().seq);
    let guesses = "SELECT COUNT(*) || '' AS line FROM attempts";
    let counted = world.place.query(guesses).await;
    let tried = beyond_limits::<Hub>(&world).await + beyond_limits::<Chatbot>(&world).await;
    assert!(tried > 500, "{tried}");
    assert_eq!(world.place.query(guesses).await, counted, "no login was judged");
    assert_eq!(world.audited_since(trail).await, [], "and none began");
    assert_eq!(changes(&before, &world.dump().await), [""; 0], "nothing was changed");
    world.end().await;
}
