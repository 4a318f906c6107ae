//! The secrets of one transaction of authorization (RFC 9700 §2.1): `state`, which goes by way of the provider, and the
//! binding, which stays with the browser. The `nonce` and the verifier of PKCE follow from both, so that each is fresh
//! with every transaction, nobody can make them who lacks the browser's cookie, and no store keeps any of them.

use crate::{
    entropy::Entropy,
    secret::{PlainToken, TokenDigest},
};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a transaction stands open.
pub const AUTHORIZATION_LIFE: Duration = Duration::from_secs(600);

/// Characters of each of them: 256 bits in base64url.
const LEN: usize = 43;

/// The secrets of one transaction.
#[derive(Debug, Clone)]
pub struct AuthorizationSecrets {
    state: PlainToken,
    binding: PlainToken,
}

impl AuthorizationSecrets {
    /// Those of a new transaction.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let draw = || {
            let mut bytes = Zeroizing::new([0; 32]);
            entropy.fill(bytes.as_mut_slice());
            PlainToken::new(BASE64URL_NOPAD.encode(bytes.as_slice()))
        };
        Self { state: draw(), binding: draw() }
    }

    /// Those that a callback presents; `None` where one of them cannot be ours.
    pub fn read(state: &str, binding: &str) -> Option<Self> {
        let read = |text: &str| {
            let ours = text.len() == LEN && BASE64URL_NOPAD.decode(text.as_bytes()).is_ok();
            ours.then(|| PlainToken::new(text.to_owned()))
        };
        Some(Self { state: read(state)?, binding: read(binding)? })
    }

    /// `state` (RFC 6749 §4.1.1).
    pub const fn state(&self) -> &PlainToken {
        &self.state
    }
    /// What the browser holds.
    pub const fn binding(&self) -> &PlainToken {
        &self.binding
    }
    /// What is stored of `state`.
    pub fn state_digest(&self) -> TokenDigest {
        TokenDigest::of(self.state.expose())
    }
    /// What is stored of the binding.
    pub fn binding_digest(&self) -> TokenDigest {
        TokenDigest::of(self.binding.expose())
    }
    /// `nonce` (OpenID Connect Core §3.1.2.1).
    pub fn nonce(&self) -> PlainToken {
        self.derive("nonce")
    }
    /// `code_verifier` (RFC 7636 §4.1): 43 unreserved characters.
    pub fn verifier(&self) -> PlainToken {
        self.derive("code_verifier")
    }

    /// HMAC-SHA-256 (RFC 2104) with what only the browser has.
    fn derive(&self, what: &str) -> PlainToken {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.binding.expose().as_bytes()) else {
            return PlainToken::new(String::new());
        };
        mac.update(&(what.len() as u64).to_be_bytes());
        mac.update(what.as_bytes());
        mac.update(self.state.expose().as_bytes());
        PlainToken::new(BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        collections::HashSet,
        sync::atomic::{AtomicU64, Ordering},
    };

    /// Never the same bytes twice.
    struct Counting(AtomicU64);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            out.iter_mut().zip(number.iter().cycle()).for_each(|(place, byte)| *place = *byte);
        }
    }

    /// Row E6.
    #[test]
    fn every_transaction_has_its_own_nonce_and_verifier_of_the_form_that_pkce_takes() {
        let entropy = Counting(AtomicU64::new(0));
        let mut seen = HashSet::new();
        for _ in 0..1_000_000 {
            let secrets = AuthorizationSecrets::draw(&entropy);
            for text in [secrets.nonce(), secrets.verifier()] {
                let text = text.expose().to_owned();
                assert!(
                    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
                );
                assert!(seen.insert(text), "drawn before");
            }
        }
    }

    #[test]
    fn what_a_callback_presents_gives_the_same_and_another_browser_does_not() {
        let entropy = Counting(AtomicU64::new(0));
        let [one, other] = [(); 2].map(|()| AuthorizationSecrets::draw(&entropy));
        let read = |state: &AuthorizationSecrets, binding: &AuthorizationSecrets| {
            AuthorizationSecrets::read(state.state().expose(), binding.binding().expose()).unwrap()
        };
        assert_eq!(read(&one, &one).verifier().expose(), one.verifier().expose());
        assert_eq!(read(&one, &one).state_digest(), one.state_digest());
        assert_ne!(read(&one, &other).verifier().expose(), one.verifier().expose());
        assert_ne!(read(&one, &other).nonce().expose(), one.nonce().expose());
        assert_ne!(read(&other, &one).verifier().expose(), one.verifier().expose());
        assert!(!format!("{one:?}").contains(one.state().expose()));
    }

    #[test]
    fn what_cannot_be_ours_is_none() {
        let good = "A".repeat(43);
        assert!(AuthorizationSecrets::read(&good, &good).is_some());
        let tail = format!("{}B", "A".repeat(42));
        for wrong in ["", "A", &"A".repeat(42), &"A".repeat(44), &"A".repeat(10_000), &"=".repeat(43), &tail]
        {
            assert!(AuthorizationSecrets::read(wrong, &good).is_none(), "{wrong}");
            assert!(AuthorizationSecrets::read(&good, wrong).is_none(), "{wrong}");
        }
    }
}
