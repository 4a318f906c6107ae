//! One question at a time: what many want to know when nobody knows it yet, such as whose a key is, is asked for once.

use crate::{secret::TokenDigest, time::Monotonic};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Whose turn it is; and when an asking failed last, and how.
type Turns<E> = tokio::sync::Mutex<Option<(Monotonic, E)>>;

/// What is asked for now, by its digest.
pub(crate) struct Flights<E>(Mutex<HashMap<[u8; 32], Arc<Turns<E>>>>);

impl<E> Default for Flights<E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Somebody's place among those that ask for one thing. Gone with the last of them.
pub(crate) struct Place<'a, E> {
    flights: &'a Flights<E>,
    digest: [u8; 32],
    turns: Arc<Turns<E>>,
}

/// Nobody else asks meanwhile.
pub(crate) struct Turn<'a, E>(tokio::sync::MutexGuard<'a, Option<(Monotonic, E)>>);

impl<E> Flights<E> {
    /// A place behind those that ask for it already.
    pub(crate) fn join(&self, digest: &TokenDigest) -> Place<'_, E> {
        let digest = *digest.as_bytes();
        let turns = Arc::clone(self.lock().entry(digest).or_default());
        Place { flights: self, digest, turns }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Turns<E>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Clone> Place<'_, E> {
    /// Waits until nobody before it asks any more. `came` is a reading from before.
    ///
    /// # Errors
    /// An asking failed since then: whoever came before has waited for the same answer, and does not wait for it again.
    pub(crate) async fn turn(&self, came: Monotonic) -> Result<Turn<'_, E>, E> {
        let turn = self.turns.lock().await;
        match turn.as_ref() {
            Some((at, error)) if *at >= came => Err(error.clone()),
            _ => Ok(Turn(turn)),
        }
    }
}

impl<E: Clone> Turn<'_, E> {
    /// Tells those that came before this reading that the asking failed.
    pub(crate) fn fail(&mut self, at: Monotonic, error: &E) {
        *self.0 = Some((at, error.clone()));
    }
}

impl<E> Drop for Place<'_, E> {
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
    use crate::error::StoreError;
    use futures_util::FutureExt as _;

    fn at(nanos: u64) -> Monotonic {
        Monotonic::from_nanos(nanos)
    }

    #[test]
    fn turns_come_one_after_the_other_and_nothing_is_left() {
        let flights = Flights::<StoreError>::default();
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
