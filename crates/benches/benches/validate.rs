//! The warm validation of a key, known and unknown, and the decision; beside the SHA-256 of the same bytes and
//! a bare map hit, and beside a direct index. Then the growth of the table.

use auth_core::{
    policy::{Permission, Permissions, Requirement as _, judge},
    service::Service,
};
use benches::{
    figure::wall_nanos,
    floor::{Map, Row, front, raw, word},
    service::ReadsBilling,
    world::{Seed, World, draw, identify},
};
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use std::{hint::black_box, time::Duration};

/// Texts that a bench goes round in.
const SAMPLE: usize = 65_536;

fn validation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validation");
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let world = World::warm(count);
        let validator = world.platform.validator.as_ref();
        let known = world.keys.sample(SAMPLE, &Seed::new(2));
        let unknown = draw(SAMPLE, 3);
        let row = Row::new(count);
        let digests = world.keys.iter().map(raw);
        let map: Map = digests.map(|digest| (digest, [1; 16])).collect();
        let mut place = 0;
        let mut next = || {
            place += 1;
            place
        };
        let mut bench = |name: &str, step: &dyn Fn(usize)| {
            group.bench_function(BenchmarkId::new(name, count), |bench| {
                bench.iter_batched(&mut next, step, BatchSize::SmallInput);
            });
        };
        bench("known", &|at| _ = black_box(identify(validator, known.at(at), validator.reading())));
        bench("unknown", &|at| _ = black_box(identify(validator, unknown.at(at), validator.reading())));
        bench("floor_sha256_and_map_hit", &|at| {
            black_box(map.get(&raw(known.at(at))).copied());
        });
        bench("floor_front_and_direct_index", &|at| {
            black_box(front(known.at(at)).map(|(_, digest)| row.get(word(&digest)))).ok();
        });
    }
    group.finish();
}

fn decision(criterion: &mut Criterion) {
    let world = World::warm(1);
    let who = identify(&world.platform.validator, world.keys.at(0), world.platform.validator.reading());
    let held = Permissions::all_of(Service::Hub);
    let mut group = criterion.benchmark_group("decision");
    let judge = || judge(black_box(ReadsBilling::RULE), black_box(who.as_ref()));
    group.bench_function("judge", |bench| bench.iter(judge));
    let bit = || black_box(held).contains(black_box(Permission::BillingAccess));
    group.bench_function("floor_bit_test", |bench| bench.iter(bit));
    group.finish();
}

fn growth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("growth");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let world = World::cold(1_000_000);
    group.bench_function("validator_to_1e6", |bench| {
        bench.iter_custom(|times| {
            timed(times, || {
                let validator = world.new_validator();
                world
                    .keys
                    .iter()
                    .for_each(|text| _ = black_box(identify(&validator, text, validator.reading())));
            })
        });
    });
    group.bench_function("floor_map_to_1e6", |bench| {
        bench.iter_custom(|times| {
            timed(times, || {
                let mut map = Map::default();
                world.keys.iter().for_each(|text| _ = map.insert(raw(text), [1; 16]));
                black_box(&map);
            })
        });
    });
    group.finish();
}

/// How long so many runs take.
fn timed(times: u64, run: impl Fn()) -> Duration {
    let before = wall_nanos();
    (0..times).for_each(|_| run());
    Duration::from_secs_f64((wall_nanos() - before) / 1e9)
}

criterion_group!(benches, validation, decision, growth);
criterion_main!(benches);
