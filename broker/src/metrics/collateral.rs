//! Metrics of collateral.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::bundle::CollateralKind;

use super::registry::registered;
use crate::collateral::status::{CollateralStatus, ItemStatus};

/// Metrics of collateral, by kind.
#[derive(Clone, Debug)]
pub struct CollateralMetrics {
    crls: IntGauge,
    crls_overdue: IntGauge,
    fetches: IntCounterVec,
    waiting: IntGauge,
    items: IntGaugeVec,
    age: IntGaugeVec,
    expiry: IntGaugeVec,
}

impl CollateralMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let fetches = Opts::new("vouchsafe_collateral_fetches_total", "Fetches, by kind and outcome");
        let by_kind = |name, help| registered(registry, IntGaugeVec::new(Opts::new(name, help), &["kind"])?);
        let gauge = |name, help| registered(registry, IntGauge::new(name, help)?);
        let metrics = Self {
            crls: gauge("vouchsafe_crls", "Certificate revocation lists loaded")?,
            crls_overdue: gauge("vouchsafe_crls_overdue", "Certificate revocation lists out of date")?,
            fetches: registered(registry, IntCounterVec::new(fetches, &["kind", "outcome"])?)?,
            waiting: gauge("vouchsafe_collateral_waiting", "Items that wait for their fetch")?,
            items: by_kind("vouchsafe_collateral_items", "Items that are there")?,
            age: by_kind(
                "vouchsafe_collateral_age_seconds",
                "Since when the item that was fetched or confirmed longest ago is there",
            )?,
            expiry: by_kind(
                "vouchsafe_collateral_expiry_seconds",
                "Until the first item ends; negative when one has ended",
            )?,
        };
        for kind in CollateralKind::ALL {
            for outcome in FETCH_OUTCOMES {
                metrics.fetches.with_label_values(&[kind.name(), outcome]);
            }
        }
        Ok(metrics)
    }

    /// Counts a fetch.
    pub fn fetched(&self, kind: CollateralKind, outcome: &str) {
        self.fetches.with_label_values(&[kind.name(), outcome]).inc();
    }

    /// Sets the metrics from the current collateral.
    pub fn observe(&self, status: &CollateralStatus, now: UnixTime) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.crls.set(count(status.crls.len()));
        self.crls_overdue.set(count(status.crls.iter().filter(|crl| crl.overdue(now)).count()));
        self.waiting.set(count(status.waiting));
        for gauge in [&self.items, &self.age, &self.expiry] {
            gauge.reset();
        }
        for kind in CollateralKind::ALL {
            let of_kind = |item: &&ItemStatus| item.kind == *kind && item.digest.is_some();
            let items = || status.items.iter().filter(of_kind);
            let label = &[kind.name()];
            self.items.with_label_values(label).set(count(items().count()));
            // Without items there is no age, so that an alert on a maximum does not mistake a missing item
            // for a fresh one.
            if let Some(oldest) = items().filter_map(|item| item.fetched_at).min() {
                self.age.with_label_values(label).set(number(now.since(oldest)));
            }
            if let Some(first) = items().filter_map(|item| item.valid_until).min() {
                self.expiry.with_label_values(label).set(number(first.0).saturating_sub(number(now.0)));
            }
        }
    }
}

/// Outcomes of a fetch.
pub(super) const FETCH_OUTCOMES: &[&str] =
    &["fetched", "unchanged", "missing", "refused", "failed", "not-queued"];
