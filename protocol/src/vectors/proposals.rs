//! Checks `protocol/vectors/proposals.json`: proposals for a baseline, with their ids and answers.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::array;
use crate::answer::{DecisionId, RequestDigest};
use crate::challenge::Nonce;
use crate::digest::Digest32;
use crate::encoding::Bytes;
use crate::identity::{BrokerIdentity, IdentityKey};
use crate::messages::{ProposalAnswer, ProposalState};
use crate::path::ObjectName;
use crate::reference_values::{ReferenceComponent, ReferenceEvent};
use crate::request::{BaselineProposal, Body, BoundRequest, ProposalId, ProposedEvents};
use crate::suite::Suite;
use crate::time::UnixTime;
use crate::wrap::GuestKey;

/// Inputs and known answers of requests under one challenge and key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    suite: Suite,
    identity_seed: Bytes,
    identity: BrokerIdentity,
    nonce: Bytes,
    /// As in the vectors of releases.
    guest_key_ikm: Bytes,
    /// Body of the requests that the answers are for.
    request: String,
    proposals: Vec<Proposal>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    proposal: BaselineProposal,
    transcript: Digest32,
    /// The id where all events are new.
    id: ProposalId,
    answer: ProposalAnswer,
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/proposals.json")
}

#[test]
fn known_answers_about_proposals_hold() {
    let vector: Vector = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
    let identity = IdentityKey::from_seed(&Zeroizing::new(array(&vector.identity_seed))).unwrap();
    assert_eq!(identity.identity(), vector.identity);
    let (nonce, key) = (Nonce(array(&vector.nonce)), GuestKey::derive(vector.suite, &vector.guest_key_ikm));
    let request = RequestDigest::of(vector.request.as_bytes());
    for Proposal { proposal, transcript, id, answer } in vector.proposals {
        assert_eq!(ProposalId::of(&proposal.baseline, proposal.events.as_slice()), id);
        let bound =
            BoundRequest::new(&vector.identity, nonce, key.public().clone(), Body::Proposal(proposal));
        assert_eq!(bound.transcript().as_bytes(), transcript.as_bytes());
        assert_eq!(answer.open(&bound, &request), Ok(answer.proposal));
        let again =
            ProposalAnswer::sign(&identity, &bound.transcript(), &request, answer.decision, answer.proposal);
        assert_eq!(again, answer);
    }
}

#[test]
#[ignore = "writes the file that known_answers_about_proposals_hold checks"]
fn write_known_answers_about_proposals() {
    let text = serde_json::to_string_pretty(&make()).unwrap();
    fs::write(file(), text + "\n").unwrap();
}

fn make() -> Vector {
    let (identity_seed, ikm, nonce) = ([0x11; 32], [0x33; 32], Nonce([0x44; 32]));
    let identity = IdentityKey::from_seed(&Zeroizing::new(identity_seed)).unwrap();
    let key = GuestKey::derive(Suite::X25519, &ikm);
    let proposal = |events, lists, state: fn(ProposalId) -> ProposalState| {
        let baseline = ObjectName::parse("prod/web").unwrap();
        let proposal = BaselineProposal { baseline, events: ProposedEvents::sort(events).unwrap(), lists };
        let id = ProposalId::of(&proposal.baseline, proposal.events.as_slice());
        let body = Body::Proposal(proposal.clone());
        let bound = BoundRequest::new(&identity.identity(), nonce, key.public().clone(), body);
        let (transcript, request) = (bound.transcript(), RequestDigest::of(REQUEST.as_bytes()));
        let answer =
            ProposalAnswer::sign(&identity, &transcript, &request, DecisionId([0x55; 16]), state(id));
        Proposal { proposal, transcript: transcript.0, id, answer }
    };
    let event = |pcr, component: &str, text: Option<&str>, name: Option<&str>, byte| ReferenceEvent {
        pcr,
        component: ReferenceComponent::of(component, text.map(str::to_owned), name.map(str::to_owned))
            .unwrap(),
        digest: Digest32([byte; 32]),
    };
    let grub = vec![
        event(4, "grub", None, None, 0x71),
        event(8, "command-line", Some("/vmlinuz-6.12 root=/dev/sda1 ro"), None, 0x72),
        event(8, "grub-command", Some("linux /vmlinuz-6.12 root=/dev/sda1 ro"), None, 0x73),
        event(9, "initrd", None, None, 0x74),
        event(9, "kernel", None, None, 0x75),
    ];
    let uki = vec![
        event(4, "uki", None, None, 0x76),
        event(11, "section", None, Some(".linux"), 0x77),
        event(11, "section-name", None, Some(".linux"), 0x78),
    ];
    let none: Vec<Digest32> = Vec::new();
    Vector {
        suite: Suite::X25519,
        identity_seed: Bytes(identity_seed.to_vec()),
        identity: identity.identity(),
        nonce: Bytes(nonce.0.to_vec()),
        guest_key_ikm: Bytes(ikm.to_vec()),
        request: REQUEST.to_owned(),
        proposals: vec![
            proposal(grub.clone(), none.clone(), |id| ProposalState::Pending { id, until: None }),
            proposal(grub, none.clone(), |id| ProposalState::Rejected {
                id,
                until: Some(UnixTime(1_800_000_000)),
            }),
            proposal(uki.clone(), none, |_| ProposalState::Allowed),
            proposal(uki, vec![Digest32([0x79; 32]), Digest32([0x7a; 32])], |_| ProposalState::Allowed),
        ],
    }
}

const REQUEST: &str = "a request, as sent";
