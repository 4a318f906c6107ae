//! The table of known credentials: digest to record, inline, with readers that neither lock nor write.
//!
//! Why not a crate: a general concurrent map costs a second cache miss a lookup (a pointer to the entry), and
//! a reader of one hot key must not write shared memory (ADR 7 has the reasons). The key is a SHA-256 digest
//! of a secret that the server drew, or the mark of an access token, whose second half is no hash: so the bytes of
//! the first half place it, and no further hash is needed.
//!
//! Layout: groups of eight slots; a word of eight one-byte tags a group says which slots to look at. A slot is
//! sixteen words: a version (a sequence lock: odd while it is written), the digest, the record, the minute of
//! the last use. A search goes from group to group and ends at the first one that has a free slot; nothing is
//! ever taken out of a table, so no search is cut short: what must be read again is marked stale instead, and
//! is left behind when the table is rebuilt. A digest lies at its seat, a lane that it names itself, where that
//! was free: so in a large table the slot is asked for while the tags are still on their way from memory.

use super::record::{Record, State, WORDS, Words};
use crate::{
    error::Refusal,
    port::{About, Notice, Seq},
    secret::TokenDigest,
    time::Timestamp,
};
use arc_swap::{ArcSwap, Guard};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering, fence},
    },
};

const LANES: usize = 8;
const LEAST_GROUPS: usize = 128;
/// The tags of so many groups fill the first-level cache: those of more are waited for.
const FAR: usize = 4096;
/// Of so many records on, memory comes before time.
const LARGE: usize = 1 << 18;
/// How many notices are remembered for the check of a fill.
const RECENT: usize = 4096;

/// One slot: version, digest and record, minute of the last use.
type Slot = [AtomicU64; SLOT];
const SLOT: usize = 1 + 4 + WORDS + 1;

/// The record, if the slot holds this digest. Compared word by word without an early end.
#[inline(always)]
fn read(slot: &Slot, digest: [u64; 4]) -> Option<Words> {
    let [version, held @ .., _] = slot;
    loop {
        let before = version.load(Ordering::Acquire);
        let held = held.each_ref().map(|word| word.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        if before & 1 == 0 && version.load(Ordering::Relaxed) == before {
            let [d0, d1, d2, d3, record @ ..] = held;
            let [w0, w1, w2, w3] = digest;
            let differs = (d0 ^ w0) | (d1 ^ w1) | (d2 ^ w2) | (d3 ^ w3);
            return (differs == 0).then_some(Words(record));
        }
        std::hint::spin_loop();
    }
}

/// What the slot holds; the caller holds the writer's lock.
fn snapshot(slot: &Slot) -> ([u64; 4], Words) {
    let [_, held @ .., _] = slot;
    let [d0, d1, d2, d3, record @ ..] = held.each_ref().map(|word| word.load(Ordering::Relaxed));
    ([d0, d1, d2, d3], Words(record))
}

/// Writes the slot; the caller holds the writer's lock.
fn write(slot: &Slot, digest: [u64; 4], record: Words) {
    let [version, held @ .., _] = slot;
    let before = version.load(Ordering::Relaxed);
    version.store(before.wrapping_add(1), Ordering::Relaxed);
    fence(Ordering::Release);
    for (place, word) in held.iter().zip(digest.into_iter().chain(record.0)) {
        place.store(word, Ordering::Relaxed);
    }
    version.store(before.wrapping_add(2), Ordering::Release);
}

fn used(slot: &Slot) -> &AtomicU64 {
    let [.., used] = slot;
    used
}

/// A place in `0..count`, in proportion to a uniform word.
#[inline]
pub(super) fn scale(word: u64, count: usize) -> usize {
    usize::try_from((u128::from(word) * count as u128) >> 64).unwrap_or(0)
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// The top bit of each byte that is zero; bytes above the lowest one may be false hits.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// The tag of a digest: never 0, which marks a free slot.
#[inline]
fn tag(digest: [u64; 4]) -> u64 {
    (digest[1] & 0xff).max(1)
}

/// The lane of the seat of a digest, by bits that neither its group nor its tag uses.
#[inline]
const fn seat(digest: [u64; 4]) -> usize {
    let [_, word, ..] = digest;
    (word >> 8) as usize % LANES
}

struct Groups {
    tags: Box<[AtomicU64]>,
    /// The slots, behind as many words as bring the first one to a multiple of 128 bytes: two cache lines.
    words: Box<[AtomicU64]>,
    skipped: usize,
}

impl Groups {
    fn new(groups: usize) -> Self {
        // Zeroed by the system where it can: pages that are never used cost nothing.
        let words: Box<[AtomicU64]> = bytemuck::allocation::zeroed_slice_box((groups * LANES + 1) * SLOT);
        let skipped = words.as_ptr().align_offset(SLOT * size_of::<u64>()).min(SLOT);
        Self { tags: bytemuck::allocation::zeroed_slice_box(groups), words, skipped }
    }

    #[inline]
    fn slots(&self) -> &[Slot] {
        let (slots, _) = self.words.get(self.skipped..).unwrap_or_default().as_chunks();
        slots.get(..self.tags.len() * LANES).unwrap_or(slots)
    }

    /// The groups of a search: the home of the digest first.
    #[inline(always)]
    fn walk(&self, digest: [u64; 4]) -> impl Iterator<Item = (usize, &AtomicU64)> {
        let count = self.tags.len();
        let home = scale(digest[0], count);
        (0..count).filter_map(move |step| {
            let group = if home + step < count { home + step } else { home + step - count };
            self.tags.get(group).map(|tags| (group, tags))
        })
    }

    #[inline(always)]
    fn find(&self, digest: [u64; 4]) -> Option<(&Slot, Words)> {
        let wanted = tag(digest) * ONES;
        let home = scale(digest[0], self.tags.len());
        if self.tags.len() > FAR
            && let Some([first, ..]) = self.slots().get(home * LANES + seat(digest))
        {
            // What is read here is not used: the first of its two cache lines is on its way. Both of them would
            // make an unknown digest dearer than a known one.
            _ = first.load(Ordering::Relaxed);
        }
        for (group, tags) in self.walk(digest) {
            let tags = tags.load(Ordering::Acquire);
            let mut hits = zero_bytes(tags ^ wanted);
            while hits != 0 {
                let lane = (hits.trailing_zeros() / 8) as usize;
                if let Some(slot) = self.slots().get(group * LANES + lane)
                    && let Some(record) = read(slot, digest)
                {
                    return Some((slot, record));
                }
                hits &= hits - 1;
            }
            if zero_bytes(tags) != 0 {
                return None;
            }
        }
        None
    }

    /// Puts a digest that is not held at its seat, or else into the first free slot; `false` where there is none.
    fn put(&self, digest: [u64; 4], record: Words, minute: u64) -> bool {
        for (group, tags) in self.walk(digest) {
            let held = tags.load(Ordering::Relaxed);
            let free = zero_bytes(held);
            if free != 0 {
                let seat = seat(digest);
                let is_free = (held >> (seat * 8)) & 0xff == 0;
                let lane = if is_free { seat } else { (free.trailing_zeros() / 8) as usize };
                if let Some(slot) = self.slots().get(group * LANES + lane) {
                    write(slot, digest, record);
                    used(slot).store(minute, Ordering::Relaxed);
                    tags.store(held | (tag(digest) << (lane * 8)), Ordering::Release);
                }
                return true;
            }
        }
        false
    }

    /// Overwrites the slot of the home group that was used longest ago. Free slots stay free: a search ends at
    /// the first one, so a table without any would be searched whole for each unknown digest.
    fn displace(&self, digest: [u64; 4], record: Words, minute: u64) {
        let home = scale(digest[0], self.tags.len());
        let Some(tags) = self.tags.get(home) else { return };
        let held = tags.load(Ordering::Relaxed);
        let lanes = self.slots().iter().skip(home * LANES).take(LANES).enumerate();
        let taken = lanes.filter(|(lane, _)| (held >> (lane * 8)) & 0xff != 0);
        let Some((lane, slot)) = taken.min_by_key(|(_, slot)| used(slot).load(Ordering::Relaxed)) else {
            self.put(digest, record, minute);
            return;
        };
        write(slot, digest, record);
        used(slot).store(minute, Ordering::Relaxed);
        let others = held & !(0xff << (lane * 8));
        tags.store(others | (tag(digest) << (lane * 8)), Ordering::Release);
    }

    fn occupied(&self) -> impl Iterator<Item = &Slot> {
        let taken = |at: usize| {
            let tags = self.tags.get(at / LANES).map_or(0, |tags| tags.load(Ordering::Relaxed));
            (tags >> ((at % LANES) * 8)) & 0xff != 0
        };
        self.slots().iter().enumerate().filter(move |(at, _)| taken(*at)).map(|(_, slot)| slot)
    }
}

/// A table that is being read. To let go of it waits for all that is being read: so what else a look needs is
/// read before.
pub(super) struct Reading(Guard<Arc<Groups>>);

impl Reading {
    /// What is known of a digest. Notes the minute by one store, once.
    #[inline(always)]
    pub(super) fn find(&self, digest: [u64; 4], now: Timestamp) -> Option<Words> {
        let (slot, record) = self.0.find(digest)?;
        if record.state() == State::Stale {
            return None;
        }
        let minute = now.millis().unsigned_abs() / 60_000;
        if used(slot).load(Ordering::Relaxed) < minute {
            used(slot).fetch_max(minute, Ordering::Relaxed);
        }
        Some(record)
    }
}

struct Writer {
    held: usize,
    applied: Seq,
    recent: VecDeque<Notice>,
}

/// The table.
pub(super) struct Table {
    groups: ArcSwap<Groups>,
    writer: Mutex<Writer>,
    most: usize,
}

impl Table {
    /// An empty table that never holds more than about `most` credentials.
    pub(super) fn new(most: usize) -> Self {
        let writer = Writer { held: 0, applied: Seq(0), recent: VecDeque::new() };
        Self { groups: ArcSwap::from_pointee(Groups::new(LEAST_GROUPS)), writer: Mutex::new(writer), most }
    }

    /// The table as it is now, for one look.
    #[inline]
    pub(super) fn read(&self) -> Reading {
        Reading(self.groups.load())
    }

    /// The number up to which notices were applied: a fill notes it before it reads the store.
    pub(super) fn applied(&self) -> Seq {
        self.lock().applied
    }

    /// Begins at a number, with nothing held.
    pub(super) fn begin(&self, head: Seq) {
        let mut writer = self.lock();
        *writer = Writer { held: 0, applied: head, recent: VecDeque::new() };
        self.groups.store(Arc::new(Groups::new(LEAST_GROUPS)));
    }

    /// Takes what the store said, unless a notice that touches it was applied since `noted`, or so many were
    /// that it cannot be told.
    pub(super) fn fill(&self, noted: Seq, digest: &TokenDigest, record: Record, now: Timestamp) {
        let mut writer = self.lock();
        let oldest = writer.recent.front().map_or(writer.applied.0 + 1, |notice| notice.seq.0);
        let touched =
            |notice: &&Notice| notice.seq > noted && record.touched_by().any(|about| about == notice.about);
        if noted.0 + 1 < oldest || writer.recent.iter().any(|notice| touched(&notice)) {
            return;
        }
        let Some(words) = record.pack() else { return };
        let (digest, minute) = (digest.words(), now.millis().unsigned_abs() / 60_000);
        let groups = self.groups.load_full();
        if let Some((slot, held)) = groups.find(digest) {
            // A terminal state is never overwritten by what a slower read brought.
            if held.state() != State::Ended {
                write(slot, digest, words);
            }
            return;
        }
        let room = groups.slots().len() / 8 * 7;
        if writer.held < room {
            groups.put(digest, words, minute);
            writer.held += 1;
        } else if writer.held < self.most {
            let rebuilt = rebuild(&groups, now);
            rebuilt.put(digest, words, minute);
            writer.held = rebuilt.occupied().count();
            self.groups.store(Arc::new(rebuilt));
        } else {
            groups.displace(digest, words, minute);
        }
    }

    /// Applies notices that follow on what was applied; those before are skipped.
    ///
    /// # Errors
    /// The number that is missing.
    pub(super) fn apply(&self, notices: &[Notice]) -> Result<Seq, Seq> {
        let mut writer = self.lock();
        let fresh: Vec<_> = notices.iter().filter(|notice| notice.seq > writer.applied).copied().collect();
        let due = (writer.applied.0 + 1..).map(Seq);
        if let Some((_, missing)) = fresh.iter().zip(due).find(|(notice, due)| notice.seq != *due) {
            return Err(missing);
        }
        let touched = Touched::by(&fresh);
        if !touched.0.is_empty() {
            for slot in self.groups.load().occupied() {
                mark(slot, &touched);
            }
        }
        for notice in fresh {
            if writer.recent.len() == RECENT {
                writer.recent.pop_front();
            }
            writer.recent.push_back(notice);
            writer.applied = notice.seq;
        }
        Ok(writer.applied)
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom notices are about, each with the last notice about it: a batch goes over the table once, however long it
/// is.
struct Touched(HashMap<About, (Seq, bool)>);

impl Touched {
    /// By notices in their order. New secrets touch nobody.
    fn by(notices: &[Notice]) -> Self {
        let about = notices.iter().filter(|notice| notice.about != About::NewSecrets);
        Self(about.map(|notice| (notice.about, (notice.seq, notice.ended))).collect())
    }
    /// Whether the last notice that touches a record ended it; `None` where none touches it.
    fn ended(&self, record: &Record) -> Option<bool> {
        let last = record.touched_by().filter_map(|about| self.0.get(&about)).max_by_key(|(seq, _)| *seq);
        last.map(|(_, ended)| *ended)
    }
}

/// Marks what notices touch: ended for good, or to be read again.
fn mark(slot: &Slot, touched: &Touched) {
    let (digest, words) = snapshot(slot);
    let Some(mut record) = Record::unpack(words) else { return };
    let before = record.state;
    if let Some(ended) = touched.ended(&record) {
        record.state = if ended { State::Ended } else { State::Stale };
    }
    if record.state != before
        && let Some(words) = record.pack()
    {
        write(slot, digest, words);
    }
}

/// A larger table without what is stale or over.
fn rebuild(old: &Groups, now: Timestamp) -> Groups {
    let live = |slot: &&Slot| {
        let (_, record) = snapshot(slot);
        record.state() != State::Stale && record.refusal(now) != Some(Refusal::Expired)
    };
    let kept = old.occupied().filter(live).count();
    // A small one grows by more, and is less full: who looks for what is not there goes less far.
    let room = kept + kept / if kept < LARGE { 4 } else { 8 };
    let groups = (room * 8 / 7).div_ceil(LANES).max(LEAST_GROUPS);
    let new = Groups::new(groups);
    for slot in old.occupied().filter(live) {
        let (digest, record) = snapshot(slot);
        new.put(digest, record, used(slot).load(Ordering::Relaxed));
    }
    new
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
