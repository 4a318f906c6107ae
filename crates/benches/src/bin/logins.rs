//! What hashing passwords costs: how many the pool hashes in the time of bare hashes on every core, and what a flood of logins
//! leaves to the routes that keys guard. Ends with 1 if a figure is beyond its limit.
//!
//! The service is a child process, as it is run: threads that serve for each core, and threads that hash.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use auth_core::{
    credential::{Password, draw_key},
    jwt::{Issuer, SigningKeys},
    model::NewKey,
    port::{CreateKey, Creation, Passwords as _},
    service::Service,
};
use auth_web::{
    App, serve,
    system::{OsEntropy, SystemClock},
};
use benches::{
    answer::read,
    figure::{Figure, Limit, Rounds, wall_nanos},
    replica::Replica,
    turns::both,
};
use chatbot_service::{
    Chatbot,
    issuer::Tokens,
    passwords::{COST, Pool, hash},
    responder::Responder,
    settings::People,
};
use clap::Parser;
use conformance::{
    client::Request,
    contract::fixture::{chatbot, granted},
    place::{Backend, Place},
};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    num::NonZero,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::runtime::Runtime;

/// Hashes passwords, and loads a service with logins.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often the pool and bare hashes take turns.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How often a flood and its absence take turns.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    floods: u32,
    /// How long each of them is, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Logins that are tried a second.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    logins: u32,
    /// Be the service.
    #[arg(long, hide = true)]
    serve: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = Runtime::new().unwrap();
    if arguments.serve {
        runtime.block_on(be_the_service());
        return ExitCode::SUCCESS;
    }
    let bar = ProgressBar::new(u64::from(arguments.rounds + 2 * arguments.floods));
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len}").unwrap());
    let hashing = hashing(arguments.rounds, &runtime, &bar);
    let (flood, told) = flood(&arguments, &runtime, &bar);
    bar.finish_and_clear();
    println!("{}\n{hashing}\n{flood}\n\n{told}", Figure::head());
    if hashing.is_missed() || flood.is_missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn password(number: usize) -> Password {
    Password::new(&format!("violet tapir quietly {number}"), &[]).unwrap()
}

/// Hashes for each thread and round.
const HASHES: usize = 4;

/// Milliseconds a hash, with all threads of the pool at work, and on as many threads that do nothing else.
fn hashing(rounds: u32, runtime: &Runtime, bar: &ProgressBar) -> Figure {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let pool = Pool::start(Arc::new(OsEntropy), COST).unwrap();
    let all = HASHES * threads;
    let each = |begun: f64| (wall_nanos() - begun) / 1e6 / all as f64;
    let ours = || {
        let begun = wall_nanos();
        let passwords: Vec<_> = (0..all).map(password).collect();
        let hashes = runtime.block_on(join_all(passwords.iter().map(|password| pool.hash(password))));
        assert!(hashes.iter().all(Result::is_ok));
        each(begun)
    };
    let bare = || {
        let begun = wall_nanos();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    (0..HASHES).for_each(|number| drop(hash(&password(number), &OsEntropy).unwrap()))
                });
            }
        });
        each(begun)
    };
    let mut measured = Rounds::default();
    for round in 0..rounds {
        let (ours, floor) = both(ours, bare, round % 2 == 0);
        measured.note(ours, floor);
        bar.inc(1);
    }
    let name = format!("a hash on the pool, {threads} threads, ms: bare on every core");
    Figure::of(name, &measured, Limit::Times(1.0 / 0.95))
}

/// Serves the chatbot service on a fresh store, with a key; tells where, and the key.
async fn be_the_service() {
    let place = Place::on(&Backend::Sqlite).await;
    let stores = place.open().await;
    let issuer = Issuer::parse("https://chat.example.com").unwrap();
    let keys = SigningKeys::new(issuer, Arc::new(Place::keyring()));
    let parts = (stores, Arc::new(SystemClock::start()) as _, Arc::new(OsEntropy) as _);
    let settings = (Tokens::default(), People::default());
    let service = Chatbot::open(parts, keys, settings, Responder::BuiltIn, None).await.unwrap();
    let fixture = place.fixture().await;
    let tenant = chatbot(&fixture.domain(&fixture.account().await).await);
    let (text, secret) = draw_key(Service::Chatbot, &OsEntropy);
    let new = NewKey { secret, ..fixture.new_key(Service::Chatbot) };
    let made = fixture.stores.keys.create(&granted::<CreateKey>(&tenant), new, None).await.unwrap();
    assert!(matches!(made, Creation::Done(_)), "{made:?}");
    let listener = serve::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    println!("{} {}", listener.local_addr().unwrap(), text.reveal().expose());
    // Whoever asks says from where.
    let app = Arc::new(App::new(service, vec!["127.0.0.0/8".parse().unwrap()]));
    serve::serve(app, listener, 0, serve::stop_signal().unwrap()).await.unwrap();
}

/// How long the client of the guarded route rests between two requests.
const PACE: Duration = Duration::from_millis(5);

/// An address that nobody had before.
fn address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, a, b, c] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

/// Microseconds within which 99 of 100 requests of a guarded route are answered, while logins are tried and while none are;
/// and what became of those.
fn flood(arguments: &Arguments, runtime: &Runtime, bar: &ProgressBar) -> (Figure, String) {
    let (service, told) = Replica::start_and_tell(&["--serve"]);
    let mut client = Client::connect(service.address, told.trim());
    let (stop, counts) = (AtomicBool::new(false), Arc::new(Counts::default()));
    let mut measured = Rounds::default();
    let span = Duration::from_secs(arguments.seconds.into());
    client.latency(Duration::from_secs(2));
    for round in 0..arguments.floods {
        let flooded = |client: &mut Client| {
            stop.store(false, Ordering::SeqCst);
            let latency = thread::scope(|scope| {
                let flooding = scope.spawn(|| {
                    runtime.block_on(try_logins(service.address, arguments.logins, &stop, &counts))
                });
                // Until they queue.
                client.latency(Duration::from_secs(1));
                let latency = client.latency(span);
                stop.store(true, Ordering::SeqCst);
                flooding.join().unwrap();
                latency
            });
            // Until the last that was in line has been hashed.
            client.latency(Duration::from_secs(5));
            bar.inc(1);
            latency
        };
        let idle = |client: &mut Client| {
            let latency = client.latency(span);
            bar.inc(1);
            latency
        };
        let (ours, floor) = if round % 2 == 0 {
            let floor = idle(&mut client);
            (flooded(&mut client), floor)
        } else {
            let ours = flooded(&mut client);
            (ours, idle(&mut client))
        };
        measured.note(ours, floor);
    }
    let name = format!("guarded route, p99, {} logins tried a second, µs: none", arguments.logins);
    let (hashed, away, broken) = counts.told();
    let seconds = arguments.floods * (arguments.seconds + 1);
    let told = format!(
        "{hashed} logins were hashed in about {seconds} s of floods, {away} sent away, {broken} broken off"
    );
    (Figure::of(name, &measured, Limit::Times(2.0)), told)
}

/// What became of logins.
#[derive(Default)]
struct Counts([AtomicU32; 3]);

impl Counts {
    fn note(&self, status: Option<u16>) {
        let index = match status {
            Some(401) => 0,
            Some(429 | 503) => 1,
            Some(other) => panic!("a login is answered {other}"),
            None => 2,
        };
        if let Some(count) = self.0.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn told(&self) -> (u32, u32, u32) {
        let [hashed, away, broken] = &self.0;
        let told = |count: &AtomicU32| count.load(Ordering::Relaxed);
        (told(hashed), told(away), told(broken))
    }
}

/// Tries logins of people whom nobody knows, each from an address of its own, so many a second.
async fn try_logins(to: SocketAddr, a_second: u32, stop: &AtomicBool, counts: &Arc<Counts>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / a_second);
    let mut tried = tokio::task::JoinSet::new();
    while !stop.load(Ordering::SeqCst) {
        tick.tick().await;
        let address = address();
        let body = format!(r#"{{"email":"{address}@example.com","password":"violet tapir quietly"}}"#);
        let request = Request::post("/auth/login", &body).header("X-Forwarded-For", &address);
        let counts = Arc::clone(counts);
        tried.spawn(async move { counts.note(request.send(to).await.ok().map(|answer| answer.status)) });
        while tried.try_join_next().is_some() {}
    }
    tried.join_all().await;
}

/// Who asks at the guarded route, over one connection, and rests between two requests.
struct Client {
    connection: BufReader<TcpStream>,
    key: String,
    line: String,
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "this is the client")]
    fn connect(address: SocketAddr, key: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { connection: BufReader::new(stream), key: key.to_owned(), line: String::new() }
    }

    /// Microseconds within which 99 of 100 requests are answered, of those that fit into this time.
    fn latency(&mut self, span: Duration) -> f64 {
        let until = wall_nanos() + span.as_nanos() as f64;
        let mut times = Vec::new();
        while wall_nanos() < until {
            let body = r#"{"question":"When are you open?"}"#;
            let request = format!(
                "POST /query/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nX-Forwarded-For: {}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                self.key,
                address(),
                body.len()
            );
            let begun = wall_nanos();
            self.connection.get_mut().write_all(request.as_bytes()).unwrap();
            read(&mut self.connection, &mut self.line);
            times.push((wall_nanos() - begun) / 1000.0);
            thread::sleep(PACE);
        }
        times.sort_unstable_by(f64::total_cmp);
        times.get((times.len() - 1) * 99 / 100).copied().unwrap()
    }
}
