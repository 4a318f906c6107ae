//! How often keys are used, and when last: noted by each thread for itself, gathered now and then, written by a
//! flush.
//!
//! Why in three steps: a number that threads share would go from one's cache to the other's with each request of
//! a hot key; and a map of numbers is a cache miss for each cold key, unless many are gathered one after another.

use crate::{id::KeyId, model::KeyUse, time::Timestamp};
use prometheus_client::metrics::counter::Counter;
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};
use thread_local::ThreadLocal;
use tokio::sync::Notify;

/// So many uses a thread notes before it gathers them.
const NOTED: usize = 64;

/// Uses of at most so many keys wait to be written; what is used beyond is counted as lost.
pub const MOST_WAITING: usize = 100_000;

/// From so many on, a flush is due. Not sooner: that which uses fewer keys would write them more often than once in a
/// while.
const MANY: usize = MOST_WAITING / 4 * 3;

type Gathered = HashMap<KeyId, (u32, Timestamp), foldhash::fast::RandomState>;

/// The uses that wait to be written.
#[derive(Default)]
pub struct Uses {
    noted: ThreadLocal<Noted>,
    gathered: Mutex<Gathered>,
    many: Notify,
    lost: Counter,
}

/// What one thread noted, on cache lines of its own: a ring that it alone writes, and from which is read under the lock
/// of what is gathered. No instruction of it waits for what else the thread has under way, as one of a lock would.
#[repr(align(128))]
struct Noted {
    /// How many were ever noted. Stored by the thread.
    noted: AtomicUsize,
    /// How many of them were gathered. Stored by whoever gathers.
    gathered: AtomicUsize,
    ring: [Place; NOTED],
}

/// A key, and when it was used.
#[derive(Default)]
struct Place {
    key: [AtomicU64; 2],
    at: AtomicI64,
}

impl Default for Noted {
    fn default() -> Self {
        Self {
            noted: AtomicUsize::new(0),
            gathered: AtomicUsize::new(0),
            ring: std::array::from_fn(|_| Place::default()),
        }
    }
}

impl Noted {
    fn place(&self, number: usize) -> &Place {
        let [first, ..] = &self.ring;
        self.ring.get(number % NOTED).unwrap_or(first)
    }

    /// Notes a use, by its own thread; `false` where there is no room until others were gathered.
    #[inline]
    fn push(&self, key: KeyId, at: Timestamp) -> bool {
        let noted = self.noted.load(Ordering::Relaxed);
        // What was read of a place was read before it is written again.
        if noted.wrapping_sub(self.gathered.load(Ordering::Acquire)) == NOTED {
            return false;
        }
        let Place { key: [high, low], at: when } = self.place(noted);
        let number = u128::from_be_bytes(*key.as_bytes());
        high.store((number >> 64) as u64, Ordering::Relaxed);
        low.store(number as u64, Ordering::Relaxed);
        when.store(at.millis(), Ordering::Relaxed);
        self.noted.store(noted.wrapping_add(1), Ordering::Release);
        true
    }

    /// Hands over what is there. Called by one at a time: under the lock of what is gathered.
    fn drain(&self, mut to: impl FnMut(KeyUse)) {
        let noted = self.noted.load(Ordering::Acquire);
        let mut gathered = self.gathered.load(Ordering::Relaxed);
        while gathered != noted {
            let Place { key, at } = self.place(gathered);
            let [high, low] = key.each_ref().map(|half| u128::from(half.load(Ordering::Relaxed)));
            let key = KeyId::from_bytes(((high << 64) | low).to_be_bytes());
            to(KeyUse { key, times: 1, last: Timestamp::from_millis(at.load(Ordering::Relaxed)) });
            gathered = gathered.wrapping_add(1);
        }
        self.gathered.store(gathered, Ordering::Release);
    }
}

impl Uses {
    /// Notes a use of a key. Allocates and locks in one of 64 calls of a thread at most.
    #[inline]
    pub fn note(&self, key: KeyId, at: Timestamp) {
        let noted = self.noted.get_or_default();
        while !noted.push(key, at) {
            self.gather(noted);
        }
    }

    #[cold]
    #[inline(never)]
    fn gather(&self, noted: &Noted) {
        let mut gathered = lock(&self.gathered);
        let before = gathered.len();
        noted.drain(|some| self.add(&mut gathered, some));
        if before < MANY && gathered.len() >= MANY {
            self.many.notify_one();
        }
    }

    fn add(&self, gathered: &mut Gathered, KeyUse { key, times, last }: KeyUse) {
        let has_room = gathered.len() < MOST_WAITING;
        if let Some((all, latest)) = gathered.get_mut(&key) {
            *all = all.saturating_add(times);
            *latest = last.max(*latest);
        } else if has_room {
            gathered.insert(key, (times, last));
        } else {
            self.lost.inc_by(times.into());
        }
    }

    /// Takes all that wait, each key once.
    pub fn take(&self) -> Vec<KeyUse> {
        let mut gathered = lock(&self.gathered);
        for noted in &self.noted {
            noted.drain(|some| self.add(&mut gathered, some));
        }
        gathered.drain().map(|(key, (times, last))| KeyUse { key, times, last }).collect()
    }

    /// Takes back what was not written.
    pub fn put_back(&self, uses: impl IntoIterator<Item = KeyUse>) {
        let mut gathered = lock(&self.gathered);
        uses.into_iter().for_each(|some| self.add(&mut gathered, some));
    }

    /// Returns once so many wait that they are to be written soon, or room runs out.
    pub async fn many(&self) {
        self.many.notified().await;
    }

    /// Uses for which there was no room.
    pub fn lost(&self) -> Counter {
        self.lost.clone()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::{collections::BTreeMap, thread};

    fn key(number: usize) -> KeyId {
        KeyId::from_bytes((number as u128).to_be_bytes())
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn none_is_lost_or_counted_twice_while_it_is_taken() {
        const THREADS: usize = 8;
        const EACH: usize = 10_000;
        let uses = Uses::default();
        let mut counts = BTreeMap::<KeyId, u32>::new();
        let mut count =
            || uses.take().into_iter().for_each(|some| *counts.entry(some.key).or_default() += some.times);
        thread::scope(|scope| {
            let use_them = || (0..EACH).for_each(|n| uses.note(key(n % 10), at(0)));
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(use_them)).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                count();
            }
        });
        count();
        assert_eq!(counts.len(), 10);
        assert!(counts.values().all(|times| *times as usize == THREADS * EACH / 10), "{counts:?}");
        assert_eq!(uses.lost().get(), 0);
    }

    #[test]
    fn the_last_time_is_the_latest_also_of_what_is_put_back() {
        let uses = Uses::default();
        for millis in [2, 5, 3] {
            uses.note(key(1), at(millis));
        }
        let taken = uses.take();
        assert_eq!(taken, [KeyUse { key: key(1), times: 3, last: at(5) }]);
        uses.note(key(1), at(4));
        uses.put_back(taken);
        assert_eq!(uses.take(), [KeyUse { key: key(1), times: 4, last: at(5) }]);
        assert_eq!(uses.take(), []);
    }

    #[test]
    fn those_without_room_are_told_and_nobody_else_is_lost() {
        let uses = Uses::default();
        for number in 0..MOST_WAITING + 300 {
            uses.note(key(number), at(0));
        }
        uses.note(key(0), at(0));
        let taken = uses.take();
        assert_eq!((taken.len(), uses.lost().get()), (MOST_WAITING, 300));
        assert_eq!(taken.iter().find(|some| some.key == key(0)).map(|some| some.times), Some(2));
    }

    #[test]
    fn a_flush_is_due_once_there_are_many_and_not_again_for_those_that_could_not_be_written() {
        let uses = Uses::default();
        let due = || uses.many().now_or_never().is_some();
        let mut number = 0;
        let mut note = |count| {
            (0..count).for_each(|n| uses.note(key(number + n), at(0)));
            number += count;
        };
        note(MANY - NOTED);
        assert!(!due());
        note(2 * NOTED);
        assert!(due() && !due());
        uses.put_back(uses.take());
        note(2 * NOTED);
        assert!(!due(), "a store that fails is not asked by each");
        uses.take();
        note(MANY);
        note(NOTED);
        assert!(due());
    }
}
