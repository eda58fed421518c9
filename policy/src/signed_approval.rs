//! The approval of a proposed update by signed component lists: only [`super::decide_proposal()`] makes it.

use vouchsafe_protocol::reference_values::ReferenceEvent;
use vouchsafe_protocol::{ObjectName, ProposalId, UnixTime};

use crate::baseline::{Baseline, ExpiringEntries, KeepOld, UpdateError};
use crate::component_list::UsedList;
use crate::proposal_grant::ProposalGrant;

/// Approval of one proposed update of one baseline, once: lists that signers of the baseline have signed have everything
/// that is new.
///
/// ```compile_fail
/// fn twice(approval: vouchsafe_policy::SignedApproval) -> [vouchsafe_policy::SignedApproval; 2] {
///     [approval.clone(), approval]
/// }
/// ```
///
/// A permission to propose is none to approve:
///
/// ```compile_fail
/// fn approve(proposal: vouchsafe_policy::ProposalGrant) -> vouchsafe_policy::SignedApproval {
///     proposal.into()
/// }
/// ```
#[derive(Debug)]
#[must_use = "an approval that is not carried out has no effect"]
pub struct SignedApproval {
    baseline: ObjectName,
    id: ProposalId,
    epoch: u64,
    new: Vec<ReferenceEvent>,
    lists: Vec<UsedList>,
}

impl SignedApproval {
    pub(super) fn new(grant: &ProposalGrant, lists: Vec<UsedList>) -> Self {
        let (baseline, id, epoch) = (grant.baseline().clone(), grant.id(), grant.epoch());
        Self { baseline, id, epoch, new: grant.new_events().to_vec(), lists }
    }

    /// The baseline, whose signers have signed the lists.
    #[must_use]
    pub const fn baseline(&self) -> &ObjectName {
        &self.baseline
    }

    /// The id of the proposal.
    #[must_use]
    pub const fn id(&self) -> ProposalId {
        self.id
    }

    /// The epoch of the decision; the approval is void if it has changed (T51).
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The events that the baseline will allow.
    #[must_use]
    pub fn new_events(&self) -> &[ReferenceEvent] {
        &self.new
    }

    /// The lists that have them.
    #[must_use]
    pub fn lists(&self) -> &[UsedList] {
        &self.lists
    }

    /// The highest version of the lists.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.lists.iter().map(|list| list.version).max().unwrap_or_default()
    }
}

impl Baseline {
    /// The baseline that allows an update which signed lists approve, as [`Self::approve`] makes it. Older lists do not count
    /// after it.
    ///
    /// # Errors
    /// As [`Self::approve`].
    pub fn approve_signed(
        &self,
        approval: &SignedApproval,
        replaced: &ExpiringEntries,
        keep: KeepOld,
        now: UnixTime,
    ) -> Result<Self, UpdateError> {
        let approved = self.approve(approval.new_events(), replaced, keep, now)?;
        let update_version = self.update_version.max(approval.version());
        Ok(Self { update_version, ..approved })
    }
}
