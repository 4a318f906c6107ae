//! Time-based one-time passwords (RFC 6238): six digits of HMAC-SHA-1 each half minute, as authenticators make them.

use crate::{
    entropy::Entropy,
    id::PersonId,
    seal::{Cell, Keyring, Sealed, Unopened},
    time::Timestamp,
};
use std::fmt;
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

/// The bytes of a secret: as many as of the hash (RFC 4226 §4, R6).
const SECRET_LEN: usize = 20;
/// The digits of a code.
const DIGITS: usize = 6;

/// The secret that an authenticator and this platform share.
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// Draws one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new(vec![0; SECRET_LEN]);
        entropy.fill(&mut bytes);
        Self(bytes)
    }
    /// Reads one as [`text`](Self::text) shows it, of at least 128 bits (RFC 4226 §4, R6).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(data_encoding::BASE32_NOPAD.decode(text.as_bytes()).ok()?);
        (16..=64).contains(&bytes.len()).then_some(Self(bytes))
    }
    /// Where the secret of a person lies.
    const fn cell(person: &PersonId) -> Cell<'_> {
        Cell { table: "totp", column: "secret", row: person.as_bytes() }
    }
    /// Seals it for a person.
    pub fn seal(&self, person: &PersonId, keyring: &Keyring, entropy: &dyn Entropy) -> Sealed {
        keyring.seal(&Self::cell(person), &self.0, entropy)
    }
    /// Opens that of a person.
    ///
    /// # Errors
    /// It is not sealed for them.
    pub fn open(sealed: &Sealed, person: &PersonId, keyring: &Keyring) -> Result<Self, Unopened> {
        keyring.open(&Self::cell(person), sealed).map(Self)
    }
    /// Its text in Base32, to be typed into an authenticator (RFC 4648 §6, without padding).
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&self.0))
    }
    /// As an authenticator reads it from a QR code: `otpauth://totp/…`, with who asks for the code, and of whom.
    pub fn uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let encoded = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let (issuer, account, secret) = (encoded(issuer), encoded(account), self.text());
        Zeroizing::new(format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", *secret))
    }
    /// The step whose code this is: of now, the one before or the one after (RFC 6238 §5.2). `None` for every other text.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let digits = code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit());
        let step = digits.then(|| self.totp().check(code, seconds(now))).flatten()?;
        i64::try_from(step).ok()
    }
    /// The code of a time, as an authenticator shows it.
    pub fn code(&self, now: Timestamp) -> String {
        self.totp().generate(seconds(now)).to_string()
    }

    fn totp(&self) -> Totp {
        Builder::new().with_secret(Secret::from(self.0.to_vec())).build_noncompliant()
    }
}

fn seconds(at: Timestamp) -> u64 {
    at.millis().unsigned_abs() / 1000
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The secret of RFC 6238, Appendix B.
    fn of_the_rfc() -> TotpSecret {
        TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// The last six of the eight digits there.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(of_the_rfc().code(at(time)), code);
            assert_eq!(of_the_rfc().step_of(code, at(time)), Some(time / 30));
        }
    }

    #[test]
    fn a_code_is_taken_a_step_to_either_side_and_as_it_is() {
        let secret = of_the_rfc();
        let (now, code) = (at(1_234_567_890), secret.code(at(1_234_567_890)));
        let step = 1_234_567_890 / 30;
        for (seconds, taken) in [
            (-61, false),
            (-60, false),
            (-31, false),
            (-30, true),
            (-1, true),
            (0, true),
            (30, true),
            (59, true),
            (60, false),
        ] {
            // The step began at this very second.
            let found = secret.step_of(&code, at(now.millis() / 1000 + seconds));
            assert_eq!(found, taken.then_some(step), "{seconds} seconds");
        }
        for wrong in [
            "",
            "5924",
            "05924",
            "0005924",
            "005 924",
            " 005924",
            "005924 ",
            "-05924",
            "+05924",
            "00592４",
            "٠٠٥٩٢٤",
            "00592a",
            "0x5924",
        ] {
            assert_eq!(secret.step_of(wrong, now), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_authenticator_is_told_who_asks_and_of_whom() {
        let uri = of_the_rfc().uri("chat.example.com", "alice@example.com");
        let wanted = "otpauth://totp/chat%2Eexample%2Ecom:alice%40example%2Ecom?secret=\
                      GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=chat%2Eexample%2Ecom";
        assert_eq!(*uri, wanted);
        let text = of_the_rfc().text();
        assert_eq!(TotpSecret::parse(&text).unwrap().code(at(59)), "287082");
        for wrong in
            ["", "GEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "gezdgnbvgy3tqojqgezdgnbvgy3tqojq"]
        {
            assert!(TotpSecret::parse(wrong).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_code(text in "\\PC{0,8}") {
            let (secret, now) = (of_the_rfc(), at(1_234_567_890));
            let good = [-30, 0, 30].map(|seconds| secret.code(at(1_234_567_890 + seconds)));
            prop_assert_eq!(secret.step_of(&text, now).is_some(), good.contains(&text));
        }
    }
}
