//! Authorization requests, and what the browser brings back.

use crate::{
    config::Account, desk::Desk, ledger::Asked, like::Like, misbehaviour::Misbehaviour,
    parameters::Parameters, seen::Seen,
};
use form_urlencoded::Serializer;

/// The fewest characters of a state that nobody guesses: 128 bits of base64url.
const STATE_LEN: usize = 22;
/// The characters of a SHA-256 in base64url.
const CHALLENGE_LEN: usize = 43;

/// Judges the query of an authorization request, accepts it, and keeps what was seen. The error is for a page: nobody is
/// sent anywhere by a request in which anything is wrong.
pub(crate) fn judge(desk: &Desk, like: Like, query: &str) -> Result<Asked, String> {
    let judged = Parameters::read(query.as_bytes()).and_then(|asked| read(desk, like, &asked));
    let judged = judged.and_then(|asked| match desk.ledger().accept(&asked) {
        Ok(()) => Ok(asked),
        Err(name) => Err(format!("{name} was there before")),
    });
    match &judged {
        Ok(_) => desk.note(Seen::Authorization { client: desk.config.client_id.clone() }),
        Err(fault) => desk.fault(format!("authorization: {fault}")),
    }
    judged
}

fn read(desk: &Desk, like: Like, asked: &Parameters) -> Result<Asked, String> {
    if asked.need("client_id")? != desk.config.client_id {
        return Err("client_id is unknown".to_owned());
    }
    let redirect_uri = asked.need("redirect_uri")?.to_owned();
    if !desk.config.redirect_uris.contains(&redirect_uri) {
        return Err("redirect_uri is not registered".to_owned());
    }
    if asked.need("response_type")? != "code" {
        return Err("response_type is not code".to_owned());
    }
    if asked.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err("response_mode is not query".to_owned());
    }
    let names: Vec<&str> = asked.need("scope")?.split(' ').collect();
    let scopes = scopes(like, &names)?;
    if !scopes.contains(&"openid") {
        return Err("scope lacks openid".to_owned());
    }
    let state = asked.need("state")?.to_owned();
    if state.len() < STATE_LEN {
        return Err(format!("state is shorter than {STATE_LEN} characters"));
    }
    let nonce = asked.need("nonce")?.to_owned();
    if asked.need("code_challenge_method")? != "S256" {
        return Err("code_challenge_method is not S256".to_owned());
    }
    let challenge = asked.need("code_challenge")?.to_owned();
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if challenge.len() != CHALLENGE_LEN || !challenge.bytes().all(is_base64url) {
        return Err(format!("code_challenge is not {CHALLENGE_LEN} characters of base64url"));
    }
    let is_offline = match like {
        Like::Google => {
            let prompts = asked.get("prompt").unwrap_or_default();
            let asks = asked.get("access_type") == Some("offline") || scopes.contains(&"offline_access");
            asks && prompts.split(' ').any(|each| each == "consent")
        }
        Like::Microsoft => scopes.contains(&"offline_access"),
    };
    Ok(Asked { like, redirect_uri, scopes, state, nonce, challenge, is_offline })
}

/// The scopes of these names, each once.
pub(crate) fn scopes(like: Like, names: &[&str]) -> Result<Vec<&'static str>, String> {
    let mut scopes = Vec::new();
    for name in names {
        let scope = like.scope(name).ok_or_else(|| format!("the scope {name} is unknown"))?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

/// The scopes as answers tell them: never `offline_access`.
pub(crate) fn told(scopes: &[&str]) -> String {
    let told: Vec<&str> = scopes.iter().copied().filter(|scope| *scope != "offline_access").collect();
    told.join(" ")
}

/// Where the browser of somebody goes who consents.
pub(crate) fn consented(desk: &Desk, asked: Asked, account: &Account) -> String {
    let [prefix, ..] = asked.like.prefixes();
    let code = format!("{prefix}{}", desk.random());
    desk.ledger().give_code(code.clone(), asked.clone(), account.clone(), desk.now());
    let mut brought = vec![("code", code)];
    if desk.does(Misbehaviour::CodeAndError) {
        brought.push(("error", "server_error".to_owned()));
        brought.push(("error_description", "<script>alert(1)</script>".to_owned()));
    }
    match asked.like {
        Like::Google => brought.push(("scope", told(&asked.scopes))),
        Like::Microsoft => brought.push(("session_state", desk.guid())),
    }
    callback(desk, &asked, brought)
}

/// Where the browser of somebody goes who does not.
pub(crate) fn declined(desk: &Desk, asked: &Asked) -> String {
    let mut brought = vec![("error", "access_denied".to_owned())];
    if asked.like == Like::Microsoft {
        brought.push(("error_description", "The person declined to consent.".to_owned()));
    }
    callback(desk, asked, brought)
}

fn callback(desk: &Desk, asked: &Asked, mut brought: Vec<(&str, String)>) -> String {
    brought.push(("state", asked.state.clone()));
    match (desk.how(), asked.like) {
        (Some(Misbehaviour::WrongIssParameter), _) => {
            brought.push(("iss", "https://issuer.invalid".to_owned()));
        }
        (Some(Misbehaviour::NoIssParameter), _) | (_, Like::Microsoft) => {}
        (_, Like::Google) => brought.push(("iss", desk.origin.clone())),
    }
    let query = Serializer::new(String::new()).extend_pairs(brought).finish();
    let uri = &asked.redirect_uri;
    let mark = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{mark}{query}")
}
