//! Refusals, counted and written to the audit trail in batches: a stranger's request costs no durable write,
//! and a flood of them a bounded number of entries.

use crate::endpoint::Service;
use auth_core::{
    audit::{ANONYMOUS, Entry, Event},
    error::StoreError,
    flow::Platform,
    principal::{Origin, Principal},
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Different refusals that are told apart between two writes; beyond, they are counted by route and cause
/// alone, without caller and source.
const TOLD_APART: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct What {
    route: &'static str,
    cause: &'static str,
    source: Option<IpAddr>,
    who: Option<Principal>,
}

/// What was refused since the last write.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<What, u64>>);

impl Refusals {
    /// Counts a refusal.
    pub(crate) fn count(
        &self,
        route: &'static str,
        cause: &'static str,
        source: Option<IpAddr>,
        who: Option<Principal>,
    ) {
        self.add(What { route, cause, source, who }, 1);
    }

    fn add(&self, mut what: What, count: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= TOLD_APART && !counts.contains_key(&what) {
            what = What { source: None, who: None, ..what };
        }
        *counts.entry(what).or_insert(0) += count;
    }

    /// Writes what was counted, one entry a route, cause and source. What was counted since the last write is
    /// lost in a crash; what cannot be written is kept.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn flush<S: Service>(&self, platform: &Platform) -> Result<(), StoreError> {
        let counts: HashMap<What, u64> = {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *counts)
        };
        if counts.is_empty() {
            return Ok(());
        }
        let at = platform.now();
        let entry = |(what, count): (&What, &u64)| {
            let (route, cause, count) = (what.route.to_owned(), what.cause.to_owned(), *count);
            let event = Event::RequestRefused { service: S::KIND.name(), route, cause, count };
            let actor = what.who.as_ref().map_or_else(|| ANONYMOUS.to_owned(), ToString::to_string);
            let origin = Origin { source: what.source, request_id: String::new() };
            Entry::new(at, actor, what.who.as_ref().and_then(Principal::tenant), &origin, &event)
        };
        let entries = counts.iter().map(entry).collect();
        let written = platform.stores.audit.append(entries).await;
        if written.is_err() {
            self.keep(counts);
        }
        written
    }

    /// Counts again what could not be written, within the limit.
    fn keep(&self, counts: HashMap<What, u64>) {
        for (what, count) in counts {
            self.add(what, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_is_kept_within_the_limit() {
        let refusals = Refusals::default();
        let flood = |from: u32| {
            for n in from..from + 1000 {
                refusals.count("call_list", "no_credential", Some(n.to_be_bytes().into()), None);
            }
        };
        flood(0);
        let failed = std::mem::take(&mut *refusals.0.lock().unwrap());
        flood(5000);
        refusals.keep(failed);
        let counts = refusals.0.lock().unwrap();
        // One more for those that are not told apart.
        assert!(counts.len() <= TOLD_APART + 1, "{}", counts.len());
        assert_eq!(counts.values().sum::<u64>(), 2000, "none is lost");
    }
}
