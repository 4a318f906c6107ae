//! What a lane does when things go wrong: every command is answered, and the lane lives.

use super::*;
use auth_core::audit::{Head, Link};
use std::time::{Duration, Instant};

/// A store's file, and a lane of one reader on it.
fn place() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = file::resolve(&dir.path().join("auth.db")).unwrap();
    file::prepare(&path).unwrap();
    (dir, path)
}

fn writer(path: &Path) -> Writer {
    let anchor = Anchor::open(&path.with_extension("anchor"), Head { seq: 0, link: Link::START }).unwrap();
    Writer::start(connect(path).unwrap(), anchor).unwrap()
}

async fn write(writer: &Writer) -> Result<(), StoreError> {
    writer.run(async |conn| Ok(conn.batch_execute("UPDATE notice_head SET seq = seq").await?)).await
}

#[tokio::test]
async fn reads_that_nobody_waits_for_any_more_give_their_connection_back() {
    let (_dir, path) = place();
    let readers = Arc::new(Readers::new(vec![connect(&path).unwrap()]));
    for _ in 0..20 {
        let slow = readers.run(async |_| {
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        });
        let _ = tokio::time::timeout(Duration::from_millis(2), slow).await;
        // Waits for its turn, and is not told that there is no connection.
        readers.run(async |conn| Ok(audit::head(conn).await?)).await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_is_the_failure_of_its_own_command() {
    let (_dir, path) = place();
    let (writer, readers) = (writer(&path), Arc::new(Readers::new(vec![connect(&path).unwrap()])));
    let panics = async |conn: &mut Conn| -> Done<()> {
        conn.batch_execute("INSERT INTO replicas (id, applied) VALUES (X'00', 1)").await?;
        panic!("a command of the test");
    };
    let (first, failed, last) = tokio::join!(write(&writer), writer.run(panics), write(&writer));
    assert_eq!((first, last), (Ok(()), Ok(())));
    assert!(matches!(failed, Err(StoreError::Damaged(_))), "{failed:?}");
    for _ in 0..3 {
        let failed = readers.run(async |_| -> Done<()> { panic!("a query of the test") }).await;
        assert!(matches!(failed, Err(StoreError::Damaged(_))), "{failed:?}");
    }
    let left: i64 = readers
        .run(async |conn| {
            use diesel::QueryDsl as _;
            use diesel_async::RunQueryDsl as _;
            Ok(auth_store_sql::schema::replicas::table.find(vec![0]).count().get_result(conn).await?)
        })
        .await
        .unwrap();
    assert_eq!(left, 0, "what it did is undone");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the test measures how long it waits")]
async fn writes_under_a_lock_are_all_answered_within_two_waits() {
    let (_dir, path) = place();
    let writer = writer(&path);
    let mut other = file::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let writes = futures_util::future::join_all((0..2000).map(|_| write(&writer))).await;
    assert!(begun.elapsed() < 2 * auth_store_sql::PATIENCE + Duration::from_secs(2), "{:?}", begun.elapsed());
    let locked = Err(StoreError::Unavailable(file::LOCKED.to_owned()));
    assert!(writes.iter().all(|answer| *answer == locked));
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(write(&writer).await, Ok(()), "the writer lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_writes_than_may_wait_are_refused_at_once() {
    let (_dir, path) = place();
    let writer = writer(&path);
    let mut other = file::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let writes = futures_util::future::join_all((0..WAITING + 500).map(|_| write(&writer))).await;
    let full = Err(StoreError::Unavailable("too many writes wait".to_owned()));
    assert!(writes.iter().filter(|answer| **answer == full).count() >= 499);
    assert!(writes.iter().all(Result::is_err));
}

#[tokio::test]
async fn a_violated_constraint_is_a_fault_and_no_outage() {
    let (_dir, path) = place();
    let answer = writer(&path)
        .run(async |conn| Ok(conn.batch_execute("INSERT INTO notice_head (id, seq) VALUES (1, 1)").await?))
        .await;
    assert!(matches!(answer, Err(StoreError::Damaged(_))), "{answer:?}");
}
