//! What goes to the log. A program of its own: there is one log a process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use auth_core::{
    audit::{ChainKey, Entry, Head},
    time::Timestamp,
};
use auth_store_sqlite::{Options, open};
use std::{
    io,
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_head_at_the_start_and_each_that_is_committed_go_to_the_log() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::default());
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let options = Options {
        path: dir.path().join("auth.db"),
        chain: ChainKey::new([5; 32]),
        anchor: dir.path().join("audit.anchor"),
    };
    let stores = open(&options).unwrap();
    let mut heads = vec![Head::START];
    for _ in 0..3 {
        let entry = Entry {
            at: Timestamp::EPOCH,
            actor: "operator".to_owned(),
            tenant: None,
            source: String::new(),
            request_id: String::new(),
            event: "{}".to_owned(),
        };
        stores.audit.append(vec![entry]).await.unwrap();
        heads.push(stores.audit.head().await.unwrap());
    }
    drop(open(&options).unwrap());
    heads.push(stores.audit.head().await.unwrap());
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let told: Vec<_> = log.lines().filter(|line| line.contains("audit_anchor")).collect();
    assert_eq!(told.len(), heads.len(), "{log}");
    for (line, head) in told.iter().zip(&heads) {
        assert!(line.contains("INFO") && line.contains(&head.link.to_string()), "{line}");
    }
}
