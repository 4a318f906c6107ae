//! Whether an ID token is good (OpenID Connect Core §3.1.3.7), and whose it is.

use super::{
    IssuerRule, ProviderKeys,
    json::{is_there, object, present},
};
use crate::{
    jwt::{Algorithm, LEEWAY},
    model::{Email, Subject},
    secret::PlainToken,
    time::Timestamp,
};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use std::{borrow::Cow, time::Duration};

/// The most bytes that an ID token may have.
pub const MOST_BYTES: usize = 16 * 1024;
/// The longest life of one that is taken.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What an ID token must fit.
#[derive(Debug)]
pub struct Expected<'a> {
    /// Who may have issued it.
    pub issuer: &'a IssuerRule,
    /// For whom it must be.
    pub client_id: &'a str,
    /// The `nonce` of the transaction.
    pub nonce: &'a PlainToken,
    /// Now.
    pub now: Timestamp,
}

/// Why an ID token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGood {
    /// Not a compact JWS with a header and claims of the form.
    #[error("form")]
    Form,
    /// The provider publishes no key of the name that it says.
    #[error("key")]
    UnknownKey,
    /// The key did not make its signature, or is not good for the algorithm that it names.
    #[error("signature")]
    Signature,
    /// Another issuer, or another tenant.
    #[error("issuer")]
    Issuer,
    /// For another client, or for several.
    #[error("audience")]
    Audience,
    /// Of another transaction.
    #[error("nonce")]
    Nonce,
    /// Over, not begun, or of no length that is taken.
    #[error("time")]
    Time,
}

/// Whose an ID token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who, for good.
    pub subject: Subject,
    /// Their address, for people to read.
    pub address: Option<Email>,
}

/// The header (RFC 7515 §4). Where a key is or comes from, it does not say here.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    kid: Cow<'a, str>,
    #[serde(default, borrow, deserialize_with = "present")]
    typ: Option<Cow<'a, str>>,
    /// What whoever does not know it must refuse.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    /// Bytes that are not encoded (RFC 7797).
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
}

/// The claims that count; a provider may say more.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    aud: Audience,
    #[serde(default, borrow, deserialize_with = "present")]
    azp: Option<Cow<'a, str>>,
    exp: u32,
    iat: u32,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<u32>,
    #[serde(borrow)]
    nonce: Cow<'a, str>,
    #[serde(default, borrow, deserialize_with = "present")]
    tid: Option<Cow<'a, str>>,
    #[serde(default)]
    email: serde_json::Value,
    #[serde(default)]
    preferred_username: serde_json::Value,
}

/// `aud`: one, or a list, of which a list of one alone is taken.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    List(Vec<String>),
}

impl Audience {
    fn is_only(&self, client_id: &str) -> bool {
        match self {
            Self::One(one) => one == client_id,
            Self::List(list) => matches!(list.as_slice(), [one] if one == client_id),
        }
    }
}

/// Whose an ID token is, if a key of the provider made it for us, in this transaction, and it is good now.
///
/// # Errors
/// [`NotGood`] says what is wrong with it.
pub fn verify(token: &str, keys: &ProviderKeys, expected: &Expected<'_>) -> Result<Identity, NotGood> {
    if token.len() > MOST_BYTES {
        return Err(NotGood::Form);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(NotGood::Form)?;
    let (head, body) = signed.split_once('.').ok_or(NotGood::Form)?;
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotGood::Form);
    let head = decode(head)?;
    let header: Header<'_> = object(&head).ok_or(NotGood::Form)?;
    let typed = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
    if header.crit || header.b64 || !typed {
        return Err(NotGood::Form);
    }
    let key = keys.named(&header.kid).ok_or(NotGood::UnknownKey)?;
    let signature = decode(signature)?;
    if Algorithm::parse(&header.alg) != Some(key.algorithm())
        || signature.len() != key.signature_len()
        || !key.verifies(signed.as_bytes(), &signature)
    {
        return Err(NotGood::Signature);
    }
    let body = decode(body)?;
    let claims: Claims<'_> = object(&body).ok_or(NotGood::Form)?;
    claims.judge(expected)
}

/// The name of the key that a token says made it; `None` where it says none, or is none that is taken.
pub(crate) fn kid_of(token: &str) -> Option<String> {
    if token.len() > MOST_BYTES {
        return None;
    }
    let head = token.split('.').next()?;
    let head = BASE64URL_NOPAD.decode(head.as_bytes()).ok()?;
    object(&head).map(|header: Header<'_>| header.kid.into_owned())
}

/// Whether an ID token that came with refreshed tokens is of whom it was at first (OpenID Connect Core §12.2). It came from
/// the token endpoint, whose word it is as much as the tokens are (§3.1.3.7, 6): its signature says nothing more.
pub fn is_still_of(token: &str, subject: &Subject, client_id: &str) -> bool {
    #[derive(Deserialize)]
    struct Same<'a> {
        #[serde(borrow)]
        iss: Cow<'a, str>,
        #[serde(borrow)]
        sub: Cow<'a, str>,
        aud: Audience,
    }
    let mut parts = token.split('.');
    let (Some(_), Some(body), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if token.len() > MOST_BYTES {
        return false;
    }
    let Ok(body) = BASE64URL_NOPAD.decode(body.as_bytes()) else { return false };
    object(&body).is_some_and(|Same { iss, sub, aud }: Same<'_>| {
        iss == subject.issuer && sub == subject.subject && aud.is_only(client_id)
    })
}

impl Claims<'_> {
    fn judge(self, expected: &Expected<'_>) -> Result<Identity, NotGood> {
        let time = |seconds: u32| Timestamp::from_millis(i64::from(seconds) * 1000);
        if !expected.issuer.takes(&self.iss, self.tid.as_deref()) {
            return Err(NotGood::Issuer);
        }
        if !self.aud.is_only(expected.client_id) || self.azp.is_some_and(|party| party != expected.client_id)
        {
            return Err(NotGood::Audience);
        }
        let nonce = expected.nonce.expose().as_bytes();
        if !constant_time_eq::constant_time_eq(self.nonce.as_bytes(), nonce) {
            return Err(NotGood::Nonce);
        }
        let (begins, ends) = (time(self.iat.max(self.nbf.unwrap_or(0))), time(self.exp));
        let lives = ends.since(time(self.iat));
        if ends <= expected.now || begins > expected.now + LEEWAY || lives.is_zero() || lives > LONGEST {
            return Err(NotGood::Time);
        }
        if !(1..=255).contains(&self.sub.len()) || !self.sub.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotGood::Form);
        }
        let said = [self.email, self.preferred_username];
        let address = said.iter().find_map(|text| Email::parse(text.as_str()?).ok());
        let subject = Subject { issuer: self.iss.into_owned(), subject: self.sub.into_owned() };
        Ok(Identity { subject, address })
    }
}

#[cfg(test)]
#[path = "id_token_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "id_token_claims_tests.rs"]
mod claims_tests;
