//! The form in which records are kept for years.

use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::messages::VolumeState;
use vouchsafe_protocol::{BaselineProposal, BrokerIdentity, Bytes, Suite, UpdateSigner};

use super::*;
use crate::chips::FirstSeen;
use crate::proposals::SentList;

#[test]
fn records_are_canonical_json() {
    fn sorted(value: &str) -> String {
        fn sort(value: serde_json::Value) -> serde_json::Value {
            match value {
                serde_json::Value::Object(map) => {
                    let map: std::collections::BTreeMap<_, _> = map.into_iter().collect();
                    map.into_iter().map(|(name, value)| (name, sort(value))).collect()
                }
                serde_json::Value::Array(values) => values.into_iter().map(sort).collect(),
                other => other,
            }
        }
        sort(serde_json::from_str(value).unwrap()).to_string()
    }
    let mut granted = grant(1, 1, 1);
    granted.record.evidence = granted.evidence.iter().map(EvidencePiece::reference).collect();
    let chip = || Chip::stored("sev-snp:aa".to_owned());
    let subject = crate::chips::Subject::Instance("1/2".to_owned());
    granted.record.chips = vec![FirstSeen { chip: chip(), earlier: Some(chip()), subject }];
    granted.record.binding = Some(GrantBinding {
        broker: BrokerIdentity([4; 32]),
        public_key: Bytes(vec![5; 32]),
        suite: Suite::X25519,
    });
    granted.record.guardrails = Some(GuardrailsRef { digest: Digest32([6; 32]), version: None });
    let authority = Authority { namespaces: vec!["prod".to_owned()], role: OperatorRole::Editor };
    let operator = OperatorRecord {
        account: Some(authority.clone()),
        action: "secret.put".to_owned(),
        at: NOW,
        authority: Some(authority),
        epoch: 1,
        id: DecisionId([1; 16]),
        lists: vec![ApprovingList { digest: Digest32([9; 32]), signer: UpdateSigner::from([8; 32]) }],
        operator: "alice".to_owned(),
        peer: Some(PEER),
        rows: vec![ChangedRow { key: "k".to_owned(), removed: false, table: "t".to_owned() }],
        target: "prod/db".to_owned(),
        token: Some(TokenRecord { expires_at: Some(NOW), previous_until: Some(NOW) }),
    };
    granted.record.headers = VolumeHeaders::new([(path("prod/db_1/disk"), Digest32([7; 32]))]).unwrap();
    for record in [
        LogRecord::Volume(volume(&granted.record)),
        LogRecord::Proposal(Box::new(proposal())),
        LogRecord::Grant(granted.record),
        LogRecord::Refusal(refusal(1, Some("1/2")).record),
        LogRecord::Operator(operator),
    ] {
        let text = record.canonical();
        assert_eq!(text, sorted(&text));
        assert_eq!(serde_json::from_str::<LogRecord>(&text).unwrap(), record);
    }
}

/// With every member, some like those of a grant.
fn volume(granted: &GrantRecord) -> VolumeRecord {
    VolumeRecord {
        at: NOW,
        binding: granted.binding.clone(),
        change: VolumeChange::Advanced,
        changes: 2,
        claims: Digest32([1; 32]),
        decision: DecisionId([1; 16]),
        epoch: 1,
        evidence: granted.evidence.clone(),
        guardrails: granted.guardrails,
        instance: "1/2".to_owned(),
        nonce: Nonce([1; 32]),
        path: path("prod/db_1/disk"),
        peer: Some(PEER),
        policy: ObjectName::parse("prod/p").unwrap(),
        policy_digest: Digest32([2; 32]),
        registered_at: NOW,
        state: VolumeState { current: Digest32([7; 32]), generation: 1, pending: Some(Digest32([8; 32])) },
    }
}

#[test]
fn records_of_versions_before_are_read_and_stay_as_they_are() {
    let grant = format!(
        "{{\"grant\":{{\"at\":1,\"claims\":\"{0}\",\"decision\":\"{1}\",\"epoch\":1,\"evidence\":[],\"instance\":null,\
         \"nonce\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\",\"secrets\":[]}}}}",
        "01".repeat(32),
        "02".repeat(16)
    );
    let operator = format!(
        "{{\"operator\":{{\"action\":\"secret.put\",\"at\":1,\"epoch\":1,\"id\":\"{}\",\"operator\":\"alice\",\
         \"rows\":[],\"target\":\"prod/db\"}}}}",
        "02".repeat(16)
    );
    for text in [grant, operator] {
        assert_eq!(serde_json::from_str::<LogRecord>(&text).unwrap().canonical(), text);
    }
}

/// Every member is there.
fn proposal() -> ProposalRecord {
    let new = crate::tests::proposals::new(2, "1/2", 1, 1);
    let digest: vouchsafe_policy::LogDigest = Digest32([1; 32]).into();
    let entries = vouchsafe_policy::ExpiringEntries {
        command_lines: vec!["ro".to_owned()],
        configuration: vec![digest],
        grub: vec![digest],
        grub_commands: vec!["set x".to_owned()],
        initrd: vec![digest],
        kernel: vec![digest],
        kernel_image: vec![digest],
        load_options: vec![digest],
        loaded_initrd: vec![digest],
        sections: [(".linux".to_owned(), vec![digest])].into(),
        shim: vec![digest],
        uki: vec![digest],
    };
    let lists = vec![SentList {
        digest: Digest32([9; 32]),
        reason: Some("it ended at 1".to_owned()),
        signer: Some(UpdateSigner::from([8; 32])),
    }];
    ProposalRecord {
        at: new.at,
        binding: new.binding,
        claims: new.claims,
        decision: new.decision,
        epoch: new.epoch,
        evidence: new.evidence.iter().map(EvidencePiece::reference).collect(),
        id: new.id,
        instance: new.instance.clone(),
        kept: entries.clone(),
        lists,
        new: new.new,
        nonce: new.nonce,
        peer: new.peer,
        proposal: BaselineProposal { lists: vec![Digest32([9; 32])], ..new.proposal },
        proposed_at: NOW,
        proposers: vec![crate::proposals::Proposer { at: NOW, instance: new.instance }],
        replaced: entries,
    }
}
