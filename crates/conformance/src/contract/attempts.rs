//! Counts of guesses.

use super::{
    cases,
    fixture::{Fixture, RACE, count},
};
use auth_core::{
    attempts::{REMEMBERED, Trial},
    id::PersonId,
    model::Address,
    time::Timestamp,
};
use std::{net::IpAddr, time::Duration};

cases! {
    "attempts":
    one_opening_counts_what_another_counted,
    one_that_has_to_wait_is_not_counted,
    a_right_guess_is_forgotten_and_its_address_is_not,
    one_that_was_not_judged_is_given_back,
    of_many_at_once_as_many_are_admitted_as_one_after_the_other,
    what_is_long_ago_is_forgotten_and_nothing_else,
}

const SECOND: Duration = Duration::from_secs(1);
/// So many wrong guesses wait for nothing.
const FREE: usize = 5;

fn password(last: u8, account: &str) -> Trial {
    Trial::password(Some(IpAddr::from([192, 0, 2, last])), Some(&Address::parse(account).unwrap()))
}

async fn take(fixture: &Fixture, trial: &Trial, at: Timestamp) -> Result<(), Duration> {
    fixture.stores.attempts.take(trial, at).await.unwrap()
}

async fn one_opening_counts_what_another_counted(fixture: &Fixture) {
    let (trial, at) = (password(1, "alice@example.com"), fixture.at());
    for number in 0..FREE {
        let stores = if number % 2 == 0 { &fixture.stores } else { &fixture.peer };
        assert_eq!(stores.attempts.take(&trial, at).await.unwrap(), Ok(()));
    }
    assert_eq!(fixture.peer.attempts.take(&trial, at).await.unwrap(), Err(2 * SECOND));
    assert_eq!(take(fixture, &trial, at).await, Err(2 * SECOND));
    assert_eq!(take(fixture, &password(1, "bob@example.com"), at).await, Ok(()));
    assert_eq!(take(fixture, &password(2, "alice@example.com"), at).await, Ok(()));
    fixture.assert_silent("guesses").await;
}

async fn one_that_has_to_wait_is_not_counted(fixture: &Fixture) {
    let (trial, at) = (Trial::code(PersonId::from_bytes([1; 16])), fixture.at());
    for _ in 0..FREE {
        assert_eq!(take(fixture, &trial, at).await, Ok(()));
    }
    for _ in 0..FREE {
        assert_eq!(take(fixture, &trial, at).await, Err(30 * SECOND));
    }
    let early = Timestamp::from_millis((at + 30 * SECOND).millis() - 1);
    assert_eq!(take(fixture, &trial, early).await, Err(Duration::from_millis(1)));
    assert_eq!(take(fixture, &trial, at + 30 * SECOND).await, Ok(()));
    assert_eq!(take(fixture, &trial, at + 30 * SECOND).await, Err(60 * SECOND));
}

async fn a_right_guess_is_forgotten_and_its_address_is_not(fixture: &Fixture) {
    let at = fixture.at();
    let own = password(1, "mallory@example.com");
    // Whoever has an account of their own logs in between the guesses at others.
    let mut admitted = 0;
    for number in 0..10 {
        for _ in 0..FREE {
            let other = password(1, &format!("alice{number}@example.com"));
            admitted += usize::from(take(fixture, &other, at).await.is_ok());
        }
        if take(fixture, &own, at).await.is_ok() {
            fixture.stores.attempts.succeeded(&own).await.unwrap();
        }
    }
    // Twenty, and then each account once.
    assert_eq!(admitted, 20 + 6, "the address has as many as without");
    let elsewhere = password(2, "mallory@example.com");
    for _ in 0..6 * FREE {
        assert_eq!(take(fixture, &elsewhere, at).await, Ok(()), "right each time");
        fixture.stores.attempts.succeeded(&elsewhere).await.unwrap();
    }
}

async fn one_that_was_not_judged_is_given_back(fixture: &Fixture) {
    let at = fixture.at();
    for trial in [password(1, "alice@example.com"), Trial::code(PersonId::from_bytes([1; 16]))] {
        for _ in 0..6 * FREE {
            assert_eq!(take(fixture, &trial, at).await, Ok(()));
            fixture.peer.attempts.unjudged(&trial).await.unwrap();
        }
        for _ in 0..FREE {
            assert_eq!(take(fixture, &trial, at).await, Ok(()));
        }
        assert!(take(fixture, &trial, at).await.is_err());
    }
}

async fn of_many_at_once_as_many_are_admitted_as_one_after_the_other(fixture: &Fixture) {
    let at = fixture.at();
    for trial in [password(1, "alice@example.com"), Trial::code(PersonId::from_bytes([2; 16]))] {
        let answers = fixture
            .race(RACE, |_, stores| {
                let trial = trial.clone();
                async move { stores.attempts.take(&trial, at).await.unwrap() }
            })
            .await;
        assert_eq!(count(&answers, &Ok(())), FREE);
    }
}

async fn what_is_long_ago_is_forgotten_and_nothing_else(fixture: &Fixture) {
    let (first, second) = (password(1, "alice@example.com"), password(2, "bob@example.com"));
    let at = fixture.at();
    for _ in 0..FREE {
        assert_eq!(take(fixture, &first, at).await, Ok(()));
        assert_eq!(take(fixture, &second, at + SECOND).await, Ok(()));
    }
    fixture.stores.attempts.purge(at + SECOND).await.unwrap();
    assert_eq!(take(fixture, &first, at).await, Ok(()), "forgotten");
    assert!(take(fixture, &second, at + SECOND).await.is_err());
    // What was not purged is not held against anybody for ever.
    assert_eq!(take(fixture, &second, at + SECOND + REMEMBERED).await, Ok(()));
}
