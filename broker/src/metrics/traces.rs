//! Metrics of traces.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::registry::registered;

/// Spans of traces, by what became of them.
#[derive(Clone, Debug)]
pub struct TraceMetrics {
    /// Taken by the collector.
    pub exported: IntCounter,
    /// Not sent: too many were waiting.
    pub dropped: IntCounter,
    /// The collector did not want them.
    pub rejected: IntCounter,
}

impl TraceMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let name = Opts::new(
            "vouchsafe_trace_spans_total",
            "Spans of traces: taken by the collector, dropped since too many waited for it, or rejected by it",
        );
        let spans = registered(registry, IntCounterVec::new(name, &["outcome"])?)?;
        let [exported, dropped, rejected] = SPAN_OUTCOMES.map(|outcome| spans.with_label_values(&[outcome]));
        Ok(Self { exported, dropped, rejected })
    }
}

pub(super) const SPAN_OUTCOMES: [&str; 3] = ["exported", "dropped", "rejected"];
