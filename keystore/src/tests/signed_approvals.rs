//! Approvals by signed lists: their records, and what stands in their way.

use vouchsafe_attestation::VerifiedClaims;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::presets::{UBUNTU_ARGUMENTS, UBUNTU_KERNEL, content_digest};
use vouchsafe_attestation::test_util::vm::SimulatedVm;
use vouchsafe_policy::{
    Acceptance, Baseline, ComponentList, ExpiringEntries, ListTerms, PolicyTemplate, ProposalGrant,
    ProposalVerdict, Purpose, SignedApproval, TemplateRoot,
};
use vouchsafe_protocol::messages::ProposalState;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};
use vouchsafe_protocol::request::{CarriedLists, ProposedEvents};
use vouchsafe_protocol::{
    BaselineProposal, Body, BoundRequest, Digest32, GuestKey, Nonce, ProposalId, Suite, UnixTime,
    UpdateSigningKey,
};
use zeroize::Zeroizing;

use super::proposals::record;
use super::release::{BROKER, PROJECT, verified};
use super::{BY, Fixture, NOW, name};
use crate::Keystore;
use crate::db::StoreError;
use crate::log::DecisionFilter;
use crate::proposals::{BaselineProposalId, ProposalStatus, SentList};
use crate::record::*;
use crate::registry::change::Actor;
use crate::registry::documents::types::DocumentKind;
use crate::registry::error::RegisterError;
use crate::registry::proposals::{KeepOldFor, ProposalError};

const IMAGE: &str = "prod/image";

fn key() -> UpdateSigningKey {
    UpdateSigningKey::from_seed(&Zeroizing::new([7; 32])).unwrap()
}

fn vm() -> SimulatedVm {
    let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    SimulatedVm::booted(&AkCertificateSpec::default(), &log)
}

fn claims(body: Body) -> VerifiedClaims {
    let key = GuestKey::generate(Suite::X25519);
    verified(&vm(), BoundRequest::new(&BROKER, Nonce([7; 32]), key.public().clone(), body))
}

fn initrd() -> Vec<ReferenceEvent> {
    let event = |component| ReferenceEvent { pcr: 9, component, digest: Digest32([9; 32]) };
    vec![event(ReferenceComponent::Initrd), event(ReferenceComponent::LoadedInitrd)]
}

/// What the VM boots, with another initrd.
fn next(lists: &CarriedLists) -> BaselineProposal {
    let event = |pcr, component, digest| ReferenceEvent { pcr, component, digest };
    let line = ReferenceComponent::CommandLine { text: format!("{UBUNTU_KERNEL} {UBUNTU_ARGUMENTS}") };
    let mut events = vec![
        event(4, ReferenceComponent::Shim, content_digest("shim")),
        event(4, ReferenceComponent::Grub, content_digest("grub")),
        event(4, ReferenceComponent::KernelImage, content_digest("kernel")),
        event(8, line, Digest32([0; 32])),
        event(9, ReferenceComponent::Kernel, content_digest("kernel")),
    ];
    events.extend(initrd());
    let events = ProposedEvents::sort(events).unwrap();
    BaselineProposal { baseline: name(IMAGE), events, lists: lists.digests() }
}

fn list() -> CarriedLists {
    let terms = ListTerms { baseline: name(IMAGE), version: 5, issued_at: NOW, ends_at: NOW.plus(60) };
    let components = ExpiringEntries::of_components(&initrd());
    let list = ComponentList::sign(&key(), terms, components).to_json();
    CarriedLists::new(vec![list.into_bytes().into()]).unwrap()
}

/// A keystore with a baseline of [`vm`] that names the signer, and a policy for it.
async fn fixture() -> Fixture {
    let fixture = Fixture::new().await;
    let claims = claims(Body::Proposal(next(&CarriedLists::default())));
    let baseline = Baseline {
        update_signers: vec![key().signer()],
        ..Baseline::capture(claims.claims(), 3, NOW.plus(86_400)).unwrap()
    };
    fixture.keystore.put_baseline(BY, &name(IMAGE), &baseline.to_json()).await.unwrap();
    let mut template = PolicyTemplate::new(Purpose::App, PROJECT, Technology::SevSnp);
    template.vtpm_root = TemplateRoot::Extra;
    template.baselines = vec![name(IMAGE)];
    template.accepts = [Acceptance::Pcr7Alone, Acceptance::Instance].into();
    fixture.keystore.put_policy(BY, &name("prod/app"), &template.generate()).await.unwrap();
    fixture
}

/// Decides in the current epoch; lists approve it.
async fn decided(keystore: &Keystore) -> (Box<ProposalGrant>, SignedApproval) {
    let (lists, input) = (list(), keystore.baseline_input(&name(IMAGE)).await.unwrap());
    let claims = claims(Body::Proposal(next(&lists)));
    match input.decide(&claims, &BROKER, &lists, NOW).unwrap() {
        ProposalVerdict::Signed(grant, approval) => (grant, approval),
        other => panic!("{other:?}"),
    }
}

fn proposed(grant: &ProposalGrant) -> NewProposal {
    NewProposal {
        at: NOW,
        id: grant.id(),
        kept: grant.kept().clone(),
        lists: grant.lists().iter().map(SentList::from).collect(),
        new: ProposedEvents::new(grant.new_events().to_vec()).unwrap(),
        proposal: next(&list()),
        replaced: grant.replaced().clone(),
        ..super::proposals::new(2, "1/1", grant.epoch(), 1)
    }
}

fn pending(grant: &ProposalGrant) -> ProposalState {
    ProposalState::Pending { id: grant.id(), until: None }
}

async fn stored(keystore: &Keystore) -> (u64, Baseline) {
    let document = keystore.document(DocumentKind::Baseline, &name(IMAGE), None).await.unwrap().unwrap();
    (document.version, Baseline::parse(&document.text).unwrap())
}

#[tokio::test]
async fn t60_an_approval_by_a_list_names_the_list_and_its_signer() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let (grant, approval) = decided(keystore).await;
    let state = record(keystore, proposed(&grant)).await.unwrap();
    assert_eq!(state, pending(&grant));
    assert_eq!(stored(keystore).await.0, 1, "a proposal alone allows nothing");
    assert_eq!(keystore.approve_signed(approval, state, NOW).await, Ok(ProposalState::Allowed));
    let (version, baseline) = stored(keystore).await;
    assert_eq!((version, baseline.version, baseline.update_version), (2, 3, 5));
    assert_eq!(baseline.update_signers, [key().signer()]);
    assert_eq!(baseline.initrd, [Digest32([9; 32]).into()]);
    assert_eq!(baseline.until.keys().copied().collect::<Vec<_>>(), [NOW.plus(14 * 86_400)]);
    let [found] = &keystore.proposals(NOW).await.unwrap()[..] else { panic!("one proposal") };
    assert_eq!((found.status, found.signed), (ProposalStatus::Approved, true));
    let (digest, signer) = (list().digests()[0], key().signer());
    assert_eq!(found.record.lists, [SentList { digest, reason: None, signer: Some(signer) }]);
    let filter = DecisionFilter { outcome: Some(Outcome::Operator), ..DecisionFilter::default() };
    let records = keystore.decisions(&filter, None).await.unwrap();
    let LogRecord::Operator(change) = &records[0].record else { panic!("a change") };
    assert_eq!((change.operator.as_str(), change.action.as_str()), ("a signed list", "baseline.approve"));
    assert_eq!((&change.authority, change.target.as_str()), (&None, IMAGE));
    assert_eq!(change.lists, [ApprovingList { digest, signer }]);
    let key = BaselineProposalId { baseline: name(IMAGE), id: grant.id() }.to_string();
    let row = ChangedRow { key, removed: false, table: "baseline_proposals".to_owned() };
    assert!(change.rows.contains(&row), "{change:?}");
}

#[tokio::test]
async fn t51_a_list_approves_in_the_epoch_of_the_decision() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let (grant, approval) = decided(keystore).await;
    let state = record(keystore, proposed(&grant)).await.unwrap();
    // The administrator takes the rule back.
    let without = Baseline { update_signers: Vec::new(), ..stored(keystore).await.1 };
    keystore.put_baseline(BY, &name(IMAGE), &without.to_json()).await.unwrap();
    let epoch = keystore.epoch().await.unwrap();
    let overtaken = keystore.approve_signed(approval, state, NOW).await;
    assert_eq!(overtaken, Err(RecordError::EpochMoved { epoch }));
    assert_eq!(stored(keystore).await, (2, without));
    let [found] = &keystore.proposals(NOW).await.unwrap()[..] else { panic!("one proposal") };
    assert_eq!((found.status, found.signed), (ProposalStatus::Pending, false));
}

#[tokio::test]
async fn t60_what_an_operator_has_rejected_no_list_approves() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let (grant, approval) = decided(keystore).await;
    let state = record(keystore, proposed(&grant)).await.unwrap();
    let proposal = BaselineProposalId { baseline: name(IMAGE), id: grant.id() };
    keystore.reject_proposal(BY, &proposal).await.unwrap();
    let epoch = keystore.epoch().await.unwrap();
    let overtaken = keystore.approve_signed(approval, state, NOW).await;
    assert_eq!(overtaken, Err(RecordError::EpochMoved { epoch }));
    // Decided again it is rejected at once, and an approval would be refused.
    let (grant, approval) = decided(keystore).await;
    let rejected = ProposalState::Rejected { id: grant.id(), until: None };
    assert_eq!(record(keystore, proposed(&grant)).await, Ok(rejected));
    let refused = keystore.registry().approve_signed(approval, NOW).await.unwrap_err();
    let ProposalError::Rejected { proposal: found } = refused else { panic!("{refused}") };
    assert_eq!((found, stored(keystore).await.0), (proposal, 1));
}

#[tokio::test]
async fn an_approval_that_cannot_be_carried_out_leaves_the_proposal_pending() {
    let fixture = fixture().await;
    let (grant, approval) = decided(&fixture.keystore).await;
    // It was not recorded.
    let state = fixture.keystore.approve_signed(approval, pending(&grant), NOW).await;
    assert_eq!((state, stored(&fixture.keystore).await.0), (Ok(pending(&grant)), 1));
}

#[tokio::test]
async fn t60_a_signed_list_covers_the_approval_of_its_baseline_only() {
    let fixture = fixture().await;
    let (_, approval) = decided(&fixture.keystore).await;
    let by = Actor::signed(&approval, NOW);
    assert!(by.authorize("baseline.approve", IMAGE).is_ok());
    for (action, target) in
        [("baseline.approve", "prod/other"), ("baseline.put", IMAGE), ("policy.put", IMAGE)]
    {
        let refused = by.authorize(action, target).map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::NotPermitted { .. }), "{action} {target}: {refused}");
    }
}

/// Proposes again what a list has; it stays pending. Returns why.
async fn stays_pending(keystore: &Keystore, nonce: u8) -> String {
    let (version, _) = stored(keystore).await;
    let (grant, approval) = decided(keystore).await;
    let new = super::proposals::new(2, "1/1", grant.epoch(), nonce);
    let new = NewProposal { nonce: new.nonce, decision: new.decision, ..proposed(&grant) };
    assert_eq!(record(keystore, new).await, Ok(pending(&grant)));
    assert_eq!(keystore.approve_signed(approval, pending(&grant), NOW).await, Ok(pending(&grant)));
    assert_eq!(stored(keystore).await.0, version, "nothing is approved");
    let found = keystore.proposals(NOW).await.unwrap();
    let found = found.iter().find(|found| found.record.id == grant.id()).unwrap();
    assert_eq!((found.status, found.signed), (ProposalStatus::Pending, false));
    found.record.lists[0].reason.clone().unwrap()
}

#[tokio::test]
async fn t60_what_was_withdrawn_no_list_approves_again() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let before = stored(keystore).await.1;
    let (grant, approval) = decided(keystore).await;
    let state = record(keystore, proposed(&grant)).await.unwrap();
    assert_eq!(keystore.approve_signed(approval, state, NOW).await, Ok(ProposalState::Allowed));
    // The operator puts a version without it, and the list is played back.
    let without = Baseline { update_version: 5, ..before };
    keystore.put_baseline(BY, &name(IMAGE), &without.to_json()).await.unwrap();
    let proposal = BaselineProposalId { baseline: name(IMAGE), id: grant.id() };
    let reason = stays_pending(keystore, 3).await;
    let expected = "which was approved: only an operator approves it again";
    assert_eq!(reason, format!("its initrd was part of proposal {proposal}, {expected}"));
    // An operator can.
    keystore.approve_proposal(BY, &proposal, KeepOldFor::DEFAULT).await.unwrap();
    assert_eq!(stored(keystore).await.0, 4);
}

#[tokio::test]
async fn t60_no_list_approves_what_was_rejected_among_other_components() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let (grant, _) = decided(keystore).await;
    // The VM has proposed a part of it, long ago.
    let part = ProposedEvents::new(vec![grant.new_events()[0].clone()]).unwrap();
    let id = ProposalId::of(&name(IMAGE), part.as_slice());
    let at = UnixTime(NOW.0 - 100 * 86_400);
    record(keystore, NewProposal { at, id, new: part, lists: Vec::new(), ..proposed(&grant) }).await.unwrap();
    let proposal = BaselineProposalId { baseline: name(IMAGE), id };
    keystore.reject_proposal(BY, &proposal).await.unwrap();
    let reason = stays_pending(keystore, 3).await;
    let expected = "which was rejected: only an operator approves it again";
    assert_eq!(reason, format!("its initrd was part of proposal {proposal}, {expected}"));
}

#[tokio::test]
async fn t28_a_baseline_that_is_put_lets_no_older_list_count_again() {
    let fixture = fixture().await;
    let keystore = &fixture.keystore;
    let before = stored(keystore).await.1;
    let put = async |version, update_version| {
        let baseline = Baseline { version, update_version, ..before.clone() };
        keystore.put_baseline(BY, &name(IMAGE), &baseline.to_json()).await
    };
    put(3, 5).await.unwrap();
    let refused = put(4, 4).await.unwrap_err();
    assert!(matches!(refused, RegisterError::LowersUpdateVersion { least: 5, .. }), "{refused}");
    put(3, 6).await.unwrap();
    put(6, 0).await.unwrap();
    // The security version is a floor as well.
    let refused = put(5, 0).await.unwrap_err();
    assert!(matches!(refused, RegisterError::LowersUpdateVersion { least: 6, .. }), "{refused}");
}
