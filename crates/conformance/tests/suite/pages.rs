//! What browsers do: forms of our pages, pages of others, `HEAD`, and the pages for people.

use auth_core::service::Service;
use auth_web::problem::Kind;
use chatbot_service::responder::{Responder, Upstream};
use conformance::place::changes;
use conformance::{
    client::{Request, Response},
    world::World,
};

fn form(world: &World) -> Request {
    let mut request = Request::new("POST", "/chat")
        .header("Cookie", &format!("__Host-chat={}", world.a.chat))
        .header("Content-Type", "application/x-www-form-urlencoded");
    request.body = "question=Open%3F".to_owned();
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chats_form_is_taken_from_its_own_page_alone() {
    let world = World::start().await;
    let cookie = format!("__Host-chat={}", world.a.chat);
    let page = world.chatbot(Request::get("/chat").header("Cookie", &cookie)).await;
    assert_eq!((page.status, page.header("referrer-policy")), (200, Some("same-origin")));
    assert!(page.body.contains("<form"));
    let docs = world.chatbot(Request::get("/docs")).await;
    assert_eq!(docs.header("referrer-policy"), Some("no-referrer"), "a page without a form");

    let own = format!("http://{}", world.chatbot);
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("Origin", &own), ("Sec-Fetch-Site", "same-origin")], 200),
        (&[("Origin", &own)], 200),
        (&[("Sec-Fetch-Site", "same-origin")], 200),
        (&[("Origin", "null"), ("Sec-Fetch-Site", "same-origin")], 200),
        (&[], 403),
        (&[("Origin", "null")], 403),
        (&[("Origin", "null"), ("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Origin", "null"), ("Sec-Fetch-Site", "same-site")], 403),
        (&[("Origin", "null"), ("Sec-Fetch-Site", "none")], 403),
        (&[("Origin", &own), ("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Origin", "https://evil.example")], 403),
        (&[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "same-origin")], 403),
        (&[("Origin", "https://evil.example"), ("Origin", &own)], 403),
        (&[("Origin", &own), ("Origin", "https://evil.example")], 403),
        (&[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], 403),
    ];
    for (headers, status) in cases {
        let request = headers.iter().fold(form(&world), |form, (name, value)| form.header(name, value));
        let answer = world.chatbot(request).await;
        assert_eq!(answer.status, *status, "{headers:?}: {}", answer.body);
        if *status == 403 {
            assert_eq!(answer.field("code"), "foreign_page");
        }
    }
    world.end().await;
}

/// Whether a page may read an answer; what stands beside must not depend on it.
fn readable(answer: &Response, origin: &str) -> bool {
    let whom = answer.header("access-control-allow-origin");
    assert_eq!(answer.header("vary"), Some("Origin"), "{answer:?}");
    let exposed = answer.header("access-control-expose-headers");
    assert_eq!(exposed, whom.map(|_| "Retry-After, X-Request-Id"), "{answer:?}");
    assert!(whom.is_none_or(|whom| whom == origin), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    whom.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_page_reads_every_answer_and_others_none() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = Upstream::new(&format!("http://{gone}"), "m", None).unwrap();
    let world = World::start_with(|stores| stores, Responder::Upstream(nobody)).await;
    let token = &world.a.widget.0;
    let session = "/v1/widget/session";
    let message = "/v1/widget/message";
    let ask = format!(r#"{{"session_id":"{}","text":"Hello"}}"#, world.a.widget.1);
    let open = format!(r#"{{"tenant":"{}","origin":"{}"}}"#, world.a.domain, world.a.origin);
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(65 * 1024));
    let mut text = Request::new("POST", session).header("Content-Type", "text/plain");
    text.body.clone_from(&open);
    let requests = [
        (Request::post(session, &open), 200),
        (Request::post(session, "{}"), 400),
        (Request::post(session, &large), 413),
        (text, 415),
        (Request::post(message, &ask), 401),
        (Request::post(message, &ask).bearer("avk_x"), 401),
        (Request::post(message, "{}").bearer(token), 400),
        (Request::post(message, &large).bearer(token), 413),
        (Request::post(message, &ask).bearer(&world.a.domain_key), 403),
        (Request::post(message, &ask).bearer(token), 502),
        (Request::new("OPTIONS", message), 204),
    ];
    for (request, status) in requests {
        let send = async |origin: &str| {
            let answer = world.chatbot(request.clone().header("Origin", origin)).await;
            let is_opened = status == 200 && origin != world.a.origin;
            assert_eq!(
                answer.status,
                if is_opened { 404 } else { status },
                "{}: {}",
                request.target,
                answer.body
            );
            readable(&answer, origin)
        };
        assert!(send(&world.a.origin).await, "{} {status}", request.target);
        for origin in ["https://evil.example", "null", "", "https://www.a.example.evil.example"] {
            assert!(!send(origin).await, "{} {status} {origin}", request.target);
        }
        let bare = world.chatbot(request.clone()).await;
        assert!(!readable(&bare, ""), "{}", request.target);
        // A session's page is its own domain's.
        if status == 502 {
            assert!(!send(&world.b.origin).await);
        }
    }
    // Used up.
    for throttled in [Request::post(session, &open), Request::post(message, &ask)] {
        let mut last = None;
        for _ in 0..40 {
            let request = throttled.clone().bearer(token).header("Origin", &world.a.origin);
            last = Some(world.chatbot(request).await);
        }
        let last = last.unwrap();
        assert_eq!(last.status, 429, "{}", last.body);
        assert!(last.header("retry-after").is_some() && readable(&last, &world.a.origin));
    }
    let wrong_method = world.chatbot(Request::get(session).header("Origin", &world.a.origin)).await;
    assert_eq!((wrong_method.status, readable(&wrong_method, "")), (405, false));
    let elsewhere = world.chatbot(Request::get("/docs").header("Origin", &world.a.origin)).await;
    assert_eq!(elsewhere.header("access-control-allow-origin"), None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_no_effect() {
    let world = World::start().await;
    let before = world.dump().await;
    let connect = format!("/autoconnect?token={}", world.a.temp.0);
    let answer = world.chatbot(Request::new("HEAD", &connect)).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(changes(&before, &world.dump().await), [""; 0]);
    assert_eq!(world.chatbot(Request::new("HEAD", "/docs")).await.status, 200);
    assert_eq!(world.chatbot(Request::get(&connect)).await.status, 303);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autoconnect_and_query_have_an_end() {
    let world = World::start().await;
    let until_throttled = async |request: Request| {
        for n in 0..10_000 {
            let answer = world.chatbot(request.clone()).await;
            if answer.status == 429 {
                return n;
            }
            assert!(answer.status < 400 || answer.status == 401, "{}", answer.body);
        }
        panic!("there is no end");
    };
    let connect = until_throttled(Request::get("/autoconnect?token=nobody")).await;
    assert!((100..=120).contains(&connect), "{connect}");
    let query = until_throttled(Request::post("/query/", r#"{"question":"Open?"}"#)).await;
    assert!((5000..=6000).contains(&query), "{query}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_a_problem_leads_to_where_it_is_told() {
    let world = World::start().await;
    for service in Service::ALL {
        let page = Request::get("/docs/problems").send(world.address(service)).await.unwrap().body;
        for kind in Kind::ALL {
            assert_eq!(page.matches(&format!("id=\"{}\"", kind.code())).count(), 1, "{}", kind.code());
        }
    }
    let mut form = form(&world).header("Sec-Fetch-Site", "same-origin");
    form.headers.retain(|(name, _)| name != "Content-Type");
    let refused = world.chatbot(form).await;
    assert_eq!(refused.status, 415, "{}", refused.body);
    assert!(!refused.body.to_lowercase().contains("json"), "a form is wanted: {}", refused.body);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openapi_names_the_places_of_the_table() {
    let world = World::start().await;
    for service in Service::ALL {
        let get = async || Request::get("/openapi.json").send(world.address(service)).await.unwrap();
        let document = get().await.json();
        assert_eq!(get().await.json(), document);
        let defined = document["components"]["securitySchemes"].as_object().unwrap();
        let mut used = std::collections::BTreeSet::new();
        for operation in document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
        {
            for way in operation["security"].as_array().unwrap() {
                used.extend(way.as_object().unwrap().keys().cloned());
            }
        }
        assert_eq!(
            defined.keys().cloned().collect::<std::collections::BTreeSet<_>>(),
            used,
            "none more, none less"
        );
        let names: Vec<_> = defined.values().filter_map(|scheme| scheme["name"].as_str()).collect();
        assert_eq!(names.contains(&"__Host-chat"), service == Service::Chatbot, "{names:?}");
    }
    world.end().await;
}
