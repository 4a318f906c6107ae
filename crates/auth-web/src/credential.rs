//! Where a request carries its credential: one place, one credential, read from the head alone.

use crate::problem::{Kind, Problem};
use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue},
};
use auth_core::error::{Denial, Refusal};
use std::borrow::Cow;

/// Where a route looks for its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `Authorization: Bearer` (RFC 6750 §2.1), or `X-API-Key` for API keys.
    Header,
    /// A member of the query: for one **fixed** route only.
    Query(&'static str),
    /// A cookie of this name.
    Cookie(&'static str),
    /// A cookie of this name that says which session of a person a page is in. It is no credential anywhere else, and no
    /// other credential is one here.
    Page(&'static str),
}

static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A credential as it was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presented<'a> {
    /// Its text. What bytes it has is the validator's to judge.
    pub(crate) text: Cow<'a, [u8]>,
    /// It stood in `X-API-Key`, which takes API keys alone.
    pub(crate) as_key: bool,
}

/// The credential of a request; `None` where there is none.
///
/// # Errors
/// Two credentials (RFC 6750 §2), or one that cannot be read.
#[inline]
pub(crate) fn presented(place: Place, request: &HttpRequest) -> Result<Option<Presented<'_>>, Problem> {
    let headers = request.headers();
    let text = match place {
        Place::Header => return in_headers(headers),
        Place::Query(name) => {
            refuse_second(headers)?;
            in_query(name, request.query_string())?.map(|text| Cow::Owned(text.into_bytes()))
        }
        Place::Cookie(name) | Place::Page(name) => {
            refuse_second(headers)?;
            in_cookies(name, headers)?.map(|text| Cow::Borrowed(text.as_bytes()))
        }
    };
    Ok(text.map(|text| Presented { text, as_key: false }))
}

#[cold]
#[inline(never)]
fn two() -> Problem {
    Problem::new(Kind::Invalid, "Send one credential: more than one was found.")
}

#[cold]
#[inline(never)]
fn malformed() -> Problem {
    Denial::Unauthenticated(Refusal::Malformed).into()
}

#[inline]
fn in_headers(headers: &HeaderMap) -> Result<Option<Presented<'_>>, Problem> {
    let (bearer, key) = (only(headers, &AUTHORIZATION)?, only(headers, &X_API_KEY)?);
    let sent = |text, as_key| Ok(Some(Presented { text: Cow::Borrowed(text), as_key }));
    match (bearer, key) {
        (None, None) => Ok(None),
        (Some(bearer), None) => sent(bearer_token(bearer)?, false),
        (None, Some(key)) => sent(without_spaces(key.as_bytes()), true),
        (Some(bearer), Some(key)) => match (bearer_token(bearer), without_spaces(key.as_bytes())) {
            (Ok(one), other) if one == other => sent(one, true),
            _ => Err(two()),
        },
    }
}

/// The value of a header that may stand once.
#[inline]
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(two()),
    }
}

/// The token behind `Bearer`, whose case does not matter (RFC 9110 §11.1), though nearly all write it so.
#[inline]
fn bearer_token(value: &HeaderValue) -> Result<&[u8], Problem> {
    match value.as_bytes().split_first_chunk::<7>() {
        Some((b"Bearer ", token)) => Ok(without_spaces(token)),
        Some((scheme, token)) if is_bearer(scheme) => Ok(without_spaces(token)),
        _ => Err(malformed()),
    }
}

#[cold]
#[inline(never)]
fn is_bearer(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"bearer ")
}

#[inline]
const fn without_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

/// A route that looks elsewhere takes no credential in a header beside it.
fn refuse_second(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(&AUTHORIZATION) || headers.contains_key(&X_API_KEY) { Err(two()) } else { Ok(()) }
}

fn in_query(name: &str, query: &str) -> Result<Option<String>, Problem> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(|_| malformed())?;
    let mut values = pairs.into_iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        _ => Err(two()),
    }
}

/// A cookie of this name; two of one name are refused, since a subdomain can toss one in. What bytes others have is
/// nobody's concern here: a subdomain can toss those in, too.
pub(crate) fn in_cookies<'a>(name: &str, headers: &'a HeaderMap) -> Result<Option<&'a str>, Problem> {
    let mut found = None;
    for pair in headers.get_all(COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';')) {
        let pair = without_spaces(pair);
        let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) else {
            continue;
        };
        if found.replace(value).is_some() {
            return Err(two());
        }
    }
    let text = |value: &'a [u8]| std::str::from_utf8(value).map_err(|_| malformed());
    found.map(text).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::credential::classify;

    fn bearer(line: &[u8]) -> Option<Vec<u8>> {
        bearer_token(&HeaderValue::from_bytes(line).unwrap()).ok().map(<[u8]>::to_vec)
    }

    #[test]
    fn the_token_stands_behind_bearer_in_any_case() {
        for line in ["Bearer token", "bearer token", "BEARER   token", "Bearer token  "] {
            assert_eq!(bearer(line.as_bytes()).as_deref(), Some(&b"token"[..]), "{line}");
        }
        for line in ["Bearer", "Basic token", "Bearer\ttoken", " Bearer token", "token", ""] {
            assert_eq!(bearer(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_cookie_is_found_whatever_others_hold_and_stands_once() {
        let found = |lines: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap()));
            in_cookies("own", &headers).map(|value| value.map(str::to_owned)).ok()
        };
        let value = || Some(Some("a=b".to_owned()));
        assert_eq!(found(&[b"own=a=b"]), value());
        assert_eq!(found(&[b"x=\xe9\xff; own=a=b ; ownx=1; xown=2; own"]), value());
        assert_eq!(found(&[b"x=\xff", b"own=a=b"]), value());
        assert_eq!(found(&[b"Own=1; own =2", b""]), Some(None));
        assert_eq!(found(&[b"own=a; own=a"]), None, "twice");
        assert_eq!(found(&[b"own=a", b"own=b"]), None, "twice");
        assert_eq!(found(&[b"own=\xff"]), None, "no text");
    }

    #[test]
    fn no_byte_beyond_visible_ascii_makes_a_credential() {
        for byte in (0x7f..=u8::MAX).chain([b' ', b'\t']) {
            let mut text = b"a key of the earlier system".map(|byte| if byte == b' ' { b'-' } else { byte });
            assert!(classify(text).is_ok());
            text[7] = byte;
            assert!(classify(text).is_err(), "{byte}");
        }
    }
}
