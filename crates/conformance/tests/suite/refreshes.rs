//! Refreshes that fail in the middle: no session is lost by it, and none has two heads.

use crate::half_done::writes_of;
use auth_core::{model::REPLAY, secret::TokenDigest, service::Service};
use auth_web::Service as _;
use chatbot_service::{Chatbot, responder::Responder};
use conformance::{
    caller::wrong_form,
    client::{Request, Response},
    faults::Faults,
    place::changes,
    world::{Person, World},
};
use data_encoding::HEXLOWER;
use serde_json::json;

async fn faulty_world() -> (World, Faults) {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    (world, faults)
}

async fn refresh(world: &World, token: &str) -> Response {
    let body = json!({ "refresh_token": token }).to_string();
    let answer = world.chatbot(Request::post("/auth/refresh", &body)).await;
    assert_eq!(wrong_form(&answer, Service::Chatbot), [""; 0], "{}", answer.body);
    answer
}

/// All that the store holds of sessions, in small letters.
async fn sessions(world: &World) -> Vec<String> {
    let rows = world.place.whole().await.into_iter().map(|row| row.to_lowercase());
    rows.filter(|row| row.starts_with("sessions|")).collect()
}

/// After a refresh that was answered like this, its token is good, or gets its one successor; and whoever comes with it once
/// that was used ends the session.
async fn goes_on(world: &World, person: &Person, answer: &Response, what: &str) {
    let again = refresh(world, &person.refresh).await;
    assert_eq!(again.status, 200, "{what}: the session is lost: {}", again.body);
    let head = again.field("refresh_token");
    assert!(answer.status != 200 || answer.field("refresh_token") == head, "{what}: two heads");
    assert_eq!(refresh(world, &person.refresh).await.field("refresh_token"), head, "{what}: two heads");
    let id = person.session.replace('-', "");
    let rows: Vec<_> = sessions(world).await.into_iter().filter(|row| row.contains(&id)).collect();
    let digest = HEXLOWER.encode(TokenDigest::of(&head).as_bytes());
    assert!(rows.len() == 1 && rows.iter().all(|row| row.contains(&digest)), "{what}: {rows:?}");
    let next = refresh(world, &head).await;
    assert_eq!(next.status, 200, "{what}: {}", next.body);
    let me = Request::get("/auth/me").bearer(&next.field("access_token"));
    assert_eq!(world.chatbot(me.clone()).await.status, 200, "{what}");
    assert_eq!(refresh(world, &person.refresh).await.status, 401, "{what}: a second head");
    assert_eq!(refresh(world, &next.field("refresh_token")).await.status, 401, "{what}: it was burnt");
    assert_eq!(world.chatbot(me).await.status, 401, "{what}: it was burnt");
}

/// Row F4: each call of the store fails in turn, at the first try and at the second one.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_call_under_a_refresh_loses_no_session_and_leaves_one_head() {
    for tries in 0..2 {
        let mut failed = 0;
        for call in 1.. {
            let (world, faults) = faulty_world().await;
            let person = world.log_in(&world.a).await;
            let mut answer = Response { status: 503, headers: Vec::new(), body: String::new() };
            for _ in 0..tries {
                answer = refresh(&world, &person.refresh).await;
            }
            faults.fail_once(call);
            let faulty = refresh(&world, &person.refresh).await;
            let reached = !faults.is_due();
            faults.recover();
            let what = format!("call {call} of try {tries}: {} {}", faulty.status, faulty.body);
            assert_eq!(faulty.status, if reached { 503 } else { 200 }, "{what}");
            let answer = if faulty.status == 200 { &faulty } else { &answer };
            goes_on(&world, &person, answer, &what).await;
            world.end().await;
            if !reached {
                break;
            }
            failed += 1;
        }
        assert!(failed > 0, "the store is asked");
    }
}

/// What was done is told as a failure: the successor is what the one who tries again gets, for as long as that may be.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_answer_is_lost_behind_its_commit_is_done_once() {
    let (world, faults) = faulty_world().await;
    let person = world.log_in(&world.a).await;
    for _ in 0..3 {
        let before = sessions(&world).await;
        faults.lose(&["rotate"]);
        let lost = refresh(&world, &person.refresh).await;
        faults.recover();
        assert_eq!(lost.status, 503, "{}", lost.body);
        let after = sessions(&world).await;
        assert!(changes(&before, &after).len() <= 2, "of one session one row");
    }
    let lost = Response { status: 503, headers: Vec::new(), body: String::new() };
    goes_on(&world, &person, &lost, "a lost answer").await;
    // Whoever comes later than that has to log in, and so has whoever got the answer.
    let person = world.log_in(&world.a).await;
    faults.lose(&["rotate"]);
    assert_eq!(refresh(&world, &person.refresh).await.status, 503);
    faults.recover();
    world.advance(REPLAY).await;
    assert_eq!(refresh(&world, &person.refresh).await.status, 401, "too late");
    world.end().await;
}

/// Row F4: each kind of write that a refresh makes fails behind the row that was written.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_under_a_refresh_loses_no_session_and_leaves_one_head() {
    let row = Chatbot::TABLE.rows().iter().find(|row| row.spec.id == "refresh").unwrap();
    let writes = writes_of(row).await;
    assert!(writes.contains(&("sessions", "UPDATE")), "{writes:?}");
    for (table, write) in writes {
        let world = World::start().await;
        let person = world.log_in(&world.a).await;
        let before = sessions(&world).await;
        world.place.break_writes(write, table).await;
        let answer = refresh(&world, &person.refresh).await;
        world.place.mend_writes(table).await;
        let what = format!("a failing {write} of {table}: {} {}", answer.status, answer.body);
        assert!(matches!(answer.status, 500 | 503), "{what}");
        assert_eq!(changes(&before, &sessions(&world).await), [""; 0], "{what}");
        goes_on(&world, &person, &answer, &what).await;
        world.end().await;
    }
}
