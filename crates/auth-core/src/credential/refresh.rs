//! Refresh tokens: `avr_`, then base64url of the session's identifier, 256 random bits, and a tag.
//!
//! The tag says that this platform made it, so that a made-up one costs no lookup and ends nobody's session; the
//! identifier, whose it is, so that one that was used long ago is known for what it is, although nothing is kept of it.

use crate::{
    entropy::Entropy,
    id::SessionId,
    seal::{Keyring, TAG_LEN},
    secret::{PlainToken, RevealOnce, TokenDigest},
};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

/// The prefix of a refresh token.
pub(super) const REFRESH_PREFIX: &str = "avr_";

const ID_LEN: usize = 16;
const RANDOM_LEN: usize = 32;
const SIGNED_LEN: usize = ID_LEN + RANDOM_LEN;
/// Characters of a refresh token.
pub const REFRESH_LEN: usize = REFRESH_PREFIX.len() + ((SIGNED_LEN + TAG_LEN) * 8).div_ceil(6);
const PURPOSE: &str = "refresh token";

/// A refresh token that this platform made, as it was presented. Whether it is still good is the store's to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    session: SessionId,
    digest: TokenDigest,
}

impl Refresh {
    /// Draws the next refresh token of a session.
    pub fn draw(session: SessionId, keyring: &Keyring, entropy: &dyn Entropy) -> RevealOnce {
        let mut bytes = Zeroizing::new([0; SIGNED_LEN + TAG_LEN]);
        let (signed, tag) = bytes.split_at_mut(SIGNED_LEN);
        let (id, random) = signed.split_at_mut(ID_LEN);
        id.copy_from_slice(session.as_bytes());
        entropy.fill(random);
        tag.copy_from_slice(&keyring.tag(PURPOSE, signed));
        let mut text = String::with_capacity(REFRESH_LEN);
        text.push_str(REFRESH_PREFIX);
        BASE64URL_NOPAD.encode_append(bytes.as_slice(), &mut text);
        RevealOnce::new(PlainToken::new(text))
    }

    /// Reads one; `None` for what this platform did not make.
    pub fn read(text: &str, keyring: &Keyring) -> Option<Self> {
        let encoded = text.strip_prefix(REFRESH_PREFIX).filter(|_| text.len() == REFRESH_LEN)?;
        let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?);
        let (signed, tag) = bytes.split_last_chunk::<TAG_LEN>()?;
        let id = signed.first_chunk::<ID_LEN>()?;
        let made = keyring.made(PURPOSE, signed, tag);
        made.then(|| Self { session: SessionId::from_bytes(*id), digest: TokenDigest::of(text) })
    }

    /// The session that it is of.
    pub const fn session(&self) -> SessionId {
        self.session
    }
    /// What a store keeps of it.
    pub const fn digest(&self) -> &TokenDigest {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{Malformed, classify};

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn what_is_drawn_is_read_by_whoever_has_the_keyring_and_as_it_is() {
        let ring = |key: u8| Keyring::new(&[Zeroizing::new([key; 32])]).unwrap();
        let session = SessionId::from_bytes([3; 16]);
        let text = Refresh::draw(session, &ring(1), &Fixed(9)).reveal().expose().to_owned();
        assert_eq!(text.len(), REFRESH_LEN);
        let read = Refresh::read(&text, &ring(1)).unwrap();
        assert_eq!((read.session(), read.digest()), (session, &TokenDigest::of(&text)));
        assert_eq!(Refresh::read(&text, &ring(2)), None);
        assert_eq!(classify(&text), Err(Malformed), "it is no credential of any route");
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(wrong == text || Refresh::read(&wrong, &ring(1)).is_none(), "{wrong}");
            assert_eq!(Refresh::read(&text[..at], &ring(1)), None);
        }
        assert_eq!(Refresh::read(&format!("{text}A"), &ring(1)), None);
        assert_eq!(Refresh::read(&format!(" {text}"), &ring(1)), None);
    }
}
