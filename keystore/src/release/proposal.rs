//! The input of a decision about a proposal for a baseline, at one epoch, and the decision.

use std::sync::Arc;

use vouchsafe_attestation::VerifiedClaims;
use vouchsafe_policy::{
    CompiledPolicy, NamedBaseline, ProposalDenial, ProposalInput, ProposalVerdict, decide_proposal,
};
use vouchsafe_protocol::request::CarriedLists;
use vouchsafe_protocol::{BrokerIdentity, ObjectName, UnixTime};

use crate::db::StoreError;
use crate::registry::Registry;

/// A baseline, and the policies that name it.
#[derive(Debug)]
pub struct BaselineInput {
    pub(crate) epoch: u64,
    pub(crate) baseline: Option<NamedBaseline>,
    pub(crate) policies: Vec<Arc<CompiledPolicy>>,
}

impl BaselineInput {
    /// Decides whether the VM may propose what its request names, and whether the lists that came with it approve that.
    ///
    /// # Errors
    /// [`ProposalDenial`].
    pub fn decide(
        &self,
        claims: &VerifiedClaims,
        broker: &BrokerIdentity,
        lists: &CarriedLists,
        now: UnixTime,
    ) -> Result<ProposalVerdict, ProposalDenial> {
        let (baseline, policies) = (self.baseline.clone(), self.policies.clone());
        decide_proposal(claims, &ProposalInput { broker, epoch: self.epoch, now, baseline, policies, lists })
    }

    /// The epoch of this input.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether a policy that names the baseline names this project as the owner: then refusals of its VMs are worth a
    /// durable record.
    #[must_use]
    pub fn names_project(&self, project_number: u64) -> bool {
        self.policies.iter().any(|policy| policy.project_numbers().contains(&project_number))
    }
}

/// Reads the input of a decision about proposals for a baseline, in one view. A policy that cannot be read releases
/// nothing, and is for no project.
pub(crate) async fn baseline_input(
    registry: &Registry,
    name: &ObjectName,
) -> Result<BaselineInput, StoreError> {
    let (epoch, document, documents) = registry.baseline_and_policies(name).await?;
    let mut policies = Vec::new();
    for document in &documents {
        let policy = registry.compiled().policy(document).await;
        policies.extend(policy.ok().filter(|policy| policy.baselines().contains(name)));
    }
    let baseline = document.map(|document| NamedBaseline {
        name: document.name.clone(),
        revoked: document.revoked,
        baseline: registry.compiled().baseline(&document),
    });
    Ok(BaselineInput { epoch, baseline, policies })
}
