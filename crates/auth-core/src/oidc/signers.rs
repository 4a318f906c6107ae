//! Keys of a provider, for tests: what signs whatever it is given.

use super::{Expected, Identity, IssuerRule, NotGood, ProviderKeys, verify};
use crate::{secret::PlainToken, time::Timestamp};
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding,
    },
};
use data_encoding::BASE64URL_NOPAD;
use std::sync::LazyLock;

/// Now, in seconds.
pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://accounts.example.com";
pub(super) const CLIENT: &str = "client-1.apps.example.com";
pub(super) const NONCE: &str = "n-0S6_WzA2Mj";
pub(super) const SECRET: &str = "the secret of the client";
/// Good claims, each member with its value as the tests alter it.
pub(super) const CLAIMS: &str = r#"{"iss":"https://accounts.example.com","sub":"alice-1","aud":"client-1.apps.example.com","exp":1800003600,"iat":1800000000,"nonce":"n-0S6_WzA2Mj","email":"alice@example.com"}"#;

enum Pair {
    Ed(Ed25519KeyPair),
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

/// A key under its name.
pub(super) struct Signer {
    pub(super) kid: &'static str,
    pub(super) alg: &'static str,
    pair: Pair,
}

impl Signer {
    fn ed(kid: &'static str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        Self { kid, alg: "EdDSA", pair: Pair::Ed(pair) }
    }

    fn ec(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid, alg: "ES256", pair: Pair::Ec(Box::new(pair)) }
    }

    fn rsa(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self { kid, alg: "RS256", pair: Pair::Rsa(Box::new(pair)) }
    }

    /// Signs with the algorithm that the kind of the key has.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Pair::Rsa(_) => self.sign_rsa(&RSA_PKCS1_SHA256, message),
        }
    }

    /// Signs with RSA in another way.
    pub(super) fn sign_rsa(&self, way: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let Pair::Rsa(pair) = &self.pair else { panic!("no RSA key") };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(way, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// An ECDSA signature in DER, as X.509 has it and JWS does not.
    pub(super) fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let Pair::Ec(pair) = &self.pair else { panic!("no key of P-256") };
        let der = pair.to_pkcs8v1().unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_ref()).unwrap();
        pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// The public half, in the form of its library, and in DER.
    pub(super) fn public(&self) -> [Vec<u8>; 2] {
        fn der(public: &impl AsDer<PublicKeyX509Der<'static>>) -> Vec<u8> {
            public.as_der().unwrap().as_ref().to_vec()
        }
        match &self.pair {
            Pair::Ed(pair) => [pair.public_key().as_ref().to_vec(), der(pair.public_key())],
            Pair::Ec(pair) => [pair.public_key().as_ref().to_vec(), der(pair.public_key())],
            Pair::Rsa(pair) => {
                let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
                [modulus, der(pair.public_key())]
            }
        }
    }

    /// What a JWK of its kind must have.
    pub(super) fn members(&self) -> String {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let [public, _] = self.public();
        match &self.pair {
            Pair::Ed(_) => format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, text(&public)),
            Pair::Ec(_) => {
                let (x, y) = public[1..].split_at(32);
                format!(r#""kty":"EC","crv":"P-256","x":"{}","y":"{}""#, text(x), text(y))
            }
            Pair::Rsa(_) => format!(r#""kty":"RSA","n":"{}","e":"AQAB""#, text(&public)),
        }
    }

    /// As a provider publishes it.
    pub(super) fn jwk(&self) -> String {
        format!(r#"{{{},"alg":"{}","kid":"{}","use":"sig"}}"#, self.members(), self.alg, self.kid)
    }

    /// A good header.
    pub(super) fn head(&self) -> String {
        format!(r#"{{"alg":"{}","kid":"{}","typ":"JWT"}}"#, self.alg, self.kid)
    }

    /// A token of whatever header and claims.
    pub(super) fn token(&self, head: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.signed(&unsigned(head, claims))
    }

    /// A good token.
    pub(super) fn good(&self) -> String {
        self.token(self.head(), CLAIMS)
    }

    /// A text, and the signature of it.
    pub(super) fn signed(&self, text: &str) -> String {
        with(text, &self.sign(text.as_bytes()))
    }
}

/// What is to be signed of a token.
pub(super) fn unsigned(head: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    format!("{}.{}", BASE64URL_NOPAD.encode(head.as_ref()), BASE64URL_NOPAD.encode(claims.as_ref()))
}

/// A text with a signature.
pub(super) fn with(text: &str, signature: &[u8]) -> String {
    format!("{text}.{}", BASE64URL_NOPAD.encode(signature))
}

/// One of each kind.
pub(super) fn signers() -> &'static [Signer; 3] {
    static SIGNERS: LazyLock<[Signer; 3]> =
        LazyLock::new(|| [Signer::ed("ed-1", 7), Signer::ec("ec-1"), Signer::rsa("rsa-1")]);
    &SIGNERS
}

/// Others under the same names, which nobody published.
pub(super) fn strangers() -> &'static [Signer; 3] {
    static STRANGERS: LazyLock<[Signer; 3]> =
        LazyLock::new(|| [Signer::ed("ed-1", 8), Signer::ec("ec-1"), Signer::rsa("rsa-1")]);
    &STRANGERS
}

/// What the provider publishes.
pub(super) fn published() -> &'static ProviderKeys {
    static KEYS: LazyLock<ProviderKeys> = LazyLock::new(|| {
        let keys = signers().each_ref().map(Signer::jwk).join(",");
        ProviderKeys::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).unwrap()
    });
    &KEYS
}

/// Judges a token for an issuer.
pub(super) fn judge_for(issuer: &IssuerRule, token: &str) -> Result<Identity, NotGood> {
    let nonce = PlainToken::new(NONCE.to_owned());
    let now = Timestamp::from_millis(NOW * 1000);
    verify(token, published(), &Expected { issuer, client_id: CLIENT, nonce: &nonce, now })
}

/// Judges a token.
pub(super) fn judge(token: &str) -> Result<Identity, NotGood> {
    judge_for(&IssuerRule::Exactly(ISSUER.to_owned()), token)
}

/// Cases whose outcome is not the one that they should have; there must be as many cases as are said.
pub(super) fn judged(count: usize, cases: &[(&str, String, Result<(), NotGood>)]) {
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(what, token, wanted)| {
            let got = judge(token).map(drop);
            (got != *wanted).then(|| format!("{what}: {got:?}, not {wanted:?}"))
        })
        .collect();
    assert_eq!(wrong, [""; 0]);
    assert_eq!(cases.len(), count, "none is lost");
}
