//! How often keys are used, and when last: counted in memory, written now and then.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use async_trait::async_trait;
use auth_core::{
    credential::draw_key,
    id::{AccountId, KeyId},
    model::{KeyUse, Version},
    policy::{Networks, Permissions, Rights},
    port::{Answer, FoundKey, KeyIndex, Limits, Seq, Stores},
    principal::{KeyPrincipal, Tenant},
    secret::{PlainToken, TokenDigest},
    service::Service,
    time::Clock as _,
    validate::MOST_WAITING,
};
use auth_web::system::OsEntropy;
use chatbot_service::responder::Responder;
use conformance::{client::Request, faults::Faults, world::World};
use serde_json::{Value, json};
use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};
use tokio::sync::watch;

/// A key of the Hub that may do so much, and its identifier.
async fn key(world: &World, permissions: Permissions, a_minute: Option<u32>) -> (String, String) {
    let tenant = world.tenant_of(&world.a, Service::Hub).await;
    let rate_limit = a_minute.and_then(NonZeroU32::new);
    let rights = Rights { permissions, expires_at: None, networks: Networks::ANY, rate_limit };
    world.key_with(Service::Hub, tenant, rights).await
}

async fn status(world: &World, key: &str) -> u16 {
    world.hub(Request::get("/calls").bearer(key)).await.status
}

/// The key as it is shown, after a flush.
async fn shown(world: &World, id: &str) -> Value {
    world.hub_platform.validator.flush_uses().await.unwrap();
    world.hub(Request::get(&format!("/api-keys/{id}")).bearer(&world.a.hub_key)).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_accepted_request_counts_as_a_use_of_its_key() {
    let world = World::start().await;
    let (secret, id) = key(&world, Permissions::NONE, Some(2)).await;
    let before = shown(&world, &id).await;
    assert_eq!((&before["use_count"], &before["last_used_at"]), (&json!(0), &Value::Null));
    assert_eq!(status(&world, &secret).await, 403, "accepted, though it may not do this");
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(status(&world, &secret).await, 403);
    let second = world.clock.now();
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(status(&world, &secret).await, 429, "not accepted");
    let after = shown(&world, &id).await;
    assert_eq!((&after["use_count"], &after["last_used_at"]), (&json!(2), &json!(second.to_string())));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_outlast_a_store_that_fails_while_they_are_written() {
    let faults = Faults::default();
    let world = World::start_with(|stores| faults.on(stores), Responder::BuiltIn).await;
    let (secret, id) = key(&world, Permissions::all_of(Service::Hub), None).await;
    for _ in 0..3 {
        assert_eq!(status(&world, &secret).await, 200);
    }
    faults.fail(&["touch"]);
    world.hub_platform.validator.flush_uses().await.unwrap_err();
    assert_eq!(status(&world, &secret).await, 200);
    faults.recover();
    assert_eq!(shown(&world, &id).await["use_count"], 4);
    world.end().await;
}

/// Keys that nobody made, and how often each was told to have been used.
struct Crowd {
    keys: HashMap<[u8; 32], KeyId>,
    told: watch::Sender<HashMap<KeyId, u32>>,
}

#[async_trait]
impl KeyIndex for Crowd {
    async fn find(&self, service: Service, digest: &TokenDigest) -> Answer<Option<FoundKey>> {
        let principal = |id: &KeyId| KeyPrincipal {
            id: *id,
            service,
            tenant: Tenant { account: AccountId::from_bytes([1; 16]), domain: None },
            permissions: Permissions::NONE,
            expires_at: None,
            version: Version::FIRST,
        };
        let limits = Limits { networks: Networks::ANY, rate_limit: None };
        Ok(self.keys.get(digest.as_bytes()).map(|id| FoundKey {
            principal: principal(id),
            limits,
            ended: false,
        }))
    }
    async fn digests_since(&self, service: Service, after: Seq) -> Answer<Vec<TokenDigest>> {
        let all = self.keys.keys().map(|digest| TokenDigest::from_bytes(*digest));
        Ok(all.filter(|_| service == Service::Hub && after == Seq(0)).collect())
    }
    async fn touch(&self, uses: &[KeyUse]) -> Answer<()> {
        let tell = |told: &mut HashMap<_, _>| {
            uses.iter().for_each(|one| *told.entry(one.key).or_default() += one.times);
        };
        self.told.send_modify(tell);
        Ok(())
    }
}

/// The uses of so many keys are written long before the half minute is over: else there would be no room for those of the
/// keys that come then.
#[tokio::test(flavor = "multi_thread")]
async fn uses_of_very_many_keys_are_written_before_room_runs_out() {
    let drawn = || draw_key(Service::Hub, &OsEntropy).0.reveal();
    let texts: Vec<_> = std::iter::repeat_with(drawn).take(MOST_WAITING / 2 * 3).collect();
    let keys = (0_u128..).zip(&texts).map(|(number, text)| {
        (*TokenDigest::of(text.expose().as_bytes()).as_bytes(), KeyId::from_bytes(number.to_be_bytes()))
    });
    let (sender, mut told) = watch::channel(HashMap::new());
    let crowd = Arc::new(Crowd { keys: keys.collect(), told: sender });
    let world =
        World::start_with(|stores| Stores { key_index: crowd.clone(), ..stores }, Responder::BuiltIn).await;
    let validator = &world.hub_platform.validator;
    let use_them = async |texts: &[PlainToken]| {
        for text in texts {
            let text = text.expose().as_bytes();
            validator.authenticate(text, None, validator.reading()).await.unwrap();
        }
    };
    let (early, late) = texts.split_at(MOST_WAITING);
    use_them(early).await;
    let written = told.wait_for(|told| told.len() >= MOST_WAITING / 2);
    drop(tokio::time::timeout(Duration::from_secs(20), written).await.unwrap().unwrap());
    use_them(late).await;
    validator.flush_uses().await.unwrap();
    let all = told.wait_for(|told| told.len() == texts.len()).await.unwrap();
    assert!(all.values().all(|times| *times == 1));
    drop(all);
    world.end().await;
}
