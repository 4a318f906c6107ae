//! One lookup of a credential at a time: a key that many present when nobody knows it yet is asked for once.

use crate::secret::TokenDigest;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{Mutex as Turns, MutexGuard};

/// The credentials that are looked up now.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<[u8; 32], Arc<Turns<()>>>>);

/// Somebody's place among those that ask for one credential. Gone with the last of them.
pub(super) struct Place<'a> {
    flights: &'a Flights,
    digest: [u8; 32],
    turns: Arc<Turns<()>>,
}

impl Flights {
    /// A place behind those that ask for it already.
    pub(super) fn join(&self, digest: &TokenDigest) -> Place<'_> {
        let digest = *digest.as_bytes();
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = Arc::clone(flights.entry(digest).or_default());
        Place { flights: self, digest, turns }
    }

    /// How many credentials are asked for.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Place<'_> {
    /// Waits until nobody before it asks any more.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and this one's: joining takes the lock of the map, so nobody comes between.
        if Arc::strong_count(&self.turns) <= 2 {
            flights.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_one_after_the_other_and_nothing_is_left() {
        let flights = Flights::default();
        let (one, other) = (TokenDigest::of("one"), TokenDigest::of("other"));
        let (first, second) = (flights.join(&one), flights.join(&one));
        let elsewhere = flights.join(&other);
        let turn = first.turn().await;
        drop(elsewhere.turn().await);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), second.turn()).await.is_err());
        assert_eq!(flights.len(), 2);
        drop(turn);
        drop(first);
        drop(second.turn().await);
        drop(second);
        assert_eq!(flights.len(), 1);
        drop(elsewhere);
        assert_eq!(flights.len(), 0);
    }
}
