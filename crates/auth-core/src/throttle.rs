//! Limits on how often: counted in windows of one minute from the first request, in this process.

use crate::{
    id::{KeyId, TokenId},
    time::Monotonic,
};
use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

const WINDOW: Duration = Duration::from_secs(60);

/// At most this many subjects of one kind are counted at once; when there are more, those whose window is over go,
/// and if none is, newcomers are refused until one is: a flood closes itself out and forgets nobody.
const MOST_SUBJECTS: usize = 100_000;

/// How often those whose window is over are looked for at the most: a look goes through all of them.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Stands for callers without an address. Nobody calls from it.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A key, against its own limit.
    Key(KeyId),
    /// A session, against what one visitor may ask.
    Session(TokenId),
    /// A network address, for one purpose. IPv6 counts by /64, the least that one subscriber holds.
    Source(&'static str, IpAddr),
}

impl Subject {
    /// An address as it is counted. Callers without one share what one address may.
    pub fn source(purpose: &'static str, address: Option<IpAddr>) -> Self {
        Self::Source(
            purpose,
            match address.unwrap_or(NO_ADDRESS).to_canonical() {
                IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
                v4 => v4,
            },
        )
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    until: Monotonic,
    count: u32,
}

/// The counters of one process, apart by kind: a flood of sources takes no room from keys and sessions.
#[derive(Debug, Default)]
pub struct Throttle {
    keys: Windows<KeyId>,
    sessions: Windows<TokenId>,
    sources: Windows<(&'static str, IpAddr)>,
}

impl Throttle {
    /// Counts one request of a subject.
    ///
    /// # Errors
    /// How long to wait, where the subject has used up `limit` requests of this minute, or too many others are
    /// counted.
    pub fn admit(&self, subject: Subject, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        match subject {
            Subject::Key(key) => self.keys.admit(key, limit, now),
            Subject::Session(session) => self.sessions.admit(session, limit, now),
            Subject::Source(purpose, address) => self.sources.admit((purpose, address), limit, now),
        }
    }

    /// Whether a subject has used up `limit`, without counting: for what is counted only when it failed. One that
    /// is not counted has not: a flood of others must not shut it out.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, subject: Subject, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        match subject {
            Subject::Key(key) => self.keys.check(&key, limit, now),
            Subject::Session(session) => self.sessions.check(&session, limit, now),
            Subject::Source(purpose, address) => self.sources.check(&(purpose, address), limit, now),
        }
    }
}

/// The counters of one kind.
#[derive(Debug)]
struct Windows<K>(Mutex<Counted<K>>);

#[derive(Debug)]
struct Counted<K> {
    windows: HashMap<K, Window>,
    /// When windows that are over were last looked for.
    swept: Option<Monotonic>,
}

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Self(Mutex::new(Counted { windows: HashMap::new(), swept: None }))
    }
}

impl<K: Eq + Hash> Windows<K> {
    fn admit(&self, subject: K, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.make_room(&subject, now)?;
        let window = counted.windows.entry(subject).or_insert(Window { until: now + WINDOW, count: 0 });
        if window.until <= now {
            *window = Window { until: now + WINDOW, count: 0 };
        }
        if window.count >= limit.get() {
            return Err(Duration::from_nanos(window.until.nanos() - now.nanos()));
        }
        window.count += 1;
        Ok(())
    }

    fn check(&self, subject: &K, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counted.windows.get(subject) {
            Some(window) if window.until > now && window.count >= limit.get() => {
                Err(Duration::from_nanos(window.until.nanos() - now.nanos()))
            }
            _ => Ok(()),
        }
    }
}

impl<K: Eq + Hash> Counted<K> {
    /// Sees to it that a subject is counted already, or can be.
    fn make_room(&mut self, subject: &K, now: Monotonic) -> Result<(), Duration> {
        if self.windows.len() < MOST_SUBJECTS || self.windows.contains_key(subject) {
            return Ok(());
        }
        if self.swept.is_none_or(|swept| swept + SWEEP_EVERY <= now) {
            self.swept = Some(now);
            self.windows.retain(|_, window| window.until > now);
        }
        if self.windows.len() < MOST_SUBJECTS { Ok(()) } else { Err(SWEEP_EVERY) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

    #[test]
    fn a_window_admits_its_limit_and_then_opens_again() {
        let throttle = Throttle::default();
        let (who, start) = (Subject::source("test", "192.0.2.1".parse().ok()), Monotonic::from_nanos(5));
        for _ in 0..3 {
            assert_eq!(throttle.admit(who, THREE, start), Ok(()));
        }
        let later = start + Duration::from_secs(59);
        assert_eq!(throttle.admit(who, THREE, later), Err(Duration::from_secs(1)));
        assert_eq!(throttle.check(who, THREE, later), Err(Duration::from_secs(1)));
        assert_eq!(throttle.admit(who, THREE, start + WINDOW), Ok(()));
    }

    #[test]
    fn one_ipv6_subscriber_is_one_subject() {
        let source = |text: &str| Subject::source("test", Some(text.parse().unwrap()));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn a_flood_of_subjects_forgets_nobody() {
        let throttle = Throttle::default();
        let now = Monotonic::from_nanos(0);
        let victim = Subject::source("test", "192.0.2.1".parse().ok());
        for _ in 0..3 {
            throttle.admit(victim, THREE, now).unwrap();
        }
        for n in 0..u32::try_from(MOST_SUBJECTS).unwrap() + 10 {
            let _ = throttle.admit(Subject::source("test", Some(IpAddr::from(n.to_be_bytes()))), THREE, now);
        }
        assert!(throttle.admit(victim, THREE, now).is_err());
        let counted = || throttle.sources.0.lock().unwrap().windows.len();
        assert_eq!(counted(), MOST_SUBJECTS);

        let newcomer = Subject::source("test", "2001:db8::1".parse().ok());
        assert!(throttle.admit(newcomer, THREE, now).is_err(), "what cannot be counted is refused");
        assert!(throttle.check(newcomer, THREE, now).is_ok(), "but has used up nothing");
        for id in 0..100 {
            let id = [id; 16];
            assert_eq!(throttle.admit(Subject::Key(KeyId::from_bytes(id)), THREE, now), Ok(()));
            assert_eq!(throttle.admit(Subject::Session(TokenId::from_bytes(id)), THREE, now), Ok(()));
        }
        // Looked for a moment ago, and not again until a second has passed.
        let over = now + WINDOW;
        throttle.sources.0.lock().unwrap().swept = Some(over);
        assert!(throttle.admit(newcomer, THREE, over).is_err());
        assert_eq!(throttle.admit(newcomer, THREE, over + SWEEP_EVERY), Ok(()));
        assert_eq!(counted(), 1);
    }
}
