//! Which path is answered by whom.

use crate::{
    answer::{Answer, text},
    client::Refusal,
    desk::Desk,
    discovery::discovery,
    google_calendar, graph_calendar,
    keys::answer_keys,
    like::{Like, is_tenant},
    page, revoke,
    seen::Seen,
    token::tokens,
};
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::{Bytes, Incoming},
};
use std::{future::pending, sync::Arc};

/// The longest form that is read.
const FORM_LIMIT: usize = 64 * 1024;

/// Answers a request, or never.
pub(crate) async fn enter(desk: Arc<Desk>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, FORM_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            desk.fault("a body was too long, or was cut");
            return Refusal::request("the body is too long").answer();
        }
    };
    let asked = Asked { method: &head.method, headers: &head.headers, body: &body };
    match route(&desk, head.uri.path(), head.uri.query().unwrap_or_default(), &asked) {
        Some(answer) => answer,
        None => pending().await,
    }
}

/// A request but for its target.
struct Asked<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

/// The one table; `None` where no answer ever comes.
fn route(desk: &Desk, path: &str, query: &str, asked: &Asked<'_>) -> Option<Answer> {
    let get = |run: &dyn Fn() -> Answer| Some(with_method(desk, path, asked, &Method::GET, run));
    let post = |run: &dyn Fn() -> Answer| Some(with_method(desk, path, asked, &Method::POST, run));
    let token = |like| {
        if asked.method != Method::POST {
            return Some(wrong_method(desk, path, asked.method));
        }
        tokens(desk, like, asked.headers, asked.body)
    };
    match path {
        "/o/oauth2/v2/auth" => return get(&|| page::ask(desk, Like::Google, query)),
        "/consent" => return post(&|| page::decide(desk, asked.body)),
        "/token" => return token(Like::Google),
        "/revoke" => return post(&|| revoke::revoke(desk, asked.headers, asked.body)),
        "/oauth2/v3/certs" => return get(&|| answer_keys(desk, Like::Google, "")),
        "/.well-known/openid-configuration" => return get(&|| discovery(desk, Like::Google, "")),
        "/calendar/v3/calendars/primary/events" => {
            return get(&|| google_calendar::events(desk, asked.headers, query));
        }
        "/v1.0/me/calendarView" => return get(&|| graph_calendar::events(desk, asked.headers, query)),
        _ => {}
    }
    let of_tenant = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
    match of_tenant.filter(|(tenant, _)| is_tenant(tenant)) {
        Some((_, "oauth2/v2.0/authorize")) => get(&|| page::ask(desk, Like::Microsoft, query)),
        Some((_, "oauth2/v2.0/token")) => token(Like::Microsoft),
        Some((tenant, "discovery/v2.0/keys")) => get(&|| answer_keys(desk, Like::Microsoft, tenant)),
        Some((tenant, "v2.0/.well-known/openid-configuration")) => {
            get(&|| discovery(desk, Like::Microsoft, tenant))
        }
        _ => {
            desk.note(Seen::Elsewhere(format!("{} {path}", asked.method)));
            Some(text(StatusCode::NOT_FOUND, "text/plain", "There is nothing here.\n"))
        }
    }
}

/// Runs what answers, if the method is the one that it takes.
fn with_method(
    desk: &Desk,
    path: &str,
    asked: &Asked<'_>,
    method: &Method,
    run: &dyn Fn() -> Answer,
) -> Answer {
    if asked.method == method { run() } else { wrong_method(desk, path, asked.method) }
}

fn wrong_method(desk: &Desk, path: &str, method: &Method) -> Answer {
    desk.fault(format!("{method} of {path}"));
    text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "This method is not taken here.\n")
}
