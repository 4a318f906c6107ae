//! Which client posts a form, and the refusals of RFC 6749 §5.2.

use crate::{
    answer::{Answer, json, with},
    config::Config,
    parameters::Parameters,
};
use data_encoding::BASE64;
use hyper::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::json;

const FORM: &str = "application/x-www-form-urlencoded";

/// A refusal in JSON.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The code of the error.
    pub(crate) error: &'static str,
    /// What is wrong.
    pub(crate) why: String,
}

impl Refusal {
    pub(crate) fn new(error: &'static str, why: impl Into<String>) -> Self {
        Self { error, why: why.into() }
    }
    pub(crate) fn request(why: impl Into<String>) -> Self {
        Self::new("invalid_request", why)
    }
    pub(crate) fn grant(why: impl Into<String>) -> Self {
        Self::new("invalid_grant", why)
    }
    pub(crate) fn answer(&self) -> Answer {
        let body = json!({ "error": self.error, "error_description": self.why });
        if self.error == "invalid_client" {
            with(json(StatusCode::UNAUTHORIZED, &body), WWW_AUTHENTICATE, "Basic realm=\"demo\"")
        } else {
            json(StatusCode::BAD_REQUEST, &body)
        }
    }
}

/// The fields of a form.
pub(crate) fn form(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(FORM) {
        return Err(Refusal::request(format!("the body is not {FORM}")));
    }
    Parameters::read(body).map_err(Refusal::request)
}

/// Whether the request says at all which client it is of.
pub(crate) fn is_told(headers: &HeaderMap, form: &Parameters) -> bool {
    headers.contains_key(AUTHORIZATION) || form.get("client_id").or(form.get("client_secret")).is_some()
}

/// Judges who posts (RFC 6749 §2.3.1): in the header or in the form, never in both.
pub(crate) fn authenticate(config: &Config, headers: &HeaderMap, form: &Parameters) -> Result<(), Refusal> {
    let mut heads = headers.get_all(AUTHORIZATION).iter();
    let (id, secret) = match (heads.next(), heads.next(), form.get("client_secret")) {
        (None, _, Some(secret)) => (form.get("client_id").unwrap_or_default().to_owned(), secret.to_owned()),
        (Some(head), None, None) => {
            let given = head.to_str().ok().and_then(basic);
            given
                .ok_or_else(|| Refusal::new("invalid_client", "Authorization is not Basic with two parts"))?
        }
        (None, _, None) => return Err(Refusal::new("invalid_client", "the client does not authenticate")),
        _ => return Err(Refusal::request("the client authenticates more than once")),
    };
    if form.get("client_id").is_some_and(|told| told != id) {
        return Err(Refusal::request("client_id is not the client that authenticates"));
    }
    if id != config.client_id || secret != config.client_secret {
        return Err(Refusal::new("invalid_client", "the client is unknown, or its secret is wrong"));
    }
    Ok(())
}

/// The two parts of Basic, each of which is encoded as in a form.
fn basic(head: &str) -> Option<(String, String)> {
    let (scheme, encoded) = head.split_once(' ')?;
    let decoded = BASE64.decode(encoded.as_bytes()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((part(id)?, part(secret)?))
}

/// Undoes the encoding of a form for one value, in which nothing may be left that should have been encoded.
fn part(encoded: &str) -> Option<String> {
    let mut read = form_urlencoded::parse(encoded.as_bytes());
    let (value, rest) = (read.next(), read.next());
    let is_one = rest.is_none() && !encoded.contains(['=', '&', ' ']);
    value.filter(|_| is_one).map(|(value, _)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_basic_are_encoded_as_in_a_form() {
        let head = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        let told = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(basic(&head("a%3Ab:c+d%25")), told("a:b", "c d%"));
        assert_eq!(basic(&head("a:b c")), None);
        assert_eq!(basic(&head("a:b=c")), None);
        assert_eq!(basic(&head("a")), None);
        assert_eq!(basic("Bearer YTpi"), None);
    }
}
