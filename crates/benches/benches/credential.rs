//! The form check beside the CRC-32 of the same bytes, the digest beside the raw SHA-256.

use auth_core::{credential::classify, secret::TokenDigest};
use benches::{floor::raw, world::draw};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

fn form(criterion: &mut Criterion) {
    let texts = draw(1, 1);
    let (misspelt, shortened) = (texts.misspelt(), texts.shortened());
    let (good, wrong) = (texts.at(0), misspelt.at(0));
    let short = shortened.first().map_or("", String::as_str);
    let mut group = criterion.benchmark_group("form");
    group.bench_function("good", |bench| bench.iter(|| classify(black_box(good))));
    group.bench_function("wrong_checksum", |bench| bench.iter(|| classify(black_box(wrong))));
    group.bench_function("wrong_length", |bench| bench.iter(|| classify(black_box(short))));
    let body = good.as_bytes().get(..45).unwrap_or_default();
    group.bench_function("floor_crc32", |bench| bench.iter(|| crc32fast::hash(black_box(body))));
    group.finish();
}

fn digest(criterion: &mut Criterion) {
    let texts = draw(1, 1);
    let mut group = criterion.benchmark_group("digest");
    group.bench_function("key", |bench| bench.iter(|| TokenDigest::of(black_box(texts.at(0)))));
    let plain = || raw(black_box(texts.at(0)));
    group.bench_function("floor_sha256", |bench| bench.iter(plain));
    group.finish();
}

criterion_group!(benches, form, digest);
criterion_main!(benches);
