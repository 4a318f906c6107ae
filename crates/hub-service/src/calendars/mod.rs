//! Calendars of users.

mod link;
mod settings;
mod use_of;

pub use link::{Authorize, AuthorizeBody, Callback, CallbackQuery};
pub use settings::{Calendars as Settings, vault};
pub use use_of::{
    ConnectionView, Disconnect, EventTimeView, EventView, Events, EventsQuery, List, Token, TokenView,
};

use crate::Hub;
use auth_core::{
    error::FlowError,
    flow::{Calendars, Platform},
};
use auth_web::{Problem, problem::Kind};
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// So much is under way with providers at once.
const MOST: u32 = 256;
/// The longest that what is under way is waited for at the end.
const LONGEST: Duration = Duration::from_secs(60);

/// What is under way with providers. It runs to its end, whether or not a caller waits for it, and whatever becomes of the
/// threads that serve: what a provider gave is lost otherwise.
#[derive(Clone)]
pub struct Underway {
    calendars: Arc<Calendars>,
    places: Arc<Semaphore>,
    runtime: Handle,
}

impl Underway {
    /// Nothing yet, in the runtime of the caller, which must go on until [`finish`](Self::finish) has answered.
    pub(crate) fn new(calendars: Calendars) -> Self {
        let places = Arc::new(Semaphore::new(MOST.try_into().unwrap_or(usize::MAX)));
        Self { calendars: Arc::new(calendars), places, runtime: Handle::current() }
    }

    /// The calendars.
    pub(crate) fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// Runs something to its end, unless too much is under way.
    pub(crate) async fn run<T, Work>(
        &self,
        platform: &Platform,
        work: impl FnOnce(Arc<Calendars>, Platform) -> Work,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        Work: Future<Output = Result<T, FlowError>> + Send + 'static,
    {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        self.run_in(place, platform, work).await
    }

    /// Runs something to its end that cannot be asked for again: it waits for a place.
    pub(crate) async fn run_in_turn<T, Work>(
        &self,
        platform: &Platform,
        work: impl FnOnce(Arc<Calendars>, Platform) -> Work,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        Work: Future<Output = Result<T, FlowError>> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| busy())?;
        self.run_in(place, platform, work).await
    }

    async fn run_in<T, Work>(
        &self,
        place: OwnedSemaphorePermit,
        platform: &Platform,
        work: impl FnOnce(Arc<Calendars>, Platform) -> Work,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        Work: Future<Output = Result<T, FlowError>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.calendars), platform.clone());
        let ended = self.runtime.spawn(async move {
            let answer = work.await;
            drop(place);
            answer
        });
        Ok(ended
            .await
            .map_err(|_| Problem::internal("what a provider is asked for was not carried out"))??)
    }

    /// Waits until nothing is under way, for a minute at the most; nothing begins any more.
    pub async fn finish(&self) {
        if tokio::time::timeout(LONGEST, self.places.acquire_many(MOST)).await.is_err() {
            tracing::warn!("a provider was waited for in vain: what it was asked for is lost");
        }
    }
}

fn busy() -> Problem {
    Problem::new(Kind::Unavailable, "Too much is asked of providers. Try again.")
}

/// Lets time pass by the clock of the machine.
pub(crate) struct RealPause;

#[async_trait::async_trait]
impl auth_core::port::Pause for RealPause {
    async fn pause(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

impl Hub {
    /// What is under way, where this Hub has calendars: without a provider, there is none that a path could name.
    fn to_providers(&self) -> Result<&Underway, Problem> {
        self.underway.as_ref().ok_or_else(Problem::absent)
    }
}
