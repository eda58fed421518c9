//! The numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;
use serde::Serialize;
use vouchsafe_tests::fleet::Kind;

use super::Strangers;
use super::crowd::Counts;
use super::honest::Times;

/// Microseconds at two quantiles.
#[derive(Clone, Copy, Debug, Serialize)]
struct Latency {
    count: u64,
    p50_us: u64,
    p99_us: u64,
}

impl Latency {
    fn of(times: &Histogram<u64>) -> Self {
        Self {
            count: times.len(),
            p50_us: times.value_at_quantile(0.5),
            p99_us: times.value_at_quantile(0.99),
        }
    }
}

/// Processors used, 1 being all of one.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    pub(super) broker: f64,
    /// Strangers, guest and operator together.
    pub(super) generator: f64,
}

/// One part of the run.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// Without any, the broker is idle.
    strangers: Option<Strangers>,
    connections: u16,
    release: Latency,
    retire: Latency,
    /// Requests of the honest guest that were turned away.
    failures: u64,
    processors: Usage,
    broker_rss_kib: u64,
    /// The most connections that strangers held at the same time.
    held: u64,
    /// Requests of theirs that were answered.
    answered: u64,
    /// Connections of theirs that were turned away.
    turned_away: u64,
}

impl Part {
    pub(super) fn new(
        strangers: Option<(Strangers, u16)>,
        times: &Times,
        processors: Usage,
        counts: Option<&Counts>,
    ) -> Self {
        let of = |count: fn(&Counts) -> &AtomicU64| {
            counts.map_or(0, |counts| count(counts).load(Ordering::Relaxed))
        };
        Self {
            strangers: strangers.map(|(strangers, _)| strangers),
            connections: strangers.map_or(0, |(_, connections)| connections),
            release: Latency::of(&times.releases),
            retire: Latency::of(&times.retirements),
            failures: times.failures,
            processors,
            broker_rss_kib: times.resident,
            held: of(|counts| &counts.most_open),
            answered: of(|counts| &counts.answered),
            turned_away: of(|counts| &counts.turned_away),
        }
    }

    fn name(&self) -> String {
        self.strangers.map_or_else(|| "idle".to_owned(), Strangers::name)
    }
}

/// All parts, beside the idle broker before and after them.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kind: Kind,
    processors: String,
    /// Of the idle broker: the smallest, so that noise makes ratios larger.
    idle_release_p99_us: u64,
    idle_retire_p99_us: u64,
    parts: Vec<Part>,
}

impl Report {
    pub(super) fn new(kind: Kind, processors: String, parts: Vec<Part>) -> Self {
        let idle = || parts.iter().filter(|part| part.strangers.is_none());
        Self {
            kind,
            processors,
            idle_release_p99_us: idle().map(|part| part.release.p99_us).min().unwrap_or_default(),
            idle_retire_p99_us: idle().map(|part| part.retire.p99_us).min().unwrap_or_default(),
            parts,
        }
    }

    /// A table.
    pub(crate) fn human(&self) -> String {
        let mut text = format!(
            "An honest guest (challenge and release) and an operator (secret retire), a new connection each time: milliseconds.\n\
             Ratios are to the smallest p99 of the idle broker in this run. {}.\n\n{:23}{:^29}{:^29}{:>5}{:>7}{:>7}{:>6}{:>6}{:>9}{:>7}\n{:<12}{:>6}",
            self.processors,
            "",
            "release",
            "retire",
            "",
            "broker",
            "gener.",
            "RSS",
            "",
            "answered",
            "turned",
            "strangers",
            "conn."
        );
        for _ in 0..2 {
            text += &format!("{:>7}{:>8}{:>8}{:>7}", "n", "p50", "p99", "ratio");
        }
        text += &format!(
            "{:>6}{:>7}{:>7}{:>6}{:>6}{:>8}{:>8}\n",
            "fail", "CPU", "CPU", "MiB", "held", "/s", "away"
        );
        for part in &self.parts {
            text += &self.row(part);
        }
        text.trim_end().to_owned()
    }

    fn row(&self, part: &Part) -> String {
        let mut row = format!("{:<12}{:>6}", part.name(), part.connections);
        for (latency, idle) in
            [(part.release, self.idle_release_p99_us), (part.retire, self.idle_retire_p99_us)]
        {
            let Latency { count, p50_us, p99_us } = latency;
            let (p50, p99) = (milliseconds(p50_us), milliseconds(p99_us));
            row += &format!("{count:>7}{p50:>8.2}{p99:>8.2}{:>7.2}", p99 / milliseconds(idle));
        }
        let Usage { broker, generator } = part.processors;
        row + &format!(
            "{:>6}{broker:>7.2}{generator:>7.2}{:>6}{:>6}{:>8}{:>8}\n",
            part.failures,
            part.broker_rss_kib / 1024,
            part.held,
            part.answered,
            part.turned_away
        )
    }
}

fn milliseconds(micros: u64) -> f64 {
    f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1000.0
}
