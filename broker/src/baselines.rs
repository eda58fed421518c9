//! Watches for expiring baselines: VMs that rely on an expired one get nothing, so the broker warns in time.
//!
//! A check is for the metrics, and warns in the log. The log names no baseline; `baseline list` does. The same for proposals that wait for an operator (`baseline pending`).

use std::sync::Arc;

use vouchsafe_keystore::registry::{BaselineState, BaselineValidity};
use vouchsafe_protocol::UnixTime;

use crate::broker::Broker;
use crate::clock;

/// One check. `announces`: whether the log gets the warnings, too.
pub(crate) async fn look(broker: Arc<Broker>, announces: bool) {
    let now = clock::now();
    match broker.keystore.baseline_states(now).await {
        Ok(baselines) => {
            broker.metrics.baselines.observe(&baselines, first_end(&baselines), now);
            if announces {
                announce(&baselines);
            }
        }
        // A fault of the keystore is reported by readiness.
        Err(error) => tracing::warn!(event = "baseline.not_read", %error),
    }
    match broker.keystore.pending_proposals(now).await {
        Ok(pending) => {
            broker.metrics.proposals.pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
            if announces && pending > 0 {
                tracing::warn!(
                    event = "proposals.pending",
                    proposals = pending,
                    "VMs that have updated are refused at their next boot until these are approved (`vouchsafe baseline pending`)"
                );
            }
        }
        Err(error) => tracing::warn!(event = "proposals.not_read", %error),
    }
}

fn announce(baselines: &[BaselineValidity]) {
    let count = |state| baselines.iter().filter(|(found, _)| *found == state).count();
    let (ending, ended) = (count(BaselineState::EndsSoon), count(BaselineState::Ended));
    let unreadable = count(BaselineState::Unreadable);
    if unreadable > 0 {
        tracing::warn!(
            event = "baseline.unreadable",
            baselines = unreadable,
            "policies that name them release nothing: put new versions, or revoke them (`vouchsafe policy list`)"
        );
    }
    if let Some(first) = first_end(baselines).filter(|_| ending > 0) {
        tracing::warn!(
            event = "baseline.ends_soon",
            baselines = ending,
            first_ends_at = clock::human(first),
            "VMs that rest on them are refused afterwards: put them with a later ends_at (`vouchsafe baseline list`)"
        );
    }
    if ended > 0 {
        tracing::warn!(
            event = "baseline.ended",
            baselines = ended,
            "VMs that rest on them alone are refused (`vouchsafe baseline list`)"
        );
    }
}

/// The earliest expiry among the baselines in force.
fn first_end(baselines: &[BaselineValidity]) -> Option<UnixTime> {
    let in_force = |state| matches!(state, BaselineState::InForce | BaselineState::EndsSoon);
    baselines.iter().filter(|(state, _)| in_force(*state)).filter_map(|(_, ends_at)| *ends_at).min()
}
