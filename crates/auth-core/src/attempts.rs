//! How often a secret may be guessed: the more guesses were wrong, the longer the next one waits. Nobody is locked out,
//! and what strangers do makes nobody wait for more than their own wrong guesses.

use crate::{id::PersonId, secret::TokenDigest, throttle::Subject, time::Timestamp};
use std::{net::IpAddr, time::Duration};

/// How long a wrong guess is remembered after the last one.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Of so many wrong guesses of one account's password on, from whatever addresses, each address has one guess at it
/// before it waits, and not [`PAIR`]'s.
const UNDER_ATTACK: u32 = 20;

/// How long the next guess waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// So many wrong guesses wait for nothing.
    free: u32,
    /// What the one after them waits for; each further one for twice as long.
    first: Duration,
    /// The longest.
    most: Duration,
}

/// One address at one account.
const PAIR: Ladder = Ladder { free: 5, first: Duration::from_secs(2), most: Duration::from_secs(15 * 60) };
/// One address at whatever accounts: many people may share it.
const SOURCE: Ladder = Ladder { free: 20, first: Duration::from_secs(1), most: Duration::from_secs(60) };
/// One account, from whatever addresses: it is counted, and nobody waits for it.
const ACCOUNT: Ladder = Ladder { free: u32::MAX, first: Duration::ZERO, most: Duration::ZERO };
/// Whoever has the password of a person, or a session of theirs, at the next secret.
const INNER: Ladder = Ladder { free: 5, first: Duration::from_secs(30), most: Duration::from_secs(60 * 60) };

/// What was counted of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Wrong guesses, and those whose outcome is not known yet.
    pub failures: u32,
    /// When the last one was.
    pub last: Timestamp,
}

impl Ladder {
    /// How long from now the next guess waits; `None` where it need not.
    fn wait(self, tried: Option<Tried>, at: Timestamp) -> Option<Duration> {
        let tried = tried.filter(|tried| at < tried.last + REMEMBERED)?;
        let beyond = tried.failures.checked_sub(self.free)?;
        let wait = self.first.saturating_mul(2_u32.saturating_pow(beyond)).min(self.most);
        let until = tried.last + wait;
        (at < until).then(|| until.since(at))
    }
}

/// A guess that is about to be judged, with what it is counted against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    counts: Vec<(TokenDigest, Ladder)>,
    /// Where among them what is said of the account is.
    account: Option<usize>,
}

impl Trial {
    /// Of the password of an account, which may be nobody's: `address` is what was typed.
    pub fn password(source: Option<IpAddr>, address: &str) -> Self {
        let source = match Subject::source("password", source) {
            Subject::Source(_, address) => address.to_string(),
            Subject::Key(_) | Subject::Session(_) => String::new(),
        };
        let account = address.trim().to_lowercase();
        let counts = vec![
            (subject(&["pair", &source, &account]), PAIR),
            (subject(&["source", &source]), SOURCE),
            (subject(&["account", &account]), ACCOUNT),
        ];
        Self { counts, account: Some(2) }
    }
    /// Of a second factor of a person, by whoever has their password: one count for all logins and challenges.
    pub fn factor(person: PersonId) -> Self {
        Self { counts: vec![(subject(&["factor", &person.to_string()]), INNER)], account: None }
    }
    /// Of the password of a person, by whoever has a session of theirs.
    pub fn own_password(person: PersonId) -> Self {
        Self { counts: vec![(subject(&["own password", &person.to_string()]), INNER)], account: None }
    }
    /// What it is counted against, for a store.
    pub fn subjects(&self) -> impl Iterator<Item = &TokenDigest> {
        self.counts.iter().map(|(subject, _)| subject)
    }
    /// What is forgotten of it once the guess was right. An address keeps its count: who has an account of their own
    /// could begin anew with each guess at another one.
    pub fn forgotten(&self) -> impl Iterator<Item = &TokenDigest> {
        self.counts.iter().filter(|(_, ladder)| *ladder != SOURCE).map(|(subject, _)| subject)
    }
    /// What is given back of it once the guess was right.
    pub fn given_back(&self) -> impl Iterator<Item = &TokenDigest> {
        self.counts.iter().filter(|(_, ladder)| *ladder == SOURCE).map(|(subject, _)| subject)
    }
    /// Whether it may be judged now, by what was counted of its subjects, in their order.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn judge(&self, tried: &[Option<Tried>], at: Timestamp) -> Result<(), Duration> {
        let of = |index: usize| tried.get(index).copied().flatten();
        let account = self.account.and_then(of).filter(|tried| at < tried.last + REMEMBERED);
        let attacked = account.is_some_and(|tried| tried.failures >= UNDER_ATTACK);
        let waits = self.counts.iter().enumerate().filter_map(|(index, (_, ladder))| {
            let free = if attacked && *ladder == PAIR { 1 } else { ladder.free };
            Ladder { free, ..*ladder }.wait(of(index), at)
        });
        waits.max().map_or(Ok(()), Err)
    }
    /// What is counted of a subject once there was one more.
    pub fn counted(tried: Option<Tried>, at: Timestamp) -> Tried {
        let before = tried.filter(|tried| at < tried.last + REMEMBERED).map_or(0, |tried| tried.failures);
        // A clock that is behind does not shorten what another process counted.
        let last = tried.map_or(at, |tried| tried.last.max(at));
        Tried { failures: before.saturating_add(1), last }
    }
}

/// The name of a subject: a digest, so that a store does not tell what strangers type. Each part with its length.
fn subject(parts: &[&str]) -> TokenDigest {
    let text: Vec<u8> = parts
        .iter()
        .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.bytes()))
        .collect();
    TokenDigest::of(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    /// What a store does.
    #[derive(Default)]
    struct Counts(HashMap<[u8; 32], Tried>);

    impl Counts {
        fn take(&mut self, trial: &Trial, at: Timestamp) -> Result<(), Duration> {
            let tried: Vec<_> =
                trial.subjects().map(|subject| self.0.get(subject.as_bytes()).copied()).collect();
            trial.judge(&tried, at)?;
            for (subject, tried) in trial.subjects().zip(tried) {
                self.0.insert(*subject.as_bytes(), Trial::counted(tried, at));
            }
            Ok(())
        }
        /// How many guesses of a trial are admitted within a time, made as soon as they may be.
        fn admitted(&mut self, trial: &Trial, from: Timestamp, span: Duration) -> u32 {
            let (mut at, mut admitted) = (from, 0);
            while at < from + span {
                match self.take(trial, at) {
                    Ok(()) => admitted += 1,
                    Err(wait) => at = at + wait,
                }
            }
            admitted
        }
    }

    fn from(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn the_wait_grows_to_its_limit_and_is_over_to_the_millisecond() {
        let mut counts = Counts::default();
        let trial = Trial::password(from(1), "alice@example.com");
        let mut at = START;
        for _ in 0..5 {
            assert_eq!(counts.take(&trial, at), Ok(()));
        }
        for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = SECOND * seconds;
            assert_eq!(counts.take(&trial, at), Err(wait));
            let early = at + (wait - Duration::from_millis(1));
            assert_eq!(counts.take(&trial, early), Err(Duration::from_millis(1)));
            at = at + wait;
            assert_eq!(counts.take(&trial, at), Ok(()));
        }
        let later = at + REMEMBERED;
        (0..5).for_each(|_| assert_eq!(counts.take(&trial, later), Ok(()), "it is forgotten after a day"));
        assert!(counts.take(&trial, later).is_err());
    }

    #[test]
    fn a_stranger_makes_nobody_else_wait() {
        let mut counts = Counts::default();
        for source in 1..=200 {
            let trial = Trial::password(from(source), "alice@example.com");
            counts.admitted(&trial, START, SECOND * 60);
        }
        let owner = Trial::password(from(201), "alice@example.com");
        assert_eq!(counts.take(&owner, START), Ok(()), "from an address that has not guessed");
        assert!(counts.take(&owner, START).is_err(), "once: the account is under attack");
        let other = Trial::password(from(1), "bob@example.com");
        assert!(counts.take(&other, START + SECOND * 120).is_ok(), "after a minute at the most");
    }

    #[test]
    fn addresses_are_counted_as_networks_and_accounts_in_one_form() {
        let v6 = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let one = Trial::password(v6("2001:db8::1"), "alice@example.com");
        assert_eq!(one, Trial::password(v6("2001:db8::ffff"), " Alice@Example.com"));
        assert_ne!(one, Trial::password(v6("2001:db8:0:1::1"), "alice@example.com"));
        assert_eq!(
            Trial::password(v6("::ffff:192.0.2.1"), "alice@example.com"),
            Trial::password(v6("192.0.2.1"), "alice@example.com")
        );
        let ids = [[1; 16], [2; 16]].map(PersonId::from_bytes);
        assert_ne!(Trial::factor(ids[0]), Trial::factor(ids[1]));
        assert_ne!(Trial::factor(ids[0]), Trial::own_password(ids[0]));
    }

    proptest! {
        /// However guesses are spread, one address has a bounded number of them at one account.
        #[test]
        fn guesses_are_bounded(pauses in prop::collection::vec(0_u64..2_000_000, 1..200)) {
            let mut counts = Counts::default();
            let trial = Trial::password(from(1), "alice@example.com");
            let (mut at, mut admitted) = (START, 0_u64);
            for pause in pauses {
                at = at + Duration::from_millis(pause);
                admitted += u64::from(counts.take(&trial, at).is_ok());
            }
            let days = at.since(START).as_secs() / REMEMBERED.as_secs() + 1;
            prop_assert!(admitted <= days * (5 + 10 + 96), "{} in {} days", admitted, days);
        }

        /// A guess that must wait is not counted: who asks too early waits no longer for it.
        #[test]
        fn asking_early_costs_nothing(tries in 0_u32..40) {
            let mut counts = Counts::default();
            let trial = Trial::factor(PersonId::from_bytes([1; 16]));
            let mut ends = Vec::new();
            for _ in 0..tries {
                if let Err(wait) = counts.take(&trial, START) {
                    ends.push(wait);
                }
            }
            prop_assert!(ends.windows(2).all(|two| two[0] == two[1]));
        }
    }
}
