//! Where a request carries its credential: one place, one credential, read from the head alone.

use crate::problem::{Kind, Problem};
use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue},
};
use auth_core::{
    credential::{Form, classify},
    error::{Denial, Refusal},
};
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
}

static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The credential of a request; `None` where there is none.
///
/// # Errors
/// Two credentials (RFC 6750 §2), or one that cannot be read.
#[inline]
pub(crate) fn presented(place: Place, request: &HttpRequest) -> Result<Option<Cow<'_, str>>, Problem> {
    let headers = request.headers();
    match place {
        Place::Header => in_headers(headers).map(|found| found.map(Cow::Borrowed)),
        Place::Query(name) => {
            refuse_second(headers)?;
            in_query(name, request.query_string()).map(|found| found.map(Cow::Owned))
        }
        Place::Cookie(name) => {
            refuse_second(headers)?;
            in_cookies(name, headers).map(|found| found.map(Cow::Borrowed))
        }
    }
}

fn two() -> Problem {
    Problem::new(Kind::Invalid, "Send one credential: more than one was found.")
}

fn malformed() -> Problem {
    Denial::Unauthenticated(Refusal::Malformed).into()
}

#[inline]
fn in_headers(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    match (only(headers, &AUTHORIZATION)?, only(headers, &X_API_KEY)?) {
        (None, None) => Ok(None),
        (Some(bearer), None) => bearer_token(bearer).map(Some),
        (None, Some(key)) => api_key(key).map(Some),
        (Some(bearer), Some(key)) => match (bearer_token(bearer)?, api_key(key)?) {
            (one, other) if one == other => Ok(Some(one)),
            _ => Err(two()),
        },
    }
}

#[inline]
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        _ => Err(two()),
    }
}

/// The token behind `Bearer`, whose case does not matter (RFC 9110 §11.1).
#[inline]
fn bearer_token(value: &HeaderValue) -> Result<&str, Problem> {
    let text = value.to_str().map_err(|_| malformed())?;
    match text.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => Ok(token.trim_matches(' ')),
        _ => Err(malformed()),
    }
}

fn api_key(value: &HeaderValue) -> Result<&str, Problem> {
    let text = value.to_str().map_err(|_| malformed())?.trim_matches(' ');
    match classify(text) {
        Ok(Form::Key(_) | Form::Legacy) => Ok(text),
        _ => Err(malformed()),
    }
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

/// A cookie of this name; two of one name are refused, since a subdomain can toss one in.
fn in_cookies<'a>(name: &str, headers: &'a HeaderMap) -> Result<Option<&'a str>, Problem> {
    let lines = headers.get_all(COOKIE).map(|line| line.to_str().map_err(|_| malformed()));
    let mut found = None;
    for line in lines {
        for pair in line?.split(';') {
            match pair.trim_matches(' ').split_once('=') {
                Some((key, _)) if key != name => {}
                Some((_, value)) if found.is_none() => found = Some(value),
                Some(_) => return Err(two()),
                None => {}
            }
        }
    }
    Ok(found)
}
