//! Permission to propose an update of a baseline: only [`super::decide_proposal()`] makes it.

use vouchsafe_attestation::claims::Instance;
use vouchsafe_protocol::reference_values::ReferenceEvent;
use vouchsafe_protocol::{BoundRequest, ObjectName, ProposalId, UnixTime};

use crate::baseline::{ExpiringEntries, ProposedUpdate};
use crate::component_list::ExaminedList;

/// Permission to propose one update of one baseline, once. Nothing is allowed by it:
///
/// ```compile_fail
/// fn release(proposal: vouchsafe_policy::ProposalGrant) -> vouchsafe_policy::ReleaseGrant {
///     proposal.into()
/// }
/// ```
#[derive(Debug)]
#[must_use = "a proposal that is not recorded has no effect"]
pub struct ProposalGrant {
    bound: BoundRequest,
    baseline: ObjectName,
    instance: Instance,
    epoch: u64,
    new: Vec<ReferenceEvent>,
    kept: ExpiringEntries,
    replaced: ExpiringEntries,
    until: Option<UnixTime>,
    lists: Vec<ExaminedList>,
}

impl ProposalGrant {
    pub(super) fn new(
        bound: BoundRequest,
        baseline: ObjectName,
        (instance, epoch): (Instance, u64),
        ProposedUpdate { new, kept, until }: ProposedUpdate,
        replaced: ExpiringEntries,
        lists: Vec<ExaminedList>,
    ) -> Self {
        Self { bound, baseline, instance, epoch, new, kept, replaced, until, lists }
    }

    /// The request that the evidence is bound to.
    #[must_use]
    pub const fn bound(&self) -> &BoundRequest {
        &self.bound
    }

    /// The baseline, of which the VM is a member.
    #[must_use]
    pub const fn baseline(&self) -> &ObjectName {
        &self.baseline
    }

    /// The instance that proposes.
    #[must_use]
    pub const fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The epoch of the decision; the permission is void if it has changed (T51).
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The events that the baseline would have to allow, at least one.
    #[must_use]
    pub fn new_events(&self) -> &[ReferenceEvent] {
        &self.new
    }

    /// Listed entries that the next boot of this VM has.
    #[must_use]
    pub const fn kept(&self) -> &ExpiringEntries {
        &self.kept
    }

    /// The entries that the update replaces on this VM.
    #[must_use]
    pub const fn replaced(&self) -> &ExpiringEntries {
        &self.replaced
    }

    /// Where the boot is allowed for now because of entries that expire: until when.
    #[must_use]
    pub const fn until(&self) -> Option<UnixTime> {
        self.until
    }

    /// What became of the component lists that came with it.
    #[must_use]
    pub fn lists(&self) -> &[ExaminedList] {
        &self.lists
    }

    /// The id of the proposal.
    #[must_use]
    pub fn id(&self) -> ProposalId {
        ProposalId::of(&self.baseline, &self.new)
    }
}
