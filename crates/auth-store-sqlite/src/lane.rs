//! The lanes to the file: one writer that commits in groups, a few readers, and the watcher.
//!
//! SQLite knows one writer at a time. All commands of a process go to one thread, which runs those that wait
//! in one transaction, each in a savepoint of its own, and answers them after the commit: durable when
//! answered, and one `fsync` for many. Whatever happens, every command is answered: where the file stays locked,
//! all that wait are refused together, and a command that panics fails alone.

use crate::{audit, file};
use auth_core::error::StoreError;
use auth_store_sql::{Anchor, Done, Failure};
use diesel::{connection::SimpleConnection as _, sqlite::SqliteConnection};
use diesel_async::{
    SimpleAsyncConnection as _,
    sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

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

/// What a failure means: that it must be tried again later, or that something is wrong which no later try will mend.
pub(crate) fn told(failure: Failure) -> StoreError {
    let text = failure.to_string();
    match failure {
        Failure::Sql(_) if text.contains("malformed") || text.contains("not a database") => {
            StoreError::Damaged(text)
        }
        Failure::Sql(_) if !failure.is_damage() && file::is_locked(&text) => {
            StoreError::Unavailable(file::LOCKED.to_owned())
        }
        _ => failure.into(),
    }
}

fn unavailable(what: impl ToString) -> StoreError {
    StoreError::Unavailable(what.to_string())
}

/// What waits for the commit.
type Deliver = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// A command, or the news that it cannot run: answers whether its savepoint is to be kept, and what to do
/// after the commit.
type Job = Box<dyn FnOnce(Result<&mut Conn, StoreError>) -> (bool, Deliver) + Send>;

/// At most this many commands commit together.
const GROUP: usize = 256;
/// At most this many commands wait for the writer; more are refused at once.
const WAITING: usize = 8192;

/// The writer's lane. Dropping the last clone ends the thread after what was submitted.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::SyncSender<Job>);

impl Writer {
    /// Starts the writer's thread.
    ///
    /// # Errors
    /// No thread could be started.
    pub(crate) fn start(conn: Conn, anchor: Anchor) -> std::io::Result<Self> {
        let (sender, jobs) = mpsc::sync_channel(WAITING);
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
            let done = conn.and_then(|conn| caught(|| now(command(conn))));
            let keep = done.is_ok();
            // Whoever asked may have gone; the commit stands all the same.
            let deliver: Deliver = Box::new(move |committed| {
                let _ = answer.send(committed.and(done));
            });
            (keep, deliver)
        });
        self.0.try_send(job).map_err(|refused| match refused {
            mpsc::TrySendError::Full(_) => unavailable("too many writes wait"),
            mpsc::TrySendError::Disconnected(_) => unavailable("the writer has stopped"),
        })?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?
    }
}

/// Runs what a lane was given. A panic in it is its own failure: the lane lives.
fn caught<T>(run: impl FnOnce() -> Done<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => done.map_err(told),
        Err(_) => Err(StoreError::Damaged("a command of the store panicked".to_owned())),
    }
}

fn run(mut conn: Conn, mut anchor: Anchor, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        if let Err(error) = now(conn.batch_execute("BEGIN IMMEDIATE")).map_err(told) {
            // Who came meanwhile has waited for the same lock: none waits for it again. Taken before the first is told,
            // who may come again at once, and has not waited.
            let waited: Vec<Job> = std::iter::once(first).chain(jobs.try_iter().take(WAITING)).collect();
            for job in waited {
                job(Err(error.clone())).1(Err(error.clone()));
            }
            continue;
        }
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

/// Runs a group of commands in the transaction that was begun, and anchors the head of the audit trail once it stands.
fn commit(
    conn: &mut Conn,
    anchor: &mut Anchor,
    first: Job,
    jobs: &mpsc::Receiver<Job>,
    delivers: &mut Vec<Deliver>,
) -> Result<(), StoreError> {
    let mut next = Some(first);
    while let Some(job) = next {
        if let Err(error) = now(conn.batch_execute("SAVEPOINT command")).map_err(told) {
            delivers.push(job(Err(error.clone())).1);
            return Err(error);
        }
        let (keep, deliver) = job(Ok(&mut *conn));
        delivers.push(deliver);
        let end = if keep { "RELEASE command" } else { "ROLLBACK TO command; RELEASE command" };
        now(conn.batch_execute(end)).map_err(told)?;
        next = if delivers.len() < GROUP { jobs.try_recv().ok() } else { None };
    }
    let head = now(audit::head(conn)).map_err(told)?;
    now(conn.batch_execute("COMMIT")).map_err(told)?;
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
    permits: Arc<Semaphore>,
}

/// A connection that is lent: it comes back when this is dropped, whatever ends its use, and only then may
/// another reader begin.
struct Lent<'a> {
    conn: Option<Conn>,
    readers: &'a Readers,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.conn.take());
    }
}

impl Readers {
    /// A lane of these connections.
    pub(crate) fn new(conns: Vec<Conn>) -> Self {
        Self { permits: Arc::new(Semaphore::new(conns.len())), idle: Mutex::new(conns) }
    }

    fn lend(&self, permit: OwnedSemaphorePermit) -> Lent<'_> {
        let conn = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { conn, readers: self, _permit: permit }
    }

    /// Runs one query, away from the threads that serve requests. It runs to its end where nobody waits for it
    /// any more, and holds its connection until then.
    pub(crate) async fn run<T, F>(self: &Arc<Self>, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(unavailable)?;
        let readers = Arc::clone(self);
        let work = move || {
            let mut lent = readers.lend(permit);
            let conn = lent.conn.as_mut().ok_or_else(|| unavailable("no connection"))?;
            caught(|| now(query(conn)))
        };
        tokio::task::spawn_blocking(work).await.map_err(unavailable)?
    }
}

/// Opens a connection with the settings of every lane.
pub(crate) fn connect(path: &Path) -> Result<Conn, StoreError> {
    let path = path.to_str().ok_or_else(|| unavailable("the path is not UTF-8"))?;
    let mut conn = file::establish(path).map_err(unavailable)?;
    settle_in(&mut conn).map_err(unavailable)?;
    Ok(wrapped(conn))
}

/// A connection as the lanes use it.
pub(crate) fn wrapped(conn: SqliteConnection) -> Conn {
    SyncConnectionWrapper::with_runtime(conn, Inline)
}

/// WAL with `synchronous=FULL`: a commit survives a power cut; readers and the writer do not wait for each
/// other.
pub(crate) fn settle_in(conn: &mut SqliteConnection) -> diesel::QueryResult<()> {
    conn.batch_execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
    )
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
