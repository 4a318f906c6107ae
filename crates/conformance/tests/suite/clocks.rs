//! Wall clocks that are set: what ended stays ended, limits count on, nothing fails.

use auth_core::{
    policy::{Networks, Permissions, Rights},
    service::Service,
    time::Clock as _,
    validate::LEASE,
};
use conformance::{
    caller::wrong_form,
    client::Request,
    world::{World, permission},
};
use std::time::Duration;

const YEARS: i64 = 10 * 365 * 24 * 3600 * 1000;

/// Sets the wall clock, and lets the services notice: memory knows it as of the renewal of its lease.
async fn set(world: &World, millis: i64) {
    world.clock.set_wall(millis);
    world.advance(LEASE + Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_stays_ended_however_the_clock_is_set() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    let calls = async |key: &str| world.hub(Request::get("/calls").bearer(key)).await.status;
    let (ahead, id) = world.key(Service::Hub, tenant, Permissions::all_of(Service::Hub), None).await;
    let (overlapping, rotated) =
        world.key(Service::Hub, tenant, Permissions::from_stored("call_management"), None).await;
    set(&world, YEARS).await;
    assert_eq!(calls(&ahead).await, 200);
    world.revoke(Service::Hub, &id).await;
    let rotate = Request::post(&format!("/api-keys/{rotated}/rotate"), "{}").bearer(&world.a.hub_key);
    assert_eq!(world.hub(rotate).await.status, 200);
    for millis in [-YEARS, -90_000, 180_000, -YEARS, 3 * YEARS] {
        set(&world, millis).await;
        assert_eq!((calls(&ahead).await, calls(&overlapping).await), (401, 401), "{millis}");
        assert_eq!(calls(&world.a.hub_key).await, 200, "{millis}");
        let made = Request::post("/api-keys", r#"{"name":"x","permissions":["call_management"]}"#);
        let made = world.hub(made.bearer(&world.a.hub_key)).await;
        assert_eq!((made.status, calls(&made.field("key")).await), (201, 200), "{millis}: {}", made.body);
        for list in ["/api-keys", "/calls", "/audit/events"] {
            let listed = world.hub(Request::get(list).bearer(&world.a.hub_key)).await;
            assert_eq!(listed.status, 200, "{millis}, {list}: {}", listed.body);
            assert_eq!(wrong_form(&listed, Service::Hub), [""; 0], "{millis}, {list}");
        }
    }
    let verified = auth_store::verify_trail(&world.place.location, Vec::new(), |_, _| ()).await;
    assert!(verified.is_ok(), "the trail stands: {verified:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_what_the_clock_says_and_a_rate_is_counted_past_it() {
    let world = World::start().await;
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    let rights = Rights {
        permissions: [permission("call_management")].into_iter().collect(),
        expires_at: Some(world.clock.now() + Duration::from_secs(3600)),
        networks: Networks::ANY,
        rate_limit: 3_u32.try_into().ok(),
    };
    let (key, _) = world.key_with(Service::Hub, tenant, rights).await;
    let calls = async || world.hub(Request::get("/calls").bearer(&key)).await.status;
    assert_eq!(calls().await, 200);
    set(&world, 3_600_000).await;
    assert_eq!(calls().await, 401, "it is over");
    set(&world, -3_600_000).await;
    assert_eq!((calls().await, calls().await), (200, 200), "it is not, and was not counted meanwhile");
    for millis in [YEARS, -YEARS, -YEARS, YEARS] {
        set(&world, millis).await;
        let told = calls().await;
        assert!(told == 429 || (told == 401 && millis == YEARS), "{millis}: {told}, within the minute");
    }
    world.advance(Duration::from_secs(60)).await;
    assert_eq!(calls().await, 200);
    world.end().await;
}
