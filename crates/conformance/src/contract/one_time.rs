//! What is good once.

use super::{
    cases,
    fixture::{Fixture, RACE, count},
};
use auth_core::{
    port::{NewOneTime, Purpose},
    secret::TokenDigest,
    time::Timestamp,
};
use std::time::Duration;

cases! {
    "one_time":
    one_opening_takes_what_another_keeps,
    it_is_taken_once,
    what_is_unknown_is_not_taken,
    it_is_good_for_its_purpose_alone_and_another_does_not_use_it_up,
    it_ends_when_it_is_said_to,
    its_content_is_bytes_of_any_kind,
    what_is_not_over_is_not_forgotten,
    of_many_that_take_it_one_gets_it,
    of_many_each_is_taken_once,
}

const MINUTE: Duration = Duration::from_secs(60);

async fn kept(fixture: &Fixture, purpose: Purpose) -> NewOneTime {
    let new = fixture.new_one_time(purpose);
    fixture.stores.one_time.keep(new.clone()).await.unwrap();
    new
}

async fn taken(fixture: &Fixture, purpose: Purpose, digest: &TokenDigest, at: Timestamp) -> Option<Vec<u8>> {
    fixture.peer.one_time.take(purpose, digest, at).await.unwrap()
}

async fn one_opening_takes_what_another_keeps(fixture: &Fixture) {
    for purpose in Purpose::ALL {
        let new = kept(fixture, purpose).await;
        assert_eq!(taken(fixture, purpose, &new.digest, new.at).await, Some(new.content), "{purpose:?}");
    }
    fixture.assert_silent("what is good once is no event of itself").await;
}

async fn it_is_taken_once(fixture: &Fixture) {
    let new = kept(fixture, Purpose::PasswordReset).await;
    let take = async |stores: &auth_core::port::Stores| {
        stores.one_time.take(new.purpose, &new.digest, new.at).await.unwrap()
    };
    assert_eq!(take(&fixture.stores).await, Some(new.content.clone()));
    for stores in [&fixture.stores, &fixture.peer] {
        assert_eq!(take(stores).await, None);
    }
}

async fn what_is_unknown_is_not_taken(fixture: &Fixture) {
    kept(fixture, Purpose::PasswordReset).await;
    assert_eq!(taken(fixture, Purpose::PasswordReset, &fixture.digest(), fixture.at()).await, None);
}

async fn it_is_good_for_its_purpose_alone_and_another_does_not_use_it_up(fixture: &Fixture) {
    let new = kept(fixture, Purpose::PasswordReset).await;
    for other in Purpose::ALL.into_iter().filter(|other| *other != new.purpose) {
        assert_eq!(taken(fixture, other, &new.digest, new.at).await, None, "{other:?}");
    }
    assert_eq!(taken(fixture, new.purpose, &new.digest, new.at).await, Some(new.content));
}

async fn it_ends_when_it_is_said_to(fixture: &Fixture) {
    let (first, second) =
        (kept(fixture, Purpose::PasswordReset).await, kept(fixture, Purpose::PasswordReset).await);
    let just_before = Timestamp::from_millis(first.expires_at.millis() - 1);
    assert_eq!(taken(fixture, first.purpose, &first.digest, just_before).await, Some(first.content));
    assert_eq!(taken(fixture, second.purpose, &second.digest, second.expires_at).await, None);
}

async fn its_content_is_bytes_of_any_kind(fixture: &Fixture) {
    let all: Vec<u8> = (0..=255).collect();
    for content in [Vec::new(), vec![0; 9], all.repeat(16)] {
        let new = NewOneTime { content, ..fixture.new_one_time(Purpose::WebauthnChallenge) };
        fixture.stores.one_time.keep(new.clone()).await.unwrap();
        assert_eq!(taken(fixture, new.purpose, &new.digest, new.at).await, Some(new.content));
    }
}

async fn what_is_not_over_is_not_forgotten(fixture: &Fixture) {
    let mut kept_ones = Vec::new();
    for _ in 0..600 {
        kept_ones.push(kept(fixture, Purpose::PasswordReset).await);
    }
    let last =
        NewOneTime { expires_at: fixture.at() + 2 * MINUTE, ..fixture.new_one_time(Purpose::PasswordReset) };
    fixture.stores.one_time.keep(last.clone()).await.unwrap();
    fixture.stores.one_time.purge(last.expires_at).await.unwrap();
    // Whether these are there still, or not: they are over.
    let at = last.expires_at;
    for over in &kept_ones {
        assert_eq!(taken(fixture, over.purpose, &over.digest, at).await, None);
    }
    assert_eq!(taken(fixture, last.purpose, &last.digest, last.at).await, Some(last.content));
}

async fn of_many_that_take_it_one_gets_it(fixture: &Fixture) {
    let new = kept(fixture, Purpose::PasswordReset).await;
    let answers = fixture
        .race(RACE, |_, stores| async move {
            stores.one_time.take(new.purpose, &new.digest, new.at).await.unwrap()
        })
        .await;
    assert_eq!(count(&answers, &Some(new.content)), 1);
    assert_eq!(count(&answers, &None), RACE - 1);
}

async fn of_many_each_is_taken_once(fixture: &Fixture) {
    let mut kept_ones = Vec::new();
    for number in 0..RACE / 4 {
        let new = NewOneTime {
            content: number.to_be_bytes().to_vec(),
            ..fixture.new_one_time(Purpose::EmailVerification)
        };
        fixture.stores.one_time.keep(new.clone()).await.unwrap();
        kept_ones.push(new);
    }
    let answers = fixture
        .race(RACE, |number, stores| {
            // Neighbours, of which every other goes through the peer, take the same.
            let new = kept_ones[number / 4].clone();
            async move { stores.one_time.take(new.purpose, &new.digest, new.at).await.unwrap() }
        })
        .await;
    for new in kept_ones {
        assert_eq!(count(&answers, &Some(new.content)), 1);
    }
}
