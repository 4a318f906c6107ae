//! A platform with as many keys as are wanted, all of them drawn from a seed.

use crate::{
    memory::{Memory, Silence},
    service::Reports,
};
use auth_core::{
    credential::{draw_key, format::TOKEN_LEN},
    entropy::Entropy,
    flow::Platform,
    principal::Principal,
    service::Service,
    time::Monotonic,
    validate::{LEASE, MOST_HELD, Validator},
};
use auth_store::Location;
use auth_web::{
    App,
    system::{OsEntropy, SystemClock},
};
use futures_util::FutureExt as _;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Texts of keys, one behind the other.
#[derive(Debug, Clone, Default)]
pub struct Texts(String);

impl Texts {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len() / TOKEN_LEN
    }
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The text at a place, counted round.
    #[inline]
    pub fn at(&self, place: usize) -> &str {
        let from = place % self.len().max(1) * TOKEN_LEN;
        self.0.get(from..from + TOKEN_LEN).unwrap_or_default()
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|place| self.at(place))
    }
    /// So many of them, picked at random.
    pub fn sample(&self, count: usize, seed: &Seed) -> Self {
        (0..count).map(|_| self.at(usize::try_from(seed.next() >> 8).unwrap_or(0))).collect()
    }
    /// The same texts with another last character: their checksum is wrong.
    pub fn misspelt(&self) -> Self {
        let wrong = |text: &str| {
            let (body, last) = text.split_at(TOKEN_LEN - 1);
            format!("{body}{}", if last == "0" { "1" } else { "0" })
        };
        Self(self.iter().map(wrong).collect())
    }
    /// The same texts without their last character.
    pub fn shortened(&self) -> Vec<String> {
        self.iter().map(|text| text.chars().take(TOKEN_LEN - 1).collect()).collect()
    }
}

impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        Self(texts.into_iter().collect())
    }
}

/// Numbers that follow from a seed (SplitMix64).
#[derive(Debug)]
pub struct Seed(AtomicU64);

impl Seed {
    /// The numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
    /// The next one.
    pub fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Entropy for Seed {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        }
    }
}

/// So many keys of the Hub, drawn from a seed.
pub fn draw(count: usize, seed: u64) -> Texts {
    let seed = Seed::new(seed);
    let texts: Vec<_> = (0..count).map(|_| draw_key(Service::Hub, &seed).0.reveal()).collect();
    texts.iter().map(|text| text.expose()).collect()
}

/// A platform and its keys.
pub struct World {
    /// The platform of the Hub.
    pub platform: Platform,
    /// The texts of its keys.
    pub keys: Texts,
    // What the platform's other ports keep, until the world ends.
    _dir: tempfile::TempDir,
}

impl World {
    /// Writes the uses that wait, as a service does now and then.
    pub fn flush(&self) {
        self.platform.validator.flush_uses().now_or_never().unwrap().unwrap();
    }

    /// The seed of a world's keys.
    pub const SEED: u64 = 1;

    /// A platform with so many keys that its validator has not seen yet, and will have to ask for. It keeps
    /// its lease as long as the world lives.
    pub fn cold(count: usize) -> Self {
        let keys = draw(count, Self::SEED);
        let digests = keys.iter().zip(0..).map(|(text, number)| (digest(text), number)).collect();
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("auth.db").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut stores = runtime.block_on(auth_store::open(&Location::at(&url), &OsEntropy)).unwrap();
        stores.key_index = Arc::new(Memory(digests));
        stores.revocations = Arc::new(Silence);
        let clock = Arc::new(SystemClock::start());
        let platform = Platform::new(Service::Hub, stores, clock, Arc::new(OsEntropy));
        keep_current(&platform.validator);
        Self { platform, keys, _dir: dir }
    }

    /// A platform that holds so many keys in memory.
    pub fn warm(count: usize) -> Self {
        let world = Self::cold(count);
        world.warm_up();
        world
    }

    /// Presents every key once, so that the validator holds all of them.
    pub fn warm_up(&self) {
        for text in self.keys.iter() {
            let asked = self.platform.validator.reading();
            assert!(identify(&self.platform.validator, text, asked).is_some(), "a key is not known");
        }
    }

    /// A validator of the same keys that has not seen any.
    pub fn new_validator(&self) -> Validator {
        let Platform { stores, clock, .. } = &self.platform;
        let validator = Validator::new(Service::Hub, stores.clone(), Arc::clone(clock), [9; 16], MOST_HELD);
        validator.renew().now_or_never().unwrap().unwrap();
        validator
    }

    /// The service on this platform.
    pub fn app(&self) -> Arc<App<Reports>> {
        Arc::new(App::new(Reports { platform: self.platform.clone() }, Vec::new()))
    }
}

/// Whose a credential is, asked as a request does that came in at `asked`: the request path reads the clock for
/// guarded and unguarded routes alike. `None` where it is refused. The store is in memory, so there is nothing to
/// wait for.
#[inline]
pub fn identify(validator: &Validator, text: &str, asked: Monotonic) -> Option<Principal> {
    let mut who = None;
    if let Some(looking) = validator.identify(text.as_bytes(), None, asked, &mut who).ok()? {
        looking.now_or_never()?.ok()?;
    }
    who
}

fn digest(text: &str) -> [u8; 32] {
    *auth_core::secret::TokenDigest::of(text).as_bytes()
}

/// Renews the lease of a validator until nobody uses it any more.
fn keep_current(validator: &Arc<Validator>) {
    validator.renew().now_or_never().unwrap().unwrap();
    let validator = Arc::downgrade(validator);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        while let Some(validator) = validator.upgrade() {
            // A service that serves it renews it, too: one waits for the other.
            runtime.block_on(validator.renew()).unwrap();
            drop(validator);
            thread::sleep(LEASE / 8);
        }
    });
}
