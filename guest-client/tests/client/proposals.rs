//! Proposals for a baseline.

use vouchsafe_guest_client::client::Proposal;
use vouchsafe_protocol::messages::{ProposalAnswer, ProposalState};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};
use vouchsafe_protocol::request::{CarriedLists, ProposedEvents};
use vouchsafe_protocol::{BaselineProposal, Body, Digest32, IdentityKey, ObjectName, ProposalId};

use super::support::VolumeAct;
use super::*;

fn proposal() -> BaselineProposal {
    let (component, digest) = (ReferenceComponent::Kernel, Digest32([1; 32]));
    let lists = lists().digests();
    BaselineProposal {
        lists,
        baseline: ObjectName::parse("prod/web").expect("a name"),
        events: ProposedEvents::new(vec![ReferenceEvent { pcr: 9, component, digest }]).expect("an event"),
    }
}

fn lists() -> CarriedLists {
    CarriedLists::new(vec![b"a list"[..].into(), b"another one"[..].into()]).expect("two lists")
}

const PENDING: ProposalState = ProposalState::Pending { id: ProposalId(Digest32([2; 32])), until: None };

/// Answers with this state, signed by `signer`.
fn answer(signer: IdentityKey, state: ProposalState) -> VolumeAct {
    Box::new(move |_, bound, digest| {
        Some(ok(&ProposalAnswer::sign(&signer, &bound.transcript(), digest, DECISION, state)))
    })
}

fn propose(one: &Try, script: Vec<VolumeAct>) -> Result<Proposal, FetchError> {
    one.broker.lock().proposal_script.extend(script);
    let (broker, pauses) = (Box::new(one.broker.clone()), Box::new(one.pauses.clone()));
    let BaselineProposal { baseline, events, .. } = proposal();
    let mut client = Client::with_parts(one.config.clone(), broker, one.source.clone(), pauses);
    client.propose_baseline(baseline, events, &lists())
}

#[test]
fn a_proposal_is_what_the_evidence_covers() {
    let one = Try::new();
    let done = propose(&one, vec![answer(identity(OURS), PENDING)]).unwrap();
    assert_eq!(done, Proposal { decision: DECISION, state: PENDING });
    let log = one.broker.lock().log.clone();
    let sent: vouchsafe_protocol::messages::ProposalRequest =
        serde_json::from_slice(&log.last().unwrap().1).unwrap();
    assert_eq!((&sent.proposal, &sent.lists), (&proposal(), &lists()));
    let key = vouchsafe_protocol::GuestPublicKey::new(sent.suite, &sent.public_key).unwrap();
    let body = Body::Proposal(proposal());
    let bound = BoundRequest::new(&identity(OURS).identity(), sent.challenge.nonce, key, body);
    assert_eq!(*one.source.collected.lock().unwrap(), [*bound.transcript().as_bytes()]);
}

#[test]
fn t06_that_a_boot_is_allowed_is_what_a_pinned_identity_signed() {
    let strangers = (0..3).map(|_| answer(identity(STRANGER), ProposalState::Allowed)).collect();
    let error = propose(&Try::new(), strangers).unwrap_err();
    assert!(matches!(error, FetchError::GaveUp { last, .. } if matches!(*last, AttemptError::NotSigned)));
}

#[test]
fn a_signed_refusal_of_a_proposal_is_final() {
    for code in [ReasonCode::NotGranted, ReasonCode::Conflict] {
        let refused: VolumeAct = Box::new(move |key, bound, digest| {
            Some(problem(&Problem::signed(key, &bound.nonce(), digest, code, DECISION)))
        });
        let error = propose(&Try::new(), vec![refused]).unwrap_err();
        assert!(matches!(error, FetchError::Refused { code: found, decision: DECISION } if found == code));
    }
}
