//! The token endpoint.

use crate::{
    answer::{Answer, Body, answer, failure, json, redirect, text, with},
    authorize::{scopes, told},
    bomb,
    client::{Refusal, authenticate, form},
    desk::Desk,
    id_token::id_token,
    ledger::{Issued, NotRefreshed},
    like::Like,
    misbehaviour::Misbehaviour,
    parameters::Parameters,
    seen::Seen,
};
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, RETRY_AFTER},
};
use serde_json::{Map, Value, json};

/// What an access token's life is said to be.
const EXPIRES_IN: u64 = 3599;
/// The characters of a verifier (RFC 7636 §4.1).
const VERIFIER_LEN: std::ops::RangeInclusive<usize> = 43..=128;

/// What tokens are asked for.
enum Asked<'a> {
    Code { code: &'a str, redirect_uri: &'a str, verifier: &'a str },
    Refresh { token: &'a str, scopes: Option<Vec<&'static str>> },
}

/// `POST` of a token endpoint; `None` where no answer ever comes.
pub(crate) fn tokens(desk: &Desk, like: Like, headers: &HeaderMap, body: &[u8]) -> Option<Answer> {
    let form = match form(headers, body) {
        Ok(form) => form,
        Err(refusal) => return Some(violated(desk, &refusal)),
    };
    let asked = match authenticate(&desk.config, headers, &form).and_then(|()| read(like, &form)) {
        Ok(asked) => asked,
        Err(refusal) => return Some(violated(desk, &refusal)),
    };
    let note = |granted| match asked {
        Asked::Code { .. } => desk.note(Seen::Exchange { granted }),
        Asked::Refresh { .. } => desk.note(Seen::Refresh { granted }),
    };
    let is_refresh = matches!(asked, Asked::Refresh { .. });
    match instead(desk, is_refresh) {
        Instead::Nothing => {}
        Instead::Silence => {
            note(false);
            return None;
        }
        Instead::Answer(answer) => {
            note(false);
            return Some(answer);
        }
    }
    let issued = match &asked {
        Asked::Code { code, redirect_uri, verifier } => exchange(desk, like, (code, redirect_uri, verifier)),
        Asked::Refresh { token, scopes } => refresh(desk, like, (token, scopes.as_deref())),
    };
    note(issued.is_ok());
    Some(match issued {
        Ok(issued) => granted(desk, like, &issued, is_refresh).unwrap_or_else(|_| failure()),
        Err((refusal, true)) => violated(desk, &refusal),
        Err((refusal, false)) => refusal.answer(),
    })
}

fn violated(desk: &Desk, refusal: &Refusal) -> Answer {
    desk.fault(format!("token: {}", refusal.why));
    refusal.answer()
}

fn read(like: Like, form: &Parameters) -> Result<Asked<'_>, Refusal> {
    match form.need("grant_type").map_err(Refusal::request)? {
        "authorization_code" => {
            let need = |name| form.need(name).map_err(Refusal::request);
            let verifier = need("code_verifier")?;
            let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if !VERIFIER_LEN.contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) {
                return Err(Refusal::request("code_verifier is not 43 to 128 unreserved characters"));
            }
            Ok(Asked::Code { code: need("code")?, redirect_uri: need("redirect_uri")?, verifier })
        }
        "refresh_token" => {
            let token = form.need("refresh_token").map_err(Refusal::request)?;
            let names = form.get("scope").map(|names| names.split(' ').collect::<Vec<_>>());
            let scopes = names.map(|names| scopes(like, &names)).transpose();
            let scopes = scopes.map_err(|why| Refusal::new("invalid_scope", why))?;
            Ok(Asked::Refresh { token, scopes })
        }
        other => Err(Refusal::new("unsupported_grant_type", format!("grant_type is {other}"))),
    }
}

/// What is done instead of what was asked.
enum Instead {
    Nothing,
    Silence,
    Answer(Answer),
}

fn instead(desk: &Desk, is_refresh: bool) -> Instead {
    Instead::Answer(match desk.how() {
        Some(Misbehaviour::Silence) => return Instead::Silence,
        Some(Misbehaviour::CodeOfAnotherClient) => Refusal::grant("the code is of another client").answer(),
        Some(Misbehaviour::VerifierMismatch) => Refusal::grant("code_verifier does not fit").answer(),
        Some(Misbehaviour::InvalidGrant) if is_refresh => Refusal::grant("the grant ended").answer(),
        Some(Misbehaviour::Redirect302) => redirect(StatusCode::FOUND, &desk.elsewhere()),
        Some(Misbehaviour::Redirect307) => redirect(StatusCode::TEMPORARY_REDIRECT, &desk.elsewhere()),
        Some(Misbehaviour::ServerError500) => failure(),
        Some(Misbehaviour::Unavailable503) => {
            let answer =
                json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "temporarily_unavailable" }));
            with(answer, RETRY_AFTER, "120")
        }
        _ => return Instead::Nothing,
    })
}

/// A refusal, and whether it is the client's fault.
type Refused = (Refusal, bool);

fn exchange(desk: &Desk, like: Like, asked: (&str, &str, &str)) -> Result<Issued, Refused> {
    let issued = desk.ledger().exchange(like, asked, desk.now(), &*desk.config.entropy);
    issued.map_err(|why| (Refusal::grant(why), true))
}

fn refresh(desk: &Desk, like: Like, asked: (&str, Option<&[&'static str]>)) -> Result<Issued, Refused> {
    let rotates = desk.does(Misbehaviour::Rotation);
    let issued = desk.ledger().refresh(like, asked, rotates, desk.now(), &*desk.config.entropy);
    issued.map_err(|why| match why {
        NotRefreshed::Unknown => (Refusal::grant("the refresh token is unknown here"), true),
        NotRefreshed::Replaced => {
            (Refusal::grant("another refresh token had replaced it; the grant ended"), true)
        }
        NotRefreshed::Ended => (Refusal::grant("the grant ended"), false),
        NotRefreshed::Wider => (Refusal::new("invalid_scope", "the grant has not all these scopes"), true),
    })
}

/// The answer that has the tokens, spoilt if it is to be.
fn granted(desk: &Desk, like: Like, issued: &Issued, is_refresh: bool) -> Result<Answer, String> {
    const OK: StatusCode = StatusCode::OK;
    const JSON: &str = "application/json; charset=utf-8";
    let how = desk.how();
    let text_of_it = Value::Object(members(desk, like, issued, is_refresh)?).to_string();
    Ok(match how {
        Some(Misbehaviour::WrongContentType) => text(OK, "text/html", text_of_it),
        Some(Misbehaviour::NotJson) => text(OK, JSON, "access_token=a&token_type=Bearer"),
        Some(Misbehaviour::DuplicateMembers) => {
            let rest = text_of_it.strip_prefix('{').unwrap_or_default();
            text(OK, JSON, format!("{{\"access_token\":\"another\",{rest}"))
        }
        Some(Misbehaviour::SlowDrip) => answer(OK, JSON, Body::drip("{\"access_token\":\"")),
        Some(Misbehaviour::EndlessBody) => answer(OK, JSON, Body::endless("{\"access_token\":\"")),
        Some(Misbehaviour::GzipBomb) => with(text(OK, JSON, bomb::gzip()), CONTENT_ENCODING, "gzip"),
        Some(Misbehaviour::CutConnection) => answer(OK, JSON, Body::cut(&text_of_it)),
        _ => text(OK, JSON, text_of_it),
    })
}

fn members(desk: &Desk, like: Like, issued: &Issued, is_refresh: bool) -> Result<Map<String, Value>, String> {
    let how = desk.how();
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("access_token", json!(issued.access));
    put("token_type", json!("Bearer"));
    put("expires_in", json!(EXPIRES_IN));
    if like == Like::Microsoft {
        put("ext_expires_in", json!(EXPIRES_IN));
    }
    put("scope", json!(told(&issued.scopes)));
    if let Some(refresh) = &issued.refresh {
        put("refresh_token", json!(refresh));
    }
    if how != Some(Misbehaviour::NoIdToken) {
        put("id_token", json!(id_token(desk, like, &issued.account, issued.nonce.as_deref())?));
    }
    let (calendar, other) = (like.calendar_scope(), like.other_scope());
    let without = |calendar| -> Vec<&str> {
        issued.scopes.iter().copied().filter(|scope| *scope != calendar).collect()
    };
    let and_other = |mut scopes: Vec<&'static str>| {
        scopes.push(other);
        json!(told(&scopes))
    };
    match how {
        Some(Misbehaviour::MissingScope) => put("scope", json!(told(&without(calendar)))),
        Some(Misbehaviour::WiderScope) => put("scope", and_other(issued.scopes.clone())),
        Some(Misbehaviour::RefreshOtherScope) if is_refresh => put("scope", and_other(without(calendar))),
        Some(Misbehaviour::NegativeExpiresIn) => put("expires_in", json!(-3600)),
        Some(Misbehaviour::HugeExpiresIn) => put("expires_in", json!(i64::MAX)),
        Some(Misbehaviour::WrongTokenType) => put("token_type", json!("mac")),
        Some(Misbehaviour::EmptyAccessToken) => put("access_token", json!("")),
        Some(Misbehaviour::ControlCharacters) => {
            put("access_token", json!(format!("{}\nX-Injected: yes", issued.access)))
        }
        Some(Misbehaviour::NoScope) => members.remove("scope"),
        Some(Misbehaviour::NoRefreshToken) => members.remove("refresh_token"),
        Some(Misbehaviour::RefreshOmitsRefreshToken) if is_refresh => members.remove("refresh_token"),
        Some(Misbehaviour::NoExpiresIn) => members.remove("expires_in"),
        _ => None,
    };
    Ok(members)
}
