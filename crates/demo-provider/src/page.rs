//! The page that asks a person, and the one that tells what is wrong.

use crate::{
    answer::{Answer, redirect},
    authorize::{consented, declined, judge},
    config::Config,
    desk::Desk,
    html::{Look, page},
    ledger::Asked,
    like::Like,
    parameters::Parameters,
};
use hyper::StatusCode;
use maud::{Markup, html};

const LOOK: Look = Look {
    style: "body{font:1rem/1.5 sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}\
        button{display:block;width:100%;margin:.5rem 0;padding:.7rem;font:inherit;text-align:left}",
    referrer: "no-referrer",
};

/// `GET` of an authorization endpoint: the page that asks, or what is wrong with the request.
pub(crate) fn ask(desk: &Desk, like: Like, query: &str) -> Answer {
    let asked = match judge(desk, like, query) {
        Ok(asked) => asked,
        Err(fault) => return refused(&fault),
    };
    let id = desk.random();
    let shown = asking(&desk.config, &id, &asked);
    let page = page(&LOOK, StatusCode::OK, "Demo provider", &shown, &lead_to(&asked.redirect_uri));
    desk.ledger().wait(id, asked, desk.now());
    page
}

/// `POST /consent`: sends the browser back with what the person decided.
pub(crate) fn decide(desk: &Desk, form: &[u8]) -> Answer {
    let fields = match Parameters::read(form) {
        Ok(fields) => fields,
        Err(fault) => return wrong(desk, &fault),
    };
    let asked = fields.get("request").and_then(|id| desk.ledger().decide(id, desk.now()));
    let Some(asked) = asked else { return wrong(desk, "nobody waits for this decision, or not any more") };
    let to = match (fields.get("account"), fields.get("decline")) {
        (None, Some(_)) => declined(desk, &asked),
        (Some(address), None) => match desk.config.account(address) {
            Some(account) => consented(desk, asked, account),
            None => return wrong(desk, "there is no such account"),
        },
        _ => return wrong(desk, "this is no decision"),
    };
    redirect(StatusCode::SEE_OTHER, &to)
}

/// A page that tells what is wrong.
pub(crate) fn refused(fault: &str) -> Answer {
    let shown = html! { h1 { "This request is refused" } p { (fault) "." } };
    page(&LOOK, StatusCode::BAD_REQUEST, "Refused", &shown, "")
}

fn wrong(desk: &Desk, fault: &str) -> Answer {
    desk.fault(format!("consent: {fault}"));
    refused(fault)
}

fn asking(config: &Config, id: &str, asked: &Asked) -> Markup {
    html! {
        h1 { "Demo provider" }
        p { strong { (config.client_id) } " asks for:" }
        ul { @for scope in &asked.scopes { li { code { (scope) } } } }
        p { "It will be told at " code { (asked.redirect_uri) } "." }
        form method="post" action="/consent" {
            input type="hidden" name="request" value=(id);
            @for account in &config.accounts {
                button name="account" value=(account.address) { "Continue as " (account.address) }
            }
            button name="decline" value="1" { "Decline" }
        }
    }
}

/// Where the form may lead: to the client, and, if that is on this machine, wherever on it the client leads on to. Some
/// browsers hold the whole way to the policy, and the last of it is an application that the provider does not know.
fn lead_to(redirect_uri: &str) -> String {
    let origin = origin(redirect_uri).unwrap_or_default();
    let host = origin.strip_prefix("http://").and_then(|authority| authority.split(':').next());
    let is_here = matches!(host, Some("localhost" | "127.0.0.1"));
    if is_here { format!("{origin} http://localhost:*") } else { origin.to_owned() }
}

/// Scheme and authority of a URL; `None` for what would end a directive of a policy.
fn origin(url: &str) -> Option<&str> {
    let authority = url.find("://")? + "://".len();
    let end = url.get(authority..)?.find(['/', '?']).map_or(url.len(), |length| authority + length);
    url.get(..end).filter(|origin| !origin.contains([' ', ';', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_on_this_machine_may_lead_on_within_it() {
        for (uri, expected) in [
            ("http://localhost:9/callback", "http://localhost:9 http://localhost:*"),
            ("http://127.0.0.1:9/callback", "http://127.0.0.1:9 http://localhost:*"),
            ("https://localhost:9/callback", "https://localhost:9"),
            ("http://localhost.example/callback", "http://localhost.example"),
            ("mailto:a", ""),
        ] {
            assert_eq!(lead_to(uri), expected);
        }
    }

    #[test]
    fn an_origin_ends_with_the_authority() {
        assert_eq!(origin("http://localhost:9/a/b?c"), Some("http://localhost:9"));
        assert_eq!(origin("http://localhost?c=/"), Some("http://localhost"));
        assert_eq!(origin("http://localhost"), Some("http://localhost"));
        assert_eq!(origin("http://a;script-src *"), None);
        assert_eq!(origin("mailto:a"), None);
    }
}
