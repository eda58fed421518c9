//! Duration of database transactions.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use vouchsafe_keystore::TransactionEnd;

use super::registry::{DURATIONS, registered};

/// Duration of database transactions, by name.
#[derive(Clone, Debug)]
pub struct TransactionMetrics {
    seconds: HistogramVec,
    retries: IntCounterVec,
}

impl TransactionMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let seconds = HistogramOpts::new(
            "vouchsafe_transaction_seconds",
            "Time of a transaction of the database, with the wait for a connection, by name",
        );
        let retries = Opts::new(
            "vouchsafe_transaction_retries_total",
            "Begins of transactions that were tried again since the database was busy, by name",
        );
        let seconds = seconds.buckets(DURATIONS.to_vec());
        Ok(Self {
            seconds: registered(registry, HistogramVec::new(seconds, &["name"])?)?,
            retries: registered(registry, IntCounterVec::new(retries, &["name"])?)?,
        })
    }

    /// Counts a finished transaction.
    pub fn ended(&self, end: TransactionEnd) {
        self.seconds.with_label_values(&[end.name]).observe(end.took.as_secs_f64());
        self.retries.with_label_values(&[end.name]).inc_by(end.retries.into());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn transactions_are_counted_by_name() {
        let metrics = Metrics::new().unwrap();
        for retries in [0, 2] {
            let took = Duration::from_millis(3);
            metrics.transactions.ended(TransactionEnd { name: "change", retries, took });
        }
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for line in [
            "vouchsafe_transaction_seconds_bucket{name=\"change\",le=\"0.0025\"} 0",
            "vouchsafe_transaction_seconds_bucket{name=\"change\",le=\"0.005\"} 2",
            "vouchsafe_transaction_seconds_count{name=\"change\"} 2",
            "vouchsafe_transaction_retries_total{name=\"change\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
