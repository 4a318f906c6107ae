//! What a service does when something beneath it goes wrong: panics, stalls, commands that are not done.

use auth_core::{
    id::{CallId, UserId},
    model::{Call, NewCall, NewUser, Page, Usage, User, UserPatch, Version},
    policy::{Granted, Scope},
    port::{
        Answer, Calls, CancelCall, Change, ChangeUser, CreateUser, Creation, Once, RemoveUser, StartCall,
        Stores, Users,
    },
    time::Timestamp,
    validate::LEASE,
};
use chatbot_service::responder::Responder;
use conformance::{
    client::Request,
    faults::Faults,
    world::{World, until},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_plain_500_and_the_worker_lives() {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    let list = || Request::get("/calls").bearer(&world.a.hub_key);
    for _ in 0..5 {
        assert_eq!(world.hub(list()).await.status, 200);
        faults.panic_once();
        let answer = world.hub(list()).await;
        assert_eq!((answer.status, answer.field("code")), (500, "internal_error".to_owned()));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("x-request-id"), Some(answer.field("request_id").as_str()));
        assert!(!answer.body.contains("canary") && !answer.body.contains("panic"), "{}", answer.body);
    }
    assert_eq!(world.hub(list()).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chores_that_stall_do_not_let_the_lease_run_out() {
    let faults = Faults::default();
    let stalled = |stores| {
        faults.stall(&["purge", "touch", "append"]);
        faults.on(stores)
    };
    let started = World::start_with(stalled, Responder::BuiltIn);
    let world = tokio::time::timeout(Duration::from_secs(10), started).await.expect("the lease is renewed");
    for _ in 0..3 {
        let later = world.advance(LEASE + Duration::from_secs(1));
        tokio::time::timeout(Duration::from_secs(10), later).await.expect("the lease is renewed");
        assert_eq!(world.hub(Request::get("/calls").bearer(&world.a.hub_key)).await.status, 200);
    }
    faults.recover();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_503_says_when_to_come_back() {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    faults.stall(&["renew"]);
    world.clock.advance(LEASE + Duration::from_secs(1));
    let told = world.hub(Request::get("/health/ready")).await;
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "the stream: {}", told.body);
    faults.go_down();
    for request in [Request::get("/health/ready"), Request::get("/calls").bearer(&world.a.hub_key)] {
        let told = world.hub(request).await;
        assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "the store: {}", told.body);
    }
    faults.recover();
    world.end().await;
}

/// A store that does not do what it is asked to, because something changed meanwhile.
struct Overtaken {
    calls: Arc<dyn Calls>,
    users: Arc<dyn Users>,
    now: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Calls for Overtaken {
    async fn read(&self, scope: Scope, id: CallId) -> Answer<Option<Call>> {
        self.calls.read(scope, id).await
    }
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<Call>> {
        self.calls.list(scope, page).await
    }
    async fn start(&self, grant: &Granted<StartCall>, new: NewCall, once: Option<Once>) -> Answer<Creation> {
        if self.now.load(Ordering::SeqCst) {
            return Ok(Creation::Stale);
        }
        self.calls.start(grant, new, once).await
    }
    async fn cancel(&self, grant: &Granted<CancelCall>, at: Timestamp) -> Answer<Change<Call>> {
        self.calls.cancel(grant, at).await
    }
    async fn usage(&self, scope: Scope, from: Timestamp, to: Timestamp) -> Answer<Vec<Usage>> {
        self.calls.usage(scope, from, to).await
    }
}

#[async_trait::async_trait]
impl Users for Overtaken {
    async fn read(&self, scope: Scope, id: UserId) -> Answer<Option<User>> {
        self.users.read(scope, id).await
    }
    async fn list(&self, scope: Scope, page: Page) -> Answer<Vec<User>> {
        self.users.list(scope, page).await
    }
    async fn create(
        &self,
        grant: &Granted<CreateUser>,
        new: NewUser,
        once: Option<Once>,
    ) -> Answer<Creation> {
        if self.now.load(Ordering::SeqCst) {
            return Ok(Creation::Stale);
        }
        self.users.create(grant, new, once).await
    }
    async fn change(
        &self,
        grant: &Granted<ChangeUser>,
        version: Version,
        patch: UserPatch,
        at: Timestamp,
    ) -> Answer<Change<User>> {
        self.users.change(grant, version, patch, at).await
    }
    async fn remove(&self, grant: &Granted<RemoveUser>, at: Timestamp) -> Answer<bool> {
        self.users.remove(grant, at).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_stored_is_not_told_as_done() {
    let now = Arc::new(AtomicBool::new(false));
    let around = |stores: Stores| {
        let (calls, users) = (Arc::clone(&stores.calls), Arc::clone(&stores.users));
        let overtaken = Arc::new(Overtaken { calls, users, now: Arc::clone(&now) });
        Stores { calls: Arc::clone(&overtaken) as _, users: overtaken, ..stores }
    };
    let world = World::start_with(around, Responder::BuiltIn).await;
    let call = r#"{"type":"reminder","channel":"sms","phone_number":"+14155550123","client_name":"Alice",
        "client_email":"alice@example.com","instruction":"Call.","domain_name":"x","language":"en"}"#;
    let users = format!("/accounts/{}/users", world.a.account_id);
    let user = r#"{"name":"Alice","email":"alice.late@example.com"}"#;
    now.store(true, Ordering::SeqCst);
    for (target, body) in [("/start", call), (users.as_str(), user)] {
        let answer = world.hub(Request::post(target, body).bearer(&world.a.hub_key)).await;
        assert_eq!((answer.status, answer.field("code")), (409, "conflict".to_owned()), "{target}");
        assert!(!answer.body.contains("address"), "{}", answer.body);
    }
    now.store(false, Ordering::SeqCst);
    for (target, body) in [("/start", call), (users.as_str(), user)] {
        let answer = world.hub(Request::post(target, body).bearer(&world.a.hub_key)).await;
        assert!(answer.status < 300, "{target}: {}", answer.body);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_read_is_not_asked_without_pause() {
    const TIMES: u32 = 10;
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    faults.fail(&["news", "renew"]);
    let last = 2 * TIMES as usize;
    until("the stream is asked again", || faults.failed().len() > last).await;
    // Of two services one asked so many times, and once before.
    let asked = faults.failed();
    let took = asked[last] - asked[0];
    assert!(took >= TIMES * Duration::from_millis(25), "{TIMES} times within {took:?}");
    faults.recover();
    world.current().await;
    world.end().await;
}
