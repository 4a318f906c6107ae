//! The private half of a key: parsed once, and never shown.

use super::{
    Algorithm, Claims, PublicKey,
    public::{NotAKey, Parts},
};
use crate::{entropy::Entropy, secret::PlainToken};
use aws_lc_rs::{
    encoding::AsDer as _,
    error::Unspecified,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    },
};
use data_encoding::BASE64URL_NOPAD;
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// A key that signs.
pub struct SigningKey {
    public: Arc<PublicKey>,
    pair: Pair,
}

enum Pair {
    Ed(Ed25519KeyPair),
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    /// Makes a key. One of Ed25519 is drawn from `entropy`, the others by their library. RSA takes a good part of a
    /// second: not on a thread that serves requests.
    ///
    /// # Errors
    /// The library could not.
    pub fn generate(algorithm: Algorithm, entropy: &dyn Entropy) -> Result<Self, NotAKey> {
        let pair = match algorithm {
            Algorithm::EdDsa => {
                let mut seed = Zeroizing::new([0; 32]);
                entropy.fill(seed.as_mut_slice());
                Pair::Ed(Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| NotAKey)?)
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| NotAKey)?;
                Pair::Ec(Box::new(pair))
            }
            Algorithm::Rs256 => {
                Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| NotAKey)?))
            }
        };
        Self::of(pair)
    }

    /// Reads a key from PKCS #8 (RFC 5208).
    ///
    /// # Errors
    /// It is none of the algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, NotAKey> {
        let wrong = |_| NotAKey;
        Self::of(match algorithm {
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(wrong)?),
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(wrong)?;
                Pair::Ec(Box::new(pair))
            }
            Algorithm::Rs256 => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(der).map_err(wrong)?)),
        })
    }

    fn of(pair: Pair) -> Result<Self, NotAKey> {
        let parts = match &pair {
            Pair::Ed(pair) => Parts::Okp { x: pair.public_key().as_ref().try_into().map_err(|_| NotAKey)? },
            Pair::Ec(pair) => {
                // Uncompressed (SEC 1 §2.3.3): 4, then both coordinates.
                let point = pair.public_key().as_ref();
                let (x, y) =
                    point.strip_prefix(&[4]).and_then(|rest| rest.split_at_checked(32)).ok_or(NotAKey)?;
                let whole = |half: &[u8]| half.try_into().map_err(|_| NotAKey);
                Parts::Ec { x: whole(x)?, y: whole(y)? }
            }
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let bytes =
                    |number: aws_lc_rs::io::Positive<'_>| number.big_endian_without_leading_zero().to_vec();
                Parts::Rsa { n: bytes(public.modulus()), e: bytes(public.exponent()) }
            }
        };
        Ok(Self { public: Arc::new(PublicKey::new(parts)?), pair })
    }

    /// The key as PKCS #8, to be sealed.
    ///
    /// # Errors
    /// The library could not.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, NotAKey> {
        let bytes = match &self.pair {
            Pair::Ed(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Ec(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let der: Result<aws_lc_rs::encoding::Pkcs8V1Der<'static>, Unspecified> = pair.as_der();
                der.map(|der| der.as_ref().to_vec())
            }
        };
        bytes.map(Zeroizing::new).map_err(|_| NotAKey)
    }

    /// Its public half.
    pub const fn public(&self) -> &Arc<PublicKey> {
        &self.public
    }

    /// Appends the signature of all that `text` holds.
    pub(super) fn sign(&self, text: &mut String) -> Result<(), NotAKey> {
        let message = text.as_bytes();
        let signature = match &self.pair {
            Pair::Ed(pair) => pair.try_sign(message),
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                signed.map_err(|_| NotAKey)?;
                append(text, &signature);
                return Ok(());
            }
        };
        append(text, signature.map_err(|_| NotAKey)?.as_ref());
        Ok(())
    }
}

fn append(text: &mut String, signature: &[u8]) {
    text.push('.');
    BASE64URL_NOPAD.encode_append(signature, text);
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.public.algorithm(), self.public.kid())
    }
}

/// Who issues access tokens: its URL is their `iss` (RFC 8414 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// An issuer of this URL: with `https` or `http`, a host, and without path, query, fragment or a slash at its end, so
    /// that it has one form.
    ///
    /// # Errors
    /// One line that says what was expected.
    pub fn parse(url: &str) -> Result<Self, String> {
        crate::model::WebOrigin::parse(url)
            .ok()
            .filter(|origin| origin.as_str() == url)
            .map(|_| Self(url.to_owned()))
            .ok_or_else(|| format!("{url:?}: expected an origin, such as https://chat.example.com"))
    }
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Issues a token.
    ///
    /// # Errors
    /// The library could not sign.
    pub fn issue(&self, key: &SigningKey, claims: &Claims) -> Result<PlainToken, NotAKey> {
        let json = claims.to_json(&self.0);
        let signature = BASE64URL_NOPAD.encode_len(key.public.signature_len());
        let claims = BASE64URL_NOPAD.encode_len(json.len());
        let mut text = String::with_capacity(key.public.head().len() + claims + signature + 2);
        text.push_str(key.public.head());
        text.push('.');
        BASE64URL_NOPAD.encode_append(json.as_bytes(), &mut text);
        key.sign(&mut text)?;
        Ok(PlainToken::new(text))
    }
}
