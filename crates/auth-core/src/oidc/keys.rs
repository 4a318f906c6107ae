//! The keys that a provider publishes (RFC 7517 §5). Others write more into them than we do, and give them names of their
//! own: what is not known is passed over, what no set of public keys may hold is not.

use super::json::{Object, is_there, object};
use crate::jwt::{Algorithm, Parts, PublicKey};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use std::borrow::Cow;

/// The most keys that a set may have.
const MOST: usize = 64;

/// A set that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a set of public keys with names of their own")]
pub struct NotProviderKeys;

/// The keys of a provider by which it signs ID tokens.
#[derive(Debug, Default)]
pub struct ProviderKeys(Vec<(String, PublicKey)>);

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<Object<Jwk<'a>>>,
}

/// A key as others publish it. `x5c` and the like say nothing here: which key is the provider's, the address says.
#[derive(Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    crv: Option<Cow<'a, str>>,
    x: Option<Cow<'a, str>>,
    y: Option<Cow<'a, str>>,
    n: Option<Cow<'a, str>>,
    e: Option<Cow<'a, str>>,
    alg: Option<Cow<'a, str>>,
    kid: Option<Cow<'a, str>>,
    #[serde(rename = "use")]
    usage: Option<Cow<'a, str>>,
    /// What makes a key private, or is one that both ends share (RFC 7518 §6, and `priv` of later kinds).
    #[serde(
        default,
        rename = "d",
        alias = "p",
        alias = "q",
        alias = "dp",
        alias = "dq",
        alias = "qi",
        alias = "oth",
        alias = "k",
        alias = "priv",
        deserialize_with = "is_there"
    )]
    is_secret: bool,
}

impl ProviderKeys {
    /// Reads a set. Keys without a name, of a kind that is not known, that do not sign, that are too weak, or that say they
    /// are for another algorithm than the one that their kind has here, are none of it.
    ///
    /// # Errors
    /// [`NotProviderKeys`] for what is no set, is too large, holds a private or shared key, or two keys of one name.
    pub fn parse(json: &[u8]) -> Result<Self, NotProviderKeys> {
        let set: Set<'_> = object(json).ok_or(NotProviderKeys)?;
        if set.keys.len() > MOST || set.keys.iter().any(|Object(key)| key.is_secret) {
            return Err(NotProviderKeys);
        }
        let mut keys: Vec<(String, PublicKey)> = Vec::new();
        for Object(jwk) in &set.keys {
            let (Some(kid), Some(parts)) = (&jwk.kid, jwk.parts()) else { continue };
            let Ok(key) = PublicKey::new(parts) else { continue };
            if jwk.alg.as_deref().is_some_and(|named| Algorithm::parse(named) != Some(key.algorithm())) {
                continue;
            }
            if keys.iter().any(|(name, _)| name == kid) {
                return Err(NotProviderKeys);
            }
            keys.push((kid.clone().into_owned(), key));
        }
        Ok(Self(keys))
    }

    /// The key of this name.
    pub(crate) fn named(&self, kid: &str) -> Option<&PublicKey> {
        self.0.iter().find(|(name, _)| name == kid).map(|(_, key)| key)
    }
}

impl Jwk<'_> {
    fn parts(&self) -> Option<Parts> {
        let bytes = |text: &Cow<'_, str>| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let whole = |text: &Cow<'_, str>| bytes(text)?.try_into().ok();
        self.usage.as_deref().is_none_or(|usage| usage == "sig").then_some(())?;
        match (&*self.kty, self.crv.as_deref(), &self.x, &self.y, &self.n, &self.e) {
            ("OKP", Some("Ed25519"), Some(x), None, None, None) => Some(Parts::Okp { x: whole(x)? }),
            ("EC", Some("P-256"), Some(x), Some(y), None, None) => {
                Some(Parts::Ec { x: whole(x)?, y: whole(y)? })
            }
            ("RSA", None, None, None, Some(n), Some(e)) => Some(Parts::Rsa { n: bytes(n)?, e: bytes(e)? }),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
