//! The form of a credential: kind prefix, length, alphabet and checksum.
//!
//! `avk_` and `avt_` keys: prefix, 8 characters of public id, 33 characters (24 random bytes in base62),
//! 6 characters of CRC-32 (IEEE) in base62 over everything before them: 51 bytes, one SHA-256 block.
//! The checksum refuses typos, truncations and random guesses for the price of a CRC; it is no secret.

use super::{mailed::MAILED_PREFIX, page::PAGE_PREFIX, pending::PENDING_PREFIX, refresh::REFRESH_PREFIX};
use crate::{
    jwt::{EarlierTokens, begins_as_jwt},
    service::Service,
};

/// The prefix of a widget session's token.
pub const WIDGET_PREFIX: &str = "avw_";
/// The prefix of a browser chat session's cookie value.
pub const CHAT_PREFIX: &str = "avc_";

/// Characters of the public id behind the prefix of a key.
pub const ID_LEN: usize = 8;
/// 24 random bytes in base62.
pub const SECRET_LEN: usize = 33;
const CHECK_LEN: usize = 6;
const PREFIX_LEN: usize = 4;
/// The length of every credential that this platform makes, temporary tokens (UUIDs) apart.
pub const TOKEN_LEN: usize = PREFIX_LEN + ID_LEN + SECRET_LEN + CHECK_LEN;

/// The shortest and longest key of the earlier system that is looked up: a shorter one has too little
/// entropy to be a key, a longer one is no key that was ever issued.
const LEGACY_LEN: std::ops::RangeInclusive<usize> = 16..=256;

/// Whether a text begins as a credential of this platform: if its checksum is not right, it is none of any kind.
pub fn begins_as_own(text: &str) -> bool {
    let [hub, chatbot] = Service::ALL.map(Service::key_prefix);
    let of_routes = [REFRESH_PREFIX, PENDING_PREFIX, MAILED_PREFIX, PAGE_PREFIX];
    let prefixes = [hub, chatbot, WIDGET_PREFIX, CHAT_PREFIX];
    prefixes.iter().chain(&of_routes).any(|prefix| text.starts_with(prefix))
}

/// What kind of credential a text has the form of. Says nothing about whether it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An API key made by this platform, for this service.
    Key(Service),
    /// The token of a widget session.
    Widget,
    /// The cookie value of a browser chat session.
    Chat,
    /// A temporary access token: a UUIDv4 in canonical form.
    Temp,
    /// Perhaps an access token of a person: it begins as a compact JWS (RFC 7515 §3.1), and is longer than any key or has
    /// the header of the earlier system's.
    Jwt,
    /// Any other text of visible ASCII: perhaps a key of the earlier system.
    Legacy,
}

/// A text that cannot be a credential: it is refused before any hash or lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form of any credential")]
pub struct Malformed;

/// Tells the form of a presented text.
///
/// # Errors
/// [`Malformed`] for a wrong checksum behind one of our prefixes, for what is too short, too long or holds
/// anything but visible ASCII.
#[inline]
pub fn classify(text: impl AsRef<[u8]>) -> Result<Form, Malformed> {
    let bytes = text.as_ref();
    match bytes.first_chunk::<PREFIX_LEN>() {
        Some(b"avk_") => checked(bytes, Form::Key(Service::Hub)),
        Some(b"avt_") => checked(bytes, Form::Key(Service::Chatbot)),
        Some(b"avw_") => checked(bytes, Form::Widget),
        Some(b"avc_") => checked(bytes, Form::Chat),
        // Good at one route each, where it stands in the body; or at the pages, where it is a cookie.
        Some(b"avr_" | b"avm_" | b"avv_" | b"avs_") => Err(Malformed),
        _ if is_uuid_v4(bytes) => Ok(Form::Temp),
        _ if EarlierTokens::are_named_by(bytes) && begins_as_jwt(bytes) => Ok(Form::Jwt),
        _ if LEGACY_LEN.contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic) => Ok(Form::Legacy),
        _ if bytes.len() > *LEGACY_LEN.end() && begins_as_jwt(bytes) => Ok(Form::Jwt),
        _ => Err(Malformed),
    }
}

#[inline]
fn checked(bytes: &[u8], form: Form) -> Result<Form, Malformed> {
    let (body, check) = bytes.split_last_chunk::<CHECK_LEN>().ok_or(Malformed)?;
    if bytes.len() == TOKEN_LEN && read_check(check) == Some(crc32fast::hash(body)) {
        Ok(form)
    } else {
        Err(Malformed)
    }
}

fn is_uuid_v4(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What stands in [`DIGITS`] for a byte that is no digit.
const FOREIGN: u8 = 0x80;

/// The value of each byte as a base62 digit.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const DIGITS: [u8; 256] = {
    let mut digits = [FOREIGN; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        digits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Reads a checksum; `None` for a foreign character or a value above 32 bits. Without branches until the end:
/// the digits of one key say nothing of the next one's.
#[inline]
fn read_check(check: &[u8; CHECK_LEN]) -> Option<u32> {
    let (mut value, mut seen) = (0, 0);
    for byte in check {
        let digit = DIGITS.get(usize::from(*byte)).copied().unwrap_or(FOREIGN);
        seen |= digit;
        value = value * 62 + u64::from(digit);
    }
    if seen & FOREIGN == 0 { u32::try_from(value).ok() } else { None }
}

/// Appends the checksum of all that `text` holds.
pub(super) fn push_check(text: &mut String) {
    let crc = crc32fast::hash(text.as_bytes());
    push_base62(text, &mut [crc], CHECK_LEN);
}

/// Appends a number, given as 32-bit limbs with the most significant first, as `width` base62 digits.
pub(super) fn push_base62(text: &mut String, limbs: &mut [u32], width: usize) {
    let mut digits = [b'0'; SECRET_LEN];
    for place in digits.iter_mut().take(width).rev() {
        let mut rest = 0_u64;
        for limb in limbs.iter_mut() {
            let value = (rest << 32) | u64::from(*limb);
            rest = value % 62;
            *limb = u32::try_from(value / 62).unwrap_or(u32::MAX);
        }
        *place = usize::try_from(rest).ok().and_then(|at| ALPHABET.get(at)).copied().unwrap_or(b'0');
    }
    text.extend(digits.iter().take(width).map(|byte| char::from(*byte)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_counts() {
        for (value, text) in [(0, "000000"), (61, "00000z"), (62, "000010"), (u32::MAX, "4gfFC3")] {
            let mut out = String::new();
            push_base62(&mut out, &mut [value], CHECK_LEN);
            assert_eq!(out, text);
            assert_eq!(read_check(out.as_bytes().first_chunk().unwrap()), Some(value));
        }
    }

    #[test]
    fn checksums_above_32_bits_are_refused() {
        assert_eq!(read_check(b"4gfFC4"), None);
        assert_eq!(read_check(b"zzzzzz"), None);
    }

    #[test]
    fn words_that_stand_for_nothing_are_no_credentials() {
        for text in ["", "null", "undefined", "Bearer", "avk_", "avt_short", "with space in the middle"] {
            assert_eq!(classify(text), Err(Malformed), "{text}");
        }
        assert_eq!(classify("x".repeat(257)), Err(Malformed));
    }

    #[test]
    fn only_canonical_uuids_of_version_4_are_temporary_tokens() {
        assert_eq!(classify("9b2f6a3e-1c4d-4e8f-9a0b-1c2d3e4f5a6b"), Ok(Form::Temp));
        for other in ["9b2f6a3e-1c4d-7e8f-9a0b-1c2d3e4f5a6b", "9B2F6A3E-1C4D-4E8F-9A0B-1C2D3E4F5A6B"] {
            assert_eq!(classify(other), Ok(Form::Legacy), "{other}");
        }
    }
}
