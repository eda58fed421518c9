//! Metrics of baselines.

use prometheus::{IntGaugeVec, Opts, Registry};
use vouchsafe_keystore::registry::{BaselineState, BaselineValidity};
use vouchsafe_protocol::UnixTime;

use super::registry::registered;

/// Baselines by state, and the earliest expiry.
#[derive(Clone, Debug)]
pub struct BaselineMetrics {
    states: IntGaugeVec,
    expiry: IntGaugeVec,
}

impl BaselineMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let states = Opts::new("vouchsafe_baselines", "Baselines, by state");
        let expiry = Opts::new(
            "vouchsafe_baseline_expiry_seconds",
            "Until the first baseline in force ends; absent when none is in force",
        );
        let metrics = Self {
            states: registered(registry, IntGaugeVec::new(states, &["state"])?)?,
            expiry: registered(registry, IntGaugeVec::new(expiry, &[])?)?,
        };
        metrics.observe(&[], None, UnixTime(0));
        Ok(metrics)
    }

    /// Sets the metrics from the current baselines, of which the first one in force expires at `first_end`.
    pub fn observe(&self, baselines: &[BaselineValidity], first_end: Option<UnixTime>, now: UnixTime) {
        for state in BaselineState::ALL {
            let count = baselines.iter().filter(|(found, _)| *found == state).count();
            self.states.with_label_values(&[state.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.expiry.reset();
        if let Some(first) = first_end {
            let left = i64::try_from(first.since(now)).unwrap_or(i64::MAX);
            self.expiry.with_label_values::<&str>(&[]).set(left);
        }
    }
}
