//! How current a validator is, in figures for whoever watches it: counted where it happens, read by `/metrics`.

use super::{LEASE, Validator};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{sync::atomic::AtomicU64, time::Duration};

/// From a quick answer to more than a lease, in seconds.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0];

/// The figures of one validator.
pub(super) struct Figures {
    pub(super) renewals: Counter,
    pub(super) failed: Counter,
    pub(super) lag: Gauge,
    pub(super) acknowledged: Histogram,
    pub(super) settled: Histogram,
    pub(super) lookups: Counter,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            renewals: Counter::default(),
            failed: Counter::default(),
            lag: Gauge::default(),
            acknowledged: Histogram::new(BUCKETS),
            settled: Histogram::new(BUCKETS),
            lookups: Counter::default(),
        }
    }
}

impl Validator {
    /// Its figures as they are now, to be written out.
    pub fn figures(&self) -> Registry {
        let gauge = |value: Duration| {
            let gauge = Gauge::<f64, AtomicU64>::default();
            gauge.set(value.as_secs_f64());
            gauge
        };
        let applied = Gauge::<i64>::default();
        applied.set(self.table.applied().0);
        let left = self.lease.left(self.clock.monotonic());
        let Figures { renewals, failed, lag, acknowledged, settled, lookups } = &self.figures;
        let mut all = Registry::with_prefix("auth");
        all.register_with_unit("lease_length", "Length of a lease", Unit::Seconds, gauge(LEASE));
        all.register_with_unit(
            "lease_left",
            "What is left of the lease under which this process serves from memory, 0 without one",
            Unit::Seconds,
            gauge(left),
        );
        all.register("lease_renewals", "Renewals that extended the lease", renewals.clone());
        all.register("lease_renewals_failed", "Renewals that did not extend the lease", failed.clone());
        all.register("stream_applied", "Number of the last notice that was applied", applied);
        all.register(
            "stream_lag",
            "Notices that are known to be committed and are not yet applied",
            lag.clone(),
        );
        all.register_with_unit(
            "stream_acknowledge",
            "From asking for news until the store knew that they were applied",
            Unit::Seconds,
            acknowledged.clone(),
        );
        all.register_with_unit(
            "revocation",
            "Time that a command waited until no process served what it ended",
            Unit::Seconds,
            settled.clone(),
        );
        all.register(
            "key_uses_lost",
            "Uses of keys that were not counted: too many others waited to be written",
            self.uses.lost(),
        );
        all.register("credential_lookups", "Credentials that the store was asked for", lookups.clone());
        all
    }
}
