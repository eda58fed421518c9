//! A proposal for a baseline: decided by membership and owner, and recorded. It allows nothing by itself; lists that a signer
//! of the baseline has signed approve it, once it is recorded.

use vouchsafe_keystore::proposals::SentList;
use vouchsafe_keystore::record::{NewProposal, RecordError};
use vouchsafe_keystore::release::BaselineInput;
use vouchsafe_keystore::{Keystore, StoreError};
use vouchsafe_policy::{ProposalDenial, ProposalGrant, ProposalVerdict, SignedApproval};
use vouchsafe_protocol::messages::ProposalState;
use vouchsafe_protocol::request::ProposedEvents;
use vouchsafe_protocol::{BaselineProposal, Body, ReasonCode};

use super::commit::Action;
use super::error::{Failure, ReleaseError};
use super::pipeline::binding;
use crate::attested::{Verified, instance_name};
use crate::pool::PoolError;
use crate::traces::Step;

/// The action of a proposal.
pub(super) enum Proposal {}

/// A proposal that may be answered once it is recorded, if there is anything to record.
pub(super) struct Prepared {
    verified: Verified,
    new: Option<Box<NewProposal>>,
    approval: Option<SignedApproval>,
}

impl Action for Proposal {
    type Prepared = Prepared;
    type Done = ProposalState;

    fn prepare(verified: Verified) -> Result<Prepared, Failure> {
        let Body::Proposal(proposal) = verified.claims().bound().body() else {
            return Err(Failure::new(denied(ProposalDenial::NotBound), verified.context()));
        };
        let proposal = proposal.clone();
        let decided = decide(&verified, &proposal)
            .map_err(|error| Failure::new(ReleaseError::from(error), verified.context()))?;
        match decided {
            (_, Ok(ProposalVerdict::Allowed)) => Ok(Prepared { verified, new: None, approval: None }),
            (_, Ok(ProposalVerdict::New(grant))) => Prepared::new(verified, &grant, proposal, None),
            (_, Ok(ProposalVerdict::Signed(grant, approval))) => {
                Prepared::new(verified, &grant, proposal, Some(approval))
            }
            (input, Err(denial)) => {
                let project = verified.instance().map(|instance| instance.project_number);
                let is_for_owner = project.is_some_and(|number| input.names_project(number));
                let context =
                    if is_for_owner { verified.context_with_evidence() } else { verified.context() };
                Err(Failure::new(denied(denial), context))
            }
        }
    }

    fn record(
        Prepared { verified, new, approval }: Prepared,
        keystore: &Keystore,
        then: impl FnOnce(Verified, Result<ProposalState, RecordError>) + Send + 'static,
    ) {
        let Some(new) = new else { return then(verified, Ok(ProposalState::Allowed)) };
        let approving = keystore.clone();
        keystore.record_proposal_then(*new, move |result| match (result, approval) {
            (Ok(pending @ ProposalState::Pending { .. }), Some(approval)) => {
                let broker = std::sync::Arc::clone(&verified.session().broker);
                // This is the recorder's thread, which an approval waits for.
                broker.runtime.clone().spawn(async move {
                    let approved = approving.approve_signed(approval, pending, verified.session().now).await;
                    if approved == Ok(ProposalState::Allowed) {
                        broker.metrics.proposals.approved_by_list();
                    }
                    then(verified, approved);
                });
            }
            (result, _) => then(verified, result),
        });
    }
}

impl Prepared {
    fn new(
        verified: Verified,
        grant: &ProposalGrant,
        proposal: BaselineProposal,
        approval: Option<SignedApproval>,
    ) -> Result<Self, Failure> {
        let decision = verified.session().decision;
        for list in grant.lists() {
            if let Some(fault) = &list.fault {
                tracing::info!(event = "proposal.list_ignored", %decision, list.digest = %list.digest, %fault);
            }
        }
        let new = record_of(&verified, grant, proposal);
        let new = new.map_err(|error| Failure::new(error, verified.context()))?;
        Ok(Self { verified, new: Some(Box::new(new)), approval })
    }
}

fn denied(denial: ProposalDenial) -> ReleaseError {
    ReleaseError::Proposal(Box::new(denial))
}

type Decided = (BaselineInput, Result<ProposalVerdict, ProposalDenial>);

/// Decides in the current epoch. What is not recorded is not checked against the epoch there, so it is decided once more if
/// the epoch has changed.
fn decide(verified: &Verified, proposal: &BaselineProposal) -> Result<Decided, StoreError> {
    let session = verified.session();
    let broker = &session.broker;
    let once = || -> Result<Decided, StoreError> {
        let mut step = session.trace.step(Step::Decide);
        let input = broker.runtime.block_on(broker.keystore.baseline_input(&proposal.baseline))?;
        let identity = session.identity.identity();
        let verdict = input.decide(verified.claims(), &identity, verified.lists(), session.now);
        if verdict.is_err() {
            step.refused(ReasonCode::NotGranted);
        }
        Ok((input, verdict))
    };
    let (input, verdict) = once()?;
    let is_recorded = matches!(verdict, Ok(ProposalVerdict::New(_) | ProposalVerdict::Signed(..)));
    if is_recorded || broker.runtime.block_on(broker.keystore.epoch())? == input.epoch() {
        return Ok((input, verdict));
    }
    broker.metrics.redecided.inc();
    once()
}

/// Consumes nothing: what becomes of the proposal follows from what is recorded by then.
fn record_of(
    verified: &Verified,
    grant: &ProposalGrant,
    proposal: BaselineProposal,
) -> Result<NewProposal, ReleaseError> {
    let session = verified.session();
    // Part of a list in canonical form is in canonical form.
    let new = ProposedEvents::new(grant.new_events().to_vec()).map_err(|_| PoolError::Failed)?;
    Ok(NewProposal {
        at: session.now,
        binding: binding(grant.bound()),
        claims: verified.claims_digest(),
        decision: session.decision,
        epoch: grant.epoch(),
        evidence: verified.evidence().to_vec(),
        id: grant.id(),
        instance: instance_name(grant.instance()),
        kept: grant.kept().clone(),
        lists: grant.lists().iter().map(SentList::from).collect(),
        new,
        nonce: grant.bound().nonce(),
        nonce_expires_at: session.expires_at,
        peer: session.peer(),
        proposal,
        replaced: grant.replaced().clone(),
        until: grant.until(),
    })
}
