//! Networks and rates of the few keys that have any. Read by those keys' requests alone.

use crate::{
    id::KeyId,
    port::{About, Limits, Notice, Seq},
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// What is known of the limits of keys.
#[derive(Debug, Default)]
pub(super) struct KnownLimits(RwLock<Known>);

#[derive(Debug)]
struct Known {
    of: HashMap<KeyId, (Seq, Arc<Limits>)>,
    /// The last number that made something be forgotten: what was read before it may be out of date.
    forgotten: Seq,
}

impl Default for Known {
    fn default() -> Self {
        Self { of: HashMap::new(), forgotten: Seq(0) }
    }
}

impl KnownLimits {
    /// The limits of a key, if they are known.
    pub(super) fn of(&self, key: KeyId) -> Option<Arc<Limits>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.of.get(&key).map(|(_, limits)| Arc::clone(limits))
    }

    /// Remembers limits that were read after `noted`, unless what they say may have changed since: a slow
    /// reader does not bring back what a notice took away, or what was read later.
    pub(super) fn remember(&self, key: KeyId, noted: Seq, limits: &Arc<Limits>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if noted < known.forgotten {
            return;
        }
        let entry = known.of.entry(key).or_insert_with(|| (noted, Arc::clone(limits)));
        if noted > entry.0 {
            *entry = (noted, Arc::clone(limits));
        }
    }

    /// Forgets the limits of the keys that notices are about. Called before the notices count as applied.
    pub(super) fn forget(&self, notices: &[Notice]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for notice in notices {
            if let About::Key(key) = notice.about {
                known.of.remove(&key);
                known.forgotten = known.forgotten.max(notice.seq);
            }
        }
    }

    /// Forgets all of it, up to a number.
    pub(super) fn clear(&self, head: Seq) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) =
            Known { of: HashMap::new(), forgotten: head };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Networks;
    use std::num::NonZeroU32;

    fn limits(rate: u32) -> Arc<Limits> {
        Arc::new(Limits { networks: Networks::ANY, rate_limit: NonZeroU32::new(rate) })
    }

    fn about(seq: i64, key: u8) -> Notice {
        Notice { seq: Seq(seq), about: About::Key(KeyId::from_bytes([key; 16])), ended: false }
    }

    #[test]
    fn a_slow_reader_does_not_bring_back_what_was_changed_since() {
        let (known, key) = (KnownLimits::default(), KeyId::from_bytes([1; 16]));
        let rate = || known.of(key).and_then(|limits| limits.rate_limit).map(NonZeroU32::get);
        known.remember(key, Seq(5), &limits(100));
        known.forget(&[about(6, 1)]);
        assert_eq!(rate(), None);
        known.remember(key, Seq(6), &limits(10));
        known.forget(&[about(7, 2)]);
        assert_eq!(rate(), Some(10), "the notice was about another key");
        known.forget(&[about(8, 1)]);
        known.remember(key, Seq(5), &limits(100));
        known.remember(key, Seq(7), &limits(100));
        assert_eq!(rate(), None, "both were read before the last change");
        known.remember(key, Seq(8), &limits(1));
        known.remember(key, Seq(8), &limits(100));
        assert_eq!(rate(), Some(1));
    }
}
