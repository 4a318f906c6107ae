//! What a guard costs a service that is under load: CPU time a request of the same handler, guarded and
//! unguarded in turns, over real connections. Ends with 1 if the ratio is beyond its limit.
//!
//! The service is a child process with one worker, so that its CPU time is its own: it tells it on its standard
//! output for each line on its standard input, and ends when that closes.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use auth_web::serve;
use benches::{
    answer::read,
    figure::{Figure, Limit, Rounds, process_nanos, wall_nanos},
    service::{GUARDED, UNGUARDED},
    world::{Seed, Texts, World, draw},
};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fmt::Write as _,
    io::{self, BufRead as _, BufReader, Read, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    thread,
};
use tokio::sync::watch;

/// Loads a service with guarded and unguarded requests in turns.
#[derive(Debug, Parser)]
struct Arguments {
    /// Service processes, one after the other: each lies differently in memory, and so in the caches.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    processes: u32,
    /// How long, in seconds, for each process.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Connections, each with its requests under way.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
    /// Requests under way on a connection.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pipeline: u32,
    /// Keys that the service holds, and that the requests present.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    keys: u32,
    /// Be the service.
    #[arg(long, hide = true)]
    serve: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.serve {
        be_the_service(arguments.keys);
        return ExitCode::SUCCESS;
    }
    let figure = load(&arguments);
    println!("CPU nanoseconds a request.\n\n{}\n{figure}", Figure::head());
    if figure.is_missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Serves until standard input closes.
fn be_the_service(keys: u32) {
    let world = World::warm(keys as usize);
    let listener = serve::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let (stop, stopped) = watch::channel(false);
    thread::spawn(move || {
        for line in io::stdin().lines() {
            line.unwrap();
            println!("{}", process_nanos());
        }
        stop.send(true).unwrap();
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(serve::serve(world.app(), listener, 1, stopped)).unwrap();
}

/// The service in its process.
struct Service {
    process: Child,
    ask: Option<ChildStdin>,
    told: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Service {
    fn start(keys: u32) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--serve", "--keys", &keys.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = process.stdin.take();
        let mut told = BufReader::new(process.stdout.take().unwrap());
        let mut address = String::new();
        told.read_line(&mut address).unwrap();
        Self { process, ask, told, address: address.trim().parse().unwrap() }
    }
    /// The CPU time that it has used.
    fn cpu_nanos(&mut self) -> f64 {
        let mut line = String::new();
        self.ask.as_mut().unwrap().write_all(b"\n").unwrap();
        self.told.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.ask = None;
        self.process.wait().unwrap();
    }
}

/// Rounds a second, half of them guarded.
const ROUNDS: u32 = 8;

fn load(arguments: &Arguments) -> Figure {
    let keys = draw(arguments.keys as usize, World::SEED);
    let bar = ProgressBar::new(u64::from(arguments.processes * pairs(arguments)));
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}").unwrap());
    let mut all = Rounds::default();
    for process in 1..=arguments.processes {
        let rounds = load_one(arguments, &keys, &bar);
        let figure = Figure::of(format!("process {process}"), &rounds, Limit::None);
        bar.suspend(|| eprintln!("{figure}"));
        all.add(rounds);
    }
    bar.finish_and_clear();
    Figure::of("authenticated GET over a connection: unguarded", &all, Limit::Times(1.04))
}

/// Pairs of rounds, a process.
const fn pairs(arguments: &Arguments) -> u32 {
    arguments.seconds * ROUNDS / 2
}

/// Loads one process.
fn load_one(arguments: &Arguments, keys: &Texts, bar: &ProgressBar) -> Rounds {
    let mut service = Service::start(arguments.keys);
    let mut client = Client::connect(service.address, arguments, keys.clone());
    let mut cost = |paths: &[&str], count: u32| {
        let before = service.cpu_nanos();
        client.get(paths, count);
        (service.cpu_nanos() - before) / f64::from(count)
    };
    // As many requests as fit into a round.
    let (before, first) = (wall_nanos(), 4096);
    cost(&[GUARDED], first / 2);
    cost(&UNGUARDED, first / 2);
    let a_round = 1e9 / f64::from(ROUNDS);
    let fits = f64::from(first) * a_round / (wall_nanos() - before);
    let turns = (fits / f64::from(arguments.connections * arguments.pipeline)).max(1.0);
    let count = turns.round() as u32 * arguments.connections * arguments.pipeline;
    let mut rounds = Rounds::default();
    for pair in 0..pairs(arguments) {
        let (guarded, unguarded) = if pair % 2 == 0 {
            let guarded = cost(&[GUARDED], count);
            (guarded, cost(&UNGUARDED, count))
        } else {
            let unguarded = cost(&UNGUARDED, count);
            (cost(&[GUARDED], count), unguarded)
        };
        rounds.note(guarded, unguarded);
        bar.set_message(format!("{:.1} us a request", guarded / 1000.0));
        bar.inc(1);
    }
    rounds
}

/// Connections, each with the next request sent as soon as its answer was read: the service never waits.
struct Client {
    connections: Vec<BufReader<Awake>>,
    pipeline: u32,
    keys: Texts,
    next: Seed,
    line: String,
}

impl Client {
    fn connect(address: SocketAddr, arguments: &Arguments, keys: Texts) -> Self {
        let connect = |_| {
            #[expect(clippy::disallowed_methods, reason = "this is the client")]
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            BufReader::new(Awake(stream))
        };
        let connections = (0..arguments.connections).map(connect).collect();
        let (pipeline, next) = (arguments.pipeline, Seed::new(5));
        Self { connections, pipeline, keys, next, line: String::new() }
    }

    /// Gets paths in turns, so often; `count` is a multiple of what is under way at once.
    fn get(&mut self, paths: &[&str], count: u32) {
        let Self { connections, pipeline, keys, next, line } = self;
        let turns = count / (u32::try_from(connections.len()).unwrap() * *pipeline);
        let mut paths = paths.iter().cycle();
        for turn in 0..=turns {
            for connection in connections.iter_mut() {
                if turn > 0 {
                    (0..*pipeline).for_each(|_| read(connection, line));
                }
                if turn < turns {
                    line.clear();
                    for path in paths.by_ref().take(*pipeline as usize) {
                        let key = keys.at(usize::try_from(next.next() >> 8).unwrap());
                        let head = "Host: localhost\r\nAuthorization: Bearer";
                        write!(line, "GET {path} HTTP/1.1\r\n{head} {key}\r\n\r\n").unwrap();
                    }
                    connection.get_mut().0.write_all(line.as_bytes()).unwrap();
                }
            }
        }
    }
}

/// A stream whose reader never sleeps: to wake it would be charged to the service, now and then and by its speed.
struct Awake(TcpStream);

impl Read for Awake {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
                read => return read,
            }
        }
    }
}
