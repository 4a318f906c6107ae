//! Clock and entropy of tests: stepped and seeded.

use auth_core::{
    entropy::Entropy,
    time::{Clock, Monotonic, Timestamp},
};
use sha2::{Digest as _, Sha256};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A clock that moves only when it is told to. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct StepClock(Arc<Hands>);

#[derive(Debug, Default)]
struct Hands {
    nanos: AtomicU64,
    /// How many milliseconds the wall clock was set forward.
    wall: AtomicI64,
}

impl StepClock {
    /// Moves the wall clock and the monotonic one together.
    pub fn advance(&self, span: Duration) {
        self.0.nanos.fetch_add(u64::try_from(span.as_nanos()).unwrap(), Ordering::SeqCst);
    }
    /// Sets the wall clock alone, so many milliseconds forward or back.
    pub fn set_wall(&self, millis: i64) {
        self.0.wall.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for StepClock {
    fn now(&self) -> Timestamp {
        let passed = self.0.nanos.load(Ordering::SeqCst) / 1_000_000;
        let wall = START.millis() + i64::try_from(passed).unwrap() + self.0.wall.load(Ordering::SeqCst);
        Timestamp::from_millis(wall)
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(self.0.nanos.load(Ordering::SeqCst))
    }
}

/// Bytes that follow from a seed.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededEntropy {
    /// The bytes of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let number = self.drawn.fetch_add(1, Ordering::SeqCst);
            let block = Sha256::digest([self.seed.to_be_bytes(), number.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

/// A seed of its own for each world, from the name of its folder. It is printed; a build with the same
/// `CONFORMANCE_SEED` in its environment draws the same secrets and identifiers again.
pub(crate) fn seed_of(path: &std::path::Path) -> u64 {
    if let Some(given) = option_env!("CONFORMANCE_SEED") {
        return given.parse().unwrap();
    }
    let mut hash = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(path, &mut hash);
    std::hash::Hasher::finish(&hash)
}
