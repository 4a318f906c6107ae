//! What another service publishes, such as its keys: kept, and asked for again where what is kept does not do, by one at
//! a time and not too often.

use crate::time::{Clock, Monotonic};
use arc_swap::ArcSwap;
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// How long after it could not be had it is not asked for again: until then, whoever needs it is told that it cannot.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Something that is fetched.
pub(crate) struct Fetched<T, E> {
    known: ArcSwap<T>,
    /// For how long what came is not asked for again, although it does not do.
    again_after: Duration,
    /// When it was asked for last, and whether it came. Whoever asks holds it.
    asked: Mutex<Option<(Monotonic, Result<(), E>)>>,
}

impl<T: Default + Send + Sync, E: Clone + Send + Sync> Fetched<T, E> {
    /// Something of which nothing is known yet.
    pub(crate) fn new(again_after: Duration) -> Self {
        Self { known: ArcSwap::default(), again_after, asked: Mutex::new(None) }
    }

    /// What is known; it is asked for where that does not do, and was not done just before.
    ///
    /// # Errors
    /// It could not be had.
    pub(crate) async fn get(
        &self,
        does: impl Fn(&T) -> bool + Send + Sync,
        clock: &dyn Clock,
        ask: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<Arc<T>, E> {
        let known = self.known.load_full();
        if does(&known) {
            return Ok(known);
        }
        let mut asked = self.asked.lock().await;
        let known = self.known.load_full();
        if does(&known) {
            return Ok(known);
        }
        if let Some((then, outcome)) = asked.as_ref() {
            let pause = if outcome.is_ok() { self.again_after } else { AFTER_FAILURE };
            if clock.monotonic().since(*then) < pause {
                return outcome.clone().map(|()| known);
            }
        }
        let came = ask.await;
        *asked = Some((clock.monotonic(), came.as_ref().map(|_| ()).map_err(Clone::clone)));
        let came = Arc::new(came?);
        self.known.store(Arc::clone(&came));
        Ok(came)
    }
}
