//! The real clocks and the real entropy: named here, passed to everything else.

use auth_core::{
    entropy::Entropy,
    time::{Clock, Monotonic, Timestamp},
};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The clocks of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// The clocks, with the monotonic one counted from now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
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
