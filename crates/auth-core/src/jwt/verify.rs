//! Whether a token is one of ours, and what it says then.

use super::{Claims, Issuer, LIFE, PublicKey, claims::Wire};
use crate::{error::Refusal, service::Service, time::Timestamp};
use data_encoding::BASE64URL_NOPAD;
use std::{sync::Arc, time::Duration};

/// The most bytes that a token may have: what is longer is not looked at.
pub const MOST_BYTES: usize = 2048;
/// By how much the clock of whoever issued a token may be ahead. Its end has no leeway.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// The most bytes of a signature: RSA of 4096 bits.
const MOST_SIGNATURE: usize = 512;
/// The most bytes of what a token says.
pub(super) const MOST_CLAIMS: usize = MOST_BYTES / 4 * 3;

/// A key, and until when its tokens are taken.
#[derive(Debug)]
pub struct VerifyingKey {
    /// The key.
    pub key: Arc<PublicKey>,
    /// From then on no token of it is taken; `None` where that is not known yet.
    pub ends_at: Option<Timestamp>,
}

/// Judges the tokens of one issuer for one service.
#[derive(Debug)]
pub struct Verifier {
    /// Who must have issued them.
    pub issuer: Issuer,
    /// For whom they must be.
    pub audience: Service,
}

/// Whether a text begins as a compact JWS with a JSON header (RFC 7515 §3.1), and has a length that is taken. Whether it is
/// one, whoever verifies it says: most texts that come here are known by then.
#[inline]
pub fn begins_as_jwt(text: &[u8]) -> bool {
    text.len() <= MOST_BYTES && text.starts_with(b"eyJ")
}

impl Verifier {
    /// What a token says, if one of the keys made it and it is good now; it ends with its key at the latest. Before the
    /// signature is known good nothing is parsed or allocated; afterwards, the claims alone.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] where none of the keys made it, or it is another issuer's or another service's;
    /// [`Refusal::Malformed`] where it is none of the one form; [`Refusal::Expired`] at its end, or its key's.
    pub fn verify(&self, token: &[u8], keys: &[VerifyingKey], now: Timestamp) -> Result<Claims, Refusal> {
        Self::verify_for(&self.issuer, self.audience, token, keys, now)
    }

    /// As [`verify`](Self::verify), of tokens of any audience.
    pub(super) fn verify_for(
        issuer: &Issuer,
        audience: Service,
        token: &[u8],
        keys: &[VerifyingKey],
        now: Timestamp,
    ) -> Result<Claims, Refusal> {
        let (json, length, key_ends_at) = authentic(token, keys, now)?;
        let json = json.get(..length).ok_or(Refusal::Malformed)?;
        // No text of ours holds what JSON escapes: whoever escapes something says it in a second way.
        if json.contains(&b'\\') {
            return Err(Refusal::Malformed);
        }
        let wire: Wire<'_> = serde_json::from_slice(json).map_err(|_| Refusal::Malformed)?;
        if wire.iss != issuer.as_str() || wire.aud != audience.name() {
            return Err(Refusal::Unknown);
        }
        let mut claims = wire.read(audience).ok_or(Refusal::Malformed)?;
        let ahead = now + LEEWAY;
        let lives = claims.expires_at.since(claims.issued_at);
        if claims.issued_at > ahead || claims.auth_time > ahead || lives > LIFE || lives.is_zero() {
            return Err(Refusal::Malformed);
        }
        // Whoever remembers the token does so until its key has ended, and no longer.
        claims.expires_at = key_ends_at.map_or(claims.expires_at, |end| claims.expires_at.min(end));
        if claims.expires_at <= now { Err(Refusal::Expired) } else { Ok(claims) }
    }
}

/// The bytes of what a token says, once one of the keys is known to have signed them, and when that key ends.
fn authentic(
    token: &[u8],
    keys: &[VerifyingKey],
    now: Timestamp,
) -> Result<([u8; MOST_CLAIMS], usize, Option<Timestamp>), Refusal> {
    if token.len() > MOST_BYTES {
        return Err(Refusal::Malformed);
    }
    let (signed, signature) = split_last(token).ok_or(Refusal::Malformed)?;
    let (head, claims) = split_last(signed).ok_or(Refusal::Malformed)?;
    let VerifyingKey { key, ends_at } =
        keys.iter().find(|known| known.key.head().as_bytes() == head).ok_or(Refusal::Unknown)?;
    let mut bytes = [0; MOST_SIGNATURE];
    let length = decode(signature, &mut bytes).filter(|length| *length == key.signature_len());
    let made = bytes.get(..length.ok_or(Refusal::Malformed)?).ok_or(Refusal::Malformed)?;
    if !key.verifies(signed, made) {
        return Err(Refusal::Unknown);
    }
    if ends_at.is_some_and(|end| end <= now) {
        return Err(Refusal::Expired);
    }
    let mut json = [0; MOST_CLAIMS];
    let length = decode(claims, &mut json).ok_or(Refusal::Malformed)?;
    Ok((json, length, *ends_at))
}

/// What stands before and behind the last dot. What stands before it may hold more of them: then it is no header of ours.
fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = text.iter().rposition(|byte| *byte == b'.')?;
    Some((text.get(..dot)?, text.get(dot + 1..)?))
}

/// Decodes base64url (RFC 7515 §2) in its one form: no padding, no other alphabet, no bit that says nothing.
pub(super) fn decode(text: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let length = BASE64URL_NOPAD.decode_len(text.len()).ok()?;
    BASE64URL_NOPAD.decode_mut(text, bytes.get_mut(..length)?).ok()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
