//! The one path of every request: throttle, authenticate, decide, parse, call, answer.

use crate::{
    cors,
    credential::{Presented, presented},
    endpoint::{Endpoint, Service},
    front::App,
    input::{Input as _, without_body},
    problem::Problem,
    reply::Reply as _,
};
use actix_web::{
    HttpRequest, HttpResponse,
    dev::Payload,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
    web::{self, Data},
};
use auth_core::{
    error::{Denial, Refusal},
    policy::{Requirement, Rule, decide},
    principal::{Origin, Principal},
    throttle::Subject,
    time::Monotonic,
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use std::{net::IpAddr, panic::AssertUnwindSafe};

/// Takes a request of an endpoint from its head to its answer.
pub(crate) fn enter<S: Service, E: Endpoint<S>>(
    app: Data<App<S>>,
    request: HttpRequest,
    payload: web::Payload,
) -> LocalBoxFuture<'static, HttpResponse> {
    Box::pin(async move {
        let mut payload = payload.into_inner();
        let clock = app.platform().clock.as_ref();
        let began = clock.monotonic();
        let request_id = app.front.request_ids.next();
        let source = app.front.caller(&request);
        let mut who = None;
        let answer =
            attempt::<S, E>(&app, &request, &mut payload, source, began, &request_id, &mut who).await;
        let mut response = match answer.and_then(E::Output::respond) {
            Ok(response) => response,
            Err(problem) => {
                let mut refusal = refuse::<S, E>(&app, &problem, source, who, &request_id);
                if E::SPEC.for_pages {
                    let reader = cors::reader(&app, &request, problem.kind(), (source, who), began).await;
                    cors::allow(refusal.headers_mut(), reader);
                }
                refusal
            }
        };
        protect(&mut response, &request_id);
        tracing::info!(
            target: "access",
            request_id,
            route = E::SPEC.id,
            method = %request.method(),
            status = response.status().as_u16(),
            source = source.map(tracing::field::display),
            principal = who.as_ref().map(tracing::field::display),
            micros = (clock.monotonic().nanos() - began.nanos()) / 1000,
        );
        response
    })
}

async fn attempt<S: Service, E: Endpoint<S>>(
    app: &App<S>,
    request: &HttpRequest,
    payload: &mut Payload,
    source: Option<IpAddr>,
    began: Monotonic,
    request_id: &str,
    who: &mut Option<Principal>,
) -> Result<E::Output, Problem> {
    if let Some(limit) = E::SPEC.throttle {
        let platform = app.platform();
        let subject = Subject::source(E::SPEC.id, source);
        let admitted = platform.validator.throttle().admit(subject, limit, began);
        admitted.map_err(|retry_after| Denial::Throttled { retry_after })?;
    }
    if let Rule::AnyOf(_) = <E::Auth as Requirement>::RULE
        && let Some(Presented { text, as_key }) = presented(E::SPEC.place, request)?
    {
        app.platform().validator.identify(&text, source, began, who).await?;
        if as_key && !matches!(who, Some(Principal::Key(_))) {
            *who = None;
            return Err(Denial::Unauthenticated(Refusal::Malformed).into());
        }
    }
    let origin = Origin { source, request_id: request_id.to_owned() };
    let proof = decide::<E::Auth>(*who, origin)?;
    if !E::Input::READS_BODY {
        without_body(request, payload).await?;
    }
    let input = E::Input::take(request, payload).await?;
    // A panic is this request's alone: what it was given goes with it, and locks of the core survive it.
    let answered = AssertUnwindSafe(async { E::call(&app.service, proof, input).await }).catch_unwind().await;
    answered.unwrap_or_else(|_| Err(Problem::internal("the handler panicked")))
}

/// Answers a problem, and counts it if it is a refusal of a guarded route.
#[cold]
fn refuse<S: Service, E: Endpoint<S>>(
    app: &App<S>,
    problem: &Problem,
    source: Option<IpAddr>,
    who: Option<Principal>,
    request_id: &str,
) -> HttpResponse {
    if problem.is_refusal() && matches!(<E::Auth as Requirement>::RULE, Rule::AnyOf(_)) {
        app.front.refusals.count(E::SPEC.id, problem.cause, source, who);
    }
    problem.respond(S::KIND.name(), request_id)
}

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every answer carries: it is nobody's to store, to frame, to sniff, or, but for pages that say otherwise,
/// to name in a referrer.
pub(crate) fn protect(response: &mut HttpResponse, request_id: &str) {
    let headers = response.headers_mut();
    for (name, value) in [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(REFERRER_POLICY) {
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        let nothing = "default-src 'none'; frame-ancestors 'none'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(nothing));
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID.clone(), id);
    }
}
