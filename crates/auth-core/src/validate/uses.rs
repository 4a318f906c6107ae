//! How often keys are used, and when last: noted by each thread for itself, handed over, counted by whoever has the
//! time, written by a flush.
//!
//! Why not one number a key: threads that share it would hand it from one's cache to the other's with each request of
//! a hot key. Why not counted where it is noted: a map of numbers is a cache miss for each cold key.

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

/// So many uses a thread notes before it hands them over.
const NOTED: usize = 128;
/// Of so many that are handed over there is room: 400 kB. Once half of it is full they are to be counted; once it is full,
/// nobody had the time, and whoever hands over counts.
const HANDED: usize = 1 << 14;

/// Uses of at most so many keys wait to be written; what is used beyond is counted as lost.
pub const MOST_WAITING: usize = 100_000;

/// From so many on, a flush is due. Not sooner: that which uses fewer keys would write them more often than once in a
/// while.
const MANY: usize = MOST_WAITING / 4 * 3;

type Use = (KeyId, Timestamp);

/// How often each key was used, and when last.
#[derive(Default)]
struct Counted {
    keys: HashMap<KeyId, (u32, Timestamp), foldhash::fast::RandomState>,
    /// That they are many was said, or they are what could not be written.
    is_said: bool,
}

/// The uses that wait to be written.
pub struct Uses {
    noted: ThreadLocal<Noted>,
    handed: Mutex<Vec<Use>>,
    counted: Mutex<Counted>,
    waits: Notify,
    lost: Counter,
}

/// What one thread noted, on cache lines of its own: a ring that it alone writes, and from which is read under the lock
/// of what is handed over.
#[repr(align(128))]
struct Noted {
    /// How many were ever noted. Stored by the thread.
    noted: AtomicUsize,
    /// How many of them were taken. Stored by whoever takes.
    taken: AtomicUsize,
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
            taken: AtomicUsize::new(0),
            ring: std::array::from_fn(|_| Place::default()),
        }
    }
}

impl Noted {
    fn place(&self, number: usize) -> &Place {
        let [first, ..] = &self.ring;
        self.ring.get(number % NOTED).unwrap_or(first)
    }

    /// Notes a use, by its own thread; `false` where there is no room until others were taken.
    #[inline]
    fn push(&self, key: KeyId, at: Timestamp) -> bool {
        let noted = self.noted.load(Ordering::Relaxed);
        // A place that was taken was read before it is written again.
        if noted.wrapping_sub(self.taken.load(Ordering::Acquire)) == NOTED {
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

    /// Hands over what is there: under the lock, so one at a time.
    fn hand_over(&self, to: &mut Vec<Use>) {
        let (taken, noted) = (self.taken.load(Ordering::Relaxed), self.noted.load(Ordering::Acquire));
        let read = |number: usize| {
            let Place { key, at } = self.place(taken.wrapping_add(number));
            let [high, low] = key.each_ref().map(|half| u128::from(half.load(Ordering::Relaxed)));
            let key = KeyId::from_bytes(((high << 64) | low).to_be_bytes());
            (key, Timestamp::from_millis(at.load(Ordering::Relaxed)))
        };
        to.extend((0..noted.wrapping_sub(taken)).map(read));
        self.taken.store(noted, Ordering::Release);
    }
}

impl Default for Uses {
    fn default() -> Self {
        Self {
            noted: ThreadLocal::default(),
            handed: Mutex::new(Vec::with_capacity(HANDED)),
            counted: Mutex::default(),
            waits: Notify::default(),
            lost: Counter::default(),
        }
    }
}

impl Uses {
    /// Notes a use of a key. Locks in one of 128 calls of a thread.
    #[inline]
    pub fn note(&self, key: KeyId, at: Timestamp) {
        let noted = self.noted.get_or_default();
        while !noted.push(key, at) {
            self.hand_over(noted);
        }
    }

    #[cold]
    #[inline(never)]
    fn hand_over(&self, noted: &Noted) {
        let waiting = {
            let mut handed = lock(&self.handed);
            noted.hand_over(&mut handed);
            handed.len()
        };
        if waiting > HANDED - NOTED {
            drop(self.count());
        }
        if waiting > HANDED / 2 {
            self.waits.notify_one();
        }
    }

    /// Counts what was handed over.
    fn count(&self) -> MutexGuard<'_, Counted> {
        let mut counted = lock(&self.counted);
        let handed = std::mem::replace(&mut *lock(&self.handed), Vec::with_capacity(HANDED));
        for (key, last) in handed {
            self.add(&mut counted, KeyUse { key, times: 1, last });
        }
        counted
    }

    fn add(&self, counted: &mut Counted, KeyUse { key, times, last }: KeyUse) {
        let has_room = counted.keys.len() < MOST_WAITING;
        if let Some((all, latest)) = counted.keys.get_mut(&key) {
            *all = all.saturating_add(times);
            *latest = last.max(*latest);
        } else if has_room {
            counted.keys.insert(key, (times, last));
        } else {
            self.lost.inc_by(times.into());
        }
    }

    /// Counts what is handed over, and returns once so many keys wait that they are to be written soon, or room runs
    /// out.
    pub async fn many(&self) {
        loop {
            self.waits.notified().await;
            let mut counted = self.count();
            if counted.keys.len() >= MANY && !std::mem::replace(&mut counted.is_said, true) {
                return;
            }
        }
    }

    /// Takes all that wait, each key once.
    pub fn take(&self) -> Vec<KeyUse> {
        {
            let mut handed = lock(&self.handed);
            self.noted.iter().for_each(|noted| noted.hand_over(&mut handed));
        }
        let mut counted = self.count();
        counted.is_said = false;
        counted.keys.drain().map(|(key, (times, last))| KeyUse { key, times, last }).collect()
    }

    /// Takes back what was not written: it waits for the next time.
    pub fn put_back(&self, uses: impl IntoIterator<Item = KeyUse>) {
        let mut counted = lock(&self.counted);
        counted.is_said = true;
        uses.into_iter().for_each(|some| self.add(&mut counted, some));
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
    fn what_nobody_counts_is_counted_by_who_hands_it_over() {
        let uses = Uses::default();
        for _ in 0..HANDED * 2 {
            uses.note(key(1), at(0));
            assert!(lock(&uses.handed).capacity() == HANDED);
        }
        assert_eq!(uses.take(), [KeyUse { key: key(1), times: (HANDED * 2) as u32, last: at(0) }]);
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
        note(MANY - HANDED);
        assert!(!due());
        note(2 * HANDED);
        assert!(due() && !due());
        uses.put_back(uses.take());
        note(HANDED);
        assert!(!due(), "a store that fails is not asked by each");
        uses.take();
        note(MANY + HANDED);
        assert!(due());
    }
}
