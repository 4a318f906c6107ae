//! Limits on how often: counted in windows of one minute from the first request, in this process.

use crate::{
    id::{KeyId, TokenId},
    time::Monotonic,
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

const WINDOW: Duration = Duration::from_secs(60);

/// At most this many subjects are counted at once; when there are more, those whose window is over go, and if
/// none is, newcomers are refused until one is: a flood closes itself out and forgets nobody.
const MOST_SUBJECTS: usize = 100_000;

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
    /// An address as it is counted.
    pub fn source(purpose: &'static str, address: IpAddr) -> Self {
        Self::Source(
            purpose,
            match address.to_canonical() {
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

/// The counters of one process.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<Subject, Window>>);

impl Throttle {
    /// Counts one request of a subject.
    ///
    /// # Errors
    /// How long to wait, where the subject has used up `limit` requests of this minute.
    pub fn admit(&self, subject: Subject, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MOST_SUBJECTS && !windows.contains_key(&subject) {
            windows.retain(|_, window| window.until > now);
            if windows.len() >= MOST_SUBJECTS {
                return Err(WINDOW);
            }
        }
        let window = windows.entry(subject).or_insert(Window { until: now + WINDOW, count: 0 });
        if window.until <= now {
            *window = Window { until: now + WINDOW, count: 0 };
        }
        if window.count >= limit.get() {
            return Err(Duration::from_nanos(window.until.nanos() - now.nanos()));
        }
        window.count += 1;
        Ok(())
    }

    /// Whether a subject has used up `limit`, without counting: for what is counted only when it failed.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, subject: Subject, limit: NonZeroU32, now: Monotonic) -> Result<(), Duration> {
        let windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match windows.get(&subject) {
            Some(window) if window.until > now && window.count >= limit.get() => {
                Err(Duration::from_nanos(window.until.nanos() - now.nanos()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

    #[test]
    fn a_window_admits_its_limit_and_then_opens_again() {
        let throttle = Throttle::default();
        let (who, start) = (Subject::source("test", "192.0.2.1".parse().unwrap()), Monotonic::from_nanos(5));
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
        let source = |text: &str| Subject::source("test", text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn a_flood_of_subjects_forgets_nobody() {
        let throttle = Throttle::default();
        let now = Monotonic::from_nanos(0);
        let victim = Subject::source("test", "192.0.2.1".parse().unwrap());
        for _ in 0..3 {
            throttle.admit(victim, THREE, now).unwrap();
        }
        for n in 0..u32::try_from(MOST_SUBJECTS).unwrap() + 10 {
            let _ = throttle.admit(Subject::source("test", IpAddr::from(n.to_be_bytes())), THREE, now);
        }
        assert!(throttle.admit(victim, THREE, now).is_err());
        assert!(throttle.0.lock().unwrap().len() <= MOST_SUBJECTS);
    }
}
