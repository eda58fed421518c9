//! Metrics of proposals for baselines.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use vouchsafe_protocol::messages::ProposalState;

use super::registry::registered;

/// Proposals: those that wait, what VMs were answered, what was decided.
#[derive(Clone, Debug)]
pub struct ProposalMetrics {
    /// Proposals that wait for an operator, by the last look.
    pub pending: IntGauge,
    answered: IntCounterVec,
    decided: IntCounterVec,
}

impl ProposalMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let answered = Opts::new("vouchsafe_proposal_requests_total", "Proposals of VMs answered, by state");
        let decided = Opts::new("vouchsafe_proposals_decided_total", "Proposals decided, by decision");
        let pending = IntGauge::new(
            "vouchsafe_proposals_pending",
            "Proposals for baselines that wait for an operator, by the last look",
        )?;
        let metrics = Self {
            pending: registered(registry, pending)?,
            answered: registered(registry, IntCounterVec::new(answered, &["state"])?)?,
            decided: registered(registry, IntCounterVec::new(decided, &["decision"])?)?,
        };
        for state in ["allowed", "pending", "rejected"] {
            metrics.answered.with_label_values(&[state]);
        }
        for decision in ["approved", "approved-by-list", "rejected"] {
            metrics.decided.with_label_values(&[decision]);
        }
        Ok(metrics)
    }

    /// Counts an answer.
    pub fn answered(&self, state: &ProposalState) {
        self.answered.with_label_values(&[state.name()]).inc();
    }

    /// Counts an approval by an operator.
    pub fn approved(&self) {
        self.decided.with_label_values(&["approved"]).inc();
    }

    /// Counts an approval by signed lists.
    pub fn approved_by_list(&self) {
        self.decided.with_label_values(&["approved-by-list"]).inc();
    }

    /// Counts a rejection.
    pub fn rejected(&self) {
        self.decided.with_label_values(&["rejected"]).inc();
    }
}
