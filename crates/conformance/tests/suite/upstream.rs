//! The service behind the chat: what it is asked, and what becomes of its failures.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chatbot_service::responder::{Responder, Upstream};
use conformance::{
    client::{Request, Response},
    world::World,
};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

/// A service that answers every request with the same bytes, and keeps what it was sent.
async fn behind(answer: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            let whole = |text: &[u8]| {
                let text = String::from_utf8_lossy(text).to_lowercase();
                let (head, body) = text.split_once("\r\n\r\n")?;
                let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?;
                (body.len() >= length.parse::<usize>().ok()?).then_some(())
            };
            while whole(&text).is_none() {
                assert!(stream.read_buf(&mut text).await.unwrap() > 0);
            }
            kept.lock().unwrap().push(String::from_utf8(text).unwrap());
            // The other side may have heard enough.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Asks the chatbot, with this service behind it.
async fn ask(url: &str) -> Response {
    let responder = Upstream::new(url, "small-model", Some("key-of-the-service".to_owned())).unwrap();
    let world = World::start_with(|stores| stores, Responder::Upstream(responder)).await;
    let question = format!(r#"{{"question":"When are you open?","domain":"{}"}}"#, world.a.domain);
    let answer = world.chatbot(Request::post("/query/", &question).bearer(&world.a.domain_key)).await;
    world.end().await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_reaches_the_model_and_its_answer_the_caller() {
    let completion =
        r#"{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"At nine."}}]}"#;
    let (url, asked) = behind(http("200 OK", completion)).await;
    let answer = ask(&url).await;
    assert_eq!((answer.status, answer.field("answer")), (200, "At nine.".to_owned()));
    let asked = asked.lock().unwrap().clone();
    let [request] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\nauthorization: bearer key-of-the-service\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["model"], "small-model");
    assert_eq!(body["messages"][1]["content"], "When are you open?");
    assert!(!request.contains("avt_"), "the caller's credential stays here");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_should_not_answer_is_a_502_that_tells_nothing_of_it() {
    let (elsewhere, asked_elsewhere) = behind(http("200 OK", "{}")).await;
    for answer in [
        http("500 Internal Server Error", "canary"),
        http("401 Unauthorized", "canary: key-of-the-service"),
        http("200 OK", "canary"),
        http("200 OK", r#"{"choices":[],"canary":1}"#),
        http("200 OK", &format!("canary{}", " ".repeat(2 * 1024 * 1024))),
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"),
        "canary".to_owned(),
    ] {
        let (url, _) = behind(answer.clone()).await;
        let told = ask(&url).await;
        let start = answer.get(..40.min(answer.len())).unwrap();
        assert_eq!(told.status, 502, "{start}: {}", told.body);
        assert!(!told.body.contains("canary") && !told.body.contains(&url), "{}", told.body);
    }
    assert_eq!(asked_elsewhere.lock().unwrap().len(), 0, "redirects are not followed: the key stays here");
    // Nobody listens there.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(ask(&format!("http://{gone}")).await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_hangs_is_asked_so_much_at_once_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let responder =
        Upstream::new(&format!("http://{}", listener.local_addr().unwrap()), "small-model", None).unwrap();
    let world = World::start_with(|stores| stores, Responder::Upstream(responder)).await;
    let question = question_of(&world.a.domain_key);
    let elsewhere = question_of(&world.b.domain_key);
    let ask = || {
        let (question, to) = (question.clone(), world.chatbot);
        async move { question.send(to).await.unwrap().status }
    };
    let mut waiting = JoinSet::new();
    let mut asked = Vec::new();
    for _ in 0..MOST_ASKED {
        waiting.spawn(ask());
        asked.push(listener.accept().await.unwrap());
    }
    let busy = world.chatbot(question.clone()).await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")), "{}", busy.body);
    // The model gives up on one, which makes room for one more.
    asked.pop();
    assert_eq!(waiting.join_next().await.unwrap().unwrap(), 502);
    waiting.spawn(ask());
    asked.push(listener.accept().await.unwrap());
    assert_eq!(ask().await, 503);
    let other = tokio::spawn({
        let to = world.chatbot;
        async move { elsewhere.send(to).await.unwrap().status }
    });
    asked.push(listener.accept().await.unwrap());
    drop((asked, listener));
    assert_eq!(waiting.join_all().await, [502; MOST_ASKED]);
    assert_eq!(other.await.unwrap(), 502, "another domain's question had a place");
    world.end().await;
}

/// As many as the service asks at once for one domain.
const MOST_ASKED: usize = 64;

fn question_of(key: &str) -> Request {
    Request::post("/query/", r#"{"question":"Open?"}"#).bearer(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_of_the_browser_chat_asks_so_often_and_no_more() {
    let world = World::start().await;
    let ask = |chat: &str| {
        let mut form = Request::new("POST", "/chat");
        "question=Open%3F".clone_into(&mut form.body);
        form.header("Cookie", &format!("__Host-chat={chat}"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Sec-Fetch-Site", "same-origin")
    };
    for _ in 0..30 {
        assert_eq!(world.chatbot(ask(&world.a.chat)).await.status, 200);
        assert_eq!(world.chatbot(question_of(&world.a.temp.0)).await.status, 200);
    }
    assert_eq!(world.chatbot(question_of(&world.a.temp.0)).await.status, 429, "nor with the token itself");
    assert_eq!(world.chatbot(question_of(&world.a.domain_key)).await.status, 200, "a key asks for many");
    let refused = world.chatbot(ask(&world.a.chat)).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    assert_eq!(world.chatbot(ask(&world.b.chat)).await.status, 200, "another visitor at the same address");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_field_of_a_question_is_one_that_was_left_out() {
    let world = World::start().await;
    let ask = async |more: &str| {
        let body = format!(r#"{{"question":"Open?"{more}}}"#);
        world.chatbot(Request::post("/query/", &body).bearer(&world.a.domain_key)).await
    };
    for more in ["", r#","domain":"","language":"""#, r#","domain":null,"language":null"#] {
        let answer = ask(more).await;
        assert_eq!((answer.status, answer.field("domain")), (200, world.a.domain.clone()), "{more}");
        assert!(answer.json()["language"].is_null(), "{more}: {}", answer.body);
    }
    for (more, status) in [
        (format!(r#","domain":"{}""#, world.b.domain), 404),
        (r#","domain":" ""#.to_owned(), 400),
        (r#","domain":7"#.to_owned(), 400),
        (r#","language":"not a language""#.to_owned(), 400),
    ] {
        assert_eq!(ask(&more).await.status, status, "{more}");
    }
    world.end().await;
}
