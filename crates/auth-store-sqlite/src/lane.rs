//! The lanes to the file: one writer that commits in groups, a few readers, and the watcher.
//!
//! SQLite knows one writer at a time. All commands of a process go to one thread, which runs those that wait
//! in one transaction, each in a savepoint of its own, and answers them after the commit: durable when
//! answered, and one `fsync` for many.

use crate::{anchor::Anchor, audit};
use auth_core::error::StoreError;
use diesel::{connection::SimpleConnection as _, sqlite::SqliteConnection};
use diesel_async::{
    SimpleAsyncConnection as _,
    sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{
    error::Error,
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
};
use tokio::sync::{Semaphore, oneshot};

/// A connection whose queries run on the thread that polls them: the lanes own the threads.
pub(crate) type Conn = SyncConnectionWrapper<SqliteConnection, Inline>;

/// Runs blocking queries where they are.
pub(crate) struct Inline;

impl SpawnBlocking for Inline {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        let done = task();
        async move { Ok(done) }.boxed()
    }
    fn get_runtime() -> Self {
        Self
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Sql(#[from] diesel::result::Error),
    #[error("{0}")]
    Damaged(String),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sql(error) => Self::Unavailable(error.to_string()),
            Failure::Damaged(what) => Self::Damaged(what),
        }
    }
}

/// What a command answers.
pub(crate) type Done<T> = Result<T, Failure>;

fn unavailable(what: impl ToString) -> StoreError {
    StoreError::Unavailable(what.to_string())
}

/// What waits for the commit.
type Deliver = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// A command, or the news that it cannot run: answers whether its savepoint is to be kept, and what to do
/// after the commit.
type Job = Box<dyn FnOnce(Result<&mut Conn, StoreError>) -> (bool, Deliver) + Send>;

/// At most this many rows are deleted or updated in one transaction by commands without an end of their own.
pub(crate) const BATCH: u16 = 500;

/// At most this many commands commit together.
const GROUP: usize = 256;

/// The writer's lane. Dropping it ends the thread after what was submitted.
pub(crate) struct Writer(mpsc::Sender<Job>);

impl Writer {
    /// Starts the writer's thread.
    ///
    /// # Errors
    /// No thread could be started.
    pub(crate) fn start(conn: Conn, anchor: Anchor) -> std::io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || run(conn, anchor, &jobs))?;
        Ok(Self(sender))
    }

    /// Runs one command in a transaction; durable when it answers.
    pub(crate) async fn run<T, F>(&self, command: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            let done = conn.and_then(|conn| Ok(now(command(conn))?));
            let keep = done.is_ok();
            // Whoever asked may have gone; the commit stands all the same.
            let deliver: Deliver = Box::new(move |committed| {
                let _ = answer.send(committed.and(done));
            });
            (keep, deliver)
        });
        self.0.send(job).map_err(|_| unavailable("the writer has stopped"))?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?
    }
}

fn run(mut conn: Conn, mut anchor: Anchor, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut delivers = Vec::new();
        let committed = commit(&mut conn, &mut anchor, first, jobs, &mut delivers);
        if let Err(error) = &committed {
            tracing::error!(%error, "a group of writes was rolled back");
            // Where the transaction is gone already, this fails, and that is well.
            let _ = now(conn.batch_execute("ROLLBACK"));
        }
        for deliver in delivers {
            deliver(committed.clone());
        }
    }
}

/// Runs a group of commands in one transaction, and anchors the head of the audit trail once it stands.
fn commit(
    conn: &mut Conn,
    anchor: &mut Anchor,
    first: Job,
    jobs: &mpsc::Receiver<Job>,
    delivers: &mut Vec<Deliver>,
) -> Result<(), StoreError> {
    let begun = now(conn.batch_execute("BEGIN IMMEDIATE")).map_err(StoreError::from);
    let mut next = Some(first);
    while let Some(job) = next {
        if let Err(error) = &begun {
            delivers.push(job(Err(error.clone())).1);
        } else {
            now(conn.batch_execute("SAVEPOINT command"))?;
            let (keep, deliver) = job(Ok(&mut *conn));
            delivers.push(deliver);
            let end = if keep { "RELEASE command" } else { "ROLLBACK TO command; RELEASE command" };
            now(conn.batch_execute(end))?;
        }
        next = if delivers.len() < GROUP { jobs.try_recv().ok() } else { None };
    }
    begun?;
    let head = now(audit::head(conn))?;
    now(conn.batch_execute("COMMIT"))?;
    anchor.note(head);
    Ok(())
}

/// The result of a query that runs inline: it is there at once.
pub(crate) fn now<T, E: Into<Failure>>(query: impl Future<Output = Result<T, E>>) -> Done<T> {
    match query.now_or_never() {
        Some(done) => done.map_err(Into::into),
        None => Err(Failure::Damaged("a query waited for something".to_owned())),
    }
}

/// The readers' lane: connections that see committed states only.
pub(crate) struct Readers {
    idle: Mutex<Vec<Conn>>,
    permits: Semaphore,
}

impl Readers {
    /// A lane of these connections.
    pub(crate) fn new(conns: Vec<Conn>) -> Self {
        Self { permits: Semaphore::new(conns.len()), idle: Mutex::new(conns) }
    }

    /// Runs one query, away from the threads that serve requests.
    pub(crate) async fn run<T, F>(self: &std::sync::Arc<Self>, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.map_err(unavailable)?;
        let conn = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut conn = conn.ok_or_else(|| unavailable("no connection"))?;
        let lane = std::sync::Arc::clone(self);
        let work = move || {
            let done = now(query(&mut conn));
            lane.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            done
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(unavailable)??)
    }
}

/// Opens a connection with the settings of every lane.
pub(crate) fn connect(path: &Path) -> Result<Conn, StoreError> {
    let path = path.to_str().ok_or_else(|| unavailable("the path is not UTF-8"))?;
    let mut conn = diesel::Connection::establish(path).map_err(unavailable)?;
    settle_in(&mut conn).map_err(unavailable)?;
    Ok(SyncConnectionWrapper::with_runtime(conn, Inline))
}

/// WAL with `synchronous=FULL`: a commit survives a power cut; readers and the writer do not wait for each
/// other.
pub(crate) fn settle_in(conn: &mut SqliteConnection) -> diesel::QueryResult<()> {
    conn.batch_execute(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
    )
}
