//! A request in process: the same handler behind a guard and without one. Both requests carry the key.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use auth_web::in_process::in_process;
use benches::{
    service::{GUARDED, UNGUARDED},
    world::{Seed, World},
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;

fn request(criterion: &mut Criterion) {
    let world = World::warm(10_000);
    let seed = Seed::new(2);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let get = runtime.block_on(in_process(world.app()));
    let mut group = criterion.benchmark_group("request");
    for (name, paths) in [("guarded", &[GUARDED][..]), ("floor_unguarded", &UNGUARDED)] {
        let mut paths = paths.iter().cycle();
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || get(paths.next().unwrap(), world.keys.at(usize::try_from(seed.next() >> 8).unwrap())),
                |request| assert_eq!(request.now_or_never(), Some(Some(200))),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, request);
criterion_main!(benches);
