//! Which secrets exist: a blocked Bloom filter over the digests of all keys of the service. It answers for
//! an unknown key without asking the store, at the cost of one cache line.

use crate::secret::TokenDigest;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bits a key, of 512 in a block: about one unknown key in a thousand is asked for at the store.
const BITS_PER_KEY: usize = 16;
const PROBES: u32 = 6;
const BLOCK_BITS: usize = 512;
const LEAST_KEYS: usize = 1024;

type Block = [AtomicU64; 8];

struct Bits {
    blocks: Box<[Block]>,
    room: usize,
    held: AtomicUsize,
}

impl Bits {
    fn with_room(keys: usize) -> Self {
        let room = keys.max(LEAST_KEYS);
        let blocks = (room * BITS_PER_KEY).div_ceil(BLOCK_BITS);
        Self { blocks: bytemuck::allocation::zeroed_slice_box(blocks), room, held: AtomicUsize::new(0) }
    }

    #[inline]
    fn block(&self, words: [u64; 4]) -> Option<&Block> {
        self.blocks.get(super::table::scale(words[1], self.blocks.len()))
    }

    fn add(&self, digest: &TokenDigest) {
        let words = digest.words();
        if let Some(block) = self.block(words) {
            for (word, bit) in probes(words[2]) {
                if let Some(word) = block.get(word) {
                    word.fetch_or(bit, Ordering::Relaxed);
                }
            }
        }
        self.held.fetch_add(1, Ordering::Relaxed);
    }
}

/// Six places in a block of 8 words, from 54 bits of the digest.
#[inline]
fn probes(bits: u64) -> impl Iterator<Item = (usize, u64)> {
    (0..PROBES).map(move |probe| {
        let place = (bits >> (probe * 9)) & 0x1ff;
        (usize::try_from(place >> 6).unwrap_or(0), 1 << (place & 63))
    })
}

/// The filter. Starts empty: until it is filled, the lease has not begun and nobody asks it.
pub(super) struct Filter(ArcSwap<Bits>);

impl Default for Filter {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(Bits::with_room(0)))
    }
}

impl Filter {
    /// Whether a secret may exist. `false` is certain for all that was added.
    #[inline]
    pub(super) fn may_hold(&self, words: [u64; 4]) -> bool {
        let bits = self.0.load();
        bits.block(words).is_some_and(|block| {
            probes(words[2]).all(|(word, bit)| {
                block.get(word).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
            })
        })
    }
    /// Adds secrets. `false` where there is no more room: it must be refilled with all of them.
    #[must_use]
    pub(super) fn add(&self, digests: &[TokenDigest]) -> bool {
        let bits = self.0.load();
        let fits = bits.held.load(Ordering::Relaxed) + digests.len() <= bits.room;
        digests.iter().for_each(|digest| bits.add(digest));
        fits
    }
    /// Replaces its content by all secrets, with room for as many again.
    pub(super) fn refill(&self, all: &[TokenDigest]) {
        let bits = Bits::with_room(all.len() * 2);
        all.iter().for_each(|digest| bits.add(digest));
        self.0.store(std::sync::Arc::new(bits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: usize) -> TokenDigest {
        TokenDigest::of(format!("key number {n}"))
    }

    #[test]
    fn what_was_added_is_held_and_little_else() {
        let filter = Filter::default();
        filter.refill(&(0..10_000).map(digest).collect::<Vec<_>>());
        assert!((0..10_000).all(|n| filter.may_hold(digest(n).words())));
        let wrong = (10_000..110_000).filter(|n| filter.may_hold(digest(*n).words())).count();
        assert!(wrong < 500, "{wrong} of 100,000 unknown keys would be asked for");
    }

    #[test]
    fn it_says_when_it_is_full() {
        let filter = Filter::default();
        assert!(filter.add(&(0..LEAST_KEYS).map(digest).collect::<Vec<_>>()));
        assert!(!filter.add(&[digest(LEAST_KEYS)]));
        assert!(filter.may_hold(digest(LEAST_KEYS).words()), "held all the same");
    }
}
