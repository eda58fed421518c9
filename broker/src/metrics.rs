//! Metrics. Labels are classes: reason codes and outcomes, never paths, names or instances.

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use vouchsafe_keystore::chips::{ChipEvent, Subject};
use vouchsafe_keystore::registry::{BaselineState, BaselineSummary};
use vouchsafe_protocol::bundle::CollateralKind;
use vouchsafe_protocol::{ReasonCode, UnixTime};

use crate::admission::TurnedAway;
use crate::collateral::{CollateralStatus, ItemStatus};

mod transactions;

pub use transactions::TransactionMetrics;

/// All metrics of one broker.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Challenges issued.
    pub challenges: IntCounter,
    /// Releases granted.
    pub grants: IntCounter,
    /// Chips seen for the first time.
    pub chips: ChipMetrics,
    refusals: IntCounterVec,
    /// Refusals that were kept in memory only.
    pub refusals_not_durable: IntCounter,
    /// Decisions that were repeated because something changed meanwhile.
    pub redecided: IntCounter,
    /// Duration of a release in seconds, from the first byte read to the answer.
    pub release_seconds: Histogram,
    /// Releases running or waiting.
    pub releases_in_flight: IntGauge,
    /// Releases that wait for a verifier.
    pub verifications_waiting: IntGauge,
    /// Trust anchors from files.
    pub extra_trust_anchors: IntGauge,
    /// Loaded CRLs.
    pub crls: IntGauge,
    /// Loaded CRLs whose next update is overdue.
    pub crls_overdue: IntGauge,
    /// 1 while the broker is ready, according to the last probe.
    pub ready: IntGauge,
    /// Of the listeners.
    pub listeners: ListenerMetrics,
    /// Of the collateral service.
    pub collateral: CollateralMetrics,
    /// Baselines by state.
    pub baselines: BaselineMetrics,
    /// Transactions of the database, by name.
    pub transactions: TransactionMetrics,
}

/// Bounds of the buckets of durations, in seconds.
const DURATIONS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Counters of chips by subject: `instance` or `policy`.
#[derive(Clone, Debug)]
pub struct ChipMetrics {
    first: IntCounterVec,
    moved: IntCounterVec,
    not_kept: IntCounterVec,
}

impl ChipMetrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name, help| {
            let counters = registered(registry, IntCounterVec::new(Opts::new(name, help), &["subject"])?)?;
            for subject in CHIP_SUBJECTS {
                counters.with_label_values(&[subject]);
            }
            prometheus::Result::Ok(counters)
        };
        Ok(Self {
            first: counter("vouchsafe_chips_first_total", "Grants on the first chip of a subject")?,
            moved: counter(
                "vouchsafe_chips_moved_total",
                "Alarms: grants on a chip that is new to a subject which has others",
            )?,
            not_kept: counter(
                "vouchsafe_chips_not_kept_total",
                "Alarms of subjects with too many chips; they may be raised again",
            )?,
        })
    }

    /// Counts a chip seen for the first time.
    pub fn seen(&self, subject: &Subject, event: ChipEvent) {
        let counters = match event {
            ChipEvent::First => &self.first,
            ChipEvent::Moved => &self.moved,
            ChipEvent::NotKept => &self.not_kept,
        };
        let [instance, policy] = CHIP_SUBJECTS;
        let subject = match subject {
            Subject::Instance(_) => instance,
            Subject::Policy(_) => policy,
        };
        counters.with_label_values(&[subject]).inc();
    }
}

/// Baselines by state, and the earliest expiry.
#[derive(Clone, Debug)]
pub struct BaselineMetrics {
    states: IntGaugeVec,
    expiry: IntGaugeVec,
}

impl BaselineMetrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let states = Opts::new("vouchsafe_baselines", "Baselines, by state");
        let expiry = Opts::new(
            "vouchsafe_baseline_expiry_seconds",
            "Until the first baseline in force ends; absent when none is in force",
        );
        let metrics = Self {
            states: registered(registry, IntGaugeVec::new(states, &["state"])?)?,
            expiry: registered(registry, IntGaugeVec::new(expiry, &[])?)?,
        };
        metrics.observe(&[], UnixTime(0));
        Ok(metrics)
    }

    /// Sets the metrics from the current baselines.
    pub fn observe(&self, baselines: &[BaselineSummary], now: UnixTime) {
        for state in BaselineState::ALL {
            let count = baselines.iter().filter(|baseline| baseline.state == state).count();
            self.states.with_label_values(&[state.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.expiry.reset();
        if let Some(first) = crate::baselines::first_end(baselines) {
            let left = i64::try_from(first.since(now)).unwrap_or(i64::MAX);
            self.expiry.with_label_values::<&str>(&[]).set(left);
        }
    }
}

/// The subjects of chip counters.
const CHIP_SUBJECTS: [&str; 2] = ["instance", "policy"];

/// Counters of connections and bodies, by listener.
#[derive(Clone, Debug)]
pub struct ListenerMetrics {
    connections: IntGaugeVec,
    connections_turned_away: IntCounterVec,
    body_bytes: IntGaugeVec,
    bodies_turned_away: IntCounterVec,
}

impl ListenerMetrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge =
            |name, help| registered(registry, IntGaugeVec::new(Opts::new(name, help), &["listener"])?);
        let counter = |name, help| {
            let counters =
                registered(registry, IntCounterVec::new(Opts::new(name, help), &["listener", "reason"])?)?;
            for (listener, reason) in
                LISTENERS.into_iter().flat_map(|it| TurnedAway::ALL.map(|why| (it, why)))
            {
                counters.with_label_values(&[listener, reason.as_str()]);
            }
            prometheus::Result::Ok(counters)
        };
        Ok(Self {
            connections: gauge("vouchsafe_connections", "Connections, TLS handshakes included")?,
            connections_turned_away: counter(
                "vouchsafe_connections_turned_away_total",
                "Connections that were closed before TLS: the listener is full, or the address has used up its share",
            )?,
            body_bytes: gauge("vouchsafe_body_bytes", "Bytes that are set aside for bodies of requests")?,
            bodies_turned_away: counter(
                "vouchsafe_bodies_turned_away_total",
                "Requests whose body was not taken in: no room, or the address has used up its share",
            )?,
        })
    }

    pub(crate) fn connections(&self, listener: &str, count: usize) {
        self.connections.with_label_values(&[listener]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn connection_turned_away(&self, listener: &str, reason: TurnedAway) {
        self.connections_turned_away.with_label_values(&[listener, reason.as_str()]).inc();
    }

    pub(crate) fn body_bytes(&self, listener: &str, bytes: usize) {
        self.body_bytes.with_label_values(&[listener]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn body_turned_away(&self, listener: &str, reason: TurnedAway) {
        self.bodies_turned_away.with_label_values(&[listener, reason.as_str()]).inc();
    }
}

/// The listeners, as metrics and the log name them.
pub(crate) const LISTENERS: [&str; 2] = ["guests", "operators"];

/// Metrics of collateral, by kind.
#[derive(Clone, Debug)]
pub struct CollateralMetrics {
    fetches: IntCounterVec,
    waiting: IntGauge,
    items: IntGaugeVec,
    age: IntGaugeVec,
    expiry: IntGaugeVec,
}

impl CollateralMetrics {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let fetches = Opts::new("vouchsafe_collateral_fetches_total", "Fetches, by kind and outcome");
        let by_kind = |name, help| registered(registry, IntGaugeVec::new(Opts::new(name, help), &["kind"])?);
        let metrics = Self {
            fetches: registered(registry, IntCounterVec::new(fetches, &["kind", "outcome"])?)?,
            waiting: registered(
                registry,
                IntGauge::new("vouchsafe_collateral_waiting", "Items that wait for their fetch")?,
            )?,
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
        self.waiting.set(i64::try_from(status.waiting).unwrap_or(i64::MAX));
        for gauge in [&self.items, &self.age, &self.expiry] {
            gauge.reset();
        }
        for kind in CollateralKind::ALL {
            let of_kind = |item: &&ItemStatus| item.kind == *kind && item.digest.is_some();
            let items = || status.items.iter().filter(of_kind);
            let label = &[kind.name()];
            self.items.with_label_values(label).set(i64::try_from(items().count()).unwrap_or(i64::MAX));
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
const FETCH_OUTCOMES: &[&str] = &["fetched", "unchanged", "missing", "refused", "failed", "not-queued"];

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// When two metrics have the same name, which a test rules out.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let histogram = HistogramOpts::new("vouchsafe_release_seconds", "Time of a release");
        let histogram = histogram.buckets(DURATIONS.to_vec());
        let refusals = Opts::new("vouchsafe_refusals_total", "Requests refused, by reason code");
        let counter = |name, help| registered(&registry, IntCounter::new(name, help)?);
        let gauge = |name, help| registered(&registry, IntGauge::new(name, help)?);
        let metrics = Self {
            challenges: counter("vouchsafe_challenges_total", "Challenges issued")?,
            grants: counter("vouchsafe_grants_total", "Releases granted")?,
            chips: ChipMetrics::new(&registry)?,
            refusals: registered(&registry, IntCounterVec::new(refusals, &["code"])?)?,
            refusals_not_durable: counter(
                "vouchsafe_refusals_not_durable_total",
                "Refusals kept in memory only",
            )?,
            redecided: counter("vouchsafe_redecided_total", "Decisions made again since something changed")?,
            release_seconds: registered(&registry, Histogram::with_opts(histogram)?)?,
            releases_in_flight: gauge("vouchsafe_releases_in_flight", "Releases being served or waiting")?,
            verifications_waiting: gauge(
                "vouchsafe_verifications_waiting",
                "Releases that wait for a verifier",
            )?,
            extra_trust_anchors: gauge("vouchsafe_extra_trust_anchors", "Trust anchors from files")?,
            crls: gauge("vouchsafe_crls", "Certificate revocation lists loaded")?,
            crls_overdue: gauge("vouchsafe_crls_overdue", "Certificate revocation lists out of date")?,
            ready: gauge("vouchsafe_ready", "1 while the broker is ready, by the last probe")?,
            listeners: ListenerMetrics::new(&registry)?,
            collateral: CollateralMetrics::new(&registry)?,
            baselines: BaselineMetrics::new(&registry)?,
            transactions: TransactionMetrics::new(&registry)?,
            registry,
        };
        for code in ReasonCode::ALL {
            metrics.refusals.with_label_values(&[code.as_str()]);
        }
        Ok(metrics)
    }

    /// Counts a refusal.
    pub fn refused(&self, code: ReasonCode) {
        self.refusals.with_label_values(&[code.as_str()]).inc();
    }

    /// Sets the collateral metrics from its current status.
    pub fn observe_collateral(&self, status: &CollateralStatus, now: UnixTime) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.crls.set(count(status.crls.len()));
        self.crls_overdue.set(count(status.crls.iter().filter(|crl| crl.overdue(now)).count()));
        self.collateral.observe(status, now);
    }

    /// Everything in the Prometheus text format.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t46_labels_are_reason_codes() {
        let metrics = Metrics::new().unwrap();
        metrics.refused(ReasonCode::NotGranted);
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(text.contains("vouchsafe_refusals_total{code=\"not-granted\"} 1"), "{text}");
        for line in text.lines().filter(|line| line.contains('{')) {
            for label in line.split(['{', '}']).nth(1).unwrap().split(',') {
                let (name, value) = label.split_once('=').unwrap();
                let value = value.trim_matches('"');
                let known = match name {
                    "code" => value.parse::<ReasonCode>().is_ok(),
                    "kind" => CollateralKind::ALL.iter().any(|kind| kind.name() == value),
                    "subject" => CHIP_SUBJECTS.contains(&value),
                    "state" => BaselineState::ALL.iter().any(|state| state.as_str() == value),
                    "listener" => LISTENERS.contains(&value),
                    "reason" => TurnedAway::ALL.iter().any(|reason| reason.as_str() == value),
                    "outcome" => FETCH_OUTCOMES.contains(&value),
                    "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
                    _ => false,
                };
                assert!(known, "{line}");
            }
        }
    }
}
