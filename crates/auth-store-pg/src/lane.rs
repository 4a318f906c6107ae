//! The lanes to the database: one writer that commits in groups, and pools of readers.
//!
//! A transaction that writes first locks the head of the audit trail, which it would come to in any case: in the whole
//! database one writes at a time, and what a command read is still so when it writes. Commands of a process that wait
//! are run in one transaction, each in a savepoint of its own, and answered after the commit: durable when answered,
//! and one commit for many. Whatever happens, every command is answered: where the database does not answer, all that
//! wait are refused together, and a command that panics fails alone.

use crate::{Address, Conn, audit};
use auth_core::{audit::Head, error::StoreError};
use auth_store_sql::{Anchor, Done, Failure, PATIENCE, schema::audit_head};
use deadpool::managed::QueueMode;
use diesel::{ConnectionError, QueryDsl as _};
use diesel_async::{
    RunQueryDsl as _, SimpleAsyncConnection as _,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, PoolError as NoConnection, RecyclingMethod,
        deadpool::{Object, Pool, PoolError},
    },
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, try_join},
};
use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::Instant,
};

/// At most this many commands commit together, and for at most this long they are collected: others wait for the lock.
const GROUP: usize = 256;
const GROUP_TIME: Duration = Duration::from_millis(30);
/// At most this many commands wait for the writer; more are refused at once.
const WAITING: usize = 8192;

/// What a lane runs: an async closure whose future can go from thread to thread, which the bound of async closures
/// alone cannot say.
pub(crate) trait Command<C, T>: FnOnce(C) -> Self::Running + Send {
    /// The command under way.
    type Running: Future<Output = Done<T>> + Send;
}

impl<F, C, R, T> Command<C, T> for F
where
    F: FnOnce(C) -> R + Send,
    R: Future<Output = Done<T>> + Send,
{
    type Running = R;
}

pub(crate) fn unavailable(what: impl ToString) -> StoreError {
    StoreError::Unavailable(what.to_string())
}

/// What is awaited of the database is not awaited for ever.
pub(crate) async fn within<T, E: Into<Failure>>(
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| error.into().into()),
        Err(_) => Err(silent()),
    }
}

fn silent() -> StoreError {
    unavailable("the database did not answer in time")
}

/// Runs what a lane was given. A panic in it is its own failure: the lane lives.
async fn caught<T>(running: impl Future<Output = Done<T>>) -> Result<T, StoreError> {
    match within(AssertUnwindSafe(running).catch_unwind().map(Ok::<_, Failure>)).await? {
        Ok(done) => Ok(done?),
        Err(_) => Err(StoreError::Damaged("a command of the store panicked".to_owned())),
    }
}

/// What waits for the commit.
type Deliver = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// A command, or the news that it cannot run: answers whether its savepoint is to be kept, and what to do after the
/// commit.
type Job = Box<dyn for<'c> FnOnce(Result<&'c mut Conn, StoreError>) -> BoxFuture<'c, (bool, Deliver)> + Send>;

/// The writer's lane. Dropping the last clone ends its task after what was submitted.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::Sender<Job>);

impl Writer {
    /// Starts the writer's task, with a first connection.
    pub(crate) fn start(address: Address, conn: Conn, anchor: Anchor) -> Self {
        let (sender, jobs) = mpsc::channel(WAITING);
        tokio::spawn(run(Writing { address, conn: Some(conn), anchor, jobs }));
        Self(sender)
    }

    /// Runs one command in a transaction; durable when it answers.
    pub(crate) async fn run<T, F>(&self, command: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + for<'c> Command<&'c mut Conn, T> + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            Box::pin(async move {
                let done = match conn {
                    Ok(conn) => caught(command(conn)).await,
                    Err(error) => Err(error),
                };
                let keep = done.is_ok();
                // Whoever asked may have gone; the commit stands all the same.
                let deliver: Deliver = Box::new(move |committed| {
                    let _ = answer.send(committed.and(done));
                });
                (keep, deliver)
            })
        });
        self.0.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => unavailable("too many writes wait"),
            mpsc::error::TrySendError::Closed(_) => unavailable("the writer has stopped"),
        })?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?
    }
}

struct Writing {
    address: Address,
    conn: Option<Conn>,
    anchor: Anchor,
    jobs: mpsc::Receiver<Job>,
}

async fn run(mut writing: Writing) {
    while let Some(first) = writing.jobs.recv().await {
        let mut conn = match begin(&mut writing).await {
            Ok(conn) => conn,
            Err(error) => {
                // Who came meanwhile has waited for the same: none waits for it again. Taken before the first is told,
                // who may come again at once, and has not waited.
                let mut waited = vec![first];
                waited.extend(std::iter::from_fn(|| writing.jobs.try_recv().ok()).take(WAITING));
                for job in waited {
                    refuse(job, &error).await;
                }
                continue;
            }
        };
        let mut delivers = Vec::new();
        let committed = commit(&mut conn, first, &mut writing.jobs, &mut delivers).await;
        match &committed {
            Ok(head) => {
                writing.anchor.note(*head);
                writing.conn = Some(conn);
            }
            // The connection goes, and with it the transaction.
            Err(error) => tracing::error!(%error, "a group of writes was rolled back"),
        }
        for deliver in delivers {
            deliver(committed.clone().map(|_| ()));
        }
    }
}

async fn refuse(job: Job, error: &StoreError) {
    job(Err(error.clone())).await.1(Err(error.clone()));
}

/// Begins a transaction as the one that writes. A connection that has died while nothing was written costs no command:
/// nothing was begun on it.
async fn begin(writing: &mut Writing) -> Result<Conn, StoreError> {
    let begun = match writing.conn.take() {
        None => None,
        Some(conn) => match tokio::time::timeout(PATIENCE, lock(&conn)).await {
            Ok(Ok(end)) => Some((conn, end)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the writer connects again");
                None
            }
            Err(_) => return Err(silent()),
        },
    };
    let (conn, end) = match begun {
        Some(begun) => begun,
        None => {
            let conn = writing.address.connect().await?;
            let end = within(lock(&conn)).await?;
            (conn, end)
        }
    };
    if writing.anchor.noted() > Some(end) {
        return Err(StoreError::Damaged(
            "the audit trail ends before an entry that was anchored: an older state of the database was put back, in \
             which what was revoked since is live"
                .to_owned(),
        ));
    }
    Ok(conn)
}

/// Begins, and takes the lock of whoever writes; answers where the trail ends, or ended a moment before. Both are sent
/// at once.
async fn lock(conn: &Conn) -> Result<i64, diesel::result::Error> {
    let (mut first, mut second) = (conn, conn);
    let end = audit_head::table.select(audit_head::seq).first(&mut second);
    let ((), end) = try_join(first.batch_execute("BEGIN; SELECT 1 FROM audit_head FOR UPDATE"), end).await?;
    Ok(end)
}

/// Runs a group of commands in the transaction that was begun, commits, and answers the head of the audit trail then.
async fn commit(
    conn: &mut Conn,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    delivers: &mut Vec<Deliver>,
) -> Result<Head, StoreError> {
    let begun = Instant::now();
    let mut next = Some(first);
    let mut before = "SAVEPOINT command";
    while let Some(job) = next {
        if let Err(error) = within(conn.batch_execute(before)).await {
            delivers.push(job(Err(error.clone())).await.1);
            return Err(error);
        }
        let (keep, deliver) = job(Ok(&mut *conn)).await;
        delivers.push(deliver);
        let more = delivers.len() < GROUP && begun.elapsed() < GROUP_TIME;
        next = if more { jobs.try_recv().ok() } else { None };
        before = match (keep, next.is_some()) {
            (true, true) => "RELEASE command; SAVEPOINT command",
            (true, false) => "RELEASE command",
            (false, true) => "ROLLBACK TO command; RELEASE command; SAVEPOINT command",
            (false, false) => "ROLLBACK TO command; RELEASE command",
        };
    }
    within(conn.batch_execute(before)).await?;
    let head = within(audit::head(conn)).await?;
    within(conn.batch_execute("COMMIT")).await?;
    Ok(head)
}

/// Why a pool has no connection, without what the pool says about that.
fn cause(error: &PoolError) -> String {
    match error {
        PoolError::Backend(NoConnection::ConnectionError(ConnectionError::BadConnection(why))) => why.clone(),
        other => other.to_string(),
    }
}

/// A pool of connections that see committed states.
pub(crate) struct Readers(Pool<Conn>);

impl Readers {
    /// A pool of at most so many connections, which are opened when they are needed.
    pub(crate) fn new(address: &Address, count: usize) -> Result<Self, StoreError> {
        let address = address.clone();
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(move |_| {
            let address = address.clone();
            async move { address.try_to_connect().await.map_err(ConnectionError::BadConnection) }.boxed()
        });
        let manager = AsyncDieselConnectionManager::<Conn>::new_with_config("", config);
        // Whoever comes next gets the connection that was used last: its server's process has all in its caches.
        let pool = Pool::builder(manager).max_size(count).queue_mode(QueueMode::Lifo);
        Ok(Self(pool.build().map_err(unavailable)?))
    }

    /// Runs one query, to its end also where nobody waits for it any more: its connection is lent to nobody before the
    /// database has answered.
    pub(crate) async fn run<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut Conn) -> Done<T> + for<'c> Command<&'c mut Conn, T> + 'static,
    {
        let lent = tokio::time::timeout(PATIENCE, self.0.get()).await.map_err(|_| silent())?;
        let mut lent = lent.map_err(|error| unavailable(cause(&error)))?;
        let running = async move {
            let conn: &mut Conn = &mut lent;
            let done = caught(query(conn)).await;
            if matches!(done, Err(StoreError::Unavailable(_))) {
                // It may be waiting still for what was asked: nobody else is to wait behind that.
                drop(Object::take(lent));
            }
            done
        };
        ToTheEnd(Some(Box::pin(running))).await
    }
}

/// What goes on apart where nobody waits for it any more.
struct ToTheEnd<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(running) = &mut self.0 else { return Poll::Pending };
        let done = running.as_mut().poll(context);
        if done.is_ready() {
            self.0 = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        // Where there is no runtime, the process ends, and its connections with it.
        if let (Some(running), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(running);
        }
    }
}
