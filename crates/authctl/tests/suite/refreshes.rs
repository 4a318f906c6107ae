//! Sessions of people beside a process that is killed.

use crate::{
    commands::initialised,
    people::{import, log_in},
};
use conformance::client::{Request, Response};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

const ALICE: &str = "alice@example.com";
/// How often the process is killed.
const KILLS: usize = 12;

async fn refresh(to: SocketAddr, token: &str) -> io::Result<Response> {
    let body = serde_json::json!({ "refresh_token": token }).to_string();
    Request::post("/auth/refresh", &body).send(to).await
}

/// Refreshes until nobody answers any more; the token that was presented last.
async fn carry_on(to: SocketAddr, mut token: String, answered: Arc<AtomicUsize>) -> String {
    while let Ok(answer) = refresh(to, &token).await {
        // What was cut off is no answer.
        let next = answer.field("refresh_token");
        if answer.status != 200 || next.is_empty() {
            break;
        }
        token = next;
        answered.fetch_add(1, Ordering::SeqCst);
    }
    token
}

/// Row F4: the token that was under way is good afterwards, or gets its one successor.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_beside_a_refresh_loses_no_session() {
    let folder = initialised();
    import(&folder, [ALICE]);
    let mut up = folder.up();
    let mut token = log_in(&up, ALICE).await.field("refresh_token");
    for kill in 1..=KILLS {
        let answered = Arc::new(AtomicUsize::new(0));
        let carried_on = tokio::spawn(carry_on(up.chatbot, token, Arc::clone(&answered)));
        while answered.load(Ordering::SeqCst) < kill && !carried_on.is_finished() {
            tokio::task::yield_now().await;
        }
        up.kill();
        let last = carried_on.await.unwrap();
        assert!(answered.load(Ordering::SeqCst) >= kill, "kill {kill}: it was carried on until then");
        up = folder.up();
        let again = refresh(up.chatbot, &last).await.unwrap();
        assert_eq!(again.status, 200, "kill {kill}: the session is lost: {}", again.body);
        token = again.field("refresh_token");
        let twice = refresh(up.chatbot, &last).await.unwrap();
        assert_eq!(twice.field("refresh_token"), token, "kill {kill}: two heads");
        let me = Request::get("/auth/me").bearer(&again.field("access_token"));
        assert_eq!(up.chatbot(me).await.status, 200, "kill {kill}");
    }
    assert_eq!(up.stop(), Some(0));
    folder.json(&["audit", "verify"]);
}
