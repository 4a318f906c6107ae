//! The keys that sign access tokens: made once, rotated, and known to every process of the service.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    amr::{Amr, Method},
    error::{Denial, FlowError, Refusal, StoreError},
    flow::{Handover, PUBLISHED_BEFORE, Platform, rotate_signing_key},
    id::{AccessTokenId, PersonId, SessionId},
    jwt::{Algorithm, Claims, Issuer, LEEWAY, LIFE, SigningKey, SigningKeys},
    model::SigningKeyRecord,
    policy::{Installation, grant},
    port::{Change, RotateSigningKey, Stores},
    seal::Keyring,
    service::Service,
    time::{Clock as _, Timestamp},
    validate::Validator,
};
use auth_web::Service as _;
use chatbot_service::{Chatbot, issuer::Tokens, responder::Responder};
use conformance::{
    ambient::{SeededEntropy, StepClock},
    caller::form,
    client::Request,
    operator::operator,
    place::Place,
    world::{ISSUER, PEOPLE, World},
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};

fn keys(keyring: Keyring) -> SigningKeys {
    SigningKeys::new(Issuer::parse(ISSUER).unwrap(), Arc::new(keyring))
}

/// A chatbot service that serves nothing yet, as one of several processes opens it.
async fn open(
    stores: Stores,
    clock: &StepClock,
    number: u64,
    keyring: Keyring,
) -> Result<Chatbot, FlowError> {
    let parts = (stores, Arc::new(clock.clone()) as _, Arc::new(SeededEntropy::new(number)) as _);
    Chatbot::open(parts, keys(keyring), (Tokens::default(), PEOPLE), Responder::BuiltIn, None).await
}

fn claims(now: Timestamp) -> Claims {
    Claims {
        id: AccessTokenId::from_bytes([1; 16]),
        person: PersonId::from_bytes([2; 16]),
        session: SessionId::from_bytes([3; 16]),
        audience: Service::Chatbot,
        issued_at: now,
        expires_at: now + LIFE,
        role: None,
        domain: None,
        amr: Amr::of([Method::Password]),
        auth_time: now,
    }
}

/// Makes the next key as the operator does.
async fn rotate(platform: &Platform, algorithm: Algorithm, handover: Handover) {
    let key = SigningKey::generate(algorithm, platform.entropy.as_ref()).unwrap();
    let granted = grant::<RotateSigningKey, _>(&operator(), &Installation).unwrap();
    let known = platform.stores.signing_keys.list().await.unwrap();
    let keys = keys(Place::keyring());
    rotate_signing_key(platform, &keys, &granted, known.last(), &key, handover).await.unwrap();
}

/// The order of P-256.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// The other signature that verifies for what was signed with ES256: s becomes n - s.
fn twin(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    assert_eq!(bytes.len(), 64, "{token}");
    let order = HEXLOWER.decode(N.as_bytes()).unwrap();
    let mut borrow = 0;
    for (byte, of_order) in bytes[32..].iter_mut().zip(&order).rev() {
        let difference = i16::from(*of_order) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *byte = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&bytes))
}

/// Row A9: what is ended is a session. A twin of its token, which nobody has seen, names the same one.
#[tokio::test(flavor = "multi_thread")]
async fn the_twin_of_a_token_ends_with_its_session() {
    let world = World::start().await;
    rotate(&world.operator_platform, Algorithm::Es256, Handover::AtOnce).await;
    let me = async |token: &str| world.chatbot(Request::get("/auth/me").bearer(token)).await.status;
    let revoke = async |token: &str| {
        let answer = world.chatbot(form("/auth/revoke", &format!("token={token}"))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let (out, revoked, by_twin) =
        (world.log_in(&world.a).await, world.log_in(&world.a).await, world.log_in(&world.a).await);
    let seen = twin(&revoked.access);
    assert_ne!(seen, revoked.access);
    assert_eq!((me(&seen).await, me(&seen).await), (200, 200), "it verifies, and is remembered");
    assert_eq!(me(&out.access).await, 200);
    let logout = Request::new("POST", "/auth/logout").bearer(&out.access);
    assert_eq!(world.chatbot(logout).await.status, 204);
    assert_eq!((me(&twin(&out.access)).await, me(&out.access).await), (401, 401));
    revoke(&revoked.access).await;
    assert_eq!((me(&seen).await, me(&revoked.access).await), (401, 401), "whichever was revoked");
    revoke(&twin(&by_twin.access)).await;
    assert_eq!((me(&twin(&by_twin.access)).await, me(&by_twin.access).await), (401, 401));
    world.end().await;
}

/// The names of the keys that a service publishes.
async fn published(world: &World) -> Vec<String> {
    let set = world.chatbot(Request::get("/.well-known/jwks.json")).await.json();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn numbers(stores: &Stores) -> Vec<i64> {
    stores.signing_keys.list().await.unwrap().iter().map(|key| key.number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_first_starts_one_makes_the_first_key() {
    let place = Place::fresh().await;
    let clock = StepClock::default();
    let starts = (0..16).map(|number| {
        let (place, clock) = (&place, &clock);
        async move { open(place.open().await, clock, number, Place::keyring()).await.map(drop) }
    });
    assert_eq!(join_all(starts).await, vec![Ok(()); 16]);
    assert_eq!(numbers(&place.open().await).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_key_is_made_when_the_schedule_says_so_and_once() {
    let place = Place::fresh().await;
    let clock = StepClock::default();
    let stores = place.open().await;
    let processes = [
        open(stores.clone(), &clock, 1, Place::keyring()).await.unwrap(),
        open(place.open().await, &clock, 2, Place::keyring()).await.unwrap(),
    ];
    let day = Duration::from_secs(24 * 3600);
    clock.advance(day * 90 - Duration::from_millis(1));
    join_all(processes.iter().map(|process| process.upkeep())).await;
    assert_eq!(numbers(&stores).await, [1]);
    clock.advance(Duration::from_millis(1));
    join_all(processes.iter().map(|process| process.upkeep())).await;
    assert_eq!(numbers(&stores).await, [1, 2]);
    let told = stores.audit.scan(0, 10).await.unwrap();
    assert_eq!(told.iter().map(|found| found.entry.actor.as_str()).collect::<Vec<_>>(), ["schedule"; 2]);
    // The first one is forgotten a week after its end, and the second is not replaced before its time.
    clock.advance(day * 8);
    processes[0].upkeep().await;
    assert_eq!(numbers(&stores).await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_rotation_leaves_no_moment_without_a_key() {
    for algorithm in Algorithm::ALL {
        let world = World::start().await;
        let old = published(&world).await;
        let here = keys(Place::keyring());
        let reload = async || here.reload(world.stores.signing_keys.as_ref()).await.unwrap();
        reload().await;
        let by_old = here.issue(&claims(world.clock.now()), world.clock.now()).unwrap();
        rotate(&world.operator_platform, algorithm, Handover::Orderly).await;
        let both = published(&world).await;
        assert_eq!((both.len(), &both[..1]), (2, &old[..]), "published once the rotation has answered");
        reload().await;
        let verify = |token: &str| here.verify(token.as_bytes(), Service::Chatbot, world.clock.now());
        let signer = |token: &str| {
            let head =
                data_encoding::BASE64URL_NOPAD.decode(token.split('.').next().unwrap().as_bytes()).unwrap();
            serde_json::from_slice::<serde_json::Value>(&head).unwrap()["kid"].as_str().unwrap().to_owned()
        };
        let issue = || here.issue(&claims(world.clock.now()), world.clock.now()).unwrap().expose().to_owned();
        world.advance(PUBLISHED_BEFORE - Duration::from_millis(1)).await;
        let last = issue();
        assert_eq!(signer(&last), both[0], "it does not sign before it was published for long enough");
        world.advance(Duration::from_millis(1)).await;
        assert_eq!(signer(&issue()), both[1]);
        assert_eq!(verify(by_old.expose()), Err(Refusal::Expired));
        world.advance(LIFE - Duration::from_secs(1)).await;
        assert!(verify(&last).is_ok(), "the old one's last token lives to its end");
        world.advance(LEEWAY + Duration::from_secs(1)).await;
        assert_eq!(published(&world).await, both[1..], "the old one has ended");
        assert!(verify(&issue()).is_ok());
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_wrong_hands_ends_at_once() {
    let world = World::start().await;
    let here = keys(Place::keyring());
    here.reload(world.stores.signing_keys.as_ref()).await.unwrap();
    let token = here.issue(&claims(world.clock.now()), world.clock.now()).unwrap();
    let verify = || here.verify(token.expose().as_bytes(), Service::Chatbot, world.clock.now());
    assert!(verify().is_ok());
    let old = published(&world).await;
    rotate(&world.operator_platform, Algorithm::EdDsa, Handover::AtOnce).await;
    let new = published(&world).await;
    assert!(new.len() == 1 && new != old, "{old:?} {new:?}");
    here.reload(world.stores.signing_keys.as_ref()).await.unwrap();
    assert_eq!(verify(), Err(Refusal::Expired));
    assert_eq!(world.chatbot(Request::get("/health/ready")).await.status, 200, "the new one signs");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_of_a_token_ends_with_its_key() {
    let world = World::start().await;
    let platform = &world.operator_platform;
    let person = world.log_in(&world.a).await;
    let me = async || world.chatbot(Request::get("/auth/me").bearer(&person.access)).await.status;
    assert_eq!(me().await, 200);
    let key = SigningKey::generate(Algorithm::EdDsa, platform.entropy.as_ref()).unwrap();
    let (kid, now) = (key.public().kid().clone(), world.clock.now());
    let cell = SigningKeyRecord::cell(&kid);
    let next = SigningKeyRecord {
        number: 2,
        algorithm: Algorithm::EdDsa,
        sealed: Place::keyring().seal(&cell, &key.to_pkcs8().unwrap(), platform.entropy.as_ref()),
        created_at: now,
        signs_from: now,
        ends_at: None,
        kid: kid.clone(),
    };
    let end = now + LIFE / 2;
    let granted = grant::<RotateSigningKey, _>(&operator(), &Installation).unwrap();
    let Change::Done(seq) = world.stores.signing_keys.add(&granted, next, end).await.unwrap() else {
        panic!("another one is the second")
    };
    platform.validator.settle(seq).await.unwrap();
    assert_eq!((me().await, me().await), (200, 200), "judged anew, and from memory");
    world.advance(LIFE / 2 - Duration::from_millis(1)).await;
    assert_eq!(me().await, 200);
    world.advance(Duration::from_millis(1)).await;
    assert_eq!(me().await, 401, "although it would live for as long again");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lease_the_keys_of_the_store_judge() {
    let world = World::start().await;
    let here = keys(Place::keyring());
    here.reload(world.stores.signing_keys.as_ref()).await.unwrap();
    let clock = Arc::new(world.clock.clone());
    let validator = Validator::new(Service::Chatbot, world.stores.clone(), clock, [7; 16], 100)
        .with_signing_keys(Arc::new(here));
    let judge = async |text: &str| {
        let judged = validator.authenticate(text.as_bytes(), None, validator.reading()).await;
        judged.map(|who| who.expires_at())
    };
    let refused = |cause| Err(FlowError::Denied(Denial::Unauthenticated(cause)));
    let old = world.log_in(&world.a).await;
    assert!(judge(&old.access).await.is_ok());
    rotate(&world.operator_platform, Algorithm::Es256, Handover::AtOnce).await;
    let new = world.log_in(&world.a).await;
    assert!(judge(&new.access).await.is_ok(), "of a key that it has not heard of");
    assert_eq!(
        judge(&old.access).await,
        refused(Refusal::Expired),
        "of one that has ended, it has not heard either"
    );
    // Whoever presents what no key made is not looked up without end.
    let strange = SigningKey::generate(Algorithm::EdDsa, &SeededEntropy::new(9)).unwrap();
    let text = Issuer::parse(ISSUER).unwrap().issue(&strange, &claims(world.clock.now())).unwrap();
    for _ in 0..300 {
        assert_eq!(judge(text.expose()).await, refused(Refusal::Unknown));
    }
    let throttled = judge(text.expose()).await;
    assert!(matches!(throttled, Err(FlowError::Denied(Denial::Throttled { .. }))), "{throttled:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_no_service_could_open_is_not_added() {
    let world = World::start().await;
    let platform = &world.operator_platform;
    let key = SigningKey::generate(Algorithm::EdDsa, platform.entropy.as_ref()).unwrap();
    let granted = grant::<RotateSigningKey, _>(&operator(), &Installation).unwrap();
    let known = world.stores.signing_keys.list().await.unwrap();
    let other = keys(Keyring::new(&[[9; 32].into()]).unwrap());
    for handover in [Handover::Orderly, Handover::AtOnce] {
        let rotated = rotate_signing_key(platform, &other, &granted, known.last(), &key, handover).await;
        assert!(matches!(rotated, Err(FlowError::Store(StoreError::Damaged(_)))), "{rotated:?}");
    }
    assert_eq!(world.stores.signing_keys.list().await.unwrap(), known);
    assert_eq!(world.chatbot(Request::get("/health/ready")).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_store_signs_nothing_without_the_keyring() {
    let place = Place::fresh().await;
    let clock = StepClock::default();
    let stores = place.open().await;
    let chatbot = open(stores.clone(), &clock, 1, Place::keyring()).await.unwrap();
    rotate(chatbot.platform(), Algorithm::EdDsa, Handover::Orderly).await;
    let other = Keyring::new(&[[9; 32].into()]).unwrap();
    let Err(FlowError::Store(StoreError::Damaged(why))) = open(stores.clone(), &clock, 2, other).await else {
        panic!("another keyring opens it")
    };
    assert!(why.contains("not on the keyring"), "{why}");
    // Who can write the store gives a key another's place, or makes it another kind.
    for sql in [
        "UPDATE signing_keys SET sealed = (SELECT sealed FROM signing_keys AS other WHERE other.number <> \
         signing_keys.number)"
            .to_owned(),
        "UPDATE signing_keys SET algorithm = 'ES256'".to_owned(),
        format!("UPDATE signing_keys SET sealed = {}", place.bytes("00")),
    ] {
        let before = place.query("SELECT kid AS line FROM signing_keys ORDER BY number").await;
        place.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT * FROM signing_keys").await;
        place.execute(&sql).await;
        let fails = keys(Place::keyring()).reload(stores.signing_keys.as_ref()).await;
        assert!(matches!(fails, Err(FlowError::Store(StoreError::Damaged(_)))), "{sql}: {fails:?}");
        place
            .execute("DELETE FROM signing_keys; INSERT INTO signing_keys SELECT * FROM kept; DROP TABLE kept")
            .await;
        assert_eq!(place.query("SELECT kid AS line FROM signing_keys ORDER BY number").await, before);
        assert_eq!(keys(Place::keyring()).reload(stores.signing_keys.as_ref()).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_names_the_issuer_and_its_keys() {
    let world = World::start().await;
    let metadata = world.chatbot(Request::get("/.well-known/oauth-authorization-server")).await.json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["jwks_uri"], format!("{ISSUER}/.well-known/jwks.json"));
    let set = world.chatbot(Request::get("/.well-known/jwks.json")).await.json();
    let members: Vec<_> = set["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"], "public members alone");
    world.end().await;
}
