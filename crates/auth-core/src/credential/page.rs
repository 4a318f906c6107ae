//! The cookie of the login page: `avs_`, then base64url of the session that it is in, and of its end, sealed. Nothing is
//! kept of it, and it is no credential of any other route: it names a session, and what that is, the store says each time.

use crate::{
    entropy::Entropy,
    id::SessionId,
    seal::{Cell, Keyring, Sealed},
    secret::{PlainToken, RevealOnce},
    time::Timestamp,
};
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;

/// How long a page is logged in, if its session does not end before.
pub const PAGE_LIFE: Duration = Duration::from_secs(8 * 3600);

/// The prefix of a page's cookie.
pub(super) const PAGE_PREFIX: &str = "avs_";
const CELL: Cell<'_> = Cell { table: "sessions", column: "page", row: &[] };
/// Characters of one: 72 bytes behind the prefix.
const LEN: usize = PAGE_PREFIX.len() + 96;

/// Which session a page is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSession {
    /// The session.
    pub session: SessionId,
    /// When the cookie is over.
    pub expires_at: Timestamp,
}

impl PageSession {
    /// The value of the cookie.
    pub fn seal(&self, keyring: &Keyring, entropy: &dyn Entropy) -> RevealOnce {
        let end = self.expires_at.millis().to_be_bytes();
        let sealed = keyring.seal(&CELL, &[self.session.as_bytes().as_slice(), &end].concat(), entropy);
        let text = format!("{PAGE_PREFIX}{}", BASE64URL_NOPAD.encode(sealed.as_bytes()));
        RevealOnce::new(PlainToken::new(text))
    }

    /// Reads one, whether or not it is over; `None` for what this platform did not make.
    pub fn open(text: &str, keyring: &Keyring) -> Option<Self> {
        let encoded = text.strip_prefix(PAGE_PREFIX).filter(|_| text.len() == LEN)?;
        let sealed = Sealed::from_bytes(BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?);
        // Of hours ago: what an older key sealed, whoever has it may have made since.
        let bytes = keyring.open(&CELL, &sealed).ok().filter(|_| keyring.is_newest(&sealed))?;
        let (session, end) = bytes.split_first_chunk()?;
        let expires_at = Timestamp::from_millis(i64::from_be_bytes(end.try_into().ok()?));
        Some(Self { session: SessionId::from_bytes(*session), expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{Malformed, PendingLogin, Refresh, classify};
    use zeroize::Zeroizing;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn what_was_sealed_is_read_and_is_no_other_credential() {
        let ring = |key: u8| Keyring::new(&[Zeroizing::new([key; 32])]).unwrap();
        let expires_at = Timestamp::from_millis(1_800_000_000_000);
        let page = PageSession { session: SessionId::from_bytes([3; 16]), expires_at };
        let text = page.seal(&ring(1), &Fixed(4)).reveal().expose().to_owned();
        assert_eq!(text.len(), LEN);
        assert_eq!(PageSession::open(&text, &ring(1)), Some(page));
        assert_eq!(PageSession::open(&text, &ring(2)), None);
        let renewed = Keyring::new(&[1, 2].map(|key| Zeroizing::new([key; 32]))).unwrap();
        assert_eq!(PageSession::open(&text, &renewed), None, "sealed by an older key");
        assert_eq!(classify(&text), Err(Malformed), "it is no credential of any other route");
        assert_eq!(Refresh::read(&text, &ring(1)), None);
        assert_eq!(PendingLogin::open(&text, &ring(1), Timestamp::from_millis(0)), None);
        for at in 0..text.len() {
            assert_eq!(PageSession::open(&text[..at], &ring(1)), None);
            for byte in 0x20_u8..0x7F {
                let mut wrong = text.clone().into_bytes();
                wrong[at] = byte;
                let wrong = String::from_utf8(wrong).unwrap();
                assert!(wrong == text || PageSession::open(&wrong, &ring(1)).is_none(), "{at} {byte}");
            }
        }
        for other in [format!("{text}A"), format!(" {text}"), text.replace("avs_", "avm_")] {
            assert_eq!(PageSession::open(&other, &ring(1)), None);
        }
    }

    #[test]
    fn what_was_sealed_for_another_place_is_none() {
        let ring = Keyring::new(&[Zeroizing::new([1; 32])]).unwrap();
        for column in ["pages", "pending"] {
            let cell = Cell { table: "sessions", column, row: &[] };
            let sealed = ring.seal(&cell, &[7; 24], &Fixed(4));
            let text = format!("{PAGE_PREFIX}{}", BASE64URL_NOPAD.encode(sealed.as_bytes()));
            assert_eq!((text.len(), PageSession::open(&text, &ring)), (LEN, None));
        }
    }
}
