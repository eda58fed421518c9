//! What was decided before stands against signed lists: what an operator has rejected, or was approved and is withdrawn,
//! only an operator approves again.
//!
//! A decision holds for what was new in the proposal, not for its id alone, since the VM chooses which components it
//! proposes together.

use vouchsafe_protocol::ObjectName;
use vouchsafe_protocol::reference_values::ReferenceEvent;

use super::{PROPOSALS, Proposed, newest_of, read};
use crate::db::{Connection, StoreError};
use crate::keyring::Keyring;
use crate::log::Pins;
use crate::proposals::{BaselineProposalId, ProposalStatus};

/// Something new was part of a proposal that was decided before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {component} was part of proposal {proposal}, which was {}: only an operator approves it again", status.name())]
pub struct DecidedBefore {
    /// The component.
    pub component: &'static str,
    /// That proposal. It may be the same.
    pub proposal: BaselineProposalId,
    /// What was decided last.
    pub status: ProposalStatus,
}

/// The first proposal for the baseline, whatever its age, that was decided and had any of this. What was approved and is
/// new again has been withdrawn since, or expires.
pub(crate) async fn decided_before(
    connection: &mut Connection,
    keyring: &Keyring,
    pins: &Pins,
    baseline: &ObjectName,
    new: &[ReferenceEvent],
) -> Result<Option<DecidedBefore>, StoreError> {
    // Without a decision there is nothing to read.
    if !pins.has_any(PROPOSALS, &format!("{baseline}@")) {
        return Ok(None);
    }
    let mut query = newest_of(baseline);
    query.push(" ORDER BY proposal");
    for Proposed { record, .. } in read(connection, keyring, pins, query).await? {
        let proposal = record.proposal_id();
        let Some(pin) = pins.get(PROPOSALS, &proposal.to_string()) else { continue };
        let had = |event: &&ReferenceEvent| record.new.as_slice().iter().any(|old| same_entry(old, event));
        if let Some(event) = new.iter().find(had) {
            let status = if pin.removed { ProposalStatus::Rejected } else { ProposalStatus::Approved };
            return Ok(Some(DecidedBefore { component: event.component.name(), proposal, status }));
        }
    }
    Ok(None)
}

/// Whether a baseline that allows one of these events allows the other by the same entry.
fn same_entry(one: &ReferenceEvent, other: &ReferenceEvent) -> bool {
    one.component == other.component && (one.component.is_text() || one.digest == other.digest)
}
