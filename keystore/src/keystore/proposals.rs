//! Proposals for baselines: recording them, and operators' decisions.

use vouchsafe_policy::SignedApproval;
use vouchsafe_protocol::messages::ProposalState;
use vouchsafe_protocol::{ObjectName, UnixTime};

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::proposals::BaselineProposalId;
use crate::record::pending::{Answer, PendingAction, PendingProposal};
use crate::record::types::{NewProposal, RecordError};
use crate::registry::change::Actor;
use crate::registry::documents::types::DocumentError;
use crate::registry::error::RegisterError;
use crate::registry::proposals::{KeepOldFor, ProposalError, Proposed};
use crate::release::{BaselineInput, baseline_input};

impl Keystore {
    /// The input of a decision about proposals for a baseline.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn baseline_input(&self, baseline: &ObjectName) -> Result<BaselineInput, StoreError> {
        baseline_input(&self.0.registry, baseline).await
    }

    /// Records a proposal and spends its nonce, for a thread outside of any runtime, like [`Self::record_then`]. A proposal
    /// that changes nothing is not recorded.
    pub fn record_proposal_then(
        &self,
        new: NewProposal,
        then: impl FnOnce(Result<ProposalState, RecordError>) + Send + 'static,
    ) {
        let keystore = self.clone();
        let answer = Answer::new(move |result| {
            keystore.observe(&result);
            then(result);
        });
        let pending = PendingAction::Proposal(Box::new(PendingProposal { new, answer }));
        self.0.recorder.blocking_action(pending);
    }

    /// Proposals by baseline and id: those that a VM has asked for recently, and all rejected ones.
    ///
    /// # Errors
    /// When the database fails or a record was changed.
    pub(crate) async fn proposals(&self, now: UnixTime) -> Result<Vec<Proposed>, StoreError> {
        self.0.registry.proposals(now).await
    }

    /// Number of proposals that wait for an operator.
    ///
    /// # Errors
    /// When the database fails or a record was changed.
    pub async fn pending_proposals(&self, now: UnixTime) -> Result<usize, StoreError> {
        let all = self.proposals(now).await?;
        Ok(all.iter().filter(|found| found.status == crate::proposals::ProposalStatus::Pending).count())
    }

    /// Approves a proposal: puts a version of the baseline that allows it, effective at once. What it replaces expires as
    /// `keep` says. Returns the version.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub async fn approve_proposal(
        &self,
        actor: Actor<'_>,
        proposal: &BaselineProposalId,
        keep: KeepOldFor,
    ) -> Result<u64, ProposalError> {
        self.0.registry.approve_proposal(actor, proposal, keep).await
    }

    /// Approves a proposal that was recorded as `pending`. Entries that it replaces stay allowed for [`KeepOldFor::DEFAULT`]. If it
    /// cannot be approved, it stays pending for an operator.
    ///
    /// # Errors
    /// [`RecordError::EpochMoved`]: decide again.
    pub async fn approve_signed(
        &self,
        approval: SignedApproval,
        pending: ProposalState,
        now: UnixTime,
    ) -> Result<ProposalState, RecordError> {
        let (baseline, id, decided) = (approval.baseline().clone(), approval.id(), approval.epoch());
        match self.0.registry.approve_signed(approval, now).await {
            Ok(version) => {
                tracing::info!(event = "proposal.approved_by_list", %baseline, proposal = %id, version);
                Ok(ProposalState::Allowed)
            }
            // Something changed since the decision: an operator or another VM's list decided first.
            Err(
                ProposalError::Register(RegisterError::Document(DocumentError::Overtaken))
                | ProposalError::Approved { .. }
                | ProposalError::Rejected { .. },
            ) => {
                // Whatever it is: it is not that of the decision.
                let epoch = self.0.registry.epoch().await.unwrap_or(decided.saturating_add(1));
                Err(RecordError::EpochMoved { epoch })
            }
            Err(error) => {
                tracing::warn!(event = "proposal.not_approved", %baseline, proposal = %id, %error);
                Ok(pending)
            }
        }
    }

    /// Rejects a proposal: VMs that ask for it learn so, until it is approved.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub async fn reject_proposal(
        &self,
        actor: Actor<'_>,
        proposal: &BaselineProposalId,
    ) -> Result<(), ProposalError> {
        self.0.registry.reject_proposal(actor, proposal).await
    }
}
