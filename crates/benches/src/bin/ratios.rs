//! Measures every hot path beside its floor in one run, and ends with 1 if one is beyond its limit.
//!
//! All figures are taken in many short rounds; in each round ours and its floor run shortly after one another,
//! in turns first, and a figure is the median of the rounds' ratios: what else goes on in the machine meets
//! both. Times are CPU times of the measuring thread.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use auth_core::{
    credential::classify,
    id::KeyId,
    policy::{Permission, Requirement as _, Verdict, judge},
    principal::Principal,
    secret::TokenDigest,
    time::Timestamp,
    validate::{Uses, Validator},
};
use auth_web::in_process::in_process;
use benches::{
    figure::{Figure, Limit, Rounds, each, thread_nanos},
    floor::{Map, Row, front, raw, word},
    service::{GUARDED, ReadsBilling, UNGUARDED},
    turns::{Turns, both},
    world::{Seed, Texts, World, draw, identify},
};
use clap::Parser;
use futures_util::FutureExt as _;
use std::{
    hint::black_box,
    process::ExitCode,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// Measures the hot paths beside their floors.
#[derive(Parser)]
struct Arguments {
    /// How many rounds a figure is the median of.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
}

fn main() -> ExitCode {
    let Arguments { rounds } = Arguments::parse();
    let rounds = Turns::begin(rounds);
    let figures = [
        credential(&rounds),
        request(&rounds, 1, "one key"),
        request(&rounds, 10_000, "1e4 keys"),
        validation(&rounds, 1_000, "1e3 keys"),
        validation(&rounds, 10_000, "1e4 keys"),
        validation(&rounds, 100_000, "1e5 keys"),
        validation(&rounds, 1_000_000, "1e6 keys"),
        hot_key(&rounds),
        noting(&rounds, 1, "one key"),
        noting(&rounds, 10_000, "1e4 keys"),
        noting(&rounds, 1_000_000, "1e6 keys"),
        growth(&rounds),
    ];
    rounds.end(figures.iter().flatten())
}

/// How many texts one measurement takes.
const SAMPLE: usize = 4096;

/// CPU time of one step. Each step waits for the result of the one before, as a request waits for its answer.
fn chain(texts: &Texts, mut step: impl FnMut(&str) -> u64) -> f64 {
    let nothing = black_box(0);
    let mut last = 0;
    let time = each(texts.len(), || {
        for place in 0..texts.len() {
            last = step(texts.at(place + usize::try_from(last & nothing).unwrap_or(0)));
        }
    });
    black_box(last);
    time
}

/// Whom a text belongs to, in a word that depends on all of it.
fn seen(answer: Option<Principal>) -> u64 {
    match black_box(answer) {
        Some(Principal::Key(key)) => key.id.as_bytes().last().copied().map_or(0, u64::from),
        _ => 1,
    }
}

fn credential(turns: &Turns) -> Vec<Figure> {
    let world = World::warm(SAMPLE);
    let (texts, misspelt) = (&world.keys, world.keys.misspelt());
    let validator = &world.platform.validator;
    let form = |text: &str| u64::from(black_box(classify(text)).is_ok());
    let crc = |text: &str| u64::from(crc32fast::hash(text.as_bytes().get(..45).unwrap_or_default()));
    let [mut good, mut wrong, mut refused, mut digest, mut decision] = [(); 5].map(|()| Rounds::default());
    turns.run("forms and digests", |floor_first| {
        let note = |rounds: &mut Rounds, pair: (f64, f64)| rounds.note(pair.0, pair.1);
        note(&mut good, both(|| chain(texts, form), || chain(texts, crc), floor_first));
        note(&mut wrong, both(|| chain(&misspelt, form), || chain(texts, form), floor_first));
        let asked = validator.reading();
        let refuse = |text: &str| seen(identify(validator, text, asked));
        note(&mut refused, both(|| chain(&misspelt, refuse), || chain(texts, form), floor_first));
        let ours = |text: &str| word(&black_box(TokenDigest::of(text)));
        let plain = |text: &str| u64::from(black_box(raw(text)).first().copied().unwrap_or(0));
        note(&mut digest, both(|| chain(texts, ours), || chain(texts, plain), floor_first));
        let who = identify(validator, texts.at(0), asked).unwrap();
        let Principal::Key(key) = who else { return };
        let decide = |_: &str| {
            u64::from(
                black_box(judge(black_box(ReadsBilling::RULE), Some(black_box(&who))))
                    == Verdict::NoCredential,
            )
        };
        let bit = |_: &str| {
            u64::from(black_box(black_box(key.permissions).contains(black_box(Permission::BillingAccess))))
        };
        note(&mut decision, both(|| chain(texts, decide), || chain(texts, bit), floor_first));
    });
    turns.tell(vec![
        Figure::of("form check of a good key: CRC-32 of the same bytes", &good, Limit::None),
        Figure::of("form check of a wrong checksum: of a good one", &wrong, Limit::Times(1.05)),
        Figure::of("validator on a wrong checksum: form check of a good one", &refused, Limit::Times(1.25)),
        Figure::of("digest of a key: raw SHA-256", &digest, Limit::None),
        Figure::of("decision: a bit test", &decision, Limit::None),
    ])
}

/// Requests that are made before they are sent: few, so that they are in the caches as those of a connection are.
const REQUESTS: usize = 16;

fn request(turns: &Turns, count: usize, keys: &str) -> Vec<Figure> {
    let world = World::warm(count);
    let seed = Seed::new(3);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let get = runtime.block_on(in_process(world.app()));
    let send = |path: &str, texts: &Texts| {
        let requests: Vec<_> = texts.iter().map(|text| get(path, text)).collect();
        each(requests.len(), || {
            for request in requests {
                assert_eq!(request.now_or_never(), Some(Some(200)));
            }
        })
    };
    let time = |paths: &[&str], samples: &[Texts]| {
        let each = samples.iter().zip(paths.iter().cycle()).map(|(texts, path)| send(path, texts));
        each.sum::<f64>() / samples.len() as f64
    };
    let allocations = |paths: &[&str], texts: &Texts| {
        let each = paths.iter().map(|path| {
            let request = get(path, texts.at(0));
            let pass = || assert_eq!(request.now_or_never(), Some(Some(200)));
            allocation_counter::measure(pass).count_total as f64
        });
        each.sum::<f64>() / paths.len() as f64
    };
    let map: Map = world.keys.iter().map(|text| (raw(text), [1; 16])).collect();
    let hit = |text: &str| black_box(map.get(&raw(text)).copied()).map_or(0, last);
    let [mut times, mut parts, mut counts] = [(); 3].map(|()| Rounds::default());
    turns.run("requests in process", |floor_first| {
        world.flush();
        let samples: Vec<_> = (0..128).map(|_| world.keys.sample(REQUESTS, &seed)).collect();
        let (ours, floor) = both(|| time(&[GUARDED], &samples), || time(&UNGUARDED, &samples), floor_first);
        times.note(ours, floor);
        parts.note(ours - floor, chain(&world.keys.sample(SAMPLE, &seed), hit));
        let texts = world.keys.sample(1, &seed);
        let (ours, floor) =
            both(|| allocations(&[GUARDED], &texts), || allocations(&UNGUARDED, &texts), floor_first);
        counts.note(ours, floor);
    });
    turns.tell(vec![
        Figure::of(format!("guarded request, {keys}: unguarded"), &times, Limit::Plus(150.0)),
        Figure::of("what its guard adds: SHA-256 and a map hit", &parts, Limit::Times(2.0)),
        Figure::of("its allocations: unguarded", &counts, Limit::Plus(0.0)),
    ])
}

fn validation(turns: &Turns, count: usize, keys: &str) -> Vec<Figure> {
    turns.say("drawing keys");
    let world = World::warm(count);
    let row = Row::new(count);
    let map: Map = world.keys.iter().map(|text| (raw(text), [1; 16])).collect();
    let validator = &world.platform.validator;
    let seed = Seed::new(4);
    let [mut whole, mut lookup, mut unknown] = [(); 3].map(|()| Rounds::default());
    turns.run("validations", |floor_first| {
        world.flush();
        let texts = world.keys.sample(SAMPLE, &seed);
        let strangers = draw(SAMPLE, seed.next());
        let asked = validator.reading();
        let validate = |text: &str| seen(identify(validator, text, asked));
        let hit = |text: &str| black_box(map.get(&raw(text)).copied()).map_or(0, last);
        let (ours, floor) = both(|| chain(&texts, validate), || chain(&texts, hit), floor_first);
        whole.note(ours, floor);
        let texts = world.keys.sample(SAMPLE, &seed);
        let index = |text: &str| front(text).map_or(0, |(_, digest)| last(black_box(row.get(word(&digest)))));
        let (ours, floor) = both(|| chain(&texts, validate), || chain(&texts, index), floor_first);
        let before = chain(&texts, |text| front(text).map_or(0, |(_, digest)| word(&black_box(digest))));
        lookup.note(ours - before, floor - before);
        let texts = world.keys.sample(SAMPLE, &seed);
        let (ours, floor) = both(|| chain(&strangers, validate), || chain(&texts, validate), floor_first);
        unknown.note(ours, floor);
    });
    let at_most = if count == 1_000_000 { Limit::Times(1.5) } else { Limit::None };
    turns.tell(vec![
        Figure::of(format!("validation at {keys}: SHA-256 and a map hit"), &whole, Limit::None),
        Figure::of(format!("lookup at {keys}: direct index"), &lookup, at_most),
        Figure::of(format!("unknown key at {keys}: known key"), &unknown, Limit::Times(1.0)),
    ])
}

fn last(record: [u64; 16]) -> u64 {
    record.last().copied().unwrap_or(0)
}

/// Validations of the hot key, and uses, that one measurement takes: as many as are handed over before they must be counted, also
/// beside as many of another thread. A service counts them in another thread; here the flush between rounds does.
const HOT: usize = 4_096;

fn hot_key(turns: &Turns) -> Vec<Figure> {
    let world = World::warm(10_000);
    let (validator, hot) = (world.platform.validator.as_ref(), world.keys.at(17));
    let busy = || {
        let asked = validator.reading();
        each(HOT, || {
            for _ in 0..HOT {
                seen(identify(validator, black_box(hot), asked));
            }
        })
    };
    let other = World::warm(10_000);
    let [mut rounds, mut apart] = [(); 2].map(|()| Rounds::default());
    turns.run("one hot key", |floor_first| {
        world.flush();
        other.flush();
        let elsewhere = || beside(busy, &other.platform.validator, other.keys.at(17));
        let (ours, floor) = both(|| beside(busy, validator, hot), elsewhere, floor_first);
        apart.note(ours, floor);
        world.flush();
        let (ours, floor) = both(|| beside(busy, validator, hot), busy, floor_first);
        rounds.note(ours, floor);
    });
    turns.tell(vec![
        Figure::of("a hot key on two threads: on one", &rounds, Limit::Times(1.05)),
        Figure::of("the same: another thread's key is another validator's", &apart, Limit::None),
    ])
}

/// Measures while another thread presents the same key all the time.
fn beside(measure: impl FnOnce() -> f64, validator: &Validator, hot: &str) -> f64 {
    let (ready, done) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            ready.wait();
            while !done.load(Ordering::Relaxed) {
                let asked = validator.reading();
                for _ in 0..64 {
                    seen(identify(validator, black_box(hot), asked));
                }
            }
        });
        ready.wait();
        let time = measure();
        done.store(true, Ordering::Relaxed);
        time
    })
}

/// What a use of a key costs the request, beside a number that nobody else reads. A flush takes them between rounds.
fn noting(turns: &Turns, count: usize, keys: &str) -> Vec<Figure> {
    let seed = Seed::new(5);
    let keys_of: Vec<_> = (0..count as u128).map(|number| KeyId::from_bytes(number.to_ne_bytes())).collect();
    let (uses, number) = (Uses::default(), AtomicU64::new(0));
    let [mut rounds, mut counts] = [(); 2].map(|()| Rounds::default());
    turns.run("uses", |floor_first| {
        let pick = |_| keys_of.get(usize::try_from(seed.next() >> 8).unwrap_or(0) % count).copied().unwrap();
        let used: Vec<_> = (0..HOT).map(pick).collect();
        let ours = || each(HOT, || used.iter().for_each(|key| uses.note(black_box(*key), Timestamp::EPOCH)));
        let floor = || {
            each(HOT, || {
                for key in &used {
                    black_box(*key);
                    number.store(black_box(number.load(Ordering::Relaxed)) + 1, Ordering::Relaxed);
                }
            })
        };
        let (ours, floor) = both(ours, floor, floor_first);
        rounds.note(ours, floor);
        let mut taken = Vec::new();
        counts.note(each(HOT, || taken = uses.take()), floor);
        assert_eq!(taken.iter().map(|taken| taken.times as usize).sum::<usize>(), HOT);
    });
    turns.tell(vec![
        Figure::of(format!("noting a use, {keys}: storing a number"), &rounds, Limit::Plus(20.0)),
        Figure::of("counting it, not in the request: storing a number", &counts, Limit::None),
    ])
}

/// Keys that the table grows to.
const GROWN: usize = 1_000_000;

fn growth(turns: &Turns) -> Vec<Figure> {
    turns.say("growth");
    let world = World::cold(GROWN);
    let [mut times, mut bytes] = [(); 2].map(|()| Rounds::default());
    for _ in 0..3 {
        let mut held = None;
        let mut time = 0.0;
        let used = allocation_counter::measure(|| {
            let validator = world.new_validator();
            let ask = |text| seen(identify(&validator, text, validator.reading()));
            time = each(GROWN, || world.keys.iter().for_each(|text| _ = ask(text)));
            held = Some(validator);
        });
        let before = thread_nanos();
        let mut map = Map::default();
        let map_bytes = allocation_counter::measure(|| {
            for text in world.keys.iter() {
                map.insert(raw(text), [1; 16]);
            }
        });
        times.note(time, (thread_nanos() - before) / GROWN as f64);
        bytes.note(used.bytes_current as f64 / GROWN as f64, map_bytes.bytes_current as f64 / GROWN as f64);
    }
    turns.tell(vec![
        Figure::of("growth to 1e6, a key: SHA-256 and a map insert", &times, Limit::None),
        Figure::of("bytes a key at 1e6: the map", &bytes, Limit::Most(170.0)),
    ])
}
