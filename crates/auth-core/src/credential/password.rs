//! Passwords: what may become one, what is presented, and what is kept.
//!
//! bcrypt reads 72 bytes and stops at a NUL: what is longer, or holds one, is refused and never cut. Texts are compared
//! in one normal form (RFC 8265 §4.2): NFC, and each blank as a space.

use icu_normalizer::ComposingNormalizerBorrowed;
use std::fmt;
use zeroize::Zeroizing;

/// The fewest bytes of a new password.
const LEAST: usize = 12;
/// The most bytes that bcrypt reads.
const MOST: usize = 72;
/// The costs that a stored hash may have: below, it protects nobody; above, one check would take minutes.
const COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// Why a text cannot become a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongPassword {
    /// Its length in bytes.
    #[error("expected 12 to 72 bytes")]
    Length,
    /// A control character: bcrypt would stop at a NUL.
    #[error("expected no control characters")]
    Control,
    /// It is among those that are guessed first, or made of what everybody knows of the person.
    #[error("this is among the passwords that are guessed first")]
    Common,
}

/// A password as somebody typed it. `Debug` masks it; wiped on drop.
#[derive(Clone)]
pub struct Presented(Zeroizing<String>);

impl Presented {
    /// What somebody typed, in its normal form; `None` where no password can be like this.
    pub fn new(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > MOST * 4 || text.chars().any(char::is_control) {
            return None;
        }
        let spaced: Zeroizing<String> =
            Zeroizing::new(text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect());
        let normal = Zeroizing::new(ComposingNormalizerBorrowed::new_nfc().normalize(&spaced).into_owned());
        (normal.len() <= MOST).then_some(Self(normal))
    }
    /// The text, to be hashed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(…)")
    }
}

/// A text that may become somebody's password.
#[derive(Debug, Clone)]
pub struct Password(Presented);

impl Password {
    /// Takes a text, unless it is among the common ones, or made of the words that everybody knows of the person: the
    /// address, the name, the domain.
    ///
    /// # Errors
    /// [`WrongPassword`] says why not.
    pub fn new(text: &str, known: &[&str]) -> Result<Self, WrongPassword> {
        if text.chars().any(char::is_control) {
            return Err(WrongPassword::Control);
        }
        let presented = Presented::new(text).ok_or(WrongPassword::Length)?;
        if presented.0.len() < LEAST {
            return Err(WrongPassword::Length);
        }
        if super::guessable::is_common(&presented.0, known) {
            Err(WrongPassword::Common)
        } else {
            Ok(Self(presented))
        }
    }
    /// One that was found right, whatever the rules of today say of it: to be hashed anew.
    pub(crate) fn presented_before(text: &str) -> Option<Self> {
        Presented::new(text).map(Self)
    }
    /// As it will be presented.
    pub const fn as_presented(&self) -> &Presented {
        &self.0
    }
}

/// A bcrypt hash, as a store keeps it: `$2b$`, `$2a$` or `$2y$`, a cost that is neither too low nor too high, and 53
/// characters. `Debug` masks it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Its cost: two to the power of this many rounds.
    pub fn cost(&self) -> u32 {
        self.0.get(4..6).and_then(|cost| cost.parse().ok()).unwrap_or(0)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl std::str::FromStr for PasswordHash {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "not a hash of bcrypt of a cost between 4 and 14";
        let (head, rest) = text.split_at_checked(7).ok_or(wrong)?;
        let (version, cost) = head.split_at(4);
        let digits = cost.strip_suffix('$').filter(|cost| cost.bytes().all(|byte| byte.is_ascii_digit()));
        let cost: u32 = digits.and_then(|cost| cost.parse().ok()).ok_or(wrong)?;
        let letters = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
        let known = matches!(version, "$2a$" | "$2b$" | "$2y$") && COSTS.contains(&cost);
        if known && letters && rest.len() == 53 { Ok(Self(text.to_owned())) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_bcrypt_would_cut_is_refused() {
        let new = |text: &str| Password::new(text, &[]).map(drop);
        let unlike = |length: usize| {
            (0..length).map(|at| char::from(b'a' + u8::try_from(at * 7 % 26).unwrap())).collect::<String>()
        };
        for (length, answer) in [
            (0, Err(WrongPassword::Length)),
            (11, Err(WrongPassword::Length)),
            (12, Ok(())),
            (72, Ok(())),
            (73, Err(WrongPassword::Length)),
            (1000, Err(WrongPassword::Length)),
        ] {
            assert_eq!(new(&unlike(length)), answer, "{length}");
            assert_eq!(Presented::new(&unlike(length)).is_some(), (1..=72).contains(&length));
        }
        assert_eq!(new("wxq\0bhzkufpvo"), Err(WrongPassword::Control));
        assert!(Presented::new("wxq\0bhzkufpvo").is_none());
        assert_eq!(new("ß".repeat(37).as_str()), Err(WrongPassword::Length), "74 bytes");
    }

    #[test]
    fn a_text_has_one_normal_form() {
        let same =
            |a: &str, b: &str| Presented::new(a).unwrap().expose() == Presented::new(b).unwrap().expose();
        assert!(same("re\u{301}sume\u{301}", "résumé"));
        assert!(same("a\u{a0}b\u{3000}c", "a b c"));
        assert!(!same("Password", "password") && !same(" a", "a") && !same("a ", "a"));
        assert!(!same("\u{ff41}", "a"), "compatibility forms stay apart");
    }

    #[test]
    fn a_hash_is_of_a_known_kind_and_cost() {
        let tail = "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
        for (head, cost) in [("$2b$12$", 12), ("$2a$10$", 10), ("$2y$04$", 4)] {
            assert_eq!(format!("{head}{tail}").parse::<PasswordHash>().unwrap().cost(), cost);
        }
        for wrong in
            ["$2b$31$", "$2b$15$", "$2b$03$", "$2x$12$", "$2$12$$$", "$5$12$$", "$2b$+2$", "$2b$1a$", ""]
        {
            assert!(format!("{wrong}{tail}").parse::<PasswordHash>().is_err(), "{wrong}");
        }
        for wrong in
            [format!("$2b$12${tail}a"), format!("$2b$12${}", &tail[1..]), format!("$2b$12${}\n", &tail[1..])]
        {
            assert!(wrong.parse::<PasswordHash>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn normal_forms_stay_as_they_are(text in "\\PC{0,40}") {
            if let Some(once) = Presented::new(&text) {
                let twice = Presented::new(once.expose()).unwrap();
                prop_assert_eq!(twice.expose(), once.expose());
            }
        }
    }
}
