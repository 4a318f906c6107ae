//! Sets of public keys (RFC 7517 §5), as the chatbot service publishes them and the Hub reads them.

use super::{
    Algorithm, PublicKey,
    public::{NotAKey, Parts},
};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use std::borrow::Cow;

/// A set that is not taken, as a whole: what is wrong with one key may be wrong with the others, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAKeySet {
    /// Not JSON of this form: also where it holds a member that a public key has not, such as a private one, or too many
    /// keys.
    #[error("not a set of public keys")]
    Form,
    /// One of its keys is none, or too weak.
    #[error(transparent)]
    Key(#[from] NotAKey),
    /// A key's name is not its thumbprint, or its algorithm not the one that it is good for.
    #[error("a key does not have the name or the algorithm that is its own")]
    Name,
    /// Two of its keys have one name.
    #[error("a key stands twice")]
    Repeated,
}

/// The most keys that a set may have.
const MOST: usize = 16;

/// A set of public keys.
#[derive(Debug)]
pub struct JwkSet(Vec<PublicKey>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<Jwk<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    crv: Option<Cow<'a, str>>,
    x: Option<Cow<'a, str>>,
    y: Option<Cow<'a, str>>,
    n: Option<Cow<'a, str>>,
    e: Option<Cow<'a, str>>,
    alg: Cow<'a, str>,
    kid: Cow<'a, str>,
    #[serde(rename = "use")]
    usage: Cow<'a, str>,
}

impl JwkSet {
    /// Reads a set.
    ///
    /// # Errors
    /// [`NotAKeySet`] for a set that holds anything but public keys of this platform's form.
    pub fn parse(json: &[u8]) -> Result<Self, NotAKeySet> {
        let set: Set<'_> = serde_json::from_slice(json).map_err(|_| NotAKeySet::Form)?;
        if set.keys.len() > MOST {
            return Err(NotAKeySet::Form);
        }
        let mut keys: Vec<PublicKey> = Vec::new();
        for jwk in &set.keys {
            let key = PublicKey::new(jwk.parts().ok_or(NotAKeySet::Form)?)?;
            if key.kid().as_str() != jwk.kid || Algorithm::parse(&jwk.alg) != Some(key.algorithm()) {
                return Err(NotAKeySet::Name);
            }
            if keys.iter().any(|other| other.kid() == key.kid()) {
                return Err(NotAKeySet::Repeated);
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// Its keys.
    pub fn into_keys(self) -> Vec<PublicKey> {
        self.0
    }

    /// A set of these keys, as JSON.
    pub fn to_json<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> String {
        let keys: Vec<_> = keys.into_iter().map(PublicKey::to_jwk).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }
}

impl Jwk<'_> {
    fn parts(&self) -> Option<Parts> {
        let bytes = |text: &Cow<'_, str>| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let whole = |text: &Cow<'_, str>| bytes(text)?.try_into().ok();
        (self.usage == "sig").then_some(())?;
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
mod tests {
    use super::*;
    use crate::{entropy::Entropy, jwt::SigningKey};

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    /// RFC 8037 appendix A: the key, and what names it.
    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        let json =
            br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","use":"sig"}]}"#;
        assert_eq!(JwkSet::parse(json).unwrap().into_keys().len(), 1);
    }

    /// Row A25: a set with anything in it but public keys that are strong enough.
    #[test]
    fn a_set_with_a_doubtful_key_is_no_set() {
        let jwk = |algorithm| SigningKey::generate(algorithm, &Fixed).unwrap().public().to_jwk();
        let [ed, ec, rsa] = Algorithm::ALL.map(jwk);
        let set = |keys: &str| {
            JwkSet::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).map(|set| set.into_keys().len())
        };
        assert_eq!(set(&format!("{ed},{ec},{rsa}")), Ok(3));
        assert_eq!(set(""), Ok(0));
        assert_eq!(set(&format!("{ed},{ed}")), Err(NotAKeySet::Repeated));
        for (wrong, why) in [
            (ed.replace(r#""use":"sig""#, r#""use":"enc""#), NotAKeySet::Form),
            (ed.replace('}', r#","d":"AAAA"}"#), NotAKeySet::Form),
            (ed.replace('}', r#","x5u":"https://evil.example"}"#), NotAKeySet::Form),
            (r#"{"kty":"oct","k":"AAAA","alg":"HS256","kid":"a","use":"sig"}"#.to_owned(), NotAKeySet::Form),
            (ed.replace("EdDSA", "ES256"), NotAKeySet::Name),
            (ed.replace(r#""kid":""#, r#""kid":"a"#), NotAKeySet::Name),
            (rsa.replace("RS256", "RS512"), NotAKeySet::Name),
            (rsa.replace(r#""e":"AQAB""#, r#""e":"AQ""#), NotAKeySet::Key(NotAKey)),
            (ec.replace(r#""x":""#, r#""x":"A"#), NotAKeySet::Form),
        ] {
            assert_eq!(set(&wrong), Err(why), "{wrong}");
        }
        let zero = BASE64URL_NOPAD.encode(&[0; 32]);
        let off = format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{zero}","y":"{zero}","alg":"ES256","kid":"a","use":"sig"}}"#
        );
        assert_eq!(set(&off), Err(NotAKeySet::Key(NotAKey)), "a point that is not on the curve");
        for bits in [1024, 2040] {
            let n = BASE64URL_NOPAD.encode(&vec![0xff; bits / 8]);
            let short =
                format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","alg":"RS256","kid":"a","use":"sig"}}"#);
            assert_eq!(set(&short), Err(NotAKeySet::Key(NotAKey)), "{bits} bits");
        }
        for wrong in
            ["", "null", "[]", "{}", r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#, "\u{feff}{\"keys\":[]}"]
        {
            assert_eq!(JwkSet::parse(wrong.as_bytes()).err(), Some(NotAKeySet::Form), "{wrong}");
        }
        assert_eq!(set(&vec!["{}"; 17].join(",")), Err(NotAKeySet::Form));
    }
}
