//! The one path of every request: throttle, authenticate, decide, parse (and judge again, if there was a body to
//! wait for), call, answer.

use crate::{
    cors,
    credential::{Place, Presented, presented},
    endpoint::{Endpoint, Service},
    front::App,
    input::{Input as _, without_body},
    page,
    problem::{Kind, Problem},
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
    principal::{Caller, Origin, Principal},
    throttle::Subject,
    time::Monotonic,
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use std::panic::AssertUnwindSafe;

/// Takes a request of an endpoint from its head to its answer.
pub(crate) fn enter<S: Service, E: Endpoint<S>>(
    app: Data<App<S>>,
    request: HttpRequest,
    payload: web::Payload,
) -> LocalBoxFuture<'static, HttpResponse> {
    Box::pin(async move {
        let mut payload = payload.into_inner();
        let began = app.platform().clock.monotonic();
        let origin = Origin { source: app.front.caller(&request), request_id: app.front.request_ids.next() };
        let mut caller = Caller { who: None, origin };
        let answer = attempt::<S, E>(&app, &request, &mut payload, began, &mut caller).await;
        let mut response = match answer {
            Ok(response) => response,
            Err(problem) => refuse::<S, E>(&app, &request, &problem, &caller, began).await,
        };
        protect(&mut response, &caller.origin.request_id);
        let took = app.platform().clock.monotonic().nanos() - began.nanos();
        log_access(E::SPEC.id, &request, &response, &caller, took);
        response
    })
}

#[expect(clippy::disallowed_methods, reason = "this is where callers are judged")]
async fn attempt<S: Service, E: Endpoint<S>>(
    app: &App<S>,
    request: &HttpRequest,
    payload: &mut Payload,
    began: Monotonic,
    caller: &mut Caller,
) -> Result<HttpResponse, Problem> {
    let Caller { who, origin: Origin { source, .. } } = caller;
    if let Some(limit) = E::SPEC.throttle {
        let subject = Subject::source(E::SPEC.counted_with, *source);
        let admitted = app.platform().validator.throttle().admit(subject, limit, began);
        admitted.map_err(|retry_after| Denial::Throttled { retry_after })?;
    }
    if let (Rule::AnyOf(_), Place::Page(_)) = (<E::Auth as Requirement>::RULE, E::SPEC.place) {
        identify_page::<S, E>(app, request, who).await?;
    } else if let Rule::AnyOf(_) = <E::Auth as Requirement>::RULE {
        let only_a_key = {
            let (looking, as_key) = match presented(E::SPEC.place, request)? {
                Some(Presented { text, as_key }) => {
                    (app.platform().validator.identify(&text, *source, began, who)?, as_key)
                }
                None => (None, false),
            };
            if let Some(looking) = looking {
                looking.await?;
            }
            as_key
        };
        if only_a_key && !matches!(who, Some(Principal::Key(_))) {
            *who = None;
            return Err(Denial::Unauthenticated(Refusal::Malformed).into());
        }
    }
    decide::<E::Auth>(caller)?;
    let had_body = E::Input::READS_BODY || without_body(request, payload).await?;
    let input = E::Input::take(request, payload).await?;
    if had_body {
        identify_again::<S, E>(app, request, caller).await?;
    }
    let proof = decide::<E::Auth>(caller)?;
    // A panic is this request's alone: what it was given goes with it, and locks of the core survive it.
    let answered = AssertUnwindSafe(async { E::call(&app.service, proof, input).await }).catch_unwind().await;
    answered.unwrap_or_else(|_| Err(Problem::internal("the handler panicked")))?.respond()
}

/// Looks once more whose credential it is, since what it rests on may have been revoked while the body was waited
/// for. Boxed and apart: most requests have no body.
#[cold]
fn identify_again<'a, S: Service, E: Endpoint<S>>(
    app: &'a App<S>,
    request: &'a HttpRequest,
    caller: &'a mut Caller,
) -> LocalBoxFuture<'a, Result<(), Problem>> {
    Box::pin(async move {
        let Caller { who, origin: Origin { source, .. } } = caller;
        if let (Some(_), Place::Page(_)) = (&who, E::SPEC.place) {
            identify_page::<S, E>(app, request, who).await?;
        } else if who.is_some()
            && let Some(Presented { text, .. }) = presented(E::SPEC.place, request)?
        {
            app.platform().validator.identify_again(&text, *source, who).await?;
        }
        Ok(())
    })
}

/// Looks whose page presents the cookie of a page's session, if one does.
#[cold]
fn identify_page<'a, S: Service, E: Endpoint<S>>(
    app: &'a App<S>,
    request: &'a HttpRequest,
    who: &'a mut Option<Principal>,
) -> LocalBoxFuture<'a, Result<(), Problem>> {
    Box::pin(async move {
        if let Some(Presented { text, .. }) = presented(E::SPEC.place, request)? {
            app.platform().validator.identify_page(&text, who).await?;
        }
        Ok(())
    })
}

/// Answers a problem, and counts it if it is a refusal of a guarded route, or of a public one that somebody guesses
/// at or floods. Boxed and apart: most requests have no
/// use for it.
#[cold]
fn refuse<'a, S: Service, E: Endpoint<S>>(
    app: &'a App<S>,
    request: &'a HttpRequest,
    problem: &'a Problem,
    caller: &'a Caller,
    began: Monotonic,
) -> LocalBoxFuture<'a, HttpResponse> {
    Box::pin(async move {
        let Caller { who, origin: Origin { source, request_id } } = caller;
        let guarded = matches!(<E::Auth as Requirement>::RULE, Rule::AnyOf(_));
        let of_body = matches!(problem.kind(), Kind::InvalidState | Kind::Unauthenticated | Kind::Throttled);
        if problem.is_refusal() && (guarded || of_body) {
            app.front.refusals.count(E::SPEC.id, problem.cause(), *source, *who);
        }
        let mut response = problem.respond(S::KIND.name(), request_id);
        if E::SPEC.is_page && page::is_asked_for(request) {
            response = app.service.problem_page(E::SPEC.id, *who, problem).in_place_of(response);
        }
        if E::SPEC.for_pages {
            let reader = cors::reader(app, request, problem.kind(), (*source, *who), began).await;
            cors::allow(response.headers_mut(), reader);
        }
        response
    })
}

/// A line of the access log.
fn log_access(route: &str, request: &HttpRequest, response: &HttpResponse, caller: &Caller, nanos: u64) {
    tracing::info!(
        target: "access",
        request_id = caller.origin.request_id,
        route,
        method = %request.method(),
        status = response.status().as_u16(),
        source = caller.origin.source.map(tracing::field::display),
        principal = caller.who.as_ref().map(tracing::field::display),
        micros = nanos / 1000,
    );
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
