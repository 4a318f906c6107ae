//! Limits on how often: counted in windows of one minute from the first request, in this process.

use crate::{
    id::{KeyId, TokenId},
    time::Monotonic,
    validate::MOST_HELD,
};
use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const WINDOW: Duration = Duration::from_secs(60);

/// At most this many addresses are counted at once for one purpose. When there are more, those whose window is over
/// go; if none is, a newcomer is counted with all newcomers of its network: a flood forgets nobody, and closes out
/// what comes from where it comes from. One from as many networks (a whole IPv6 /31) closes out all newcomers.
const MOST_ADDRESSES: usize = 100_000;

/// At most this many keys, and sessions, are counted at once: as many as a validator holds. They take about 70 MB each
/// where all are asked with within a minute.
const MOST_KNOWN: usize = MOST_HELD;

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

/// The counters of one process, apart by kind and by purpose: a flood at one route takes no room from another.
#[derive(Debug)]
pub struct Throttle {
    keys: Mutex<Windows<KeyId>>,
    sessions: Mutex<Windows<TokenId>>,
    sources: Mutex<HashMap<&'static str, Sources>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            keys: Mutex::new(Windows::new(MOST_KNOWN)),
            sessions: Mutex::new(Windows::new(MOST_KNOWN)),
            sources: Mutex::default(),
        }
    }
}

impl Throttle {
    /// Counts one request of a subject.
    ///
    /// # Errors
    /// How long to wait, where the subject has used up `limit` requests of this minute, or too many others are
    /// counted.
    pub fn admit(&self, subject: Subject, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        match subject {
            Subject::Key(key) => held(&self.keys).admit(key, limit, now),
            Subject::Session(session) => held(&self.sessions).admit(session, limit, now),
            Subject::Source(purpose, address) => {
                held(&self.sources).entry(purpose).or_default().admit(address, limit, now)
            }
        }
    }

    /// Whether a subject has used up `limit`, without counting: for what is counted only when it failed. One that
    /// is not counted has not, unless it found no place and its network has.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, subject: Subject, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        match subject {
            Subject::Key(key) => held(&self.keys).check(&key, limit, now),
            Subject::Session(session) => held(&self.sessions).check(&session, limit, now),
            Subject::Source(purpose, address) => {
                held(&self.sources).entry(purpose).or_default().check(address, limit, now)
            }
        }
    }
}

fn held<T>(counters: &Mutex<T>) -> MutexGuard<'_, T> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The addresses of one purpose.
#[derive(Debug)]
struct Sources {
    addresses: Windows<IpAddr>,
    /// Of those that found no room, their networks.
    networks: Windows<IpAddr>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { addresses: Windows::new(MOST_ADDRESSES), networks: Windows::new(MOST_ADDRESSES) }
    }
}

impl Sources {
    fn admit(&mut self, address: IpAddr, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        if self.addresses.has_room(&address, now) {
            self.addresses.admit(address, limit, now)
        } else {
            self.networks.admit(network(address), limit, now)
        }
    }

    fn check(&self, address: IpAddr, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        if self.addresses.windows.contains_key(&address) {
            self.addresses.check(&address, limit, now)
        } else {
            self.networks.check(&network(address), limit, now)
        }
    }
}

/// The network of an address, which one customer of a registry or of an access provider holds: /48, or /24.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 48))),
    }
}

/// The counters of one kind.
#[derive(Debug)]
struct Windows<K> {
    most: usize,
    windows: HashMap<K, Window>,
    /// When windows that are over were last looked for.
    swept: Option<Monotonic>,
}

impl<K: Eq + Hash> Windows<K> {
    fn new(most: usize) -> Self {
        Self { most, windows: HashMap::new(), swept: None }
    }

    fn admit(&mut self, subject: K, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        if !self.has_room(&subject, now) {
            return Err(SWEEP_EVERY);
        }
        let window = self.windows.entry(subject).or_insert(Window { until: now + WINDOW, count: 0 });
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
        match self.windows.get(subject) {
            Some(window) if window.until > now && window.count >= limit.get() => {
                Err(Duration::from_nanos(window.until.nanos() - now.nanos()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a subject is counted already, or can be.
    fn has_room(&mut self, subject: &K, now: Monotonic) -> bool {
        if self.windows.len() < self.most || self.windows.contains_key(subject) {
            return true;
        }
        if self.swept.is_none_or(|swept| swept + SWEEP_EVERY <= now) {
            self.swept = Some(now);
            self.windows.retain(|_, window| window.until > now);
        }
        self.windows.len() < self.most
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
    fn a_flood_of_addresses_forgets_nobody_and_closes_out_its_own_networks() {
        let throttle = Throttle::default();
        let now = Monotonic::from_nanos(0);
        let source = |text: &str| Subject::source("test", Some(text.parse().unwrap()));
        let victim = source("192.0.2.1");
        for _ in 0..3 {
            throttle.admit(victim, THREE, now).unwrap();
        }
        let settled = source("198.51.100.9");
        throttle.admit(settled, THREE, now).unwrap();
        // All of them within one /46.
        let stranger = |n: u128| Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + (n << 64));
        let flood = u128::try_from(MOST_ADDRESSES).unwrap() + 100;
        let admitted = (0..flood).filter(|n| {
            throttle.admit(Subject::source("test", Some(stranger(*n).into())), THREE, now).is_ok()
        });
        assert_eq!(
            admitted.count(),
            MOST_ADDRESSES - 2 + 3,
            "two places were taken, and then a network has three"
        );
        assert!(throttle.admit(victim, THREE, now).is_err());
        let counted = || held(&throttle.sources)["test"].addresses.windows.len();
        assert_eq!(counted(), MOST_ADDRESSES);

        // A newcomer shares what its network may, and no more.
        let newcomer = source("198.51.100.7");
        for neighbour in ["198.51.100.7", "198.51.100.8", "198.51.100.7"] {
            assert_eq!(throttle.admit(source(neighbour), THREE, now), Ok(()));
            assert!(throttle.check(source("203.0.113.1"), THREE, now).is_ok());
        }
        assert!(throttle.admit(newcomer, THREE, now).is_err());
        assert!(throttle.check(newcomer, THREE, now).is_err(), "it is counted there");
        assert!(throttle.check(settled, THREE, now).is_ok(), "who has a place is not held up by newcomers");
        let elsewhere = Subject::source("another purpose", "198.51.100.7".parse().ok());
        assert_eq!(throttle.admit(elsewhere, THREE, now), Ok(()));
        for id in 0..100 {
            let id = [id; 16];
            assert_eq!(throttle.admit(Subject::Key(KeyId::from_bytes(id)), THREE, now), Ok(()));
            assert_eq!(throttle.admit(Subject::Session(TokenId::from_bytes(id)), THREE, now), Ok(()));
        }
        // Looked for a moment ago, and not again until a second has passed.
        let over = now + WINDOW;
        held(&throttle.sources).get_mut("test").unwrap().addresses.swept = Some(over);
        assert_eq!(throttle.admit(newcomer, THREE, over), Ok(()), "its network's window is over, too");
        assert_eq!(counted(), MOST_ADDRESSES);
        assert_eq!(throttle.admit(newcomer, THREE, over + SWEEP_EVERY), Ok(()));
        assert_eq!(counted(), 1);
    }
}
