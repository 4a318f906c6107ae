//! The public key of a credential, in COSE (RFC 9052 §7, §6.5.1.1 of the standard): read in the one form that the standard
//! has for each algorithm.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use coset::{
    CborSerializable as _, CoseKey, KeyType, Label, RegisteredLabelWithPrivate,
    cbor::Value,
    iana::{self, EnumI64 as _},
};

/// An algorithm that is offered (RFC 9053, RFC 8812).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// Every algorithm, the preferred one first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// Its number in COSE.
    pub const fn number(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }
}

/// RSA: the lengths of a modulus in bytes, from the least that is strong enough to the most that is worth its time.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;
/// RSA: the one exponent that is used.
const EXPONENT: &[u8] = &[1, 0, 1];

/// A public key.
pub struct PublicKey {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Reads one; `None` for what is none, too weak, of another algorithm, or has a parameter that it needs not.
    pub fn parse(cose: &[u8]) -> Option<Self> {
        let key = CoseKey::from_slice(cose).ok()?;
        if !key.key_id.is_empty() || !key.key_ops.is_empty() || !key.base_iv.is_empty() {
            return None;
        }
        let (KeyType::Assigned(kind), Some(RegisteredLabelWithPrivate::Assigned(algorithm))) =
            (&key.kty, &key.alg)
        else {
            return None;
        };
        let (algorithm, parsed) = match (kind, algorithm, key.params.len()) {
            (iana::KeyType::EC2, iana::Algorithm::ES256, 3) => {
                let is_p256 =
                    number(&key, iana::Ec2KeyParameter::Crv)? == iana::EllipticCurve::P_256.to_i64();
                let x = bytes(&key, iana::Ec2KeyParameter::X).filter(|x| is_p256 && x.len() == 32)?;
                let y = bytes(&key, iana::Ec2KeyParameter::Y).filter(|y| y.len() == 32)?;
                let point = [[4].as_slice(), x, y].concat();
                (Algorithm::Es256, ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point))
            }
            (iana::KeyType::OKP, iana::Algorithm::EdDSA, 2) => {
                let curve = number(&key, iana::OkpKeyParameter::Crv)?;
                let is_ed25519 = curve == iana::EllipticCurve::Ed25519.to_i64();
                let x = bytes(&key, iana::OkpKeyParameter::X).filter(|x| is_ed25519 && x.len() == 32)?;
                (Algorithm::EdDsa, ParsedPublicKey::new(&ED25519, x))
            }
            (iana::KeyType::RSA, iana::Algorithm::RS256, 2) => {
                let n = bytes(&key, iana::RsaKeyParameter::N)?;
                let e = bytes(&key, iana::RsaKeyParameter::E)?;
                let is_odd_length = n.first().is_none_or(|byte| byte & 0x80 == 0);
                if !MODULUS.contains(&n.len()) || is_odd_length || e != EXPONENT {
                    return None;
                }
                let parts = RsaPublicKeyComponents { n, e };
                (Algorithm::Rs256, parts.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256))
            }
            _ => return None,
        };
        Some(Self { algorithm, parsed: parsed.ok()? })
    }
    /// The one algorithm that it is good for.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
    /// Whether it made a signature (§6.5.5: of ECDSA in DER).
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({:?})", self.algorithm)
    }
}

fn parameter(key: &CoseKey, name: impl iana::EnumI64) -> Option<&Value> {
    let label = Label::Int(name.to_i64());
    key.params.iter().find(|(found, _)| *found == label).map(|(_, value)| value)
}

fn bytes(key: &CoseKey, name: impl iana::EnumI64) -> Option<&[u8]> {
    parameter(key, name)?.as_bytes().map(Vec::as_slice)
}

fn number(key: &CoseKey, name: impl iana::EnumI64) -> Option<i64> {
    parameter(key, name)?.as_integer()?.try_into().ok()
}
