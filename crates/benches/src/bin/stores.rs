//! What a store costs: a step that is good once beside the bare statement, a key that memory does not know among a
//! thousand and among a million, and one that it knows on either database. Ends with 1 where a figure is missed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement fails by panicking")]

use auth_core::{
    credential::{Refresh, draw_key},
    flow::Platform,
    model::{NewKey, SESSION_IDLE, Session},
    port::{CreateKey, Creation, KeyIndex, OneTime, Purpose, Rotation, Stores},
    seal::Sealed,
    secret::{PlainToken, TokenDigest},
    service::Service,
    time::Timestamp,
};
use auth_web::system::{OsEntropy, SystemClock};
use benches::{
    figure::{Figure, Limit, Rounds, thread_nanos, wall_nanos},
    postgres::{Bare, ROTATE, TAKE},
};
use clap::Parser;
use conformance::{
    contract::{
        Fixture,
        fixture::{granted, hub},
        fixture_people::{begun, keyring, refresh_of},
    },
    place::{Backend, Place},
    servers::{Postgres, Redis},
};
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

/// Steps of a round.
const STEPS: usize = 1024;
const WARM_STEPS: usize = 16 * STEPS;
/// As many as commit or go over one connection together.
const AT_ONCE: usize = 64;
/// What a single-use step may cost of the bare statement.
const STEP: Limit = Limit::Times(1.1);
/// What a cold lookup may cost more among a million keys than among a thousand.
const COLD: Limit = Limit::Times(1.3);
/// Rows that are written with one statement.
const ROWS: usize = 1000;
const FEW: usize = 1000;

/// Measures what stores cost.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds a figure.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Keys of the large store.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(2000..=10_000_000))]
    keys: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (postgres, redis) = match (Postgres::start().await, Redis::start().await) {
        (Ok(postgres), Ok(redis)) => (postgres, redis),
        (postgres, redis) => {
            let missing = [postgres.err(), redis.err()].into_iter().flatten().map(|why| why.0);
            eprintln!("stores: {}", missing.collect::<Vec<_>>().join("; "));
            return ExitCode::FAILURE;
        }
    };
    let rounds = arguments.rounds;
    let mut figures = Vec::new();
    for at_once in [1, AT_ONCE] {
        figures.push(redis_step(&redis, at_once, rounds).await);
        figures.push(postgres_step(&postgres, at_once, rounds).await);
        figures.push(rotation(&postgres, at_once, rounds).await);
    }
    figures.extend(lookups(&postgres, arguments.keys as usize, rounds).await);
    println!("{}", Figure::head());
    figures.iter().for_each(|figure| println!("{figure}"));
    if figures.iter().any(Figure::is_missed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn bar(what: &str, steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps).with_message(what.to_owned());
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {msg} {wide_bar} {pos}/{len}").unwrap());
    bar
}

/// Microseconds for each of some steps, so many at once.
async fn each<T>(steps: Vec<T>, at_once: usize, step: impl AsyncFn(T) + Copy) -> f64 {
    let count = steps.len();
    let mut shares: Vec<Vec<T>> = (0..at_once).map(|_| Vec::new()).collect();
    for (number, one) in steps.into_iter().enumerate() {
        shares[number % at_once].push(one);
    }
    let begun = wall_nanos();
    join_all(shares.into_iter().map(|share| async move {
        for one in share {
            step(one).await;
        }
    }))
    .await;
    (wall_nanos() - begun) / 1e3 / count as f64
}

/// Things that are good once, to be taken.
async fn keep(fixture: &Fixture) -> Vec<TokenDigest> {
    let kept: Vec<_> = (0..STEPS).map(|_| fixture.new_one_time(Purpose::PasswordReset)).collect();
    for some in kept.chunks(AT_ONCE) {
        for done in join_all(some.iter().map(|one| fixture.stores.one_time.keep(one.clone()))).await {
            done.unwrap();
        }
    }
    kept.into_iter().map(|one| one.digest).collect()
}

async fn take(stores: &Arc<dyn OneTime>, digest: TokenDigest, at: Timestamp) {
    assert!(stores.take(Purpose::PasswordReset, &digest, at).await.unwrap().is_some());
}

async fn redis_step(redis: &Redis, at_once: usize, rounds: u32) -> Figure {
    let fixture = Place::on(&Backend::Sqlite.with_redis(redis.url())).await.fixture().await;
    let client = redis::Client::open(redis.url()).unwrap();
    let bare = client.get_multiplexed_async_connection().await.unwrap();
    let (stores, at) = (&fixture.stores.one_time, fixture.at());
    let mut measured = Rounds::default();
    let bar = bar("GETDEL", rounds.into());
    for round in 0..rounds {
        let kept = keep(&fixture).await;
        // Names and values as long as ours, which end by themselves, too.
        let names: Vec<_> = (0..STEPS).map(|number| format!("bare:{number:0>120}")).collect();
        let mut set = redis::pipe();
        for name in &names {
            set.cmd("SET").arg(name).arg([0_u8; 12].as_slice()).arg("PX").arg(600_000).ignore();
        }
        set.query_async::<()>(&mut bare.clone()).await.unwrap();
        let ours = async || each(kept.clone(), at_once, async |digest| take(stores, digest, at).await).await;
        let floor = async || {
            let step = async |name: String| {
                let mut getdel = redis::cmd("GETDEL");
                let taken: Option<Vec<u8>> = getdel.arg(name).query_async(&mut bare.clone()).await.unwrap();
                assert!(taken.is_some());
            };
            each(names.clone(), at_once, step).await
        };
        note(&mut measured, round, ours, floor).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Figure::of(format!("take on Redis, {at_once} at once, µs: bare GETDEL"), &measured, STEP)
}

/// Ours and the floor, each first in every other round.
async fn note(rounds: &mut Rounds, round: u32, ours: impl AsyncFn() -> f64, floor: impl AsyncFn() -> f64) {
    if round.is_multiple_of(2) {
        let ours = ours().await;
        rounds.note(ours, floor().await);
    } else {
        let floor = floor().await;
        rounds.note(ours().await, floor);
    }
}

async fn postgres_step(server: &Postgres, at_once: usize, rounds: u32) -> Figure {
    let fixture = Place::on(&server.backend()).await.fixture().await;
    let (stores, at) = (&fixture.stores.one_time, fixture.at());
    let bare = &Bare::connect(&fixture.place.as_ref().unwrap().url(), at_once, TAKE).await;
    let mut measured = Rounds::default();
    let bar = bar("DELETE … RETURNING", rounds.into());
    for round in 0..rounds {
        let (kept, others) = (keep(&fixture).await, keep(&fixture).await);
        let ours = async || each(kept.clone(), at_once, async |digest| take(stores, digest, at).await).await;
        let floor = async || {
            let step = async |digest: TokenDigest| {
                let (digest, purpose) = (digest.as_bytes().as_slice(), Purpose::PasswordReset.name());
                let content: Vec<u8> = bare.run(&[&digest, &purpose, &at.millis()]).await.get(0);
                assert!(!content.is_empty());
            };
            each(others.clone(), at_once, step).await
        };
        note(&mut measured, round, ours, floor).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Figure::of(format!("take on Postgres, {at_once} at once, µs: bare statement"), &measured, STEP)
}

/// Sessions that are carried on in one round.
const SESSIONS: usize = 256;

/// Sessions with the refresh tokens that are good.
async fn sessions(fixture: &Fixture, name: &str) -> Vec<Mutex<PlainToken>> {
    let login = fixture.person(&format!("{name}@example.com")).await;
    let begun = join_all((0..SESSIONS).map(|_| begun(fixture, &login))).await;
    begun.into_iter().map(|(_, token)| Mutex::new(token)).collect()
}

/// A refresh token and its successor, sealed.
fn successor(fixture: &Fixture, token: &PlainToken) -> (Refresh, PlainToken, Sealed) {
    let presented = Refresh::read(token.expose(), &keyring()).unwrap();
    let id = presented.session();
    let next = refresh_of(fixture, id);
    let sealed = keyring().seal(&Session::cell(&id), next.expose().as_bytes(), fixture.entropy());
    (presented, next, sealed)
}

async fn rotation(server: &Postgres, at_once: usize, rounds: u32) -> Figure {
    let fixture = Place::on(&server.backend()).await.fixture().await;
    let (ours_of, others) = (sessions(&fixture, "alice").await, sessions(&fixture, "bob").await);
    let bare = &Bare::connect(&fixture.place.as_ref().unwrap().url(), at_once, ROTATE).await;
    let (at, origin) = (fixture.at(), fixture.origin());
    let mut measured = Rounds::default();
    let bar = bar("rotation", rounds.into());
    for round in 0..rounds {
        // What is presented, and what will follow, is drawn before the time is taken.
        let drawn = |of: &[Mutex<PlainToken>]| -> Vec<_> {
            let each = |place: &Mutex<PlainToken>| {
                let mut token = place.lock().unwrap();
                let (presented, next, sealed) = successor(&fixture, &token);
                let digest = TokenDigest::of(next.expose());
                *token = next;
                (presented, digest, sealed)
            };
            of.iter().map(each).collect()
        };
        let (mine, theirs) = (drawn(&ours_of), drawn(&others));
        let ours = async || {
            let step = async |(presented, digest, sealed): (Refresh, TokenDigest, Sealed)| {
                let rotated = fixture.stores.sessions.rotate(&presented, &digest, sealed, &origin, at).await;
                assert!(matches!(rotated, Ok(Rotation::Done(_))), "{rotated:?}");
            };
            each(mine.clone(), at_once, step).await
        };
        let floor = async || {
            let step = async |(presented, digest, sealed): (Refresh, TokenDigest, Sealed)| {
                let (next, old) = (digest.as_bytes().as_slice(), presented.digest().as_bytes().as_slice());
                let (id, sealed) = (presented.session(), sealed.as_bytes());
                let (now, ends) = (at.millis(), (at + SESSION_IDLE).millis());
                bare.run(&[&next, &sealed, &now, &ends, &id.as_bytes().as_slice(), &old]).await;
            };
            each(theirs.clone(), at_once, step).await
        };
        note(&mut measured, round, ours, floor).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Figure::of(format!("refresh on Postgres, {at_once} at once, µs: bare statement"), &measured, STEP)
}

/// A store with so many keys: their digests, and the text of one that was made as usual.
struct Filled {
    fixture: Fixture,
    /// As the service looks them up: where there are roles, by that of the Hub.
    index: Arc<dyn KeyIndex>,
    digests: Vec<TokenDigest>,
    text: String,
}

impl Filled {
    async fn on(backend: &Backend, keys: usize) -> Self {
        let place = Place::divided(backend).await;
        let by_role = place.open_by_roles().await.map(|[hub, _]| hub.key_index);
        let (text, secret) = draw_key(Service::Hub, &OsEntropy);
        let fixture = place.fixture().await;
        let tenant = hub(&fixture.account().await);
        let new = NewKey { secret, ..fixture.new_key(Service::Hub) };
        let made = fixture.stores.keys.create(&granted::<CreateKey>(&tenant), new, None).await.unwrap();
        assert!(matches!(made, Creation::Done(_)), "{made:?}");
        let place = fixture.place.as_ref().unwrap();
        let digests: Vec<_> = (0..keys).map(|number| TokenDigest::of(number.to_string())).collect();
        let bar = bar("keys", keys as u64);
        for (part, some) in digests.chunks(ROWS).enumerate() {
            place.execute(&rows(place, part * ROWS, some)).await;
            bar.inc(some.len() as u64);
        }
        place.execute("ANALYZE").await;
        bar.finish_and_clear();
        let index = by_role.unwrap_or_else(|| Arc::clone(&fixture.stores.key_index));
        Self { digests, text: text.reveal().expose().to_owned(), index, fixture }
    }

    /// Microseconds for each of some lookups of keys at random.
    async fn looked_up(&self, index: &Arc<dyn KeyIndex>, round: u32) -> f64 {
        let picked: Vec<_> = (0..STEPS)
            .map(|step| {
                let digest = TokenDigest::of(format!("{round} {step}"));
                let number = u64::from_le_bytes(*digest.as_bytes().first_chunk().unwrap());
                self.digests[(number % self.digests.len() as u64) as usize]
            })
            .collect();
        each(picked, 1, async |digest| {
            assert!(index.find(Service::Hub, &digest).await.unwrap().is_some());
        })
        .await
    }
}

/// The statement that writes some keys like the first, past the store.
fn rows(place: &Place, first: usize, digests: &[TokenDigest]) -> String {
    let numbered = |number: usize| format!("{:032x}", number + 1);
    let values = |each: &dyn Fn(usize, &TokenDigest) -> String| {
        let rows = digests.iter().enumerate().map(|(at, digest)| each(first + at, digest));
        rows.collect::<Vec<_>>().join(",")
    };
    let ids = values(&|number, _| format!("({})", place.bytes(&numbered(number))));
    let secrets = values(&|number, digest| {
        let digits: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("({}, {}, 1)", place.bytes(&digits), place.bytes(&numbered(number)))
    });
    let columns = "service, account_id, name, prefix, permissions, networks, created_at, version";
    format!(
        "INSERT INTO keys (id, {columns}) SELECT made.column1, {columns} FROM (VALUES {ids}) AS made, \
         (SELECT {columns} FROM keys ORDER BY id DESC LIMIT 1) AS like_this; \
         INSERT INTO key_secrets (digest, key_id, announced) VALUES {secrets}"
    )
}

async fn lookups(server: &Postgres, many: usize, rounds: u32) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut large = Vec::new();
    for (name, backend) in [("SQLite", Backend::Sqlite), ("Postgres", server.backend())] {
        let (few, many) = (Filled::on(&backend, FEW).await, Filled::on(&backend, many).await);
        // What was just written is read for the first time, by neither.
        few.looked_up(&few.index, u32::MAX).await;
        many.looked_up(&many.index, u32::MAX).await;
        let mut measured = Rounds::default();
        for round in 0..rounds {
            note(
                &mut measured,
                round,
                async || many.looked_up(&many.index, round).await,
                async || few.looked_up(&few.index, round).await,
            )
            .await;
        }
        let name = format!("cold key among {} on {name}, µs: among {FEW}", many.digests.len());
        figures.push(Figure::of(name, &measured, COLD));
        large.push(many);
    }
    figures.push(by_role(&large[1], rounds).await);
    figures.push(warm(&large[1], &large[0], rounds).await);
    figures
}

/// A cold key, looked up by the service's role, whom policies concern, and by the owner of the tables.
async fn by_role(filled: &Filled, rounds: u32) -> Figure {
    let (role, owner) = (&filled.index, &filled.fixture.stores.key_index);
    let mut measured = Rounds::default();
    for round in 0..rounds {
        let (ours, floor) =
            (async || filled.looked_up(role, round).await, async || filled.looked_up(owner, round).await);
        note(&mut measured, round, ours, floor).await;
    }
    Figure::of("cold key on Postgres by a service's role, µs: by the owner", &measured, Limit::None)
}

/// A key that memory knows, on one store and on another.
async fn warm(ours: &Filled, floor: &Filled, rounds: u32) -> Figure {
    let process = async |filled: &Filled| {
        let stores: Stores = filled.fixture.stores.clone();
        let platform =
            Platform::new(Service::Hub, stores, Arc::new(SystemClock::start()), Arc::new(OsEntropy));
        platform.validator.renew().await.unwrap();
        platform
    };
    let (one, other) = (process(ours).await, process(floor).await);
    let time = async |platform: &Platform, text: &str| {
        platform.validator.renew().await.unwrap();
        let validate = async || {
            let validator = &platform.validator;
            validator.authenticate(text.as_bytes(), None, validator.reading()).await.unwrap()
        };
        // What the renewal drove out of the caches is brought back first.
        for _ in 0..STEPS {
            validate().await;
        }
        let begun = thread_nanos();
        for _ in 0..WARM_STEPS {
            validate().await;
        }
        (thread_nanos() - begun) / WARM_STEPS as f64
    };
    let mut measured = Rounds::default();
    for round in 0..rounds {
        let (ours, floor) = (async || time(&one, &ours.text).await, async || time(&other, &floor.text).await);
        note(&mut measured, round, ours, floor).await;
    }
    Figure::of("warm key on Postgres, ns: on SQLite", &measured, Limit::Times(1.05))
}
