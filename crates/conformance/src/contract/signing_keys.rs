//! The keys that sign access tokens.

use super::{
    cases,
    fixture::{Fixture, RACE, count, granted},
};
use auth_core::{
    jwt::{Algorithm, SigningKey},
    model::SigningKeyRecord,
    policy::Installation,
    port::{About, Change, Notice, RotateSigningKey, Seq},
    seal::Sealed,
    time::Timestamp,
};
use std::time::Duration;

cases! {
    "signing_keys":
    one_opening_reads_what_another_made,
    none_but_the_next_one_is_added,
    of_many_makers_of_the_next_one_makes_it,
    an_end_is_never_put_off,
    what_ended_is_forgotten_and_nothing_else,
}

const HOUR: Duration = Duration::from_secs(3600);

fn new(fixture: &Fixture, number: i64) -> SigningKeyRecord {
    let at = fixture.at();
    let key = SigningKey::generate(Algorithm::EdDsa, fixture.entropy()).unwrap();
    SigningKeyRecord {
        number,
        kid: key.public().kid().clone(),
        algorithm: Algorithm::ALL[usize::try_from(number).unwrap() % 3],
        sealed: Sealed::from_bytes(vec![0, 1, 0xff]),
        created_at: at,
        signs_from: at + HOUR,
        ends_at: None,
    }
}

async fn add(fixture: &Fixture, new: &SigningKeyRecord, old_until: Timestamp) -> Change<Seq> {
    let grant = granted::<RotateSigningKey>(&Installation);
    fixture.stores.signing_keys.add(&grant, new.clone(), old_until).await.unwrap()
}

async fn list(fixture: &Fixture) -> Vec<SigningKeyRecord> {
    fixture.peer.signing_keys.list().await.unwrap()
}

async fn one_opening_reads_what_another_made(fixture: &Fixture) {
    assert_eq!(list(fixture).await, []);
    fixture.look_away().await;
    let mut made = Vec::new();
    for number in 1..=4 {
        let next = new(fixture, number);
        let Change::Done(seq) = add(fixture, &next, Timestamp::MAX).await else { panic!("{number}") };
        assert_eq!(fixture.told().await, ["signing_key.rotated"]);
        assert_eq!(fixture.announced().await, [Notice { seq, about: About::SigningKeys, ended: false }]);
        made.iter_mut().for_each(|key: &mut SigningKeyRecord| key.ends_at = Some(Timestamp::MAX));
        made.push(next);
        assert_eq!(list(fixture).await, made, "oldest first");
    }
}

async fn none_but_the_next_one_is_added(fixture: &Fixture) {
    assert!(matches!(add(fixture, &new(fixture, 1), Timestamp::MAX).await, Change::Done(_)));
    let before = list(fixture).await;
    fixture.look_away().await;
    for number in [1, 3, 0, -1, i64::MAX] {
        let other = SigningKeyRecord { number, ..new(fixture, 1) };
        assert_eq!(add(fixture, &other, fixture.at()).await, Change::Stale, "{number}");
    }
    fixture.assert_silent("a number that is not the next").await;
    assert_eq!(list(fixture).await, before, "and it ends nothing");
}

async fn of_many_makers_of_the_next_one_makes_it(fixture: &Fixture) {
    for number in 1..=2 {
        fixture.look_away().await;
        let news: Vec<_> = (0..RACE).map(|_| new(fixture, number)).collect();
        let answers = fixture
            .race(RACE, |at, stores| {
                let (grant, new) = (granted::<RotateSigningKey>(&Installation), news[at].clone());
                async move { stores.signing_keys.add(&grant, new, Timestamp::MAX).await.unwrap() }
            })
            .await;
        assert_eq!(count(&answers, &Change::Stale), RACE - 1);
        assert_eq!(fixture.told().await, ["signing_key.rotated"]);
        let made = answers.iter().position(|answer| *answer != Change::Stale).unwrap();
        assert_eq!(list(fixture).await.pop(), Some(news[made].clone()));
    }
}

async fn an_end_is_never_put_off(fixture: &Fixture) {
    let soon = fixture.at() + HOUR;
    for (number, old_until) in [(1, soon), (2, soon + HOUR), (3, soon), (4, soon + HOUR)] {
        assert!(matches!(add(fixture, &new(fixture, number), old_until).await, Change::Done(_)));
    }
    let ends: Vec<_> = list(fixture).await.iter().map(|key| key.ends_at).collect();
    assert_eq!(ends, [Some(soon), Some(soon), Some(soon + HOUR), None]);
}

async fn what_ended_is_forgotten_and_nothing_else(fixture: &Fixture) {
    let end = fixture.at() + HOUR;
    for (number, old_until) in [(1, end), (2, end), (3, end + HOUR)] {
        assert!(matches!(add(fixture, &new(fixture, number), old_until).await, Change::Done(_)));
    }
    let kept = async |before| {
        fixture.stores.signing_keys.purge(before).await.unwrap();
        list(fixture).await.iter().map(|key| key.number).collect::<Vec<_>>()
    };
    fixture.look_away().await;
    assert_eq!(kept(end).await, [1, 2, 3]);
    assert_eq!(kept(end + Duration::from_millis(1)).await, [2, 3]);
    assert_eq!(kept(Timestamp::MAX).await, [3], "the newest has no end");
    fixture.assert_silent("forgetting").await;
}
