//! The result of the last probe.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::readiness::{self, Reason};

/// The result of the last probe.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    probed: Mutex<Option<Probed>>,
    /// The decision log contradicts its head. This does not pass.
    log_damaged: AtomicBool,
}

#[derive(Clone, Debug)]
struct Probed {
    at: Instant,
    reasons: Vec<Reason>,
}

impl Readiness {
    /// The answer of `/readyz`, when a probe is due every `interval`.
    pub(super) fn shown(&self, interval: Duration, overloaded: bool) -> readiness::Readiness {
        let probed = self.probed();
        let age = probed.as_ref().map(|probed| probed.at.elapsed());
        let mut reasons = probed.map(|probed| probed.reasons).unwrap_or_default();
        if age.is_none_or(|age| age > interval.saturating_mul(3).max(OVERDUE)) {
            reasons.push(Reason::ProbeOverdue);
        }
        if overloaded {
            reasons.push(Reason::Overloaded);
        }
        let ready = Reason::permit_ready(&reasons);
        readiness::Readiness { ready, reasons, age_seconds: age.map(|age| age.as_secs()) }
    }

    pub(super) fn log_is_damaged(&self) -> bool {
        self.log_damaged.load(Ordering::Relaxed)
    }

    pub(super) fn set_log_damaged(&self) {
        self.log_damaged.store(true, Ordering::Relaxed);
    }

    fn probed(&self) -> Option<Probed> {
        self.probed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, reasons: Vec<Reason>) {
        let before = self.probed().map(|probed| probed.reasons);
        if before.as_ref() != Some(&reasons) {
            if reasons.is_empty() {
                tracing::info!(event = "broker.ready");
            } else {
                let steps: Vec<_> = reasons.iter().map(|reason| reason.next_step()).collect();
                tracing::warn!(event = "broker.not_ready", reasons = names(&reasons), "{}", steps.join("; "));
            }
        }
        let probed = Probed { at: Instant::now(), reasons };
        *self.probed.lock().unwrap_or_else(PoisonError::into_inner) = Some(probed);
    }

    /// Makes the last probe older.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        self.probed.lock().expect("sound").as_mut().expect("probed").at -= by;
    }
}

/// Reasons by their names in `/readyz`.
pub(super) fn names(reasons: &[Reason]) -> String {
    let names = reasons.iter().filter_map(|reason| json!(reason).as_str().map(str::to_owned));
    names.collect::<Vec<_>>().join(", ")
}

/// A probe waits for the database's own timeouts.
const OVERDUE: Duration = Duration::from_secs(60);
