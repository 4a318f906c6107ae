//! ID tokens, good and bad.

use crate::{
    config::Account,
    desk::{Desk, guid},
    keys::{Key, hs256},
    like::{DIRECTORY, Like, OTHER_DIRECTORY},
    misbehaviour::Misbehaviour,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// How long one is good, in seconds.
const LIFE: i64 = 3600;
/// More than any client should read.
const OVERSIZE: usize = 65 * 1024;

/// An ID token of an account. That of a refresh has no nonce.
pub(crate) fn id_token(
    desk: &Desk,
    like: Like,
    account: &Account,
    nonce: Option<&str>,
) -> Result<String, String> {
    let how = desk.how();
    let claims = claims(desk, like, account, nonce, how);
    let text = Value::Object(claims).to_string();
    let text = match (how, text.strip_prefix('{')) {
        (Some(Misbehaviour::DuplicateClaims), Some(rest)) => {
            let name = if nonce.is_some() { "nonce" } else { "sub" };
            format!("{{\"{name}\":\"another\",{rest}")
        }
        _ => text,
    };
    sign(desk, like, &text, how)
}

fn claims(
    desk: &Desk,
    like: Like,
    account: &Account,
    nonce: Option<&str>,
    how: Option<Misbehaviour>,
) -> Map<String, Value> {
    let now = desk.now().millis() / 1000;
    let from = match how {
        Some(Misbehaviour::Expired) => now - 2 * LIFE,
        Some(Misbehaviour::IssuedInTheFuture) => now + LIFE,
        _ => now,
    };
    let is_refresh = nonce.is_none();
    let client = &desk.config.client_id;
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("aud", json!(client));
    put("email", json!(account.address));
    put("iat", json!(from));
    put("exp", json!(from + LIFE));
    put("sub", json!(account.subject));
    match like {
        Like::Google => {
            put("iss", json!(desk.origin));
            put("azp", json!(client));
            put("email_verified", json!(true));
        }
        Like::Microsoft => {
            let wrong = how == Some(Misbehaviour::WrongTenant);
            let directory = if wrong { OTHER_DIRECTORY } else { DIRECTORY };
            put("iss", json!(format!("{}/{directory}/v2.0", desk.origin)));
            put("tid", json!(directory));
            put("oid", json!(object_id(account)));
            put("preferred_username", json!(account.address));
            put("nbf", json!(from));
            put("ver", json!("2.0"));
        }
    }
    if let Some(nonce) = nonce {
        put("nonce", json!(nonce));
    }
    match how {
        Some(Misbehaviour::WrongNonce) => put("nonce", json!("another")),
        Some(Misbehaviour::WrongAudience) => put("aud", json!("another-client")),
        Some(Misbehaviour::SeveralAudiences) => {
            put("azp", json!("another-client"));
            put("aud", json!([client, "another-client"]))
        }
        Some(Misbehaviour::WrongAuthorizedParty) => put("azp", json!("another-client")),
        Some(Misbehaviour::WrongIssuer) => put("iss", json!("https://issuer.invalid")),
        Some(Misbehaviour::OtherSubject) if is_refresh => put("sub", json!(format!("{}0", account.subject))),
        Some(Misbehaviour::OversizedIdToken) => put("padding", json!("a".repeat(OVERSIZE))),
        Some(Misbehaviour::NoNonce) => claims.remove("nonce"),
        Some(Misbehaviour::NoExpiry) => claims.remove("exp"),
        _ => None,
    };
    claims
}

/// The compact form (RFC 7515 §7.1) of claims, signed well or not.
fn sign(desk: &Desk, like: Like, claims: &str, how: Option<Misbehaviour>) -> Result<String, String> {
    let key = Key::of(like)?;
    let head = |algorithm: &str, kid: &str| {
        let head = json!({ "alg": algorithm, "kid": kid, "typ": "JWT" }).to_string();
        let (head, claims) = (head.as_bytes(), claims.as_bytes());
        format!("{}.{}", BASE64URL_NOPAD.encode(head), BASE64URL_NOPAD.encode(claims))
    };
    let (signed, signature) = match how {
        Some(Misbehaviour::AlgNone) => (head("none", &key.kid), Vec::new()),
        Some(Misbehaviour::AlgHs256Secret) => {
            let signed = head("HS256", &key.kid);
            let code = hs256(desk.config.client_secret.as_bytes(), &signed);
            (signed, code)
        }
        Some(Misbehaviour::AlgHs256PublicKey) => {
            let signed = head("HS256", &key.kid);
            let code = hs256(key.modulus(), &signed);
            (signed, code)
        }
        Some(Misbehaviour::ForeignKey) => {
            let signed = head("RS256", &key.kid);
            let signature = Key::foreign()?.sign(&signed)?;
            (signed, signature)
        }
        Some(Misbehaviour::UnknownKey) => {
            let foreign = Key::foreign()?;
            let signed = head("RS256", &foreign.kid);
            let signature = foreign.sign(&signed)?;
            (signed, signature)
        }
        _ => {
            let signed = head("RS256", &key.kid);
            let signature = key.sign(&signed)?;
            (signed, signature)
        }
    };
    Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}

/// The name of an account in the directory.
fn object_id(account: &Account) -> String {
    guid(Sha256::digest(&account.subject).get(..16).unwrap_or_default())
}
