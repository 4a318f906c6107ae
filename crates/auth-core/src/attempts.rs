//! How often a secret may be guessed: the more guesses were wrong, the longer the next one waits. Nobody is locked out,
//! and what strangers do makes nobody wait who guesses from another address.

use crate::{
    credential::MailedFor, id::PersonId, model::Address, port::Occasion, secret::TokenDigest,
    throttle::Subject, time::Timestamp,
};
use std::{net::IpAddr, time::Duration};

/// How long a wrong guess is remembered after the last one, at the most.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Of so many wrong guesses on, at an account from whatever addresses, or from an address at whatever accounts, each
/// address has one guess at an account before it waits.
const UNDER_ATTACK: u32 = 20;
/// So many are counted: what is over is over within two hours.
const MOST: u32 = 2 * UNDER_ATTACK;
/// Of those, one is forgotten in this time: many people may share an address.
const LEAK: Duration = Duration::from_secs(3 * 60);

/// How long the next guess waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ladder {
    /// So many wrong guesses wait for nothing.
    free: u32,
    /// What the one after them waits for; each further one for twice as long.
    first: Duration,
    /// The longest.
    most: Duration,
}

/// One address at one account.
const PAIR: Ladder = Ladder { free: 5, first: Duration::from_secs(2), most: Duration::from_secs(15 * 60) };
/// Whoever has the password of a person, or a session of theirs, at the next secret.
const INNER: Ladder = Ladder { free: 5, first: Duration::from_secs(30), most: Duration::from_secs(60 * 60) };

/// Letters with a token to one address: nobody waits longer for the next one than the one before it is good, so that
/// whoever asks in somebody's name keeps no good token from them.
const fn tokens(purpose: MailedFor) -> Ladder {
    Ladder { free: 3, first: Duration::from_secs(60), most: purpose.life() }
}
/// Letters without one.
const NOTES: Ladder =
    Ladder { free: 1, first: Duration::from_secs(60 * 60), most: Duration::from_secs(24 * 3600) };
/// Letters, to whomever, that one address asks for: many people may share it, and do not learn that they wait.
const SENDER: Ladder = Ladder { free: 60, first: Duration::from_secs(1), most: Duration::from_secs(60) };

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    /// Wrong guesses wait.
    Waits(Ladder),
    /// Nobody waits for it: where there were many, what waits does so sooner.
    Tells,
}

/// What was counted of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Wrong guesses, and those whose outcome is not known yet.
    pub failures: u32,
    /// When the last one was; of what leaks, up to when it has.
    pub last: Timestamp,
}

impl Ladder {
    /// How long from now the next guess waits; `None` where it need not.
    fn wait(self, tried: Tried, at: Timestamp) -> Option<Duration> {
        let beyond = tried.failures.checked_sub(self.free)?;
        let wait = self.first.saturating_mul(2_u32.saturating_pow(beyond)).min(self.most);
        let until = tried.last + wait;
        (at < until).then(|| until.since(at))
    }
}

impl Rung {
    /// What counts at a time of what was counted before.
    fn remembered(self, tried: Option<Tried>, at: Timestamp) -> Option<Tried> {
        let tried = tried.filter(|tried| at < tried.last + REMEMBERED)?;
        match self {
            Self::Waits(_) => Some(tried),
            Self::Tells => {
                let leaked =
                    u32::try_from(at.since(tried.last).as_secs() / LEAK.as_secs()).unwrap_or(u32::MAX);
                let failures = tried.failures.saturating_sub(leaked);
                // To where it has leaked: what is left of the time counts for the next one.
                (failures > 0).then(|| Tried { failures, last: tried.last + LEAK * leaked })
            }
        }
    }
    /// What is counted once there was one more.
    fn counted(self, before: Option<Tried>, at: Timestamp) -> Tried {
        let failures = before.map_or(0, |tried| tried.failures).saturating_add(1);
        match self {
            // A clock that is behind does not shorten what another process counted.
            Self::Waits(_) => Tried { failures, last: before.map_or(at, |tried| tried.last.max(at)) },
            Self::Tells => {
                Tried { failures: failures.min(MOST), last: before.map_or(at, |tried| tried.last) }
            }
        }
    }
}

/// A guess that is about to be judged, with what it is counted against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    counts: Vec<(TokenDigest, Rung)>,
}

impl Trial {
    /// Of the password of an account, which may be nobody's; `None` for a text that is no address.
    pub fn password(source: Option<IpAddr>, account: Option<&Address>) -> Self {
        let source = network("password", source);
        let account = account.map_or("", Address::as_str);
        let counts = vec![
            (subject(&["pair", &source, account]), Rung::Waits(PAIR)),
            (subject(&["source", &source]), Rung::Tells),
            (subject(&["account", account]), Rung::Tells),
        ];
        Self { counts }
    }
    /// Of a letter to an address, which may be nobody's. Each kind has a count of its own, so that none keeps another back.
    pub fn letter(source: Option<IpAddr>, to: &Address, occasion: Occasion) -> Self {
        let (kind, ladder) = match occasion {
            Occasion::Registered => ("verification", tokens(MailedFor::Verification)),
            Occasion::Forgot => ("reset", tokens(MailedFor::Reset)),
            Occasion::Taken => ("taken", NOTES),
        };
        let counts = vec![
            (subject(&["letter", kind, to.as_str()]), Rung::Waits(ladder)),
            (subject(&["letters from", &network("letter", source)]), Rung::Waits(SENDER)),
        ];
        Self { counts }
    }
    /// Of the codes and passkeys of a person, by whoever has their password: one count for all logins and challenges. Recovery codes
    /// are not counted: nobody guesses one, and who has one gets in whatever others try.
    pub fn code(person: PersonId) -> Self {
        Self { counts: vec![(subject(&["code", &person.to_string()]), Rung::Waits(INNER))] }
    }
    /// Of the password of a person, by whoever has a session of theirs.
    pub fn own_password(person: PersonId) -> Self {
        Self { counts: vec![(subject(&["own password", &person.to_string()]), Rung::Waits(INNER))] }
    }
    /// What it is counted against, for a store.
    pub fn subjects(&self) -> impl Iterator<Item = &TokenDigest> {
        self.counts.iter().map(|(subject, _)| subject)
    }
    /// What is forgotten of it once the guess was right. The others keep their counts, and get this one back: who has an
    /// account of their own could begin anew with each guess at another one.
    pub fn forgotten(&self) -> impl Iterator<Item = &TokenDigest> {
        self.counts.iter().filter(|(_, rung)| *rung != Rung::Tells).map(|(subject, _)| subject)
    }
    /// Whether it may be judged now, by what was counted of its subjects, in their order.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn judge(&self, tried: &[Option<Tried>], at: Timestamp) -> Result<(), Duration> {
        let counts = self.counts.iter().zip(tried.iter().copied().chain(std::iter::repeat(None)));
        let counts = counts.filter_map(|((_, rung), tried)| Some((*rung, rung.remembered(tried, at)?)));
        let counts: Vec<_> = counts.collect();
        let attacked =
            counts.iter().any(|(rung, tried)| *rung == Rung::Tells && tried.failures >= UNDER_ATTACK);
        let waits = counts.iter().filter_map(|(rung, tried)| match rung {
            Rung::Waits(ladder) if attacked => Ladder { free: 1, ..*ladder }.wait(*tried, at),
            Rung::Waits(ladder) => ladder.wait(*tried, at),
            Rung::Tells => None,
        });
        waits.max().map_or(Ok(()), Err)
    }
    /// What is counted of each subject once there was one more guess, by what was before, in their order.
    pub fn counted(
        &self,
        tried: &[Option<Tried>],
        at: Timestamp,
    ) -> impl Iterator<Item = (&TokenDigest, Tried)> {
        let counts = self.counts.iter().zip(tried);
        counts.map(move |((subject, rung), tried)| (subject, rung.counted(rung.remembered(*tried, at), at)))
    }
}

/// The address, or network, that something comes from, as it is counted.
fn network(what: &'static str, source: Option<IpAddr>) -> String {
    match Subject::source(what, source) {
        Subject::Source(_, address) => address.to_string(),
        Subject::Key(_) | Subject::Session(_) => String::new(),
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
            for (subject, tried) in trial.counted(&tried, at) {
                self.0.insert(*subject.as_bytes(), tried);
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

    fn password(source: Option<IpAddr>, account: &str) -> Trial {
        Trial::password(source, Address::parse(account).ok().as_ref())
    }

    #[test]
    fn the_wait_grows_to_its_limit_and_is_over_to_the_millisecond() {
        let mut counts = Counts::default();
        let trial = password(from(1), "alice@example.com");
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
            counts.admitted(&password(from(source), "alice@example.com"), START, SECOND * 60);
        }
        let owner = password(from(201), "alice@example.com");
        assert_eq!(counts.take(&owner, START), Ok(()), "from an address that has not guessed");
        assert!(counts.take(&owner, START).is_err(), "once: the account is under attack");
        // One address tries whatever accounts there are: each once, and nobody who shares it waits.
        for number in 0..100 {
            let other = password(from(202), &format!("bob{number}@example.com"));
            let admitted = (0..5).filter(|_| counts.take(&other, START).is_ok()).count();
            assert_eq!(admitted, if number < 4 { 5 } else { 1 }, "{number}");
        }
        let neighbour = password(from(202), "carol@example.com");
        assert_eq!(counts.take(&neighbour, START), Ok(()));
        let neighbour = password(from(202), "dan@example.com");
        let later = START + LEAK * 26;
        (0..5).for_each(|_| assert_eq!(counts.take(&neighbour, later), Ok(()), "it is forgotten bit by bit"));
    }

    /// Many people share an address: one errs now and then, and others log in all the time.
    #[test]
    fn what_is_typed_wrong_now_and_then_is_forgotten_between() {
        let mut counts = Counts::default();
        let shared = Trial::password(from(1), None);
        let source = shared.subjects().nth(1).copied().unwrap();
        let mut at = START;
        for number in 0..2000_u64 {
            at = at + Duration::from_secs(179);
            assert_eq!(counts.take(&password(from(1), &format!("alice{number}@example.com")), at), Ok(()));
            if number % 5 > 0 {
                // A right one: it is given back.
                counts.0.entry(*source.as_bytes()).and_modify(|tried| tried.failures -= 1);
            }
            let held = counts.0.get(source.as_bytes()).map_or(0, |tried| tried.failures);
            assert!(held <= 2, "{held} after {number}");
        }
    }

    #[test]
    fn addresses_are_counted_as_networks_and_accounts_in_one_form() {
        let v6 = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let one = password(v6("2001:db8::1"), "alice@example.com");
        for same in
            ["alice@EXAMPLE.com", "alice@ｅxample.com", "alice@ex\u{ad}ample.com", "alice@ⓔxample.com"]
        {
            assert_eq!(one, password(v6("2001:db8::ffff"), same), "{same}");
        }
        assert_eq!(password(from(1), "no address"), password(from(1), "none at all"));
        assert_ne!(one, password(v6("2001:db8:0:1::1"), "alice@example.com"));
        assert_eq!(
            password(v6("::ffff:192.0.2.1"), "alice@example.com"),
            password(v6("192.0.2.1"), "alice@example.com")
        );
        let ids = [[1; 16], [2; 16]].map(PersonId::from_bytes);
        assert_ne!(Trial::code(ids[0]), Trial::code(ids[1]));
        assert_ne!(Trial::code(ids[0]), Trial::own_password(ids[0]));
    }

    #[test]
    fn a_mailbox_is_not_flooded_and_its_owner_has_a_token_that_is_good() {
        let to = |text: &str| Address::parse(text).unwrap();
        let (day, alice) = (Duration::from_secs(24 * 3600), to("alice@example.com"));
        for (occasion, most) in
            [(Occasion::Forgot, 3 + 5 + 47), (Occasion::Registered, 3 + 11), (Occasion::Taken, 1 + 5)]
        {
            // However many ask, from wherever.
            let mut counts = Counts::default();
            let asked: u32 = (0..24_u32)
                .map(|hour| {
                    let at = START + Duration::from_secs(3600) * hour;
                    let letter = |last| Trial::letter(from(last), &alice, occasion);
                    (1..=9).map(|last| counts.admitted(&letter(last), at, day / 24)).sum::<u32>()
                })
                .sum();
            assert!((1..=most).contains(&asked), "{occasion:?}: {asked}");
            let purpose = match occasion {
                Occasion::Registered => MailedFor::Verification,
                Occasion::Forgot => MailedFor::Reset,
                Occasion::Taken => continue,
            };
            let own = Trial::letter(from(100), &alice, occasion);
            assert!(counts.take(&own, START + day).err().unwrap_or_default() <= purpose.life());
        }
        let mut counts = Counts::default();
        for occasion in [Occasion::Forgot, Occasion::Taken, Occasion::Registered] {
            let letter = Trial::letter(from(1), &alice, occasion);
            assert!(counts.take(&letter, START).is_ok(), "no kind keeps another back");
        }
        // One address asks for letters to everybody.
        let others = (0..1000).map(|number| to(&format!("bob{number}@example.com")));
        let sent =
            others.filter(|to| counts.take(&Trial::letter(from(2), to, Occasion::Forgot), START).is_ok());
        assert_eq!(sent.count(), 60);
        let elsewhere = Trial::letter(from(3), &to("bob1@example.com"), Occasion::Forgot);
        assert!(counts.take(&elsewhere, START).is_ok());
    }

    proptest! {
        /// However guesses are spread, one address has a bounded number of them at one account.
        #[test]
        fn guesses_are_bounded(pauses in prop::collection::vec(0_u64..100_000, 1..4000)) {
            let mut counts = Counts::default();
            let trial = password(from(1), "alice@example.com");
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
            let trial = Trial::code(PersonId::from_bytes([1; 16]));
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
