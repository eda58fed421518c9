//! Proposed updates of baselines: their records, and operators' decisions.

use tokio::sync::oneshot;
use vouchsafe_policy::{Baseline, BaselineError, ExpiringEntries, LogDigest, UpdateError};
use vouchsafe_protocol::messages::ProposalState;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};
use vouchsafe_protocol::request::ProposedEvents;
use vouchsafe_protocol::{
    BaselineProposal, BrokerIdentity, Bytes, DecisionId, Digest32, Nonce, ProposalId, Suite, UnixTime,
};

use super::baselines::baseline;
use super::{BY, Fixture, NOW, PEER, name};
use crate::Keystore;
use crate::db::StoreError;
use crate::proposals::{BaselineProposalId, MAX_AGE, ProposalRefusal, ProposalStatus};
use crate::record::*;
use crate::registry::documents::types::DocumentKind;
use crate::registry::proposals::{KeepOldFor, ProposalError};

fn digest(byte: u8) -> Digest32 {
    Digest32([byte; 32])
}

fn uki(byte: u8) -> ReferenceEvent {
    ReferenceEvent { pcr: 4, component: ReferenceComponent::Uki, digest: digest(byte) }
}

/// These events, with the sections that the baseline lists.
fn whole_boot(mut events: Vec<ReferenceEvent>) -> ProposedEvents {
    for (section, byte) in [(".linux", 2), (".cmdline", 3), (".initrd", 4)] {
        let component = ReferenceComponent::Section { name: section.to_owned() };
        events.push(ReferenceEvent { pcr: 11, component, digest: digest(byte) });
    }
    ProposedEvents::sort(events).unwrap()
}

fn entries(byte: u8) -> ExpiringEntries {
    ExpiringEntries { uki: vec![digest(byte).into()], ..ExpiringEntries::default() }
}

/// A proposal of another image, in place of the one with digest 1.
pub(crate) fn new(byte: u8, instance: &str, epoch: u64, nonce: u8) -> NewProposal {
    let (baseline, events) = (name("prod/a"), ProposedEvents::new(vec![uki(byte)]).unwrap());
    let whole = whole_boot(vec![uki(byte)]);
    NewProposal {
        at: NOW,
        binding: GrantBinding {
            broker: BrokerIdentity([4; 32]),
            public_key: Bytes(vec![5; 32]),
            suite: Suite::X25519,
        },
        claims: digest(6),
        decision: DecisionId([nonce; 16]),
        epoch,
        evidence: vec![EvidencePiece { kind: "quote", bytes: [nonce; 40][..].into() }],
        id: ProposalId::of(&baseline, events.as_slice()),
        instance: instance.to_owned(),
        kept: ExpiringEntries::default(),
        lists: Vec::new(),
        new: events,
        nonce: Nonce([nonce; 32]),
        nonce_expires_at: NOW.plus(60),
        peer: Some(PEER),
        proposal: BaselineProposal { baseline, events: whole, lists: Vec::new() },
        replaced: entries(1),
        until: None,
    }
}

pub(super) async fn record(keystore: &Keystore, new: NewProposal) -> Result<ProposalState, RecordError> {
    let (answer, answered) = oneshot::channel();
    let keystore = keystore.clone();
    let record = move || keystore.record_proposal_then(new, move |result| answer.send(result).unwrap());
    tokio::task::spawn_blocking(record).await.unwrap();
    answered.await.unwrap()
}

async fn propose(
    keystore: &Keystore,
    byte: u8,
    instance: &str,
    nonce: u8,
) -> Result<ProposalState, RecordError> {
    let epoch = keystore.epoch().await.unwrap();
    record(keystore, new(byte, instance, epoch, nonce)).await
}

fn id(byte: u8) -> BaselineProposalId {
    let baseline = name("prod/a");
    BaselineProposalId { id: ProposalId::of(&baseline, &[uki(byte)]), baseline }
}

fn pending(byte: u8) -> Result<ProposalState, RecordError> {
    Ok(ProposalState::Pending { id: id(byte).id, until: None })
}

async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    let text = baseline(NOW.plus(MAX_AGE * 2));
    fixture.keystore.put_baseline(BY, &name("prod/a"), &text).await.unwrap();
    fixture
}

async fn status(keystore: &Keystore, now: UnixTime) -> Vec<ProposalStatus> {
    keystore.proposals(now).await.unwrap().iter().map(|found| found.status).collect()
}

async fn stored(keystore: &Keystore) -> Baseline {
    let document = keystore.document(DocumentKind::Baseline, &name("prod/a"), None).await.unwrap();
    Baseline::parse(&document.unwrap().text).unwrap()
}

#[tokio::test]
async fn a_proposal_is_recorded_for_each_vm_and_approved_once() {
    let fixture = fixture().await;
    let (keystore, other) = (&fixture.keystore, fixture.again().await.unwrap());
    assert_eq!(propose(keystore, 2, "1/1", 1).await, pending(2));
    assert_eq!(propose(&other, 2, "1/2", 2).await, pending(2));
    assert_eq!(propose(keystore, 2, "1/1", 3).await, pending(2), "not recorded again");
    let [found] = &keystore.proposals(NOW).await.unwrap()[..] else { panic!("one proposal") };
    let proposers: Vec<_> = found.record.proposers.iter().map(|vm| vm.instance.as_str()).collect();
    assert_eq!((found.status, proposers), (ProposalStatus::Pending, vec!["1/1", "1/2"]));
    assert_eq!(keystore.pending_proposals(NOW).await.unwrap(), 1);
    assert_eq!(keystore.approve_proposal(BY, &id(2), KeepOldFor::DEFAULT).await.unwrap(), 2);
    let approved = stored(keystore).await;
    let [old, new] = [1, 2].map(|byte| LogDigest::from(digest(byte)));
    assert_eq!(approved.uki, [new]);
    let until = NOW.plus(14 * 86_400);
    assert_eq!(
        approved.until,
        [(until, ExpiringEntries { uki: vec![old], ..ExpiringEntries::default() })].into()
    );
    assert_eq!(status(&other, NOW).await, [ProposalStatus::Approved]);
    let again = keystore.approve_proposal(BY, &id(2), KeepOldFor::Forever).await.unwrap_err();
    assert!(matches!(again, ProposalError::Approved { .. }), "{again}");
    let rejected = keystore.reject_proposal(BY, &id(2)).await.unwrap_err();
    assert!(matches!(rejected, ProposalError::Approved { .. }), "{rejected}");
    // If it is proposed anew, it is pending anew.
    assert_eq!(propose(keystore, 2, "1/3", 4).await, pending(2));
    assert_eq!(status(keystore, NOW).await, [ProposalStatus::Pending]);
}

#[tokio::test]
async fn what_another_vm_keeps_does_not_expire() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    propose(keystore, 2, "1/1", 1).await.unwrap();
    let mut keeping = new(2, "1/2", keystore.epoch().await.unwrap(), 2);
    (keeping.kept, keeping.replaced) = (entries(1), ExpiringEntries::default());
    record(keystore, keeping).await.unwrap();
    keystore.approve_proposal(BY, &id(2), KeepOldFor::Seconds(1)).await.unwrap();
    let approved = stored(keystore).await;
    assert_eq!((approved.uki.len(), approved.until.len()), (2, 0));
}

#[tokio::test]
async fn a_rejection_stands_whatever_its_age() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let unknown = keystore.reject_proposal(BY, &id(2)).await.unwrap_err();
    assert!(matches!(unknown, ProposalError::Unknown { .. }), "{unknown}");
    propose(keystore, 2, "1/1", 1).await.unwrap();
    propose(keystore, 3, "1/1", 2).await.unwrap();
    keystore.reject_proposal(BY, &id(2)).await.unwrap();
    let rejected = Ok(ProposalState::Rejected { id: id(2).id, until: None });
    assert_eq!(propose(keystore, 2, "1/2", 3).await, rejected);
    let later = NOW.plus(MAX_AGE);
    assert_eq!(status(keystore, later).await, [ProposalStatus::Rejected], "the other one is gone");
    let mut asked = new(2, "1/2", keystore.epoch().await.unwrap(), 4);
    asked.at = later;
    assert_eq!(record(keystore, asked).await, rejected);
    let gone = BaselineProposalId { baseline: name("prod/b"), ..id(2) };
    let unknown = keystore.approve_proposal(BY, &gone, KeepOldFor::Forever).await.unwrap_err();
    assert!(matches!(unknown, ProposalError::Unknown { .. }), "{unknown}");
}

#[tokio::test]
async fn t05_t51_a_proposal_spends_its_nonce_in_the_epoch_of_its_decision() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let epoch = keystore.epoch().await.unwrap();
    record(keystore, new(2, "1/1", epoch, 1)).await.unwrap();
    assert_eq!(record(keystore, new(3, "1/1", epoch, 1)).await, Err(RecordError::NonceSpent));
    let old = record(keystore, new(3, "1/1", epoch - 1, 2)).await;
    assert_eq!(old, Err(RecordError::EpochMoved { epoch }));
    assert_eq!(keystore.epoch().await.unwrap(), epoch, "a VM does not raise it");
}

#[tokio::test]
async fn t44_proposals_of_one_vm_are_bounded_in_the_transaction() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    for byte in 2..6 {
        propose(keystore, byte, "1/1", byte).await.unwrap();
    }
    let refused = ProposalRefusal::TooManyOfInstance { baseline: name("prod/a"), instance: "1/1".to_owned() };
    assert_eq!(propose(keystore, 6, "1/1", 6).await, Err(RecordError::Proposal(Box::new(refused))));
    assert_eq!(keystore.grant_failures(), None, "it is the guest's affair");
    propose(keystore, 6, "1/2", 7).await.unwrap();
}

#[tokio::test]
async fn t42_the_column_of_a_proposal_is_checked() {
    let fixture = fixture().await;
    propose(&fixture.keystore, 2, "1/1", 1).await.unwrap();
    let moved =
        "UPDATE log_leaves SET proposal = replace(proposal, 'prod/a', 'prod/b') WHERE proposal IS NOT NULL";
    assert_eq!(fixture.sql(moved).await, 1);
    let error = fixture.keystore.proposals(NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::RowTampered { .. }), "{error}");
}

#[tokio::test]
async fn t53_an_approval_is_checked_like_a_baseline_that_is_put() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    propose(keystore, 2, "1/1", 1).await.unwrap();
    // Since then the baseline has become one that cannot allow it.
    let section = baseline(NOW.plus(MAX_AGE * 2)).replace(&"01".repeat(32), &"09".repeat(32));
    let section = section.replacen("\"uki\":[", &format!("\"shim\":[\"{}\"],\"uki\":[", "02".repeat(32)), 1);
    keystore.put_baseline(BY, &name("prod/a"), &section).await.unwrap();
    let ambiguous = keystore.approve_proposal(BY, &id(2), KeepOldFor::Forever).await.unwrap_err();
    assert!(matches!(ambiguous, ProposalError::Update { .. }), "{ambiguous}");
    keystore.revoke_baseline(BY, &name("prod/a")).await.unwrap();
    assert!(
        keystore.approve_proposal(BY, &id(2), KeepOldFor::Forever).await.is_err(),
        "what is revoked stays so"
    );
}

#[tokio::test]
async fn an_approval_that_could_not_be_read_again_is_refused() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    // A control character takes six bytes of JSON.
    let component = ReferenceComponent::GrubCommand { text: "\u{1}".repeat(60 * 1024) };
    let long = ReferenceEvent { pcr: 8, component, digest: digest(3) };
    let events = ProposedEvents::sort(vec![uki(2), long.clone()]).unwrap();
    let mut proposal = new(2, "1/1", keystore.epoch().await.unwrap(), 1);
    proposal.id = ProposalId::of(&name("prod/a"), events.as_slice());
    (proposal.new, proposal.proposal.events) = (events, whole_boot(vec![uki(2), long]));
    let id = BaselineProposalId { baseline: name("prod/a"), id: proposal.id };
    record(keystore, proposal).await.unwrap();
    let before = stored(keystore).await;
    let error = keystore.approve_proposal(BY, &id, KeepOldFor::Forever).await.unwrap_err();
    let ProposalError::Update { error: UpdateError::Baseline(error), .. } = error else { panic!("{error}") };
    assert!(matches!(error, BaselineError::TooLong { .. }), "{error}");
    assert_eq!(stored(keystore).await, before);
}

#[tokio::test]
async fn a_proposal_for_another_kind_of_boot_is_not_approved() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    propose(keystore, 2, "1/1", 1).await.unwrap();
    // Since then the image has another section, which the proposed one lacks.
    let section = format!("\".osrel\":[\"{}\"],\".linux\"", "07".repeat(32));
    let other = baseline(NOW.plus(MAX_AGE * 2)).replacen("\".linux\"", &section, 1);
    keystore.put_baseline(BY, &name("prod/a"), &other).await.unwrap();
    let error = keystore.approve_proposal(BY, &id(2), KeepOldFor::Forever).await.unwrap_err();
    let ProposalError::Update { error, .. } = error else { panic!("{error}") };
    assert_eq!(error, UpdateError::OtherSections { name: ".osrel".to_owned() });
}
