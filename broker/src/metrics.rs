//! Metrics. Labels are classes: reason codes and outcomes, never paths, names or instances.

mod baselines;
mod chips;
mod collateral;
mod identities;
mod keyring;
mod listeners;
mod logins;
mod process;
mod proposals;
mod registry;
mod tls;
pub(crate) mod tokens;
mod traces;
mod transactions;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use vouchsafe_protocol::{Action, ReasonCode};

use registry::{DURATIONS, registered};

pub use baselines::BaselineMetrics;
pub use chips::ChipMetrics;
pub use collateral::CollateralMetrics;
pub use identities::IdentityMetrics;
pub use keyring::KeyringMetrics;
pub(crate) use listeners::LISTENERS;
pub use listeners::ListenerMetrics;
pub use logins::{LoginMetrics, LoginRefusal};
pub use proposals::ProposalMetrics;
pub use tls::TlsMetrics;
pub use tokens::TokenMetrics;
pub use traces::TraceMetrics;
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
    /// Releases refused because of the header of a volume.
    pub headers_refused: IntCounter,
    volumes: IntCounterVec,
    refusals: IntCounterVec,
    /// Requests to the operators' API without a valid token, by reason.
    pub logins: LoginMetrics,
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
    /// 1 while the broker is ready, according to the last probe.
    pub ready: IntGauge,
    /// Metrics of the listeners.
    pub listeners: ListenerMetrics,
    /// Of collateral and its fetches.
    pub collateral: CollateralMetrics,
    /// Of the broker's identities.
    pub identities: IdentityMetrics,
    /// Of the root keyring.
    pub keyring: KeyringMetrics,
    /// Baselines by state.
    pub baselines: BaselineMetrics,
    /// Proposals for baselines.
    pub proposals: ProposalMetrics,
    /// The end of the listeners' certificates.
    pub tls: TlsMetrics,
    /// Spans of traces.
    pub traces: TraceMetrics,
    /// The ends of operators' tokens.
    pub tokens: TokenMetrics,
    /// Transactions of the database, by name.
    pub transactions: TransactionMetrics,
}

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
        let volumes =
            Opts::new("vouchsafe_volume_requests_total", "Headers registered or announced, by action");
        let counter = |name, help| registered(&registry, IntCounter::new(name, help)?);
        let gauge = |name, help| registered(&registry, IntGauge::new(name, help)?);
        let metrics = Self {
            challenges: counter("vouchsafe_challenges_total", "Challenges issued")?,
            grants: counter("vouchsafe_grants_total", "Releases granted")?,
            chips: ChipMetrics::new(&registry)?,
            headers_refused: counter(
                "vouchsafe_headers_refused_total",
                "Releases refused since the volume has another header, or none was presented",
            )?,
            volumes: registered(&registry, IntCounterVec::new(volumes, &["action"])?)?,
            refusals: registered(&registry, IntCounterVec::new(refusals, &["code"])?)?,
            logins: LoginMetrics::new(&registry)?,
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
            ready: gauge("vouchsafe_ready", "1 while the broker is ready, by the last probe")?,
            listeners: ListenerMetrics::new(&registry)?,
            collateral: CollateralMetrics::new(&registry)?,
            identities: IdentityMetrics::new(&registry)?,
            keyring: KeyringMetrics::new(&registry)?,
            baselines: BaselineMetrics::new(&registry)?,
            proposals: ProposalMetrics::new(&registry)?,
            tls: TlsMetrics::new(&registry)?,
            traces: TraceMetrics::new(&registry)?,
            tokens: TokenMetrics::new(&registry)?,
            transactions: TransactionMetrics::new(&registry)?,
            registry,
        };
        process::register(&metrics.registry)?;
        for action in VOLUME_ACTIONS {
            metrics.volumes.with_label_values(&[action.name()]);
        }
        for code in ReasonCode::ALL {
            metrics.refusals.with_label_values(&[code.as_str()]);
        }
        Ok(metrics)
    }

    /// Counts a refusal.
    pub fn refused(&self, code: ReasonCode) {
        self.refusals.with_label_values(&[code.as_str()]).inc();
    }

    /// Counts a request about a volume that was carried out.
    pub fn volume(&self, action: Action) {
        self.volumes.with_label_values(&[action.name()]).inc();
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

const VOLUME_ACTIONS: [Action; 2] = [Action::RegisterVolume, Action::AdvanceVolume];

#[cfg(test)]
mod tests {
    use vouchsafe_keystore::registry::BaselineState;
    use vouchsafe_policy::operators::OperatorRole;
    use vouchsafe_protocol::UnixTime;
    use vouchsafe_protocol::bundle::CollateralKind;

    use super::chips::CHIP_SUBJECTS;
    use super::collateral::FETCH_OUTCOMES;
    use super::traces::SPAN_OUTCOMES;
    use super::*;
    use crate::admission::TurnedAway;

    #[test]
    fn t46_labels_are_reason_codes() {
        let metrics = Metrics::new().unwrap();
        metrics.refused(ReasonCode::NotGranted);
        metrics.tokens.observe(&[(OperatorRole::Editor, Some(UnixTime(2)))], UnixTime(1));
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(text.contains("vouchsafe_refusals_total{code=\"not-granted\"} 1"), "{text}");
        for line in text.lines().filter(|line| line.contains('{')) {
            for label in line.split(['{', '}']).nth(1).unwrap().split(',') {
                let (name, value) = label.split_once('=').unwrap();
                let value = value.trim_matches('"');
                let known = match name {
                    "code" => value.parse::<ReasonCode>().is_ok(),
                    "kind" => CollateralKind::ALL.iter().any(|kind| kind.name() == value),
                    "action" => VOLUME_ACTIONS.iter().any(|action| action.name() == value),
                    "subject" => CHIP_SUBJECTS.contains(&value),
                    "state" => {
                        BaselineState::ALL.iter().any(|state| state.as_str() == value)
                            || ["allowed", "pending", "rejected"].contains(&value)
                    }
                    "decision" => ["approved", "approved-by-list", "rejected"].contains(&value),
                    "listener" => LISTENERS.contains(&value),
                    "reason" => {
                        TurnedAway::ALL.iter().any(|reason| reason.as_str() == value)
                            || LoginRefusal::ALL.iter().any(|reason| reason.as_str() == value)
                    }
                    "outcome" => FETCH_OUTCOMES.contains(&value) || SPAN_OUTCOMES.contains(&value),
                    "role" => value.parse::<OperatorRole>().is_ok(),
                    "version" => value == env!("CARGO_PKG_VERSION"),
                    "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
                    _ => false,
                };
                assert!(known, "{line}");
            }
        }
    }
}
