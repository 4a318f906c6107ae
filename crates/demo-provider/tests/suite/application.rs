//! What the demo application shows, and what it asks the Hub for.

use crate::{
    stand_in::{ACCOUNT, KEY, PROVIDER, Stage, USER, config},
    visitor::{Steps, parsed},
};
use data_encoding::BASE64;
use demo_provider::{Application, ApplicationConfig};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const COOKIE: &str = "__Host-oauth=a+/=\"b\"; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax";

fn connection(provider: &str, address: Option<&str>, status: &str) -> Value {
    json!({
        "provider": provider, "address": address, "scopes": ["openid"], "status": status,
        "expires_at": "2026-12-01T09:30:00Z", "connected_at": "2026-12-01T08:30:00Z", "failed_revocations": 0,
    })
}

fn list(items: &[Value]) -> String {
    json!({ "items": items, "next_cursor": null }).to_string()
}

/// What stands in the section of a provider.
fn section(page: &str, provider: &str) -> String {
    let (_, rest) = page.split_once(&format!("<section id=\"{provider}\">")).unwrap();
    rest.split_once("</section>").unwrap().0.to_owned()
}

/// Where the forms of a section lead.
fn buttons(section: &str) -> Vec<&str> {
    section.split("<form ").skip(1).map(|form| form.split_once('>').unwrap().0).collect()
}

const LINK: &str = r#"method="post" action="/link/google""#;
const EVENTS: &str = r#"method="get" action="/events/google""#;
const UNLINK: &str = r#"method="post" action="/unlink/google""#;

#[tokio::test]
async fn the_page_has_the_buttons_of_each_state() {
    let stage = Stage::start().await;
    for (items, shown, expected) in [
        (vec![], "not linked", vec![LINK]),
        (
            vec![connection("google", Some("alice@example.com"), "active")],
            "alice@example.com",
            vec![EVENTS, UNLINK],
        ),
        (vec![connection("google", None, "active")], "not told", vec![EVENTS, UNLINK]),
        (vec![connection("google", None, "needs_consent")], "needs consent", vec![LINK, UNLINK]),
        (vec![connection("google", None, "disconnecting")], "could not be told yet", vec![UNLINK]),
    ] {
        stage.says("200 OK", &list(&items));
        let page = stage.get("/?whatever=1").await;
        assert_eq!(page.status, 200);
        let google = section(&page.text(), "google");
        assert!(google.contains(shown), "{google}");
        assert_eq!(buttons(&google), expected);
        assert!(section(&page.text(), "microsoft").contains("not linked"));
        let asked = stage.asked().remove(0);
        let first = format!("GET /accounts/{ACCOUNT}/users/{USER}/calendar HTTP/1.1\r\n");
        assert!(
            asked.starts_with(&first) && asked.contains(&format!("authorization: Bearer {KEY}\r\n")),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn every_page_is_protected() {
    let stage = Stage::start().await;
    stage.says("200 OK", &list(&[])).says("503 Service Unavailable", "").says("202 Accepted", "{}");
    for page in [
        stage.get("/").await,
        stage.get("/").await,
        stage.post("/unlink/google").await,
        stage.get("/elsewhere").await,
        stage.get("/link/google").await,
        parsed(&stage.visit("POST", "/link/google", &[]).await),
        parsed(&stage.visit("GET", "/", &[("host", "localhost.example")]).await),
    ] {
        let text = page.text();
        let (_, style) = text.split_once("<style>").unwrap();
        let style = BASE64.encode(&Sha256::digest(style.split_once("</style>").unwrap().0));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {PROVIDER} {}; base-uri 'none'; \
             frame-ancestors 'none'",
            stage.hub
        );
        assert_eq!(page.header("content-security-policy"), policy);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert!(!text.contains("<script") && !text.contains("style="), "{text}");
    }
}

#[tokio::test]
async fn a_link_leads_to_the_provider_with_the_cookies_of_the_hub() {
    let stage = Stage::start().await;
    let to = format!("{PROVIDER}/o/oauth2/v2/auth?scope=openid%20email&state=a");
    let body = json!({ "authorization_url": to }).to_string();
    // Bytes that are no ASCII are none of this application's business, either.
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nset-cookie: {COOKIE}\r\ncontent-length: {}\r\nset-cookie: b=",
        body.len()
    )
    .into_bytes();
    answer.extend(b"\xe9\xff  ;  weird");
    answer.extend(format!("\r\n\r\n{body}").bytes());
    stage.says_bytes(answer);
    let raw = stage.visit("POST", "/link/google", &[("sec-fetch-site", "same-origin")]).await;
    let expected = [b"set-cookie: ", COOKIE.as_bytes(), b"\r\nset-cookie: b=\xe9\xff  ;  weird\r\n"].concat();
    assert!(raw.windows(expected.len()).any(|some| some == expected), "{}", String::from_utf8_lossy(&raw));
    assert_eq!(raw.windows(11).filter(|some| some == b"set-cookie:").count(), 2);
    let head = String::from_utf8_lossy(&raw).into_owned();
    assert!(head.starts_with("HTTP/1.1 303 ") && head.contains(&format!("location: {to}\r\n")), "{head}");

    let asked = stage.asked().remove(0);
    assert!(asked.starts_with("POST /oauth/google/authorize HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("content-type: application/json\r\n"), "{asked}");
    assert!(asked.contains(&format!("authorization: Bearer {KEY}\r\n")), "{asked}");
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body,
        json!({ "user_id": USER, "redirect_after": format!("{}/", stage.application.origin()) })
    );
}

#[tokio::test]
async fn nobody_is_led_where_no_browser_goes() {
    let stage = Stage::start().await;
    for to in ["javascript:alert(1)", "http://a\r\nx: y", "/", ""] {
        stage.says(
            &format!("200 OK\r\nset-cookie: {COOKIE}"),
            &json!({ "authorization_url": to }).to_string(),
        );
        let page = stage.post("/link/google").await;
        assert_eq!((page.status, page.header("location"), page.header("set-cookie")), (502, "", ""), "{to}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let stage = Stage::start().await;
    let own = stage.application.origin();
    let other = own.replace("localhost", "127.0.0.1");
    for path in ["/link/google", "/unlink/google"] {
        for headers in [
            vec![],
            vec![("origin", stage.hub.as_str())],
            vec![("origin", other.as_str())],
            vec![("origin", "null")],
            vec![("sec-fetch-site", "same-site"), ("origin", own)],
            vec![("sec-fetch-site", "cross-site"), ("origin", "https://foreign.example")],
            vec![("sec-fetch-site", "none")],
            vec![("sec-fetch-site", "same-origin"), ("origin", stage.hub.as_str())],
        ] {
            let page = parsed(&stage.visit("POST", path, &headers).await);
            assert_eq!(page.status, 403, "{path} {headers:?}");
            assert!(page.text().contains("another site"));
        }
    }
    // By a name of its own, a foreign site would be of the same origin.
    let rebound = [("host", "localhost.example:80"), ("sec-fetch-site", "same-origin")];
    assert_eq!(parsed(&stage.visit("POST", "/unlink/google", &rebound).await).status, 421);
    assert_eq!(parsed(&stage.visit("GET", "/", &rebound).await).status, 421);
    assert_eq!(stage.asked(), Vec::<String>::new());

    stage.says("204 No Content", "").says("204 No Content", "");
    for headers in [vec![("origin", own)], vec![("sec-fetch-site", "same-origin"), ("origin", own)]] {
        let done = parsed(&stage.visit("POST", "/unlink/google", &headers).await);
        assert_eq!((done.status, done.header("location")), (303, "/"));
    }
}

#[tokio::test]
async fn problems_of_the_hub_are_told_with_their_status() {
    let stage = Stage::start().await;
    let hostile = "<script>alert('1')</script>\"&<!--";
    for (path, is_post) in
        [("/", false), ("/events/google", false), ("/link/google", true), ("/unlink/google", true)]
    {
        for (head, status) in
            [("409 Conflict", 409), ("401 Unauthorized", 401), ("503 Service Unavailable", 503)]
        {
            let head = format!("{head}\r\ncontent-type: application/problem+json\r\nset-cookie: {COOKIE}");
            stage.says(
                &head,
                &json!({ "title": "It conflicts", "detail": hostile, "status": 200 }).to_string(),
            );
            let page = if is_post { stage.post(path).await } else { stage.get(path).await };
            assert_eq!((page.status, page.header("set-cookie")), (status, ""), "{path}");
            let text = page.text();
            assert!(text.contains("<h1>It conflicts</h1>"), "{text}");
            assert!(text.contains("&lt;script&gt;alert('1')&lt;/script&gt;&quot;&amp;&lt;!--"), "{text}");
            assert!(!text.contains("<script") && !text.contains("<!--"), "{text}");
        }
    }
    for (answer, detail) in [
        ("500 Internal Server Error", "It answered 500 Internal Server Error."),
        ("404 Not Found", "It answered 404 Not Found."),
    ] {
        stage.says(answer, "<p>proxy</p>");
        let page = stage.get("/").await.text();
        assert!(page.contains(detail) && !page.contains("proxy"), "{page}");
    }
}

#[tokio::test]
async fn what_is_no_answer_of_a_hub_is_told_as_such() {
    let stage = Stage::start().await;
    let long = format!("{}{}", list(&[]), " ".repeat(1 << 20));
    let fits = format!("{}{}", list(&[]), " ".repeat((1 << 20) - list(&[]).len()));
    stage.says("200 OK", &fits);
    assert_eq!(stage.get("/").await.status, 200);
    stage
        .says("200 OK", &long)
        .says("200 OK", "[]")
        .says("200 OK", &list(&[connection("google", None, "lost")]))
        .says("302 Found\r\nlocation: http://localhost:1/", "")
        .says("400 Bad Request", &json!({ "title": "No", "detail": format!("Bearer {KEY}") }).to_string())
        .says_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec())
        .says_bytes(b"SSH-2.0\r\n".to_vec())
        .says_bytes(Vec::new());
    for number in 0..8 {
        let page = stage.get("/").await;
        assert_eq!(page.status, 502, "{number}");
        assert!(page.text().contains("The Hub did not answer as it should"), "{number}");
    }
    stage.says("200 OK", "{}");
    assert_eq!(stage.post("/unlink/google").await.status, 502);

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hub = format!("http://localhost:{}", nobody.local_addr().unwrap().port());
    drop(nobody);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let alone = Application::start(listener, config(&hub, Steps::begin())).await.unwrap();
    let stage = stage.with(alone);
    assert_eq!(stage.get("/").await.status, 502);
}

#[tokio::test]
async fn events_of_the_next_30_days_are_shown_page_by_page() {
    let stage = Stage::start().await;
    let event = |title: &str, start: Value, end: Value, cancelled: bool| {
        json!({
            "id": "1", "title": title, "start": start, "end": end, "cancelled": cancelled,
            "location": "Room <1>", "organizer": null,
        })
    };
    let at = |time: &str| json!({ "date_time": time });
    let items = [
        event("<b>Lunch", at("2026-12-01T12:00:00Z"), at("2026-12-01T13:00:00Z"), false),
        event("Training", json!({ "date": "2026-12-02" }), json!({ "date": "2026-12-03" }), true),
    ];
    stage.says("200 OK", &json!({ "items": items, "next_cursor": "a&b=c d\"" }).to_string());
    let page = stage.get("/events/google").await;
    let text = page.text();
    assert_eq!(page.status, 200);
    for shown in [
        "<td>&lt;b&gt;Lunch</td>",
        "<time datetime=\"2026-12-01T12:00:00Z\">2026-12-01 12:00 UTC</time>",
        "<time datetime=\"2026-12-02\">2026-12-02</time>",
        "<s>Training</s> (cancelled)",
        "<td>Room &lt;1&gt;</td>",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let events = format!("/accounts/{ACCOUNT}/users/{USER}/calendar/google/events");
    let span = "from=2026-12-01T08%3A30%3A00Z&to=2026-12-31T08%3A30%3A00Z";
    assert!(stage.asked()[0].starts_with(&format!("GET {events}?{span} HTTP/1.1\r\n")));

    let (_, next) = text.split_once("<a href=\"").unwrap();
    let (next, _) = next.split_once("\" rel=\"next\"").unwrap();
    stage.clock.forward(60);
    stage.says("200 OK", &list(&[]));
    let last = stage.get(&next.replace("&amp;", "&")).await.text();
    assert!(last.contains("There are none.") && !last.contains("Next page"), "{last}");
    let asked = stage.asked().remove(0);
    let expected = format!("GET {events}?{span}&cursor=a%26b%3Dc+d%22 HTTP/1.1\r\n");
    assert!(asked.starts_with(&expected), "{asked}");

    for query in ["from=yesterday", "from=2026-12-01T00:00:00Z&from=2026-12-01T00:00:00Z"] {
        assert_eq!(stage.get(&format!("/events/google?{query}")).await.status, 400);
    }
    assert_eq!(stage.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_end_that_could_not_be_told_yet_is_told_so() {
    let stage = Stage::start().await;
    let waits = connection("google", None, "disconnecting").to_string();
    stage.says("204 No Content", "").says("202 Accepted", &waits);
    let done = stage.post("/unlink/google").await;
    assert_eq!((done.status, done.header("location")), (303, "/"));
    let page = stage.post("/unlink/google").await;
    assert_eq!((page.status, page.header("location")), (202, ""));
    assert!(page.text().contains("could not be told yet"));
    let first = format!("DELETE /accounts/{ACCOUNT}/users/{USER}/calendar/google HTTP/1.1\r\n");
    assert!(stage.asked().iter().all(|asked| asked.starts_with(&first)));
}

#[tokio::test]
async fn other_paths_are_nowhere_and_other_methods_are_not_taken() {
    let stage = Stage::start().await;
    for path in [
        "/elsewhere",
        "/link/other",
        "/link/",
        "/link/google/",
        "/events",
        "/events/google/a",
        "//link/google",
    ] {
        assert_eq!(stage.get(path).await.status, 404, "{path}");
        assert_eq!(stage.post(path).await.status, 404, "{path}");
    }
    for (path, allowed) in
        [("/", "GET"), ("/events/google", "GET"), ("/link/google", "POST"), ("/unlink/google", "POST")]
    {
        for method in ["GET", "POST", "DELETE", "PUT"].into_iter().filter(|method| *method != allowed) {
            let page = parsed(&stage.visit(method, path, &[("sec-fetch-site", "same-origin")]).await);
            assert_eq!((page.status, page.header("allow")), (405, allowed), "{method} {path}");
        }
    }
    assert_eq!(stage.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn it_starts_with_what_can_be_alone_and_ends_when_dropped() {
    let start = async |address: &str, change: &dyn Fn(&mut ApplicationConfig)| {
        let mut config = config("http://localhost:9", Steps::begin());
        change(&mut config);
        Application::start(std::net::TcpListener::bind(address).unwrap(), config).await
    };
    let why =
        async |change: &dyn Fn(&mut ApplicationConfig)| start("127.0.0.1:0", change).await.err().unwrap();
    assert!(start("0.0.0.0:0", &|_| ()).await.err().unwrap().contains("not on the loopback"));
    assert!(why(&|config| config.hub = "http://hub.example:80".to_owned()).await.contains("loopback"));
    assert!(why(&|config| config.account_id = "a".to_owned()).await.contains("account"));
    assert!(why(&|config| config.user_id = "../b".to_owned()).await.contains("user"));
    assert!(why(&|config| config.providers = vec!["a/b".to_owned()]).await.contains("provider"));
    assert!(why(&|config| config.provider_origins = vec!["https://a;b".to_owned()]).await.contains("origin"));

    let stage = Stage::start().await;
    let origin = stage.application.origin().to_owned();
    let address = origin.replace("http://localhost", "127.0.0.1");
    drop(stage.application);
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
