//! Access tokens of the earlier system, taken until a day that is said while its clients move: HS256 (RFC 7518 §3.2) with the
//! one secret that it signed with (ADR 18).
//!
//! A token is taken in the two forms alone in which the earlier system wrote its header, and with no member that is not
//! expected. All that it says is who somebody is, and until when: roles, domains and whether they still are somebody, the
//! store says. Since the secret verifies what it signs, tokens of this kind are none of the platform's own: they are never
//! issued, never published as a key, and end with the migration.

use super::verify::{LEEWAY, MOST_CLAIMS, decode};
use crate::{
    entropy::Entropy,
    error::Refusal,
    id::SessionId,
    model::{Address, DomainName},
    principal::FRESH,
    secret::TokenDigest,
    time::Timestamp,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use sha2::Sha256;
use std::{collections::BTreeSet, fmt, time::Duration};

/// How long a token lives at the most, from `iat` where it says that, and from now: what lives longer was not issued for
/// requests.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// `{"alg":"HS256","typ":"JWT"}` and `{"typ":"JWT","alg":"HS256"}`, as the libraries of the earlier system write it.
const HEADS: [&[u8; 36]; 2] =
    [b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", b"eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"];

/// The characters of a signature of 32 bytes.
const SIGNATURE: usize = 43;

/// The least bytes of a secret (RFC 7518 §3.2): a shorter one is guessed from any token of it.
const LEAST_SECRET: usize = 32;

/// Secrets that stand in the manuals of what the earlier system was made with.
const KNOWN: [&[u8]; 3] = [
    b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    b"your-secret-key-change-in-production",
    b"your-secret-key-change-this-in-production",
];
/// The least different bytes of a secret: a word that is said again and again has fewer.
const LEAST_VARIETY: usize = 12;

/// What is judged of a token: it cannot be passed over.
const JUDGED: [&str; 8] = ["sub", "exp", "iat", "nbf", "iss", "aud", "domain", "type"];

/// Why tokens of the earlier system cannot be judged like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEarlier {
    /// The secret can be guessed.
    #[error(
        "a secret of at least 32 bytes is expected (RFC 7518 §3.2), 12 of them different, and none of a manual"
    )]
    Weak,
    /// A member that is judged is to be passed over.
    #[error("{0:?} is judged, and cannot be passed over")]
    Judged(String),
}

/// What the tokens of the earlier system are like.
pub struct EarlierTokens {
    mac: Hmac<Sha256>,
    issuer: Option<String>,
    audience: Option<String>,
    beside: Vec<String>,
    until: Timestamp,
}

/// What a token of the earlier system is to a validator that has seen it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierSession {
    /// The session that it stands for: the same for the same token, and nobody can choose it.
    pub session: SessionId,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// A token of the earlier system that is good by itself. Whoever has one has seen its signature verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierToken {
    seen: EarlierSession,
    address: Address,
    domain: Option<DomainName>,
}

impl EarlierToken {
    /// The session that it stands for.
    pub const fn session(&self) -> SessionId {
        self.seen.session
    }
    /// When it ends.
    pub const fn expires_at(&self) -> Timestamp {
        self.seen.expires_at
    }
    /// When its person proved who they are, as far as can be told: so long ago that it is fresh for nothing.
    pub fn auth_time(&self) -> Timestamp {
        self.seen.auth_time()
    }
    /// The address of its person (`sub`).
    pub const fn address(&self) -> &Address {
        &self.address
    }
    /// The domain that it is for, if it says one.
    pub const fn domain(&self) -> Option<&DomainName> {
        self.domain.as_ref()
    }
}

impl EarlierSession {
    fn new(signature: &[u8; 32], expires_at: Timestamp) -> Self {
        struct Given([u8; 32]);
        impl Entropy for Given {
            fn fill(&self, out: &mut [u8]) {
                out.iter_mut().zip(self.0).for_each(|(place, byte)| *place = byte);
            }
        }
        let mut text = [*b"an earlier token", [0; 16], [0; 16]];
        let (halves, _) = signature.as_chunks();
        text.iter_mut().skip(1).zip(halves).for_each(|(place, half)| *place = *half);
        let digest = TokenDigest::of(text.as_flattened());
        let mut seen = Self { session: SessionId::from_bytes([0; 16]), expires_at };
        seen.session = SessionId::draw(seen.auth_time(), &Given(*digest.as_bytes()));
        seen
    }

    fn auth_time(&self) -> Timestamp {
        let before = i64::try_from((LONGEST + FRESH + LEEWAY).as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.expires_at.millis().saturating_sub(before))
    }
}

impl fmt::Debug for EarlierTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlierTokens").field("until", &self.until).finish_non_exhaustive()
    }
}

impl EarlierTokens {
    /// Those that were signed with a secret, taken before a time.
    ///
    /// # Errors
    /// [`NotEarlier::Weak`] for a secret that can be guessed.
    pub fn new(secret: &[u8], until: Timestamp) -> Result<Self, NotEarlier> {
        let different = secret.iter().collect::<BTreeSet<_>>().len();
        if secret.len() < LEAST_SECRET || different < LEAST_VARIETY || KNOWN.contains(&secret) {
            return Err(NotEarlier::Weak);
        }
        let mac = Hmac::new_from_slice(secret).map_err(|_| NotEarlier::Weak)?;
        Ok(Self { mac, issuer: None, audience: None, beside: Vec::new(), until })
    }

    /// The same, which name an issuer and an audience, where one is given: exactly these. Where none is, they must name
    /// none.
    #[must_use]
    pub fn named(self, issuer: Option<String>, audience: Option<String>) -> Self {
        Self { issuer, audience, ..self }
    }

    /// The same, which may have members of these names beside what is judged: they are passed over.
    ///
    /// # Errors
    /// [`NotEarlier::Judged`].
    pub fn beside(self, names: Vec<String>) -> Result<Self, NotEarlier> {
        match names.iter().find(|name| JUDGED.contains(&name.as_str())) {
            Some(name) => Err(NotEarlier::Judged(name.clone())),
            None => Ok(Self { beside: names, ..self }),
        }
    }

    /// Whether a text says that it is one.
    #[inline]
    pub(crate) fn are_named_by(token: &[u8]) -> bool {
        token.split_first_chunk().is_some_and(|(head, rest)| HEADS.contains(&head) && rest.starts_with(b"."))
    }

    /// What a token is to whoever has seen it before. Before its MAC is known good nothing of it is parsed; nothing is
    /// allocated.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] where the secret did not sign it, or it names another issuer or audience;
    /// [`Refusal::Malformed`] where it is none of the known form; [`Refusal::Expired`] at its end, or when none is taken any
    /// more.
    pub fn verify(&self, token: &[u8], now: Timestamp) -> Result<EarlierSession, Refusal> {
        self.judge(token, now, |seen, _| Some(seen))
    }

    /// The same, with all that it says.
    ///
    /// # Errors
    /// As of [`verify`](Self::verify); [`Refusal::Malformed`] also where `sub` is no address, or `domain` no domain.
    pub fn read(&self, token: &[u8], now: Timestamp) -> Result<EarlierToken, Refusal> {
        self.judge(token, now, |seen, wire| {
            // In their one form alone: what the earlier system held apart must not be one here.
            let address = Address::parse(wire.sub).ok().filter(|address| address.as_str() == wire.sub)?;
            let domain = wire.domain.map(DomainName::parse).transpose().ok()?;
            if domain.as_ref().map(DomainName::as_str) != wire.domain {
                return None;
            }
            Some(EarlierToken { seen, address, domain })
        })
    }

    #[inline]
    fn judge<T>(
        &self,
        token: &[u8],
        now: Timestamp,
        read: impl FnOnce(EarlierSession, &Wire<'_>) -> Option<T>,
    ) -> Result<T, Refusal> {
        let token = Some(token).filter(|token| token.len() <= super::MOST_BYTES).ok_or(Refusal::Malformed)?;
        let (signed, claims, signature) = split(token).ok_or(Refusal::Malformed)?;
        let mut made = [0; 32];
        if decode(signature, &mut made) != Some(made.len()) {
            return Err(Refusal::Malformed);
        }
        let mut mac = self.mac.clone();
        mac.update(signed);
        if !constant_time_eq::constant_time_eq_32(&mac.finalize().into_bytes().into(), &made) {
            return Err(Refusal::Unknown);
        }
        let mut json = [0; MOST_CLAIMS];
        let length = decode(claims, &mut json).ok_or(Refusal::Malformed)?;
        let json = json.get(..length).and_then(|json| str::from_utf8(json).ok()).ok_or(Refusal::Malformed)?;
        let wire = self.parse(json).ok_or(Refusal::Malformed)?;
        if wire.iss != self.issuer.as_deref() || wire.aud != self.audience.as_deref() {
            return Err(Refusal::Unknown);
        }
        let expires_at = super::claims::time(wire.exp);
        let ahead = now + LEEWAY;
        let early = |from: Option<u32>| from.is_some_and(|from| super::claims::time(from) > ahead);
        let far = expires_at.since(now) > LONGEST;
        let lives = |iat| expires_at.since(super::claims::time(iat));
        let wrong = wire.iat.map(lives).is_some_and(|life| life.is_zero() || life > LONGEST);
        if far || wrong || early(wire.iat) || early(wire.nbf) {
            return Err(Refusal::Malformed);
        }
        if expires_at.min(self.until) <= now {
            return Err(Refusal::Expired);
        }
        // The session is named by what the token says alone, so that it stays the same one if another day is said.
        let EarlierSession { session, .. } = EarlierSession::new(&made, expires_at);
        let seen = EarlierSession { session, expires_at: expires_at.min(self.until) };
        read(seen, &wire).ok_or(Refusal::Malformed)
    }

    fn parse<'a>(&self, json: &'a str) -> Option<Wire<'a>> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let wire = Members(&self.beside).deserialize(&mut deserializer).ok()?;
        deserializer.end().is_ok().then_some(wire)
    }
}

/// What is signed of a token with one of the known heads, the claims within that, and the signature: all are where they
/// must be, so that none is looked for. A dot in the claims is no base64url.
fn split(token: &[u8]) -> Option<(&[u8], &[u8], &[u8; SIGNATURE])> {
    let (rest, signature) = token.split_last_chunk()?;
    let signed = rest.strip_suffix(b".")?;
    let (head, rest) = signed.split_first_chunk()?;
    let claims = HEADS.contains(&head).then_some(rest)?.strip_prefix(b".")?;
    Some((signed, claims, signature))
}

/// What is judged of the members of a token.
struct Wire<'a> {
    sub: &'a str,
    exp: u32,
    iat: Option<u32>,
    nbf: Option<u32>,
    iss: Option<&'a str>,
    aud: Option<&'a str>,
    domain: Option<&'a str>,
}

/// Reads them: each once, none unknown but for these names, and of one type alone.
#[derive(Clone, Copy)]
struct Members<'n>(&'n [String]);

impl<'a> DeserializeSeed<'a> for Members<'_> {
    type Value = Wire<'a>;
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Wire<'a>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Members<'_> {
    type Value = Wire<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the members of a token")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Wire<'a>, A::Error> {
        let (mut sub, mut exp, mut iat, mut nbf) = (None, None, None, None);
        let (mut iss, mut aud, mut domain, mut kind) = (None, None, None, None);
        while let Some(name) = map.next_key::<&str>()? {
            match name {
                "sub" => once(&mut sub, map.next_value::<&str>()?)?,
                "exp" => once(&mut exp, map.next_value()?)?,
                "iat" => once(&mut iat, map.next_value()?)?,
                "nbf" => once(&mut nbf, map.next_value()?)?,
                "iss" => once(&mut iss, map.next_value()?)?,
                "aud" => once(&mut aud, map.next_value()?)?,
                "domain" => once(&mut domain, map.next_value()?)?,
                "type" => once(&mut kind, map.next_value::<&str>()?)?,
                other if self.0.iter().any(|name| name == other) => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => return Err(A::Error::custom("a member that is not known")),
            }
        }
        // The earlier system signed refresh tokens, too, with the same secret.
        if kind.is_some_and(|kind| kind != "access") {
            return Err(A::Error::custom("not an access token"));
        }
        let missing = A::Error::missing_field;
        let (sub, exp) = (sub.ok_or_else(|| missing("sub"))?, exp.ok_or_else(|| missing("exp"))?);
        Ok(Wire { sub, exp, iat, nbf, iss, aud, domain })
    }
}

fn once<T, E: serde::de::Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a member that stands twice")),
    }
}

#[cfg(test)]
#[path = "earlier_tests.rs"]
mod tests;
