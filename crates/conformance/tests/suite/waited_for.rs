//! What happens to a credential while the body of its request is waited for counts for that request.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    flow::set_account_status,
    model::Status,
    policy::{Networks, Permissions, Rights, grant},
    port::RevokeKey,
    service::Service,
    throttle::Subject,
    time::Clock as _,
    validate::LEASE,
};
use chatbot_service::responder::Responder;
use conformance::place::changes;
use conformance::{
    client::{Request, Response},
    faults::Faults,
    operator::operator,
    world::{World, until},
};
use std::{num::NonZeroU32, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const START: &str = r#"{"type":"t","channel":"sms","phone_number":"+14155550123","client_name":"Alice",
    "client_email":"alice@example.com","instruction":"Hi","domain_name":"x","language":"en"}"#;

/// What happens in the meantime.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    Nothing,
    Revoked,
    Expired,
    OwnerSuspended,
    /// The key is patched with this.
    Patched(&'static str),
    /// The service serves from memory no more.
    LeaseLost,
    /// The same, and the key is revoked.
    LeaseLostAndRevoked,
    /// The same, and the store does not answer.
    LeaseLostAndStoreDown,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_a_credential_while_the_body_is_waited_for_counts() {
    use Meanwhile::*;
    for (meanwhile, status, code) in [
        (Nothing, 200, ""),
        (Revoked, 401, "unauthenticated"),
        (Expired, 401, "unauthenticated"),
        (OwnerSuspended, 401, "unauthenticated"),
        (Patched(r#"{"permissions":["billing_access"]}"#), 403, "insufficient_scope"),
        (Patched(r#"{"allowed_cidrs":["192.0.2.0/24"]}"#), 403, "network_not_allowed"),
        (Patched(r#"{"name":"renamed"}"#), 200, ""),
        (LeaseLost, 200, ""),
        (LeaseLostAndRevoked, 401, "unauthenticated"),
        (LeaseLostAndStoreDown, 503, "unavailable"),
    ] {
        for line in ["POST /start", "GET /calls"] {
            let faults = Faults::default();
            let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
            let (answer, changed) = send(&world, &faults, line, meanwhile).await;
            let context = format!("{line}, {meanwhile:?}: {} {changed:#?}", answer.body);
            assert_eq!((answer.status, answer.field("code").as_str()), (status, code), "{context}");
            let calls = changed.iter().filter(|row| row.starts_with("+calls|")).count();
            assert_eq!(calls, usize::from(status == 200 && line == "POST /start"), "{context}");
            assert!(calls == 1 || changed.is_empty(), "{context}");
            faults.recover();
            world.end().await;
        }
    }
}

/// Sends the head of a request, lets something happen once it was judged, and then sends the body: the answer, and
/// what it changed in the store. The key may be used once a minute, and a request is one use however often it is
/// looked at.
async fn send(world: &World, faults: &Faults, line: &str, meanwhile: Meanwhile) -> (Response, Vec<String>) {
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    let end = world.clock.now() + Duration::from_secs(3600);
    let rights = Rights {
        permissions: Permissions::all_of(Service::Hub),
        expires_at: Some(end),
        networks: Networks::ANY,
        rate_limit: Some(NonZeroU32::MIN),
    };
    let (secret, id) = world.key_with(Service::Hub, tenant, rights).await;
    let mut stream = TcpStream::connect(world.hub).await.unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        START.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let validator = &world.platform(Service::Hub).validator;
    let key = Subject::Key(id.parse().unwrap());
    let judged = || validator.throttle().check(key, NonZeroU32::MIN, validator.reading()).is_err();
    until("the head was judged", judged).await;
    happen(world, faults, &id, meanwhile).await;
    let before = world.dump().await;
    stream.write_all(START.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    (Response::parse(&heard).unwrap(), changes(&before, &world.dump().await))
}

async fn happen(world: &World, faults: &Faults, id: &str, what: Meanwhile) {
    match what {
        Meanwhile::Nothing => {}
        Meanwhile::Revoked => world.revoke(Service::Hub, id).await,
        Meanwhile::Expired => world.advance(Duration::from_secs(3600)).await,
        Meanwhile::OwnerSuspended => {
            let owner = world.a.account_id.parse().unwrap();
            let account = world.stores.accounts.read(operator().scope(), owner).await.unwrap().unwrap();
            let operates = &world.operator_platform;
            set_account_status(operates, &operator(), &account, Status::Suspended).await.unwrap();
        }
        Meanwhile::Patched(body) => {
            let patch = Request::new("PATCH", &format!("/api-keys/{id}")).json(body);
            assert_eq!(world.hub(patch.bearer(&world.a.hub_key)).await.status, 200);
        }
        Meanwhile::LeaseLost => lose_lease(world, faults),
        Meanwhile::LeaseLostAndRevoked => {
            lose_lease(world, faults);
            let (proof, keys) = (operator(), &world.stores.keys);
            let key = keys.read(Service::Hub, proof.scope(), id.parse().unwrap()).await.unwrap().unwrap();
            let granted = grant::<RevokeKey, _>(&proof, &key).unwrap();
            keys.revoke(&granted, world.clock.now()).await.unwrap();
        }
        Meanwhile::LeaseLostAndStoreDown => {
            lose_lease(world, faults);
            faults.go_down();
        }
    }
}

fn lose_lease(world: &World, faults: &Faults) {
    faults.stall(&["renew"]);
    world.clock.advance(LEASE + Duration::from_secs(1));
}
