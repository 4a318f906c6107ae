//! Listening: mounting a table, the work in the background, and a stop that answers what was accepted.

use crate::{
    cors,
    endpoint::{Method, Row, Service, Spec},
    enter::protect,
    front::App,
    metrics,
    problem::{Kind, Problem},
};
use actix_web::{
    HttpRequest, HttpResponse, HttpServer, Resource, guard,
    http::{
        KeepAlive,
        header::{ALLOW, HeaderValue},
    },
    web::{self, Data, ServiceConfig},
};
use auth_core::{error::FlowError, flow::Platform, time::Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, interval_at, sleep},
};

/// How long after a renewal that failed the next is tried, at the soonest.
const AGAIN: Duration = Duration::from_millis(50);
/// How often uses of keys and refusals are written: the most of them that a crash can lose.
const WRITE_EVERY: Duration = Duration::from_secs(30);
/// How often tokens, and what is good once, are forgotten when they are over.
const PURGE_EVERY: Duration = Duration::from_secs(3600);
/// How long tokens are kept after their end, so that a list still shows them.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long accepted requests may take once the process is to stop.
const GRACE_SECONDS: u64 = 20;

/// How requests come in: the section `[server]` of a configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port; each service has its default.
    pub listen: Option<SocketAddr>,
    /// Threads that serve requests; 0 is one a core.
    pub workers: usize,
    /// Where `/metrics` is served.
    pub metrics: metrics::Listen,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "proxies")]
    pub trusted_proxies: Vec<IpNet>,
}

/// Networks of proxies. A network of all addresses would believe every caller.
fn proxies<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let networks = Vec::<IpNet>::deserialize(from)?;
    match networks.iter().find(|network| network.prefix_len() == 0) {
        Some(all) => Err(D::Error::custom(format!("trusted_proxies: {all} would believe every caller"))),
        None => Ok(networks),
    }
}

/// Where requests come in, and where figures are read.
#[derive(Debug)]
pub struct Listeners {
    requests: TcpListener,
    metrics: Option<TcpListener>,
}

impl Listeners {
    /// Where requests come in.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.requests.local_addr()
    }
}

impl Settings {
    /// Binds both, where nothing else is said where the service usually has them.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub fn bind(&self, requests: SocketAddr, metrics: SocketAddr) -> std::io::Result<Listeners> {
        let requests = bind(self.listen.unwrap_or(requests))?;
        Ok(Listeners { requests, metrics: self.metrics.bind(metrics)? })
    }
}

/// Serves requests as [`serve`] does, and the figures beside them.
///
/// # Errors
/// A server cannot start.
pub async fn serve_both<S: Service>(
    app: Arc<App<S>>,
    listeners: Listeners,
    workers: usize,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let figures = metrics::serve(Arc::clone(&app), listeners.metrics, stop.clone());
    tokio::try_join!(serve(app, listeners.requests, workers, stop), figures).map(|_| ())
}

/// A bound listener, so that a taken port is known before anything starts.
///
/// # Errors
/// The address cannot be bound.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .map_err(|error| std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves with so many threads (0: one a core) until `stop` says `true` (or its sender is gone), then answers
/// what was accepted and writes what waits.
///
/// # Errors
/// The server cannot start.
#[expect(clippy::disallowed_methods, reason = "this serves a table, and nothing beside it")]
pub async fn serve<S: Service>(
    app: Arc<App<S>>,
    listener: TcpListener,
    workers: usize,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mounted = Arc::clone(&app);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if workers == 0 { cores } else { workers };
    let server = HttpServer::new(move || {
        let app = Arc::clone(&mounted);
        actix_web::App::new().configure(|config| mount(app, config))
    })
    .workers(workers)
    .keep_alive(KeepAlive::Timeout(Duration::from_secs(75)))
    .client_request_timeout(Duration::from_secs(5))
    .client_disconnect_timeout(Duration::from_secs(5))
    .shutdown_timeout(GRACE_SECONDS)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let running = tokio::spawn(server);
    let (drained, until) = watch::channel(false);
    let renewal = tokio::spawn(keep_current(Arc::clone(&app), until.clone()));
    let writes = tokio::spawn(write_now_and_then(Arc::clone(&app), until.clone()));
    let purges = tokio::spawn(forget_now_and_then(Arc::clone(&app), until));
    stopped(stop).await;
    handle.stop(true).await;
    let ended = running.await.map_err(std::io::Error::other)?;
    // What was accepted is answered: until here it was served from memory.
    drop(drained);
    renewal.await.map_err(std::io::Error::other)?;
    writes.await.map_err(std::io::Error::other)?;
    purges.await.map_err(std::io::Error::other)?;
    write_what_waits(&app).await;
    if let Err(error) = app.platform().validator.retire().await {
        tracing::warn!(?error, "the store did not hear that this process stops");
    }
    ended
}

/// Says `true` once the process is asked to stop: by SIGTERM, or SIGINT (Ctrl-C).
///
/// # Errors
/// Signals cannot be waited for.
pub fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        // Nobody listens any more: then nothing is left to stop.
        let _ = sender.send(true);
    });
    Ok(receiver)
}

pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left who could say it.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Keeps the validator current. Nothing else is done here: what takes long would let the lease run out.
async fn keep_current<S: Service>(app: Arc<App<S>>, until: watch::Receiver<bool>) {
    let ended = stopped(until);
    tokio::pin!(ended);
    let mut healthy = true;
    loop {
        let renewed = app.platform().validator.renew().await;
        note_change(&mut healthy, &renewed);
        let next = async {
            if renewed.is_err() {
                // Whatever is new stays new: it would be asked again at once, without end.
                sleep(AGAIN).await;
            }
            app.platform().validator.news().await;
        };
        tokio::select! {
            () = &mut ended => return,
            () = next => {}
        }
    }
}

/// Writes what waits, once in a while, and whenever so many uses wait that they are due.
async fn write_now_and_then<S: Service>(app: Arc<App<S>>, until: watch::Receiver<bool>) {
    let mut due = interval_at(Instant::now() + WRITE_EVERY, WRITE_EVERY);
    let ended = stopped(until);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => return,
            _ = due.tick() => {}
            () = app.platform().validator.many_uses() => {}
        }
        write_what_waits(&app).await;
    }
}

/// Forgets what is over, once in a while, and does what the service does by itself. What waits to be written does not wait for it.
async fn forget_now_and_then<S: Service>(app: Arc<App<S>>, until: watch::Receiver<bool>) {
    let mut due = interval(PURGE_EVERY);
    // Where it took longer than that, what was left out is not made up for.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = stopped(until);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => return,
            _ = due.tick() => {
                forget_what_is_over::<S>(app.platform()).await;
                // It may ask others, who may be slow: nobody waits for that who wants to stop.
                tokio::select! {
                    () = &mut ended => return,
                    () = app.service.upkeep() => {}
                }
            }
        }
    }
}

async fn forget_what_is_over<S: Service>(platform: &Platform) {
    let now = platform.now().millis();
    let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    let before = Timestamp::from_millis(now.saturating_sub(kept));
    // Tokens are the chatbot service's: the Hub may be kept from them.
    if S::KIND == auth_core::service::Service::Chatbot
        && let Err(error) = platform.stores.tokens.purge(before).await
    {
        tracing::warn!(%error, "tokens that are over could not be forgotten");
    }
    // What is good once is in no list.
    let before = Timestamp::from_millis(
        now.saturating_sub(i64::try_from(PURGE_EVERY.as_millis()).unwrap_or(i64::MAX)),
    );
    if let Err(error) = platform.stores.one_time.purge(before).await {
        tracing::warn!(%error, "what is good once and over could not be forgotten");
    }
}

/// Logs when renewals begin to fail, and when they work again; not each of a hundred a second.
fn note_change(healthy: &mut bool, renewed: &Result<(), FlowError>) {
    match renewed {
        Ok(()) if !*healthy => tracing::info!("the revocation stream is live again"),
        Err(error) if *healthy => {
            tracing::error!(?error, "the revocation stream is not live: the store is asked")
        }
        _ => {}
    }
    *healthy = renewed.is_ok();
}

async fn write_what_waits<S: Service>(app: &App<S>) {
    if let Err(error) = app.platform().validator.flush_uses().await {
        tracing::warn!(?error, "uses of keys could not be written");
    }
    if let Err(error) = app.front.refusals.flush::<S>(app.platform()).await {
        tracing::warn!(%error, "refusals could not be written");
    }
}

/// Mounts a service. The rows of one path go together, so that another method is a 405 that names those it
/// has; every other path is a 404.
#[expect(clippy::disallowed_methods, reason = "this mounts the rows of a table, and nothing else does")]
pub(crate) fn mount<S: Service>(app: Arc<App<S>>, config: &mut ServiceConfig) {
    config.app_data(Data::from(app)).default_service(web::to(unmatched::<S>));
    let mut paths: BTreeMap<&str, Vec<&'static Row<S>>> = BTreeMap::new();
    for row in S::TABLE.rows() {
        paths.entry(row.spec.path).or_default().push(row);
    }
    // Paths with parameters come after those without, so that a word is never taken for an identifier.
    let mut paths: Vec<_> = paths.into_iter().collect();
    paths.sort_by_key(|(path, _)| path.matches('{').count());
    for (path, rows) in paths {
        let allowed = allowed(rows.iter().map(|row| &row.spec));
        let for_pages = rows.iter().any(|row| row.spec.for_pages);
        let mut resource: Resource = web::resource(path);
        for row in rows {
            let method = match row.spec.method {
                Method::Get if row.spec.answers_head() => {
                    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
                }
                Method::Get => web::get(),
                Method::Post => web::post(),
                Method::Put => web::put(),
                Method::Patch => web::patch(),
                Method::Delete => web::delete(),
                Method::Options => web::route().guard(guard::Options()),
            };
            resource = resource.route(method.to(row.enter));
        }
        let wrong_method = move |app: Data<App<S>>, request: HttpRequest| {
            let problem = Problem::new(Kind::Method, format!("Allowed here: {allowed}."));
            let mut response = pass_by(&app, &request, &problem);
            if let Ok(allowed) = HeaderValue::from_str(&allowed) {
                response.headers_mut().insert(ALLOW, allowed);
            }
            if for_pages {
                cors::allow(response.headers_mut(), None);
            }
            async move { response }
        };
        config.service(resource.default_service(web::to(wrong_method)));
    }
}

fn allowed<'a>(specs: impl Iterator<Item = &'a Spec>) -> String {
    let specs: Vec<_> = specs.collect();
    let head = specs.iter().any(|spec| spec.answers_head());
    let mut methods: Vec<_> = specs.iter().map(|spec| spec.method.name()).collect();
    if head {
        methods.push("HEAD");
    }
    methods.join(", ")
}

async fn unmatched<S: Service>(app: Data<App<S>>, request: HttpRequest) -> HttpResponse {
    pass_by(&app, &request, &Problem::absent())
}

/// Answers a request that no row of the table is for. Its path is not logged: it may hold anything.
fn pass_by<S: Service>(app: &App<S>, request: &HttpRequest, problem: &Problem) -> HttpResponse {
    let request_id = app.front.request_ids.next();
    let mut response = problem.respond(S::KIND.name(), &request_id);
    protect(&mut response, &request_id);
    tracing::info!(
        target: "access",
        request_id,
        method = %request.method(),
        status = response.status().as_u16(),
        source = app.front.caller(request).map(tracing::field::display),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_all_addresses_is_no_proxy() {
        let read = |text: &str| toml::from_str::<Settings>(text).map(|settings| settings.trusted_proxies);
        assert_eq!(read("trusted_proxies = ['10.0.0.0/8', '::1/128']").unwrap().len(), 2);
        for all in ["0.0.0.0/0", "::/0", "10.0.0.0/0"] {
            let error = read(&format!("trusted_proxies = ['10.0.0.0/8', '{all}']")).unwrap_err();
            assert!(error.message().contains("believe every caller"), "{error}");
        }
    }
}
