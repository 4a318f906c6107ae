//! The lease under which a process serves from memory.

use crate::time::{Clock, Monotonic, Timestamp};
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

/// A lease: until when on this process's monotonic clock, and what the wall clock says then.
#[derive(Debug, Default)]
pub(super) struct Lease {
    until: AtomicU64,
    /// Wall milliseconds minus monotonic milliseconds, at the last renewal.
    offset: AtomicI64,
}

impl Lease {
    /// Extends it to `length` after `asked`, the reading before the renewal was sent. Never shortens it.
    pub(super) fn extend(&self, clock: &dyn Clock, asked: Monotonic, length: Duration) {
        // The monotonic clock first: a pause between the two makes the wall clock look late, so that ends come
        // early and never late.
        let monotonic = millis(clock.monotonic());
        let offset = clock.now().millis().wrapping_sub(monotonic);
        self.offset.store(offset, Ordering::Relaxed);
        self.until.fetch_max((asked + length).nanos(), Ordering::Release);
    }
    /// Ends it now.
    pub(super) fn end(&self) {
        self.until.store(0, Ordering::Release);
    }
    /// What is left of it at a reading.
    pub(super) fn left(&self, now: Monotonic) -> Duration {
        Monotonic::from_nanos(self.until.load(Ordering::Acquire)).since(now)
    }
    /// The wall clock at a reading, if the lease is live then: one clock read serves both questions.
    #[inline]
    pub(super) fn wall(&self, now: Monotonic) -> Option<Timestamp> {
        if now.nanos() < self.until.load(Ordering::Acquire) {
            Some(Timestamp::from_millis(millis(now).wrapping_add(self.offset.load(Ordering::Relaxed))))
        } else {
            None
        }
    }
}

#[inline]
fn millis(reading: Monotonic) -> i64 {
    i64::try_from(reading.nanos() / 1_000_000).unwrap_or(i64::MAX)
}
