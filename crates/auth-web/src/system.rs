//! The real clocks and the real entropy: named here, passed to everything else.

use auth_core::{
    entropy::Entropy,
    time::{Clock, Monotonic, Timestamp},
};
use rustix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// The monotonic clock that goes on while the machine sleeps, where there is one: a lease ends also then.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MONOTONIC: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MONOTONIC: ClockId = ClockId::Monotonic;

/// The clocks of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    /// The first reading of the monotonic clock, in nanoseconds.
    start: u64,
}

impl SystemClock {
    /// The clocks, with the monotonic one counted from now.
    pub fn start() -> Self {
        Self { start: nanos() }
    }
}

fn nanos() -> u64 {
    let reading = clock_gettime(MONOTONIC);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(reading.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(reading.tv_nsec))
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(nanos().saturating_sub(self.start))
    }
}

/// The operating system's random numbers, through a generator that it seeds.
#[derive(Debug, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the entropy that everything else is given")]
    fn fill(&self, out: &mut [u8]) {
        // ChaCha, reseeded by the system; ends the process where the system has no entropy.
        rand::fill(out);
    }
}
