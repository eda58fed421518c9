//! Metrics of the broker's identities.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use vouchsafe_keystore::registry::{Identities, IdentityState};
use vouchsafe_protocol::UnixTime;

use super::registry::registered;

/// How many identities there are, and when guests that pin only a previous one are left without the broker.
#[derive(Clone, Debug)]
pub struct IdentityMetrics {
    identities: IntGaugeVec,
    overlap: IntGauge,
}

impl IdentityMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let identities = Opts::new("vouchsafe_identities", "Identities of the broker with a key, by state");
        let overlap = IntGauge::new(
            "vouchsafe_identity_overlap_seconds",
            "Until guests that pin only a previous identity do not accept the present one any more; 0 without such a time",
        )?;
        Ok(Self {
            identities: registered(registry, IntGaugeVec::new(identities, &["state"])?)?,
            overlap: registered(registry, overlap)?,
        })
    }

    /// Sets the metrics.
    pub fn observe(&self, identities: &Identities, now: UnixTime) {
        for state in [IdentityState::Next, IdentityState::Primary, IdentityState::Previous] {
            let count = identities.all().iter().filter(|found| found.state == state).count();
            self.identities
                .with_label_values(&[state.as_str()])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let overlap = identities.next_overlap_end(now).map_or(0, |end| end.since(now));
        self.overlap.set(i64::try_from(overlap).unwrap_or(i64::MAX));
    }
}
