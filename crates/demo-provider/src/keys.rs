//! The keys that sign ID tokens: made once in a process, and the same for all its providers.

use crate::{
    answer::{Answer, Body, answer, failure, json as as_json, redirect},
    desk::Desk,
    like::{Like, microsoft_issuer},
    misbehaviour::Misbehaviour,
    seen::Seen,
};
use aws_lc_rs::{
    digest, hmac,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// An RSA key of 2048 bits, and how it is published.
pub(crate) struct Key {
    /// Its name: a digest of the modulus.
    pub(crate) kid: String,
    pair: KeyPair,
}

impl Key {
    /// The key of a provider.
    pub(crate) fn of(like: Like) -> Result<&'static Self, String> {
        static GOOGLE: OnceLock<Result<Key, String>> = OnceLock::new();
        static MICROSOFT: OnceLock<Result<Key, String>> = OnceLock::new();
        let made = match like {
            Like::Google => &GOOGLE,
            Like::Microsoft => &MICROSOFT,
        };
        made.get_or_init(Self::make).as_ref().map_err(Clone::clone)
    }
    /// A key that no provider publishes.
    pub(crate) fn foreign() -> Result<&'static Self, String> {
        static FOREIGN: OnceLock<Result<Key, String>> = OnceLock::new();
        FOREIGN.get_or_init(Self::make).as_ref().map_err(Clone::clone)
    }

    fn make() -> Result<Self, String> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| "no RSA key could be made")?;
        let digest = digest::digest(&digest::SHA256, modulus(&pair));
        let kid = BASE64URL_NOPAD.encode(digest.as_ref().get(..20).unwrap_or_default());
        Ok(Self { kid, pair })
    }

    /// A signature by RS256.
    pub(crate) fn sign(&self, text: &str) -> Result<Vec<u8>, String> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| "nothing could be signed")?;
        Ok(signature)
    }
    /// What whoever mistakes the public key for a secret would accept.
    pub(crate) fn modulus(&self) -> &[u8] {
        modulus(&self.pair)
    }

    fn published(&self, like: Like, issuer: &str) -> Value {
        let exponent = self.pair.public_key().exponent();
        let n = BASE64URL_NOPAD.encode(self.modulus());
        let e = BASE64URL_NOPAD.encode(exponent.big_endian_without_leading_zero());
        match like {
            Like::Google => {
                json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": n, "e": e })
            }
            // Of a certificate it has the members alone: in its place is the key, in DER, and the name has the length of a
            // thumbprint. No client here looks at either.
            Like::Microsoft => json!({
                "kty": "RSA",
                "use": "sig",
                "kid": self.kid,
                "x5t": self.kid,
                "n": n,
                "e": e,
                "x5c": [BASE64.encode(self.pair.public_key().as_ref())],
                "issuer": issuer,
            }),
        }
    }
}

/// A code of a text by HS256.
pub(crate) fn hs256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// `GET` of the keys.
pub(crate) fn answer_keys(desk: &Desk, like: Like, tenant: &str) -> Answer {
    desk.note(Seen::Keys);
    let key = match Key::of(like) {
        Ok(key) => key,
        Err(_) => return failure(),
    };
    let mut published = key.published(like, &microsoft_issuer(&desk.origin, tenant));
    match desk.how() {
        Some(Misbehaviour::KeysRedirect) => return redirect(StatusCode::FOUND, &desk.elsewhere()),
        Some(Misbehaviour::KeysEndless) => {
            return answer(StatusCode::OK, "application/json", Body::endless("{\"keys\":[{\"kid\":\""));
        }
        Some(Misbehaviour::KeysEmpty) => return as_json(StatusCode::OK, &json!({ "keys": [] })),
        Some(Misbehaviour::KeysPrivate) => {
            if let Some(members) = published.as_object_mut() {
                members.insert("d".to_owned(), json!(desk.random()));
            }
        }
        _ => {}
    }
    as_json(StatusCode::OK, &json!({ "keys": [published] }))
}

fn modulus(pair: &KeyPair) -> &[u8] {
    pair.public_key().modulus().big_endian_without_leading_zero()
}
