//! The numbers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hdrhistogram::Histogram;
use serde::Serialize;
use vouchsafe_tests::fleet::Kind;

use super::{Counts, Strangers};
use crate::Arguments;

/// One part of the run.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    strangers: &'static str,
    releases: u64,
    p50_us: u64,
    p99_us: u64,
    broker_rss_kib: u64,
    /// The most connections that strangers held at the same time.
    held: u64,
    /// Requests of theirs that were answered.
    answered: u64,
    /// Connections of theirs that were turned away.
    turned_away: u64,
}

impl Part {
    pub(crate) fn new(
        strangers: Strangers,
        times: &Histogram<u64>,
        counts: Arc<Counts>,
        resident: u64,
    ) -> Self {
        Self {
            strangers: match strangers {
                Strangers::Nobody => "nobody",
                Strangers::Readiness => "ask for /readyz",
                Strangers::Bodies => "hold bodies",
                Strangers::Connections => "hold connections",
            },
            releases: times.len(),
            p50_us: times.value_at_quantile(0.5),
            p99_us: times.value_at_quantile(0.99),
            broker_rss_kib: resident,
            held: counts.most_open.load(Ordering::Relaxed),
            answered: counts.answered.load(Ordering::Relaxed),
            turned_away: counts.turned_away.load(Ordering::Relaxed),
        }
    }
}

/// All parts, beside the idle broker before and after them.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kind: Kind,
    connections: u16,
    processors: usize,
    /// Of the idle broker: the larger of both.
    idle_p99_us: u64,
    parts: Vec<Part>,
}

impl Report {
    pub(crate) fn new(arguments: &Arguments, parts: Vec<Part>) -> Self {
        let idle = parts.iter().filter(|part| part.strangers == "nobody").map(|part| part.p99_us);
        Self {
            kind: arguments.kind,
            connections: arguments.connections,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            idle_p99_us: idle.max().unwrap_or_default(),
            parts,
        }
    }

    /// A table.
    pub(crate) fn human(&self) -> String {
        let mut text = format!(
            "One honest guest, challenge and release; {} connections of strangers from one other address; {} processors,\n\
             which broker, guest and strangers share. Ratios are to the idle broker's p99 of this run.\n\n\
             {:<18}{:>9}{:>11}{:>11}{:>7}{:>8}{:>8}{:>10}{:>13}\n",
            self.connections,
            self.processors,
            "strangers",
            "releases",
            "p50 ms",
            "p99 ms",
            "ratio",
            "RSS MiB",
            "held",
            "answered",
            "turned away"
        );
        for part in &self.parts {
            text += &format!(
                "{:<18}{:>9}{:>11.2}{:>11.2}{:>7.2}{:>8}{:>8}{:>10}{:>13}\n",
                part.strangers,
                part.releases,
                milliseconds(part.p50_us),
                milliseconds(part.p99_us),
                milliseconds(part.p99_us) / milliseconds(self.idle_p99_us),
                part.broker_rss_kib / 1024,
                part.held,
                part.answered,
                part.turned_away
            );
        }
        text.trim_end().to_owned()
    }
}

fn milliseconds(micros: u64) -> f64 {
    f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1000.0
}
