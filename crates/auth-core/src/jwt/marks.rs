//! What an access token is remembered by: a mark that takes less time than its SHA-256, as tokens are long.
//!
//! A mark is GMAC (NIST SP 800-38D) of the whole text with a secret key and one nonce, and the end of the text. That is a
//! universal hash: it is safe only because no mark is ever told to anybody. Whoever could find a text with the mark of
//! another's token would be taken for them: each try meets one that is remembered with a chance of about one in 2^121, and
//! tells nothing about the next.

use crate::secret::TokenDigest;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// The bytes of a mark that are GMAC, and those that are the end of the text.
const HALF: usize = 16;

/// The key of one installation, as whoever has the keyring can make it.
#[derive(Debug)]
pub(super) struct Marks(Option<LessSafeKey>);

impl Marks {
    pub(super) fn new(key: &[u8; HALF]) -> Self {
        Self(UnboundKey::new(&AES_128_GCM, key).ok().map(LessSafeKey::new))
    }

    /// The mark of a text; its SHA-256, where the library makes none.
    #[inline]
    pub(super) fn of(&self, text: &[u8]) -> TokenDigest {
        let Some(key) = &self.0 else { return TokenDigest::of(text) };
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        match key.seal_in_place_separate_tag(nonce, Aad::from(text), &mut []) {
            Ok(tag) => {
                let mut mark = [0; 2 * HALF];
                let end = text.get(text.len().saturating_sub(HALF)..).unwrap_or(text);
                mark.iter_mut().zip(tag.as_ref().iter().chain(end)).for_each(|(place, byte)| *place = *byte);
                TokenDigest::from_bytes(mark)
            }
            Err(_) => TokenDigest::of(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn each_text_has_a_mark_of_its_own_under_each_key() {
        let (one, other) = (Marks::new(&[1; HALF]), Marks::new(&[2; HALF]));
        let text: Vec<u8> = (0..=255).cycle().take(700).collect();
        let mut seen = HashSet::new();
        for length in 0..text.len() {
            let (text, _) = text.split_at(length);
            assert!(
                seen.insert(*one.of(text).as_bytes()) && seen.insert(*other.of(text).as_bytes()),
                "{length}"
            );
            assert_eq!(one.of(text), one.of(text));
        }
        // Of texts with the same end, too.
        for at in 0..text.len() - HALF {
            let mut text = text.clone();
            text[at] ^= 1;
            assert!(seen.insert(*one.of(&text).as_bytes()), "{at}");
        }
    }

    proptest! {
        #[test]
        fn another_text_has_another_mark(
            one in prop::collection::vec(any::<u8>(), 0..200),
            other in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let marks = Marks::new(&[3; HALF]);
            prop_assert_eq!(marks.of(&one) == marks.of(&other), one == other);
        }
    }
}
