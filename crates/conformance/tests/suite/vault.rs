//! The vault (ATTACKS.md, E14): tokens at rest open in their own place alone, and what does not open is given to nobody,
//! told to the provider by nobody, and written down.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    error::{FlowError, StoreError},
    flow::{Platform, Rekeyed, rekey},
    port::{Answer, KeySource},
    seal::Keyring,
    vault::Vault,
};
use auth_store::Location;
use auth_web::system::{OsEntropy, SystemClock};
use conformance::{
    client::{Request, Response},
    faults::Faults,
    linking::{ALICE, BOB, Begun, Demo, unlinked},
    operator::operator,
    place::Place,
    world::{Holdings, World},
};
use demo_provider::Seen;
use futures_util::future::join_all;
use std::{io::Write as _, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// An access token of a user's connection with a provider.
async fn token_of(world: &World, who: &Holdings, provider: &str) -> Response {
    let path = format!("/accounts/{}/users/{}/calendar/{provider}/token", who.account_id, who.user_id);
    world.hub(Request::new("POST", &path).bearer(&who.hub_key)).await
}

async fn token(world: &World, provider: &str) -> Response {
    token_of(world, &world.a, provider).await
}

async fn one(world: &World, query: &str) -> String {
    let rows = world.place.query(&format!("SELECT {query}")).await;
    assert_eq!(rows.len(), 1, "{query}: {rows:?}");
    rows[0].clone()
}

/// What lies in the first tenant's connection with a provider, as hexadecimal digits.
async fn sealed(world: &World, provider: &str) -> String {
    one(
        world,
        &format!("{} AS line FROM connections WHERE provider = '{provider}'", world.place.digits("tokens")),
    )
    .await
}

async fn put(world: &World, provider: &str, digits: &str) {
    let bytes = world.place.bytes(digits);
    world
        .place
        .execute(&format!("UPDATE connections SET tokens = {bytes} WHERE provider = '{provider}'"))
        .await;
}

/// Two calendars of the first tenant's user.
async fn linked() -> (World, Demo) {
    let (world, demo) = Demo::world().await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    demo.link(&world, "microsoft", BOB).await;
    (world, demo)
}

/// That nothing is given of a connection whose row was altered, and that this is written down.
async fn fails_closed(world: &World, demo: &Demo, what: &str, why: &str) {
    fails_closed_at(world, demo, (&world.a, "google"), what, why).await;
}

/// The same, of a user's connection with a provider.
async fn fails_closed_at(
    world: &World,
    demo: &Demo,
    (who, provider): (&Holdings, &str),
    what: &str,
    why: &str,
) {
    let (trail, asked) = (world.stores.audit.head().await.unwrap().seq, demo.provider().seen().len());
    let answer = token_of(world, who, provider).await;
    assert_eq!((answer.status, answer.field("code").as_str()), (500, "internal_error"), "{what}");
    let entries = world.stores.audit.scan(trail + 1, u16::MAX).await.unwrap();
    let events: Vec<_> = entries.iter().map(|found| found.entry.event.as_str()).collect();
    assert_eq!(events.len(), 1, "{what}: {events:?}");
    assert!(
        events[0].contains(r#""action":"vault.unopened""#) && events[0].contains(why),
        "{what}: {}",
        events[0]
    );
    assert_eq!(demo.provider().seen().len(), asked, "{what}: nobody is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_changed_byte_fails_closed() {
    let (world, demo) = linked().await;
    let good = sealed(&world, "google").await;
    let length = good.len() / 2;
    assert!(length > 100, "key, nonce, text and tag: {length}");
    for at in 0..length {
        let byte = u8::from_str_radix(&good[2 * at..2 * at + 2], 16).unwrap();
        let flipped = format!("{}{:02x}{}", &good[..2 * at], byte ^ (1 << (at % 8)), &good[2 * at + 2..]);
        put(&world, "google", &flipped).await;
        let why = if at < 8 { "unknown_key" } else { "altered" };
        fails_closed(&world, &demo, &format!("byte {at}"), why).await;
    }
    for cut in [0, 1, 8, 31, 32, 47, length - 1] {
        put(&world, "google", &good[..2 * cut]).await;
        fails_closed(&world, &demo, &format!("cut to {cut}"), "").await;
    }
    put(&world, "google", &good).await;
    assert_eq!(token(&world, "google").await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_for_one_place_opens_in_no_other() {
    let (world, demo) = linked().await;
    let (mine, other) = (sealed(&world, "google").await, sealed(&world, "microsoft").await);
    put(&world, "google", &other).await;
    fails_closed(&world, &demo, "the other provider's", "altered").await;
    put(&world, "google", &mine).await;
    // The row itself, moved: to another user, another account, another name of the provider.
    let user_b = world.place.bytes(&world.b.user_id.replace('-', ""));
    let (user_a, account_a) = (
        world.place.bytes(&world.a.user_id.replace('-', "")),
        world.place.bytes(&world.a.account_id.replace('-', "")),
    );
    let account_b = world.place.bytes(&world.b.account_id.replace('-', ""));
    let moved = format!(
        "UPDATE connections SET user_id = {user_b}, account_id = {account_b} WHERE provider = 'google'"
    );
    world.place.execute(&moved).await;
    fails_closed_at(&world, &demo, (&world.b, "google"), "another user's", "altered").await;
    let back = format!(
        "UPDATE connections SET user_id = {user_a}, account_id = {account_a} WHERE provider = 'google'"
    );
    world.place.execute(&back).await;
    assert_eq!(token(&world, "google").await.status, 200);
    world.place.execute("UPDATE connections SET provider = 'oidc' WHERE provider = 'google'").await;
    fails_closed_at(&world, &demo, (&world.a, "oidc"), "of another name", "altered").await;
    world.place.execute("UPDATE connections SET provider = 'google' WHERE provider = 'oidc'").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_rows_exchanged_opens_in_neither() {
    let (world, demo) = linked().await;
    let (one, other) = (sealed(&world, "google").await, sealed(&world, "microsoft").await);
    put(&world, "google", &other).await;
    put(&world, "microsoft", &one).await;
    for provider in ["google", "microsoft"] {
        fails_closed_at(&world, &demo, (&world.a, provider), provider, "altered").await;
    }
    put(&world, "google", &one).await;
    put(&world, "microsoft", &other).await;
    for provider in ["google", "microsoft"] {
        assert_eq!(token(&world, provider).await.status, 200, "{provider}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_open_is_told_once_an_hour() {
    let (world, demo) = linked().await;
    let good = sealed(&world, "google").await;
    put(&world, "google", &format!("{}00", &good[..good.len() - 2])).await;
    fails_closed(&world, &demo, "at first", "altered").await;
    for (waited, told) in [(0, 1), (3599, 1), (1, 2)] {
        world.advance(Duration::from_secs(waited)).await;
        assert_eq!(token(&world, "google").await.status, 500);
        let events = "SELECT event AS line FROM audit_events WHERE event LIKE '%vault.unopened%'";
        assert_eq!(world.place.query(events).await.len(), told, "{waited}");
    }
    world.end().await;
}

/// What cannot be opened cannot be told to the provider: it is forgotten, and the trail says that the grant may live.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_is_forgotten_when_it_is_ended() {
    let (world, demo) = linked().await;
    let good = sealed(&world, "google").await;
    put(&world, "google", &format!("{}00", &good[..good.len() - 2])).await;
    let path = format!("/accounts/{}/users/{}/calendar/google", world.a.account_id, world.a.user_id);
    let ended = world.hub(Request::new("DELETE", &path).bearer(&world.a.hub_key)).await;
    assert_eq!(ended.status, 204, "{}", ended.body);
    let events = world.place.query("SELECT event AS line FROM audit_events ORDER BY seq DESC LIMIT 2").await;
    assert!(events[0].contains("calendar.forgotten") && events[0].contains("unopened"), "{events:?}");
    assert_eq!(demo.count(|seen| matches!(seen, Seen::Revocation { .. })), 0);
    world.end().await;
}

/// A vault of the world's store, as a process that starts now has it.
async fn opened(world: &World) -> Result<Vault, String> {
    let location = Location { keyring: Some(world.place.hub_keyring()), ..Location::at(&world.place.url()) };
    let entropy = world.hub_platform.entropy.as_ref();
    hub_service::calendars::vault(&location, &world.stores, &world.clock, entropy).await
}

#[expect(clippy::disallowed_methods, reason = "a test writes the keyring")]
fn write_keyring(world: &World, keys: &[u8]) {
    let lines: String = keys.iter().map(|key| format!("{}\n", format!("{key:02x}").repeat(32))).collect();
    std::fs::write(world.place.hub_keyring(), lines).unwrap();
}

fn add_key(world: &World, key: u8) {
    let mut file = std::fs::OpenOptions::new().append(true).open(world.place.hub_keyring()).unwrap();
    writeln!(file, "\n{}", format!("{key:02x}").repeat(32)).unwrap();
}

async fn rekeyed(world: &World) -> Rekeyed {
    let vault = opened(world).await.unwrap();
    rekey(&world.operator_platform, &operator(), &vault, |_, _| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_with_the_right_keys_alone() {
    let (world, _demo) = linked().await;
    assert!(opened(&world).await.is_ok());
    for (what, keys) in [("another key", &[1][..]), ("other keys", &[1, 2])] {
        write_keyring(&world, keys);
        let refused = opened(&world).await.unwrap_err();
        assert!(refused.contains("restore the keyring") && !refused.contains('\n'), "{what}: {refused}");
    }
    std::fs::remove_file(world.place.hub_keyring()).unwrap();
    let refused = opened(&world).await.unwrap_err();
    assert!(refused.contains("is missing"), "none is drawn for a vault that is in use: {refused}");
    // A proof that was altered, or another's.
    write_keyring(&world, &[7]);
    assert!(opened(&world).await.is_ok());
    let proof = one(&world, &format!("{} AS line FROM vault_keys", world.place.digits("proof"))).await;
    let altered = world.place.bytes(&format!("{}00", &proof[..proof.len() - 2]));
    world.place.execute(&format!("UPDATE vault_keys SET proof = {altered}")).await;
    assert!(opened(&world).await.unwrap_err().contains("altered"));
    world.end().await;
}

/// A keyring of one key.
struct Own(u8);

impl KeySource for Own {
    fn keyring(&self) -> Answer<Keyring> {
        Ok(Keyring::new(&[Zeroizing::new([self.0; 32])]).unwrap())
    }
}

/// Hubs that start for the first time together, each with a key that it drew itself.
#[tokio::test(flavor = "multi_thread")]
async fn of_first_starts_with_keys_of_their_own_one_succeeds_and_the_others_leave_nothing() {
    let place = Place::fresh().await;
    let (stores, clock) = (place.open().await, SystemClock::start());
    let start = async |key| Vault::open(&stores, Arc::new(Own(key)), &clock, &OsEntropy).await.is_ok();
    let started = join_all((1..=50).map(&start)).await;
    let first = started.iter().position(|good| *good).unwrap();
    assert_eq!(started.iter().filter(|good| **good).count(), 1);
    let key = u8::try_from(first + 1).unwrap();
    assert!(start(key).await, "the next start of the one");
    assert!(!start(key + 1).await);
    assert_eq!(stores.vault.keys().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_is_sealed_anew_while_it_is_used() {
    let (world, demo) = linked().await;
    add_key(&world, 8);
    let before = [sealed(&world, "google").await, sealed(&world, "microsoft").await];
    let done = rekeyed(&world).await;
    assert_eq!((done.resealed, done.unopened.len(), done.needed.len()), (2, 0, 0));
    let after = [sealed(&world, "google").await, sealed(&world, "microsoft").await];
    assert!(before.iter().zip(&after).all(|(before, after)| before[..16] != after[..16]));
    // The services read the key that they did not hold.
    assert_eq!(token(&world, "google").await.status, 200);
    // And seal with it.
    world.advance(Duration::from_secs(3600)).await;
    assert_eq!(token(&world, "microsoft").await.status, 200);
    let names = world
        .place
        .query(&format!("SELECT DISTINCT {} AS line FROM connections", world.place.digits("key_name")))
        .await;
    assert_eq!(
        names,
        world.place.query(&format!("SELECT {} AS line FROM vault_keys", world.place.digits("name"))).await
    );
    // The old key is needed no more, and opens nothing.
    write_keyring(&world, &[8]);
    assert!(opened(&world).await.is_ok());
    assert_eq!(token(&world, "google").await.status, 200);
    // Once more: there is nothing to be done.
    let again = rekeyed(&world).await;
    assert_eq!((again.resealed, again.unopened.len(), again.needed.len()), (0, 0, 0));
    let events =
        world.place.query("SELECT event AS line FROM audit_events WHERE event LIKE '%vault.rekeyed%'").await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(demo.violations(), [""; 0]);
    world.end().await;
}

/// A service that knows the old key alone, since its file has not been brought: what it would seal is refused, not lost.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sealed_with_a_key_that_was_retired() {
    let (world, demo) = linked().await;
    add_key(&world, 8);
    rekeyed(&world).await;
    write_keyring(&world, &[7]);
    unlinked(&world).await;
    demo.provider().end_grant(ALICE);
    let arrived = demo.arriving(&world, "google", ALICE).await;
    let answer = world.hub(arrived.request()).await;
    assert_eq!((answer.status, answer.field("code").as_str()), (400, "not_connected"), "{}", answer.body);
    assert_eq!(world.place.query("SELECT provider AS line FROM connections").await, [""; 0]);
    // Once the file is there it goes on.
    write_keyring(&world, &[7, 8]);
    world.advance(Duration::from_secs(6)).await;
    demo.link(&world, "google", ALICE).await;
    assert_eq!(token(&world, "google").await.status, 200);
    world.end().await;
}

/// Keys that are written down while services run: the Hub reads them before anybody has brought them to the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_written_down_meanwhile_is_introduced_by_whoever_seals_with_it() {
    let (world, demo) = linked().await;
    let known = async || {
        world.place.query(&format!("SELECT {} AS line FROM vault_keys", world.place.digits("name"))).await
    };
    // It reads the keys anew where a row names one that it does not have.
    let has_read = async |keys: &[u8]| {
        write_keyring(&world, keys);
        let (before, good) = (known().await, sealed(&world, "google").await);
        put(&world, "google", &format!("{:016x}{}", 0, &good[16..])).await;
        world.advance(Duration::from_secs(6)).await;
        fails_closed(&world, &demo, "a key that nobody has", "unknown_key").await;
        put(&world, "google", &good).await;
        assert_eq!(known().await, before, "nobody has sealed with {keys:?} yet");
    };
    has_read(&[7, 8]).await;
    world.advance(Duration::from_secs(3600)).await;
    let before = sealed(&world, "google").await;
    assert_eq!(token(&world, "google").await.status, 200);
    let refreshed = sealed(&world, "google").await;
    assert_ne!(refreshed[..16], before[..16]);
    assert_eq!((known().await.len(), known().await.contains(&refreshed[..16].to_owned())), (2, true));

    has_read(&[7, 8, 9]).await;
    unlinked(&world).await;
    demo.link(&world, "google", ALICE).await;
    let linked = sealed(&world, "google").await;
    assert_ne!(linked[..16], refreshed[..16]);
    assert_eq!((known().await.len(), known().await.contains(&linked[..16].to_owned())), (3, true));
    assert_eq!(token(&world, "google").await.status, 200);
    world.end().await;
}

/// Broken off, it is run again; what does not open is told, and stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_is_left_as_it_is() {
    let (world, _demo) = linked().await;
    add_key(&world, 8);
    let good = sealed(&world, "google").await;
    put(&world, "google", &format!("{}00", &good[..good.len() - 2])).await;
    let done = rekeyed(&world).await;
    assert_eq!((done.resealed, done.unopened.len(), done.needed.len()), (1, 1, 1));
    put(&world, "google", &good).await;
    let done = rekeyed(&world).await;
    assert_eq!((done.resealed, done.unopened.len(), done.needed.len()), (1, 0, 0));
    assert_eq!(token(&world, "google").await.status, 200);
    world.end().await;
}

/// Broken off at the second of three, it is run again, and goes on where it was; everything opens all the while.
#[tokio::test(flavor = "multi_thread")]
async fn a_rekey_that_broke_off_is_gone_on_with() {
    let (world, demo) = linked().await;
    let third = Begun::at(&world, &world.b.hub_key, &world.b.user_id, "microsoft").await;
    assert_eq!(world.hub(demo.consent(&third, ALICE).request()).await.status, 303);
    let all_open = async |when: &str| {
        for (who, provider) in [(&world.a, "google"), (&world.a, "microsoft"), (&world.b, "microsoft")] {
            assert_eq!(token_of(&world, who, provider).await.status, 200, "{when}: {provider}");
        }
    };
    let keys = async || world.place.query("SELECT 'key' AS line FROM vault_keys").await.len();
    add_key(&world, 8);
    let vault = opened(&world).await.unwrap();
    let (faults, mut told) = (Faults::default(), Vec::new());
    let platform = Platform { stores: faults.on(world.stores.clone()), ..world.operator_platform.clone() };
    let proof = operator();
    let broken = rekey(&platform, &proof, &vault, |seen, all| {
        told.push((seen, all));
        faults.fail(&["reseal"]);
    });
    let broken = broken.await.unwrap_err();
    assert!(matches!(broken, FlowError::Store(StoreError::Unavailable(_))), "{broken}");
    assert_eq!(told, [(1, 3)]);
    assert_eq!(keys().await, 2, "the old one is needed still");
    all_open("broken off").await;

    faults.recover();
    told.clear();
    let done = rekey(&platform, &proof, &vault, |seen, all| told.push((seen, all))).await.unwrap();
    assert_eq!((done.resealed, done.unopened.len(), done.needed.len()), (2, 0, 0));
    assert_eq!(told, [(1, 2), (2, 2)], "what was done is not done again");
    assert_eq!(keys().await, 1);
    all_open("at the end").await;
    world.end().await;
}

/// An old copy of a store, put back beside a newer keyring that has lost the old key.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_key_that_is_gone_opens_nothing() {
    let (world, demo) = linked().await;
    let old = sealed(&world, "google").await;
    add_key(&world, 8);
    rekeyed(&world).await;
    write_keyring(&world, &[8]);
    world.advance(Duration::from_secs(6)).await;
    assert_eq!(token(&world, "google").await.status, 200, "the new key is read");
    put(&world, "google", &old).await;
    world.advance(Duration::from_secs(6)).await;
    fails_closed(&world, &demo, "an old copy", "unknown_key").await;
    world.end().await;
}
