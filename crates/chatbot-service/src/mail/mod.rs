//! Letters, written and carried beside the requests that ask for them: no request waits for one, and none learns whether
//! there is anybody to write to.

mod log;
mod smtp;
mod text;

pub use log::ToLog;
pub use smtp::Smtp;
pub use text::Page;

use auth_core::{
    flow::{Asked, Logins, Platform},
    port::{Letter, Post, Undelivered},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// What waits to be written.
type Waiting = tokio::sync::Mutex<mpsc::Receiver<Asked>>;

/// Letters that wait to be written. More are not taken: whoever misses one asks again.
pub const LINE: usize = 1000;
/// Letters that are written and carried at once.
pub const CARRIERS: usize = 4;

/// How long letters that were asked for are carried once the service has stopped.
const STOPPING: Duration = Duration::from_secs(10);

/// How long a letter is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long one try may take.
    pub each: Duration,
    /// How long is waited before each further one.
    pub pauses: [Duration; 3],
}

impl Default for Patience {
    fn default() -> Self {
        Self { each: Duration::from_secs(20), pauses: [1, 5, 25].map(Duration::from_secs) }
    }
}

/// Where letters are asked for.
pub struct Outbox {
    line: Mutex<Option<mpsc::Sender<Asked>>>,
    dropped: AtomicU64,
    /// Closed once nobody carries letters any more.
    carriers: watch::Sender<()>,
}

/// What carries them.
#[derive(Clone)]
struct Office {
    post: Arc<dyn Post>,
    platform: Platform,
    logins: Logins,
    patience: Patience,
}

impl Outbox {
    /// Begins to carry letters, on the runtime that this is called on; without a post none are taken.
    pub fn start(
        post: Option<Arc<dyn Post>>,
        platform: &Platform,
        logins: &Logins,
        patience: Patience,
    ) -> Self {
        let carriers = watch::Sender::new(());
        let line = post.map(|post| {
            let (line, waiting) = mpsc::channel(LINE);
            let waiting = Arc::new(Waiting::new(waiting));
            let office = Office { post, platform: platform.clone(), logins: logins.clone(), patience };
            for _ in 0..CARRIERS {
                let (carries, work) = (carriers.subscribe(), office.clone().work(Arc::clone(&waiting)));
                tokio::spawn(async move {
                    work.await;
                    drop(carries);
                });
            }
            line
        });
        Self { line: Mutex::new(line), dropped: AtomicU64::new(0), carriers }
    }

    /// Asks for a letter, at once. Where too many wait it is dropped, with a line in the log.
    pub fn ask(&self, asked: Asked) {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if line.is_some_and(|line| line.try_send(asked).is_err()) {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(dropped, "too many letters wait: one was dropped");
        }
    }

    /// Takes no more, and waits until what was asked for is carried, or given up; for ten seconds at the most.
    pub async fn finish(&self) {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).take();
        if tokio::time::timeout(STOPPING, self.carriers.closed()).await.is_err() {
            tracing::warn!("letters were left behind");
        }
    }

    /// How many were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Office {
    async fn work(self, waiting: Arc<Waiting>) {
        loop {
            let asked = waiting.lock().await.recv().await;
            let Some(asked) = asked else { return };
            // A panic is this letter's alone.
            let _ = tokio::spawn(self.clone().see_to(asked)).await;
        }
    }

    async fn see_to(self, asked: Asked) {
        let (mut letter, mut pauses) = (None, self.patience.pauses.into_iter());
        while let Err(why) = self.try_once(&asked, &mut letter).await {
            let pause = pauses.next().filter(|_| matches!(why, Undelivered::Later(_)));
            let Some(pause) = pause else {
                let person = letter.map(|letter: Letter| letter.person.to_string());
                tracing::warn!(person, occasion = ?asked.occasion, %why, "a letter was not sent");
                return;
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Writes the letter, if that was not done, and has it carried.
    async fn try_once(&self, asked: &Asked, letter: &mut Option<Letter>) -> Result<(), Undelivered> {
        if letter.is_none() {
            let written = self.logins.letter(&self.platform, asked).await;
            *letter = written.map_err(|error| Undelivered::Later(error.to_string()))?;
        }
        let Some(letter) = letter else { return Ok(()) };
        let carried = tokio::time::timeout(self.patience.each, self.post.carry(letter)).await;
        carried.unwrap_or_else(|_| Err(Undelivered::Later("it took too long".to_owned())))
    }
}
