//! Who may propose an update of a baseline: a VM that is a member of it now, of a project that a policy which names the
//! baseline is for. That allows nothing yet, unless lists that a signer of the baseline has signed have everything that is
//! new.

use std::sync::Arc;

use vouchsafe_attestation::claims::VerifiedClaims;
use vouchsafe_protocol::request::CarriedLists;
use vouchsafe_protocol::{Body, BoundRequest, BrokerIdentity, ObjectName, UnixTime};

use crate::baseline::{BaselineError, BaselineMismatch, NamedBaseline, UpdateError};
use crate::compiled::CompiledPolicy;
use crate::component_list::{Candidate, examine};
use crate::proposal_grant::ProposalGrant;
use crate::signed_approval::SignedApproval;

/// The state of the keystore for a proposal, at one epoch.
#[derive(Debug)]
pub struct ProposalInput<'a> {
    /// This broker's identity: the evidence must be bound to it.
    pub broker: &'a BrokerIdentity,
    /// The epoch in which the following were read.
    pub epoch: u64,
    /// The time.
    pub now: UnixTime,
    /// The baseline that the request names, if there is one.
    pub baseline: Option<NamedBaseline>,
    /// The policies that name it.
    pub policies: Vec<Arc<CompiledPolicy>>,
    /// The component lists that came with the request.
    pub lists: &'a CarriedLists,
}

/// What a proposal comes to.
#[derive(Debug)]
pub enum ProposalVerdict {
    /// The baseline lists all of it.
    Allowed,
    /// There is something to approve.
    New(Box<ProposalGrant>),
    /// Signed lists approve all that is new.
    Signed(Box<ProposalGrant>, SignedApproval),
}

/// Why a VM may not propose an update. For operators: a guest learns only a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposalDenial {
    /// The evidence was made for something else.
    #[error("the evidence was made for another request")]
    NotBound,
    /// The evidence names no instance.
    #[error("the evidence names no instance: add a vTPM or a Google token")]
    NoInstance,
    /// There is no such baseline.
    #[error("there is no baseline {baseline}")]
    NoBaseline {
        /// Its name.
        baseline: ObjectName,
    },
    /// The baseline cannot be read by this version.
    #[error("baseline {baseline} cannot be read by this version of the broker: {error}")]
    Unreadable {
        /// Its name.
        baseline: ObjectName,
        /// Why.
        error: BaselineError,
    },
    /// No policy that names the baseline is for the VM's project.
    #[error("no policy that names baseline {baseline} is for project {project_number}")]
    OtherOwner {
        /// The baseline.
        baseline: ObjectName,
        /// The VM's project.
        project_number: u64,
    },
    /// The VM is not a member of the baseline.
    #[error("not a member of baseline {baseline}: {mismatch}")]
    NotMember {
        /// The baseline.
        baseline: ObjectName,
        /// The first mismatch.
        mismatch: Box<BaselineMismatch>,
    },
    /// The baseline cannot allow the proposed boot.
    #[error("baseline {baseline} cannot allow this boot: {error}")]
    Update {
        /// The baseline.
        baseline: ObjectName,
        /// Why.
        error: Box<UpdateError>,
    },
}

/// Decides whether the VM may propose the update that its request names.
///
/// # Errors
/// [`ProposalDenial`].
pub fn decide_proposal(
    claims: &VerifiedClaims,
    input: &ProposalInput<'_>,
) -> Result<ProposalVerdict, ProposalDenial> {
    // 1. The evidence commits to this broker and this proposal; computed again here.
    let bound = claims.bound();
    let Body::Proposal(proposal) = bound.body() else { return Err(ProposalDenial::NotBound) };
    let rebound = BoundRequest::new(input.broker, bound.nonce(), bound.key().clone(), bound.body().clone());
    if bound != &rebound || input.lists.digests() != proposal.lists {
        return Err(ProposalDenial::NotBound);
    }

    // 2. The VM is known, and a policy that uses the baseline is for its owner (T48).
    let name = || proposal.baseline.clone();
    let instance = claims.claims().instance().ok_or(ProposalDenial::NoInstance)?;
    let named = input.baseline.as_ref().filter(|named| named.name == proposal.baseline);
    let named = named.ok_or_else(|| ProposalDenial::NoBaseline { baseline: name() })?;
    let project_number = instance.project_number;
    let is_for_owner = |policy: &Arc<CompiledPolicy>| {
        policy.usable_baselines().contains(&named.name) && policy.project_numbers().contains(&project_number)
    };
    if !input.policies.iter().any(is_for_owner) {
        return Err(ProposalDenial::OtherOwner { baseline: name(), project_number });
    }

    // 3. What it runs now is a member.
    let not_member = |mismatch| ProposalDenial::NotMember { baseline: name(), mismatch: Box::new(mismatch) };
    if named.revoked {
        return Err(not_member(BaselineMismatch::Revoked));
    }
    let unreadable =
        |error: &BaselineError| ProposalDenial::Unreadable { baseline: name(), error: error.clone() };
    let baseline = named.baseline.as_deref().map_err(unreadable)?;
    baseline.is_member(claims.claims(), input.now).map_err(not_member)?;

    // 4. A baseline can allow both boots.
    let update = |error| ProposalDenial::Update { baseline: name(), error: Box::new(error) };
    let proposed = baseline.propose(proposal.events.as_slice(), input.now).map_err(update)?;
    if proposed.new.is_empty() {
        return Ok(ProposalVerdict::Allowed);
    }
    let replaced = baseline.replaced_by(claims.claims(), proposal.events.as_slice());
    let author = (instance.clone(), input.epoch);

    // 5. Lists approve it, or it waits for an operator. No fault of a list is a denial.
    let (new, now) = (proposed.new.as_slice(), input.now);
    let (lists, used) = examine(&Candidate { name: &named.name, baseline, new, now }, input.lists);
    let grant = Box::new(ProposalGrant::new(bound.clone(), name(), author, proposed, replaced, lists));
    let approval = used.map(|used| SignedApproval::new(&grant, used));
    Ok(match approval {
        Some(approval) => ProposalVerdict::Signed(grant, approval),
        None => ProposalVerdict::New(grant),
    })
}
