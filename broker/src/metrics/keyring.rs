//! Metrics of the root keyring.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use vouchsafe_keystore::keyring::{GenerationState, GenerationSummary};
use vouchsafe_protocol::UnixTime;

use super::registry::registered;

/// The age of the primary generation, and how many generations there are.
#[derive(Clone, Debug)]
pub struct KeyringMetrics {
    age: IntGauge,
    generations: IntGaugeVec,
}

impl KeyringMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let age = IntGauge::new(
            "vouchsafe_keyring_primary_age_seconds",
            "Since the primary generation of the root keyring was made",
        )?;
        let generations =
            Opts::new("vouchsafe_keyring_generations", "Generations of the root keyring, by state");
        Ok(Self {
            age: registered(registry, age)?,
            generations: registered(registry, IntGaugeVec::new(generations, &["state"])?)?,
        })
    }

    /// Sets the metrics from the generations of the keyring in use.
    pub fn observe(&self, all: &[GenerationSummary], now: UnixTime) {
        for (state, name) in [
            (GenerationState::Pending, "pending"),
            (GenerationState::Primary, "primary"),
            (GenerationState::Retired, "retired"),
        ] {
            let count = all.iter().filter(|found| found.state == state).count();
            self.generations.with_label_values(&[name]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        if let Some(primary) = all.iter().find(|found| found.state == GenerationState::Primary) {
            self.age.set(i64::try_from(now.since(primary.created_at)).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use vouchsafe_keystore::Keyring;

    use crate::metrics::Metrics;

    use super::*;

    #[test]
    fn the_primary_generation_has_an_age() {
        let metrics = Metrics::new().unwrap();
        let (keyring, _) = Keyring::generate(UnixTime(100)).unwrap().with_pending(UnixTime(150)).unwrap();
        metrics.keyring.observe(&keyring.generations(), UnixTime(400));
        let lines = |expected: [&str; 4]| {
            let text = String::from_utf8(metrics.text().unwrap()).unwrap();
            for line in expected {
                assert!(text.lines().any(|found| found == line), "{line} in {text}");
            }
        };
        lines([
            "vouchsafe_keyring_primary_age_seconds 300",
            "vouchsafe_keyring_generations{state=\"pending\"} 1",
            "vouchsafe_keyring_generations{state=\"primary\"} 1",
            "vouchsafe_keyring_generations{state=\"retired\"} 0",
        ]);
        let (keyring, _) = keyring.with_promoted(UnixTime(200)).unwrap();
        metrics.keyring.observe(&keyring.generations(), UnixTime(400));
        lines([
            "vouchsafe_keyring_primary_age_seconds 250",
            "vouchsafe_keyring_generations{state=\"pending\"} 0",
            "vouchsafe_keyring_generations{state=\"primary\"} 1",
            "vouchsafe_keyring_generations{state=\"retired\"} 1",
        ]);
    }
}
