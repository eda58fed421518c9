//! Registration, and the buckets of durations.

use prometheus::Registry;
use prometheus::core::Collector;

/// Adds a metric to the registry.
pub(super) fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Bounds of the buckets of durations, in seconds.
pub(super) const DURATIONS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
