//! Writes the corpus of proposals: `cargo test -p vouchsafe-fuzz-targets -- --ignored`.

mod seeds;

use vouchsafe_protocol::messages::{ProposalAnswer, ProposalState};
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};
use vouchsafe_protocol::request::ProposedEvents;
use vouchsafe_protocol::{BaselineProposal, Bytes, DecisionId, Digest32, ProposalId, UnixTime};

#[test]
#[ignore = "writes the corpus that replay.rs runs over"]
fn write_corpus_of_proposals() {
    let write = |name: &str, json: serde_json::Value| {
        seeds::write("proposal", name, &serde_json::to_vec(&json).unwrap());
    };
    let event = |pcr, component: &str, text: Option<&str>, name: Option<&str>| ReferenceEvent {
        pcr,
        component: ReferenceComponent::of(component, text.map(str::to_owned), name.map(str::to_owned))
            .unwrap(),
        digest: Digest32::of(component.as_bytes()),
    };
    let grub = vec![
        event(4, "shim", None, None),
        event(4, "grub", None, None),
        event(8, "grub-command", Some("linux /vmlinuz ro"), None),
        event(8, "command-line", Some("/vmlinuz ro"), None),
        event(9, "kernel", None, None),
        event(9, "initrd", None, None),
    ];
    let uki = vec![
        event(4, "uki", None, None),
        event(11, "section-name", None, Some(".linux")),
        event(11, "section", None, Some(".linux")),
    ];
    for (name, events) in [("grub", grub), ("uki", uki)] {
        let baseline = "prod/web".parse().unwrap();
        let proposal =
            BaselineProposal { baseline, events: ProposedEvents::sort(events).unwrap(), lists: Vec::new() };
        write(name, serde_json::to_value(&proposal).unwrap());
    }
    let proposal = ProposalState::Pending { id: ProposalId(Digest32([1; 32])), until: Some(UnixTime(1)) };
    let answer = ProposalAnswer { decision: DecisionId([2; 16]), proposal, signature: Bytes(vec![3; 64]) };
    write("answer", serde_json::to_value(&answer).unwrap());
}
