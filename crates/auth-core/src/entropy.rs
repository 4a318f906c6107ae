//! Randomness, injected so that tests can seed it.

/// A cryptographically secure source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `out` with unpredictable bytes. A source that cannot must end the process: a guessable
    /// secret is worse than no service.
    fn fill(&self, out: &mut [u8]);
}
