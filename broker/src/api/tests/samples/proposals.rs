//! Samples of proposals for baselines.

use vouchsafe_keystore::proposals::{ProposalStatus, Proposer, SentList};
use vouchsafe_keystore::record::{EvidenceRef, GrantBinding, ProposalRecord};
use vouchsafe_policy::ExpiringEntries;
use vouchsafe_protocol::messages::{ProposalAnswer, ProposalRequest, ProposalState};
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};
use vouchsafe_protocol::request::{CarriedLists, ProposedEvents};
use vouchsafe_protocol::{BaselineProposal, Digest32, Nonce, ProposalId, Suite, UpdateSigner};

use super::{AT, BROKER, DIGEST, ID, INSTANCE, PEER, Sample, bytes, challenge, evidence, name, text};
use crate::api::proposals::{ApproveProposal, KeepOld, ListProposals, Proposal, RejectProposal};

samples! {
    ListProposals = statuses().map(|status| Self { baseline: Some(name()), status: Some(status) });
    Proposal = statuses().into_iter().zip([true, false, true]).map(|(status, full)| Self {
        baseline: name(), id: id(), status, approved_by_list: full, lists: if full { lists().to_vec() } else { Vec::new() },
        new: events(), replaced: entries(full), proposed_at: AT,
        proposers: proposers(), decision: ID,
    }).collect::<Vec<_>>();
    ApproveProposal = [KeepOld::Seconds(1), KeepOld::Forever].map(|keep_old| Self { baseline: name(), id: id(), keep_old });
    RejectProposal = [Self { baseline: name(), id: id() }];
    ProposalRequest = [true, false].map(|full| Self {
        challenge: challenge(), suite: Suite::XWing, public_key: bytes(), proposal: proposal(full),
        lists: CarriedLists::new(if full { vec![bytes().into()] } else { Vec::new() }).expect("a list"),
        evidence: evidence() });
    ProposalAnswer = states().map(|proposal| Self { decision: ID, proposal, signature: bytes() });
}

/// With all members, and with only the required ones.
pub(super) fn records() -> [ProposalRecord; 2] {
    [true, false].map(|full| ProposalRecord {
        at: AT,
        binding: GrantBinding { broker: BROKER, public_key: bytes(), suite: Suite::X25519 },
        claims: DIGEST,
        decision: ID,
        epoch: 1,
        evidence: vec![EvidenceRef { digest: DIGEST, kind: text() }],
        id: id(),
        instance: INSTANCE.to_owned(),
        kept: entries(full),
        lists: if full { lists().to_vec() } else { Vec::new() },
        new: events(),
        nonce: Nonce([4; 32]),
        peer: full.then_some(PEER),
        proposal: proposal(full),
        proposed_at: AT,
        proposers: proposers(),
        replaced: entries(full),
    })
}

fn statuses() -> [ProposalStatus; 3] {
    [ProposalStatus::Pending, ProposalStatus::Approved, ProposalStatus::Rejected]
}

fn states() -> [ProposalState; 5] {
    let (id, until) = (id(), Some(AT));
    [
        ProposalState::Allowed,
        ProposalState::Pending { id, until },
        ProposalState::Pending { id, until: None },
        ProposalState::Rejected { id, until },
        ProposalState::Rejected { id, until: None },
    ]
}

fn id() -> ProposalId {
    ProposalId(DIGEST)
}

fn proposers() -> Vec<Proposer> {
    vec![Proposer { at: AT, instance: INSTANCE.to_owned() }]
}

fn proposal(full: bool) -> BaselineProposal {
    let lists = if full { vec![Digest32::of(&bytes())] } else { Vec::new() };
    BaselineProposal { baseline: name(), events: events(), lists }
}

/// With all members, and with only the required ones.
fn lists() -> [SentList; 2] {
    [true, false].map(|full| SentList {
        digest: DIGEST,
        reason: full.then(text),
        signer: full.then(|| UpdateSigner::from([1; 32])),
    })
}

/// One of each component.
fn events() -> ProposedEvents {
    let plain = [
        "shim",
        "grub",
        "uki",
        "kernel-image",
        "configuration",
        "kernel",
        "initrd",
        "load-options",
        "loaded-initrd",
    ];
    let plain = plain.into_iter().map(|component| ReferenceComponent::of(component, None, None));
    let texts = ["grub-command", "command-line"]
        .map(|component| ReferenceComponent::of(component, Some(text()), None));
    let named =
        ["section", "section-name"].map(|component| ReferenceComponent::of(component, None, Some(text())));
    let all = plain.chain(texts).chain(named).map(|component| component.expect("a component"));
    let events = all.map(|component| ReferenceEvent { pcr: 4, component, digest: DIGEST }).collect();
    ProposedEvents::sort(events).expect("events")
}

fn entries(full: bool) -> ExpiringEntries {
    let list = || if full { vec![DIGEST.into()] } else { Vec::new() };
    let texts = || if full { vec![text()] } else { Vec::new() };
    ExpiringEntries {
        command_lines: texts(),
        configuration: list(),
        grub: list(),
        grub_commands: texts(),
        initrd: list(),
        kernel: list(),
        kernel_image: list(),
        load_options: list(),
        loaded_initrd: list(),
        sections: full.then(|| (".linux".to_owned(), list())).into_iter().collect(),
        shim: list(),
        uki: list(),
    }
}
