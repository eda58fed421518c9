//! The cost of a release, compared with the cryptography that it is based on.
//!
//! `cargo bench -p vouchsafe-tests` measures for a minute and a half and ends with a table of ratios,
//! computed from measurements of the same run. Verification is pure, so one piece of evidence is verified
//! again and again: "known" means that its chain and its log are cached, "first" that nothing is. Network and
//! recording are not included: the load generator measures the broker as a process.

use criterion::{BatchSize, Criterion};
use vouchsafe_attestation::test_util::vm::Kinds;
use vouchsafe_policy::Guardrails;
use vouchsafe_protocol::{GuestKey, Suite};
use vouchsafe_tests::floor::Floor;

#[path = "release/bare.rs"]
mod bare;
#[path = "release/case.rs"]
mod case;
#[path = "release/ratios.rs"]
mod ratios;
#[path = "release/rest.rs"]
mod rest;
#[path = "release/tdx.rs"]
mod tdx;
#[path = "release/token.rs"]
mod token;

use case::{Case, Judge};

fn main() -> std::io::Result<()> {
    let output = ratios::Output::new()?;
    let mut criterion = Criterion::default()
        .warm_up_time(std::time::Duration::from_secs(1))
        .measurement_time(std::time::Duration::from_secs(2))
        .sample_size(60)
        .output_directory(output.folder())
        .configure_from_args();
    let (judge, floor) = (Judge::new(), Floor::new());
    let snp = Case::new(Kinds::REPORT, &judge);
    let vtpm = Case::new(Kinds::VTPM, &judge);
    let both = Case::new(Kinds::BOTH, &judge);
    releases(&mut criterion, &judge, &floor, &snp, &vtpm);
    verification(&mut criterion, &judge, &floor, [&snp, &vtpm, &both]);
    token::tokens(&mut criterion);
    tdx::quotes(&mut criterion);
    decisions(&mut criterion, &judge, [&snp, &vtpm, &both]);
    wrapping(&mut criterion, &floor, &snp);
    rest::seal_and_unseal(&mut criterion, &judge, &vtpm);
    criterion.final_summary();
    output.print()
}

/// Verify, decide, wrap and sign, next to the floor.
fn releases(c: &mut Criterion, judge: &Judge, floor: &Floor, snp: &Case, vtpm: &Case) {
    let known = judge.cache();
    c.bench_function("floor_snp", |b| b.iter(|| floor.snp()));
    c.bench_function("release_snp_known", |b| b.iter(|| snp.release(judge, &known)));
    c.bench_function("floor_vtpm", |b| b.iter(|| floor.vtpm()));
    c.bench_function("release_vtpm_known", |b| b.iter(|| vtpm.release(judge, &known)));
    c.bench_function("floor_snp_first", |b| {
        b.iter(|| {
            floor.snp();
            floor.chip_certificate.verify();
        });
    });
    c.bench_function("release_snp_first", |b| {
        b.iter_batched_ref(|| judge.cache(), |cache| snp.release(judge, cache), BatchSize::SmallInput);
    });
    c.bench_function("floor_vtpm_first", |b| {
        b.iter(|| {
            floor.vtpm();
            floor.hash_log();
        });
    });
    c.bench_function("release_vtpm_first", |b| {
        b.iter_batched_ref(|| judge.cache(), |cache| vtpm.release(judge, cache), BatchSize::SmallInput);
    });
}

fn verification(c: &mut Criterion, judge: &Judge, floor: &Floor, [snp, vtpm, both]: [&Case; 3]) {
    let known = judge.cache();
    let mut group = c.benchmark_group("verify");
    group.bench_function("bare_p384", |b| b.iter(|| floor.snp_report.verify()));
    group.bench_function("snp_known", |b| b.iter(|| snp.verify(judge, &known)));
    group.bench_function("bare_rsa4096_pss", |b| b.iter(|| floor.chip_certificate.verify()));
    group.bench_function("snp_first", |b| {
        b.iter_batched_ref(|| judge.cache(), |cache| snp.verify(judge, cache), BatchSize::SmallInput);
    });
    group.bench_function("bare_rsa2048", |b| b.iter(|| floor.quote.verify()));
    group.bench_function("bare_hash_of_log", |b| b.iter(|| floor.hash_log()));
    group.bench_function("vtpm_known", |b| b.iter(|| vtpm.verify(judge, &known)));
    group.bench_function("vtpm_first", |b| {
        b.iter_batched_ref(|| judge.cache(), |cache| vtpm.verify(judge, cache), BatchSize::SmallInput);
    });
    group.bench_function("both_known", |b| b.iter(|| both.verify(judge, &known)));
    group.finish();
}

fn decisions(c: &mut Criterion, judge: &Judge, cases: [&Case; 3]) {
    let none = Guardrails::compile("").expect("no guardrails are guardrails");
    let mut group = c.benchmark_group("decide");
    for case in cases {
        let claims = case.verify(judge, &judge.cache());
        group.bench_function(case.name(), |b| b.iter(|| case.decide(judge, &claims, judge.guardrails())));
        let name = format!("{}_without_guardrails", case.name());
        group.bench_function(name, |b| b.iter(|| case.decide(judge, &claims, &none)));
    }
    group.finish();
}

fn wrapping(c: &mut Criterion, floor: &Floor, case: &Case) {
    let mut group = c.benchmark_group("wrap");
    let bare = bare::Encapsulation::new();
    group.bench_function("bare_xwing", |b| b.iter(|| bare.xwing()));
    group.bench_function("bare_x25519", |b| b.iter(|| bare.x25519()));
    for (name, suite) in [("xwing", Suite::XWing), ("x25519", Suite::X25519)] {
        let guest = GuestKey::generate(suite);
        group.bench_function(format!("wrap_{name}"), |b| b.iter(|| case.wrap_to(guest.public())));
        let wrapped = case.wrap_to(guest.public());
        group.bench_function(format!("open_{name}"), |b| b.iter(|| case.open(&guest, &wrapped)));
    }
    group.finish();
    let mut group = c.benchmark_group("sign");
    group.bench_function("bare_ed25519", |b| b.iter(|| floor.sign()));
    let wrapped = case.wrap();
    group.bench_function("answer", |b| {
        b.iter_batched(|| wrapped.clone(), |wrapped| case.sign(wrapped), BatchSize::SmallInput)
    });
    group.finish();
}
