//! Metrics of chips.

use prometheus::{IntCounterVec, Opts, Registry};
use vouchsafe_keystore::chips::{ChipEvent, Subject};

use super::registry::registered;

/// Counters of chips by subject: `instance` or `policy`.
#[derive(Clone, Debug)]
pub struct ChipMetrics {
    first: IntCounterVec,
    moved: IntCounterVec,
    not_kept: IntCounterVec,
}

impl ChipMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
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

/// The subjects of chip counters.
pub(super) const CHIP_SUBJECTS: [&str; 2] = ["instance", "policy"];
