//! Watches for expiring baselines: VMs that rely on an expired one get nothing, so the broker warns in time.
//!
//! Checks every ten minutes, for the metrics, and warns in the log at start and once a day. The log names no
//! baseline; `baseline list` does. The same for proposals that wait for an operator (`baseline pending`).

use std::sync::{Arc, Weak};
use std::time::Duration;

use vouchsafe_keystore::registry::{BaselineState, BaselineValidity};
use vouchsafe_protocol::UnixTime;

use crate::broker::Broker;
use crate::clock;

/// Watches until the broker is dropped.
pub(crate) fn watch(broker: &Arc<Broker>) {
    let broker = Arc::downgrade(broker);
    tokio::spawn(async move {
        let mut rounds = (0..ROUNDS_PER_DAY).cycle();
        while let Some(round) = rounds.next()
            && look(&broker, round == 0).await
        {
            tokio::time::sleep(ROUND).await;
        }
    });
}

/// One check; false when the broker no longer exists.
async fn look(broker: &Weak<Broker>, warn: bool) -> bool {
    let Some(broker) = broker.upgrade() else { return false };
    let now = clock::now();
    match broker.keystore.baseline_states(now).await {
        Ok(baselines) => {
            broker.metrics.baselines.observe(&baselines, first_end(&baselines), now);
            if warn {
                announce(&baselines);
            }
        }
        // A fault of the keystore is reported by readiness.
        Err(error) => tracing::warn!(event = "baseline.not_read", %error),
    }
    match broker.keystore.pending_proposals(now).await {
        Ok(pending) => {
            broker.metrics.proposals.pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
            if warn && pending > 0 {
                tracing::warn!(
                    event = "proposals.pending",
                    proposals = pending,
                    "VMs that have updated are refused at their next boot until these are approved (`vouchsafe baseline pending`)"
                );
            }
        }
        Err(error) => tracing::warn!(event = "proposals.not_read", %error),
    }
    true
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

const ROUND: Duration = Duration::from_secs(600);
const ROUNDS_PER_DAY: u32 = 144;
