//! The numbers.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use vouchsafe_tests::fleet::Kind;

use super::Arguments;
use super::drive::Totals;

/// Processor time of the floor. The minimum is its least cost on this machine; the median is its cost under
/// the current load.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct FloorTimes {
    /// The shortest.
    #[serde(rename = "min_us", serialize_with = "micros")]
    pub(crate) min: Duration,
    /// The median.
    #[serde(rename = "median_us", serialize_with = "micros")]
    pub(crate) median: Duration,
}

impl FloorTimes {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        Self { min: at(0), median: at(times.len() / 2) }
    }
}

/// Microseconds at two quantiles.
#[derive(Clone, Copy, Debug, Serialize)]
struct Quantiles {
    p50_us: u64,
    p99_us: u64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kind: Kind,
    concurrency: u16,
    instances: u8,
    processors: usize,
    #[serde(serialize_with = "seconds")]
    seconds: Duration,
    releases: u64,
    opened: u64,
    shed: u64,
    requests_per_second: f64,
    releases_per_second: f64,
    challenge: Quantiles,
    release: Quantiles,
    #[serde(rename = "broker_cpu_per_release_us", serialize_with = "micros")]
    cpu_per_release: Duration,
    broker_processors_used: f64,
    broker_rss_kib: u64,
    /// Before the load, during it, and after it.
    floor: [FloorTimes; 3],
    /// Processor time per release, divided by the median floor under load.
    ratio: f64,
    /// The same, divided by the median floor without load.
    ratio_to_idle: f64,
    /// The same, divided by the shortest floor.
    ratio_to_min: f64,
}

impl Report {
    pub(crate) fn new(
        arguments: &Arguments,
        floor: [FloorTimes; 3],
        elapsed: Duration,
        releases: u64,
        cpu: Duration,
        resident: u64,
        totals: &Totals,
    ) -> Self {
        let count = u32::try_from(releases.max(1)).unwrap_or(u32::MAX);
        let cpu_per_release = cpu / count;
        let rate = f64::from(count) / elapsed.as_secs_f64();
        let [before, during, after] = floor;
        let over = |floor: Duration| cpu_per_release.as_secs_f64() / floor.as_secs_f64();
        Self {
            kind: arguments.kind,
            concurrency: arguments.concurrency,
            instances: arguments.instances,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            seconds: elapsed,
            releases,
            opened: totals.opened,
            shed: totals.shed,
            // A challenge and a release.
            requests_per_second: 2.0 * rate,
            releases_per_second: rate,
            challenge: Quantiles::of(&totals.challenges),
            release: Quantiles::of(&totals.releases),
            cpu_per_release,
            broker_processors_used: cpu.as_secs_f64() / elapsed.as_secs_f64(),
            broker_rss_kib: resident,
            floor,
            ratio: over(during.median),
            ratio_to_idle: over((before.median + after.median) / 2),
            ratio_to_min: over(before.min.min(during.min).min(after.min)),
        }
    }

    /// A table.
    pub(crate) fn human(&self) -> String {
        let kind = match self.kind {
            Kind::Snp => "SNP report",
            Kind::Vtpm => "vTPM quote",
            Kind::Both => "vTPM quote and SNP report",
        };
        let us = |time: Duration| format!("{:.0} µs", time.as_secs_f64() * 1e6);
        let [before, during, after] =
            self.floor.map(|floor| format!("{} (least {})", us(floor.median), us(floor.min)));
        let quantiles = |q: Quantiles| format!("p50 {} µs, p99 {} µs", q.p50_us, q.p99_us);
        let rows = [
            ("evidence", kind.to_owned()),
            (
                "guests",
                format!(
                    "{} at the same time, of {} instances; {} processors",
                    self.concurrency, self.instances, self.processors
                ),
            ),
            ("requests", format!("{:.0}/s", self.requests_per_second)),
            (
                "releases",
                format!(
                    "{:.0}/s ({} in {:.1} s; {} opened, {} shed)",
                    self.releases_per_second,
                    self.releases,
                    self.seconds.as_secs_f64(),
                    self.opened,
                    self.shed
                ),
            ),
            ("challenge", quantiles(self.challenge)),
            ("release", quantiles(self.release)),
            (
                "broker",
                format!(
                    "{} of processor a release, {:.2} processors, {} MiB resident",
                    us(self.cpu_per_release),
                    self.broker_processors_used,
                    self.broker_rss_kib / 1024
                ),
            ),
            ("floor", format!("{during} under the load; {before} before it, {after} after it")),
            (
                "ratio",
                format!(
                    "{:.2} × the median floor under the load; {:.2} × that without, {:.2} × the least",
                    self.ratio, self.ratio_to_idle, self.ratio_to_min
                ),
            ),
        ];
        rows.map(|(name, value)| format!("{name:<10} {value}")).join("\n")
    }
}

impl Quantiles {
    fn of(times: &Histogram<u64>) -> Self {
        Self { p50_us: times.value_at_quantile(0.5), p99_us: times.value_at_quantile(0.99) }
    }
}

fn micros<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64() * 1e6)
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}
