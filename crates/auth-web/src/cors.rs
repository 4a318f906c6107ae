//! Which pages of other origins may read an answer (Fetch, CORS protocol); no credentials mode.

use crate::{endpoint::Service, front::App, problem::Kind};
use actix_web::{
    HttpRequest,
    http::header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderValue, ORIGIN, VARY,
    },
};
use auth_core::{principal::Principal, throttle::Subject, time::Monotonic};
use std::{net::IpAddr, num::NonZeroU32};

/// Refusals for which the store is asked whether a page may read them, a minute and source: as many as there
/// are preflights. Beyond, the page is not told why it was refused.
const LOOKED_UP_PER_MINUTE: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// Lets the page of an origin read an answer; without an origin, no page.
pub(crate) fn allow(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("Retry-After, X-Request-Id");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// The origin of the page that may read a refusal. What is not found is told to no page: there, the origin may
/// be what is wrong.
pub(crate) async fn reader<S: Service>(
    app: &App<S>,
    request: &HttpRequest,
    kind: Kind,
    (source, who): (Option<IpAddr>, Option<Principal>),
    now: Monotonic,
) -> Option<HeaderValue> {
    let mut sent = request.headers().get_all(ORIGIN);
    let (Some(origin), None) = (sent.next(), sent.next()) else { return None };
    let text = origin.to_str().ok().filter(|_| kind != Kind::Absent)?;
    let subject = Subject::source("refusals for pages", source);
    app.platform().validator.throttle().admit(subject, LOOKED_UP_PER_MINUTE, now).ok()?;
    app.service.allows_page(who, text).await.then(|| origin.clone())
}
