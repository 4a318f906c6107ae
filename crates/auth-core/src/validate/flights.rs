//! One lookup of a credential at a time: a key that many present when nobody knows it yet is asked for once.

use crate::{error::StoreError, secret::TokenDigest, time::Monotonic};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Whose turn it is; and when a lookup failed last, and how.
type Turns = tokio::sync::Mutex<Option<(Monotonic, StoreError)>>;

/// The credentials that are looked up now.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<[u8; 32], Arc<Turns>>>);

/// Somebody's place among those that ask for one credential. Gone with the last of them.
pub(super) struct Place<'a> {
    flights: &'a Flights,
    digest: [u8; 32],
    turns: Arc<Turns>,
}

/// Nobody else asks meanwhile.
pub(super) struct Turn<'a>(tokio::sync::MutexGuard<'a, Option<(Monotonic, StoreError)>>);

impl Flights {
    /// A place behind those that ask for it already.
    pub(super) fn join(&self, digest: &TokenDigest) -> Place<'_> {
        let digest = *digest.as_bytes();
        let turns = Arc::clone(self.lock().entry(digest).or_default());
        Place { flights: self, digest, turns }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Turns>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Waits until nobody before it asks any more. `came` is a reading from before.
    ///
    /// # Errors
    /// A lookup failed since then: whoever came before has waited for the same store, and does not wait for it again.
    pub(super) async fn turn(&self, came: Monotonic) -> Result<Turn<'_>, StoreError> {
        let turn = self.turns.lock().await;
        match turn.as_ref() {
            Some((at, error)) if *at >= came => Err(error.clone()),
            _ => Ok(Turn(turn)),
        }
    }
}

impl Turn<'_> {
    /// Tells those that came before this reading that the lookup failed.
    pub(super) fn fail(&mut self, at: Monotonic, error: &StoreError) {
        *self.0 = Some((at, error.clone()));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // The map's and this one's: joining takes the lock of the map, so nobody comes between.
        if Arc::strong_count(&self.turns) <= 2 {
            flights.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn at(nanos: u64) -> Monotonic {
        Monotonic::from_nanos(nanos)
    }

    #[test]
    fn turns_come_one_after_the_other_and_nothing_is_left() {
        let flights = Flights::default();
        let (one, other) = (TokenDigest::of("one"), TokenDigest::of("other"));
        let (first, second) = (flights.join(&one), flights.join(&one));
        let elsewhere = flights.join(&other);
        let turn = first.turn(at(1)).now_or_never().unwrap();
        assert!(elsewhere.turn(at(1)).now_or_never().is_some(), "another credential is another matter");
        assert!(second.turn(at(2)).now_or_never().is_none());
        assert_eq!(flights.lock().len(), 2);
        drop(turn);
        drop(first);
        assert!(second.turn(at(2)).now_or_never().is_some());
        drop(second);
        assert_eq!(flights.lock().len(), 1);
        drop(elsewhere);
        assert_eq!(flights.lock().len(), 0);
    }

    #[test]
    fn a_failure_is_that_of_all_who_came_before_it_and_of_nobody_else() {
        let flights = Flights::default();
        let digest = TokenDigest::of("one");
        let place = flights.join(&digest);
        let down = StoreError::Unavailable("down".to_owned());
        place.turn(at(1)).now_or_never().unwrap().unwrap().fail(at(5), &down);
        let told = |came| place.turn(at(came)).now_or_never().unwrap().err();
        assert_eq!((told(2), told(6)), (Some(down), None));
    }
}
