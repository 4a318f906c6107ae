//! Requests released together: who wins does not matter, what holds afterwards does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    policy::{Networks, Permissions, Rights},
    service::Service,
};
use conformance::{
    client::{Request, Response, together},
    world::{World, until},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio::sync::Barrier;

fn calls(key: &str) -> Request {
    Request::get("/calls").bearer(key)
}

async fn accepted(world: &World, key: &str) -> bool {
    match world.hub(calls(key)).await.status {
        200 => true,
        401 => false,
        other => panic!("neither accepted nor refused: {other}"),
    }
}

fn everything(rate: Option<u32>) -> Rights {
    Rights {
        permissions: Permissions::all_of(Service::Hub),
        expires_at: None,
        networks: Networks::ANY,
        rate_limit: rate.and_then(|rate| rate.try_into().ok()),
    }
}

/// A key of the first tenant: its secret and its path.
async fn key(world: &World, rate: Option<u32>) -> (String, String) {
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    let (secret, id) = world.key_with(Service::Hub, tenant, everything(rate)).await;
    (secret, format!("/api-keys/{id}"))
}

/// Sends requests to the Hub all at once, and beside them the one that ends something: what the others were answered. In odd
/// rounds it goes out once one of them was done, and else with them: it may come before them all.
async fn beside(world: &World, round: u32, requests: Vec<Request>, end: Request) -> Vec<Response> {
    let (start, done) = (Arc::new(Barrier::new(requests.len() + 1)), Arc::new(AtomicBool::new(false)));
    let send = |request: Request| {
        let (hub, start, done) = (world.hub, Arc::clone(&start), Arc::clone(&done));
        tokio::spawn(async move {
            start.wait().await;
            let answer = request.send(hub).await.unwrap();
            done.fetch_or(matches!(answer.status, 200 | 201), Ordering::SeqCst);
            answer
        })
    };
    let sent: Vec<_> = requests.into_iter().map(send).collect();
    start.wait().await;
    if round % 2 == 1 {
        until("one was done", || done.load(Ordering::SeqCst)).await;
    }
    assert_eq!(world.hub(end).await.status, 204);
    let mut answers = Vec::new();
    for answer in sent {
        answers.push(answer.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_rotations_at_once_the_last_secret_alone_is_accepted() {
    let world = World::start().await;
    let (old, path) = key(&world, None).await;
    let rotate = Request::post(&format!("{path}/rotate"), "{}").bearer(&world.a.hub_key);
    let answers = together(world.hub, vec![rotate; 200]).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)), "{answers:?}");
    let secrets: Vec<_> =
        answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.field("key")).collect();
    assert!(!secrets.is_empty());
    let mut live = 0;
    for secret in &secrets {
        live += u32::from(accepted(&world, secret).await);
    }
    assert_eq!(live, 1, "of {} secrets", secrets.len());
    assert!(!accepted(&world, &old).await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_admits_its_number_and_no_more() {
    let world = World::start().await;
    for limit in [1_u32, 50] {
        let (secret, _) = key(&world, Some(limit)).await;
        let answers = together(world.hub, vec![calls(&secret); 300]).await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        let limit = usize::try_from(limit).unwrap();
        assert_eq!((count(200), count(429)), (limit, 300 - limit));
        let late = answers.iter().filter(|answer| answer.status == 429);
        assert!(late.into_iter().all(|answer| answer.header("retry-after").is_some()));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_use_that_begins_behind_the_answer_of_a_revocation_succeeds() {
    let world = World::start().await;
    for _ in 0..10 {
        let (secret, path) = key(&world, None).await;
        let (ended, used, refused) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let users: Vec<_> = (0..30)
            .map(|_| {
                let (hub, secret) = (world.hub, secret.clone());
                let (ended, used, refused) = (Arc::clone(&ended), Arc::clone(&used), Arc::clone(&refused));
                tokio::spawn(async move {
                    // Each goes on until it has begun one behind the answer.
                    loop {
                        let late = ended.load(Ordering::SeqCst);
                        match calls(&secret).send(hub).await.unwrap().status {
                            200 => assert!(!late, "accepted behind the answer"),
                            401 => _ = refused.fetch_add(1, Ordering::SeqCst),
                            other => panic!("neither accepted nor refused: {other}"),
                        }
                        used.fetch_add(1, Ordering::SeqCst);
                        if late {
                            return;
                        }
                    }
                })
            })
            .collect();
        let in_use = Arc::clone(&used);
        until("the key is in use", || in_use.load(Ordering::SeqCst) > 60).await;
        let gone = world.hub(Request::new("DELETE", &path).bearer(&world.a.hub_key)).await;
        ended.store(true, Ordering::SeqCst);
        assert_eq!(gone.status, 204);
        for user in users {
            user.await.unwrap();
        }
        assert!(refused.load(Ordering::SeqCst) >= 30);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_rotation_makes_beside_a_revocation_is_dead() {
    let world = World::start().await;
    for round in 0..10 {
        let (old, path) = key(&world, None).await;
        let rotate = Request::post(&format!("{path}/rotate"), r#"{"overlap_seconds":3600}"#);
        let rotate = vec![rotate.bearer(&world.a.hub_key); 40];
        let end = Request::new("DELETE", &path).bearer(&world.a.hub_key);
        let answers = beside(&world, round, rotate, end).await;
        let won = answers.iter().filter(|answer| answer.status == 200);
        let secrets: Vec<_> = won.map(|answer| answer.field("key")).collect();
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)), "{answers:?}");
        for secret in secrets.iter().chain([&old]) {
            assert!(!accepted(&world, secret).await, "of {} secrets", secrets.len());
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_maker_makes_and_changes_nothing_any_more() {
    let world = World::start().await;
    for round in 0..5 {
        let (maker, maker_path) = key(&world, None).await;
        let (_, other) = key(&world, None).await;
        let create = Request::post("/api-keys", r#"{"name":"child","permissions":[]}"#).bearer(&maker);
        let mut requests = vec![create; 60];
        requests.extend((0..60).map(|number| {
            let body = format!(r#"{{"name":"renamed {number}"}}"#);
            Request::new("PATCH", &other).json(&body).bearer(&maker)
        }));
        let end = Request::new("DELETE", &maker_path).bearer(&world.a.hub_key);
        let answers = beside(&world, round, requests, end).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201 | 401 | 409)), "{answers:?}");
        let good = answers.iter().filter(|answer| matches!(answer.status, 200 | 201)).count();
        // The trail is in the order of the commits: nothing of the maker's stands behind its end.
        let id = maker_path.rsplit('/').next().unwrap();
        let trail = world.stores.audit.scan(1, u16::MAX).await.unwrap();
        let of_maker = |entry: &auth_core::audit::Entry| entry.actor == format!("key:{id}");
        let its: Vec<_> = trail.iter().filter(|found| of_maker(&found.entry)).collect();
        let writes = its.iter().filter(|found| !found.entry.event.contains("request.refused"));
        let writes: Vec<_> = writes.map(|found| found.seq).collect();
        let revoked = |event: &str| event.contains("key.revoked") && event.contains(id);
        let end = trail.iter().find(|found| revoked(&found.entry.event)).unwrap().seq;
        assert_eq!(writes.len(), good, "what was answered is what was done");
        assert!(writes.iter().all(|seq| *seq < end), "{writes:?} behind {end}");
        assert_eq!(world.hub(Request::post("/api-keys", "{}").bearer(&maker)).await.status, 401);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_minted_beside_its_keys_revocation_is_dead() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Chatbot).await;
    for _ in 0..5 {
        let every = Permissions::all_of(Service::Chatbot);
        let (secret, id) = world.key(Service::Chatbot, tenant, every, None).await;
        let mint = Request::post("/auth/api/v1/tokens/generate", r#"{"username":"alice"}"#).bearer(&secret);
        let minted = Arc::new(AtomicUsize::new(0));
        let minters: Vec<_> = (0..20)
            .map(|_| {
                let (chatbot, mint, minted) = (world.chatbot, mint.clone(), Arc::clone(&minted));
                tokio::spawn(async move {
                    // Each goes on until it is refused.
                    let mut tokens = Vec::new();
                    loop {
                        let answer = mint.send(chatbot).await.unwrap();
                        match answer.status {
                            200 => tokens.push(answer.field("token")),
                            401 | 409 => return tokens,
                            other => panic!("neither minted nor refused: {other}"),
                        }
                        minted.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let so_far = Arc::clone(&minted);
        until("tokens are being minted", || so_far.load(Ordering::SeqCst) > 40).await;
        world.revoke(Service::Chatbot, &id).await;
        let mut tokens = Vec::new();
        for minter in minters {
            tokens.extend(minter.await.unwrap());
        }
        assert!(tokens.len() > 40);
        for token in &tokens {
            let ask = Request::post("/query/", r#"{"question":"Open?"}"#).bearer(token);
            assert_eq!(world.chatbot(ask).await.status, 401, "of {} tokens", tokens.len());
        }
    }
    world.end().await;
}
