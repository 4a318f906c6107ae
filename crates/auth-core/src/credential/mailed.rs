//! A token that is mailed: `avv_`, then base64url of what it is for, whose, and until when, sealed. Nothing is kept of it.
//! It names the state in which its person was, and whatever it is used for makes them another: so of all that are out, and
//! of all who show one, one is used at the most.

use crate::{
    entropy::Entropy,
    id::PersonId,
    model::Version,
    seal::{Cell, Keyring, Sealed},
    secret::{PlainToken, RevealOnce},
    time::Timestamp,
};
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// The prefix of a mailed token.
pub(super) const MAILED_PREFIX: &str = "avv_";
/// Characters of one: 80 bytes in base64url.
const LEN: usize = 4 + 107;

/// What a mailed token is for: it is good for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailedFor {
    /// To show that an address is its person's.
    Verification,
    /// To set another password.
    Reset,
}

impl MailedFor {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Verification, Self::Reset];

    /// How long it is good.
    pub const fn life(self) -> Duration {
        match self {
            Self::Verification => Duration::from_secs(24 * 3600),
            Self::Reset => Duration::from_secs(30 * 60),
        }
    }
    /// Sealed for one of them, it opens for no other.
    const fn cell(self) -> Cell<'static> {
        let column = match self {
            Self::Verification => "verification",
            Self::Reset => "reset",
        };
        Cell { table: "mailed", column, row: &[] }
    }
}

/// What a mailed token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailedToken {
    /// What it is for.
    pub purpose: MailedFor,
    /// Whose it is.
    pub person: PersonId,
    /// In which state they were.
    pub version: Version,
    /// When it is over.
    pub expires_at: Timestamp,
}

impl MailedToken {
    /// The text that the letter holds.
    pub fn seal(&self, keyring: &Keyring, entropy: &dyn Entropy) -> RevealOnce {
        let (version, end) = (self.version.number().to_be_bytes(), self.expires_at.millis().to_be_bytes());
        let bytes = [self.person.as_bytes().as_slice(), &version, &end].concat();
        let sealed = keyring.seal(&self.purpose.cell(), &bytes, entropy);
        let text = format!("{MAILED_PREFIX}{}", BASE64URL_NOPAD.encode(sealed.as_bytes()));
        RevealOnce::new(PlainToken::new(text))
    }

    /// Reads one for a purpose that is not over; `None` for what this platform did not make for it.
    pub fn open(text: &str, purpose: MailedFor, keyring: &Keyring, now: Timestamp) -> Option<Self> {
        let encoded = text.strip_prefix(MAILED_PREFIX).filter(|_| text.len() == LEN)?;
        let sealed = Sealed::from_bytes(BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?);
        // What an older key sealed, whoever has that key may have made since.
        let bytes = keyring.open(&purpose.cell(), &sealed).ok().filter(|_| keyring.is_newest(&sealed))?;
        let (person, rest) = bytes.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (end, rest) = rest.split_first_chunk()?;
        let token = Self {
            purpose,
            person: PersonId::from_bytes(*person),
            version: Version::from_stored(i64::from_be_bytes(*version)),
            expires_at: Timestamp::from_millis(i64::from_be_bytes(*end)),
        };
        (rest.is_empty() && now < token.expires_at).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        credential::{Malformed, PendingLogin, Refresh, classify},
        model::DomainName,
        service::Service,
    };
    use zeroize::Zeroizing;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    fn ring(keys: &[u8]) -> Keyring {
        Keyring::new(&keys.iter().map(|key| Zeroizing::new([*key; 32])).collect::<Vec<_>>()).unwrap()
    }

    const END: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const EARLY: Timestamp = Timestamp::from_millis(END.millis() - 1);

    #[test]
    fn what_was_sealed_is_read_until_its_end_and_is_good_for_nothing_else() {
        for (purpose, other) in MailedFor::ALL.into_iter().zip(MailedFor::ALL.into_iter().rev()) {
            let person = PersonId::from_bytes([2; 16]);
            let token = MailedToken { purpose, person, version: Version::from_stored(3), expires_at: END };
            let text = token.seal(&ring(&[1]), &Fixed(4)).reveal().expose().to_owned();
            let open = |text: &str, keys: &[u8], now| MailedToken::open(text, purpose, &ring(keys), now);
            assert_eq!(open(&text, &[1], EARLY), Some(token));
            assert_eq!(open(&text, &[1], END), None);
            assert_eq!(MailedToken::open(&text, other, &ring(&[1]), EARLY), None, "for another purpose");
            assert_eq!(open(&text, &[2], EARLY), None);
            assert_eq!(open(&text, &[1, 2], EARLY), None, "sealed by an older key");
            assert_eq!(classify(&text), Err(Malformed), "it is no credential of any route");
            assert!(PendingLogin::open(&text, &ring(&[1]), EARLY).is_none());
            assert!(Refresh::read(&text, &ring(&[1])).is_none());
            for at in 0..text.len() {
                assert_eq!(open(&text[..at], &[1], EARLY), None);
                for byte in [b'A', b'B', b'_', b'=', b' '] {
                    let mut wrong = text.clone().into_bytes();
                    wrong[at] = byte;
                    let wrong = String::from_utf8(wrong).unwrap();
                    assert!(wrong == text || open(&wrong, &[1], EARLY).is_none(), "{at}");
                }
            }
            assert_eq!(open(&format!("{text}A"), &[1], EARLY), None);
        }
    }

    #[test]
    fn half_of_a_login_is_no_mailed_token() {
        let pending = PendingLogin {
            session: crate::id::SessionId::from_bytes([1; 16]),
            person: PersonId::from_bytes([2; 16]),
            version: Version::from_stored(3),
            audience: Service::Chatbot,
            domain: DomainName::parse("example.com").ok(),
            expires_at: END,
        };
        let text = pending.seal(&ring(&[1]), &Fixed(4)).reveal().expose().to_owned();
        for text in [text.clone(), text.replacen("avm_", "avv_", 1)] {
            for purpose in MailedFor::ALL {
                assert_eq!(MailedToken::open(&text, purpose, &ring(&[1]), EARLY), None);
            }
        }
    }
}
