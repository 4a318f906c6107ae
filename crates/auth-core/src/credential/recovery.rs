//! Recovery codes: what a person keeps for the day on which their second factor is gone. Each is good once.

use crate::{
    entropy::Entropy,
    secret::{PlainToken, RevealOnce, TokenDigest},
};
use data_encoding::{BASE32_NOPAD, DecodeError};
use zeroize::Zeroizing;

/// How many a person gets at once.
pub const RECOVERY_CODES: usize = 10;

/// The bytes of one: 120 bits, so that their digests can lie in a store as they are.
const LEN: usize = 15;
/// Characters between two hyphens.
const GROUP: usize = 4;

/// Draws one: `abcd-efgh-ijkl-mnop-qrst-uvwx`. Its digest is that of the text without hyphens.
pub fn draw_recovery_code(entropy: &dyn Entropy) -> (RevealOnce, TokenDigest) {
    let mut bytes = Zeroizing::new([0; LEN]);
    entropy.fill(bytes.as_mut_slice());
    let plain = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()).to_ascii_lowercase());
    let digest = TokenDigest::of(plain.as_str());
    let groups: Vec<_> = plain.as_bytes().chunks(GROUP).map(String::from_utf8_lossy).collect();
    (RevealOnce::new(PlainToken::new(groups.join("-"))), digest)
}

/// The digest of a recovery code as somebody typed it, in whatever case and with hyphens and spaces wherever they are;
/// `None` for what is none.
pub fn recovery_digest(typed: &str) -> Option<TokenDigest> {
    if typed.len() > 4 * LEN {
        return None;
    }
    let plain: Zeroizing<String> = Zeroizing::new(
        typed.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).collect(),
    );
    let bytes: Result<_, DecodeError> = BASE32_NOPAD.decode(plain.as_bytes());
    let whole = Zeroizing::new(bytes.ok()?).len() == LEN;
    whole.then(|| TokenDigest::of(plain.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0);
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_typed_and_no_other_text_is_one() {
        let (code, digest) = draw_recovery_code(&Fixed(0x5a));
        let code = code.reveal();
        let text = code.expose();
        assert_eq!((text.len(), text.matches('-').count()), (29, 5));
        for typed in [
            text.to_owned(),
            text.to_uppercase(),
            text.replace('-', ""),
            text.replace('-', " "),
            format!(" {text} "),
        ] {
            assert_eq!(recovery_digest(&typed), Some(digest), "{typed}");
        }
        let shorter = &text[..28];
        for typed in [
            "",
            shorter,
            &format!("{text}a"),
            &text.replace('l', "1"),
            &text.replace('-', "_"),
            &"a".repeat(4000),
        ] {
            assert_eq!(recovery_digest(typed).filter(|found| *found == digest), None, "{typed}");
        }
        assert_ne!(draw_recovery_code(&Fixed(1)).1, digest);
    }
}
