//! Proposed updates of baselines: who may propose, what is new, what an approval changes.

use std::collections::BTreeMap;

use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::presets::{
    UBUNTU_ARGUMENTS, UBUNTU_KERNEL, content, content_digest,
};
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};
use vouchsafe_protocol::request::{CarriedLists, ProposedEvents};
use vouchsafe_protocol::{
    BaselineProposal, Digest32, ProposalId, UpdateSigner, UpdateSigningKey, VolumeAction,
};
use zeroize::Zeroizing;

use super::*;

const END: UnixTime = UnixTime(NOW.0 + 1000);
const LATER: UnixTime = UnixTime(NOW.0 + 100);
const OWNER: u64 = 620_438_545_889;

fn boot() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::SevSnp)
}

/// The boot with other content of one file.
fn with(file: &str, of: &str) -> EventLogBuilder {
    let mut log = boot();
    for event in &mut log.events {
        if event.pcr == 9 && event.measured == Some(content(file)) {
            event.measured = Some(new_content(file, of));
        }
    }
    log
}

fn new_content(file: &str, of: &str) -> Vec<u8> {
    format!("{file} of {of}").into_bytes()
}

fn vm(log: &EventLogBuilder) -> SimulatedVm {
    SimulatedVm::booted(&AkCertificateSpec::default(), log)
}

fn captured(log: &EventLogBuilder) -> Baseline {
    Baseline::capture(&production(&vm(log)), 3, END).unwrap()
}

fn event(pcr: u8, component: ReferenceComponent, digest: Digest32) -> ReferenceEvent {
    ReferenceEvent { pcr, component, digest }
}

fn line(arguments: &str) -> ReferenceComponent {
    ReferenceComponent::CommandLine { text: format!("{UBUNTU_KERNEL} {arguments}") }
}

/// What [`boot`] measures, with another initrd.
fn next(of: &str) -> Vec<ReferenceEvent> {
    let initrd = Digest32::of(&new_content("initrd", of));
    vec![
        event(4, ReferenceComponent::Shim, content_digest("shim")),
        event(4, ReferenceComponent::Grub, content_digest("grub")),
        event(4, ReferenceComponent::KernelImage, content_digest("kernel")),
        event(8, line(UBUNTU_ARGUMENTS), Digest32([0; 32])),
        event(9, ReferenceComponent::Kernel, content_digest("kernel")),
        event(9, ReferenceComponent::Initrd, initrd),
        event(9, ReferenceComponent::LoadedInitrd, initrd),
    ]
}

fn new_of(of: &str) -> Vec<ReferenceEvent> {
    let is_new = |event: &ReferenceEvent| {
        matches!(event.component, ReferenceComponent::Initrd | ReferenceComponent::LoadedInitrd)
    };
    next(of).into_iter().filter(is_new).collect()
}

fn old_initrd() -> ExpiringEntries {
    let digest: LogDigest = content_digest("initrd").into();
    ExpiringEntries { initrd: vec![digest], loaded_initrd: vec![digest], ..ExpiringEntries::default() }
}

#[test]
fn an_update_is_what_the_baseline_lacks() {
    let baseline = captured(&boot());
    let proposed = baseline.propose(&next("2"), NOW).unwrap();
    assert_eq!((proposed.new, proposed.until), (new_of("2"), None));
    assert_eq!(proposed.kept.kernel, [content_digest("kernel").into()]);
    assert!(proposed.kept.initrd.is_empty());
    let approved = baseline.approve(&new_of("2"), &old_initrd(), KeepOld::Until(LATER), NOW).unwrap();
    assert_eq!(approved.propose(&next("2"), NOW).unwrap().new, []);
    // What expires is new again, and allowed for now.
    let mut old = next("2");
    for event in &mut old {
        if new_of("2").contains(event) {
            event.digest = content_digest("initrd");
        }
    }
    let proposed = approved.propose(&old, NOW).unwrap();
    assert_eq!((proposed.new.len(), proposed.until), (2, Some(LATER)));
    assert_eq!(approved.propose(&old, LATER).unwrap().until, None);
}

#[test]
fn an_environment_block_that_stays_is_not_new_and_another_one_is() {
    let baseline = captured(&boot());
    let block: Digest32 = baseline.grubenv[0].to_string().parse().unwrap();
    let predicted = |digest| [next("2"), vec![event(9, ReferenceComponent::Configuration, digest)]].concat();
    assert_eq!(baseline.propose(&predicted(block), NOW).unwrap().new, new_of("2"));
    let approved = baseline.approve(&predicted(block), &old_initrd(), KeepOld::Forever, NOW).unwrap();
    assert_eq!((&approved.configuration, &approved.grubenv), (&baseline.configuration, &baseline.grubenv));
    let other = Digest32::of(b"another block");
    let proposed = baseline.propose(&predicted(other), NOW).unwrap();
    assert_eq!(proposed.new.last(), Some(&event(9, ReferenceComponent::Configuration, other)));
    let approved = baseline.approve(&proposed.new, &old_initrd(), KeepOld::Forever, NOW).unwrap();
    assert_eq!(approved.propose(&predicted(other), NOW).unwrap().new, []);
}

#[test]
fn t28_an_approval_moves_what_it_replaces_to_the_entries_that_expire() {
    let (baseline, log) = (captured(&boot()), with("initrd", "2"));
    let claims = production(&vm(&boot()));
    assert_eq!(baseline.replaced_by(&claims, &next("2")), old_initrd());
    let approved = baseline.approve(&new_of("2"), &old_initrd(), KeepOld::Until(LATER), NOW).unwrap();
    assert_eq!(approved.until, [(LATER, old_initrd())].into());
    assert_eq!(Baseline::parse(&approved.to_json()).as_ref(), Ok(&approved));
    let member = |log: &EventLogBuilder, now| approved.is_member(&production(&vm(log)), now).is_ok();
    assert_eq!([member(&boot(), NOW), member(&log, NOW)], [true, true]);
    assert_eq!([member(&boot(), LATER), member(&log, LATER)], [false, true]);
    let forever = baseline.approve(&new_of("2"), &old_initrd(), KeepOld::Forever, NOW).unwrap();
    assert_eq!(forever.until, BTreeMap::new());
    assert!(forever.is_member(&production(&vm(&boot())), LATER).is_ok());
    // The next approval leaves out what has expired, and keeps the rest.
    let third = approved.approve(&new_of("3"), &ExpiringEntries::default(), KeepOld::Forever, LATER).unwrap();
    assert_eq!(third.until, BTreeMap::new());
    let third = approved.approve(&new_of("3"), &ExpiringEntries::default(), KeepOld::Forever, NOW).unwrap();
    assert_eq!(third.until, approved.until);
}

#[test]
fn entries_that_another_vm_keeps_or_that_are_the_last_do_not_expire() {
    let baseline = captured(&boot());
    let kept = ExpiringEntries { initrd: old_initrd().initrd, ..ExpiringEntries::default() };
    let obsolete = old_initrd().without(&kept);
    assert_eq!(obsolete, ExpiringEntries { initrd: Vec::new(), ..old_initrd() });
    // Nothing takes the place of the kernel.
    let kernel = ExpiringEntries { kernel: baseline.kernel.clone(), ..ExpiringEntries::default() };
    let approved = baseline.approve(&new_of("2"), &kernel, KeepOld::Until(LATER), NOW).unwrap();
    assert_eq!((approved.kernel, approved.until), (baseline.kernel, BTreeMap::new()));
}

#[test]
fn the_command_line_is_replaced_by_its_text() {
    let baseline = captured(&boot());
    let mut events = next("2");
    events[3] = event(8, line("ro quiet"), Digest32([0; 32]));
    let replaced = baseline.replaced_by(&production(&vm(&boot())), &events);
    assert_eq!(replaced.command_lines, baseline.command_lines);
    let new: Vec<_> = baseline.propose(&events, NOW).unwrap().new;
    let approved = baseline.approve(&new, &replaced, KeepOld::Until(LATER), NOW).unwrap();
    assert_eq!(approved.command_lines, [format!("{UBUNTU_KERNEL} ro quiet")]);
    assert_eq!(approved.until[&LATER].command_lines, baseline.command_lines);
    // GRUB's commands are not all known, so none of them expires.
    assert_eq!(approved.grub_commands, baseline.grub_commands);
}

fn proposal() -> BaselineProposal {
    BaselineProposal {
        baseline: name("prod/b"),
        events: ProposedEvents::sort(next("2")).unwrap(),
        lists: Vec::new(),
    }
}

fn proposing(vm: &SimulatedVm, kinds: Kinds) -> VerifiedClaims {
    verified_for(vm, kinds, Body::Proposal(proposal()))
}

fn named(baseline: Baseline, revoked: bool) -> NamedBaseline {
    NamedBaseline { name: name("prod/b"), revoked, baseline: Ok(Arc::new(baseline)) }
}

/// A policy that names the baseline and is for VMs of this project.
fn owned(project_number: u64) -> Arc<CompiledPolicy> {
    policy(&permitting(&format!(
        "principal in Baseline::\"prod/b\" && principal has vtpm.instance && \
         principal.vtpm.instance.project_number == \"{project_number}\""
    )))
}

static NO_LISTS: std::sync::LazyLock<CarriedLists> = std::sync::LazyLock::new(CarriedLists::default);

fn input(baseline: Option<NamedBaseline>, project_number: u64) -> ProposalInput<'static> {
    let policies = vec![owned(project_number)];
    ProposalInput { broker: &BROKER, epoch: 42, now: NOW, baseline, policies, lists: &NO_LISTS }
}

fn denied(claims: &VerifiedClaims, input: &ProposalInput<'_>) -> ProposalDenial {
    decide_proposal(claims, input).map(|_| "a proposal that should be denied").unwrap_err()
}

#[test]
fn a_member_may_propose() {
    let claims = proposing(&vm(&boot()), Kinds::BOTH);
    let verdict = decide_proposal(&claims, &input(Some(named(captured(&boot()), false)), OWNER)).unwrap();
    let ProposalVerdict::New(grant) = verdict else { panic!("{verdict:?}") };
    assert_eq!((grant.baseline(), grant.epoch(), grant.bound()), (&name("prod/b"), 42, claims.bound()));
    assert_eq!(Some(grant.instance()), claims.claims().instance());
    assert_eq!(grant.id(), ProposalId::of(&name("prod/b"), &new_of("2")));
    assert_eq!((grant.replaced(), grant.until()), (&old_initrd(), None));
    let approved = captured(&boot());
    let approved = approved.approve(&new_of("2"), &old_initrd(), KeepOld::Forever, NOW).unwrap();
    let verdict = decide_proposal(&claims, &input(Some(named(approved, false)), OWNER)).unwrap();
    assert!(matches!(verdict, ProposalVerdict::Allowed), "{verdict:?}");
}

#[test]
fn t60_a_proposal_of_another_owner_or_boot_is_denied() {
    let (claims, baseline) = (proposing(&vm(&boot()), Kinds::BOTH), name("prod/b"));
    let current = || Some(named(captured(&boot()), false));
    let project_number = OWNER;
    let owner = ProposalDenial::OtherOwner { baseline: baseline.clone(), project_number };
    assert_eq!(denied(&claims, &input(current(), 1)), owner);
    let none = ProposalInput { policies: Vec::new(), ..input(current(), OWNER) };
    assert_eq!(denied(&claims, &none), owner);
    assert_eq!(
        denied(&claims, &input(None, OWNER)),
        ProposalDenial::NoBaseline { baseline: baseline.clone() }
    );
    let not_member =
        |mismatch| ProposalDenial::NotMember { baseline: baseline.clone(), mismatch: Box::new(mismatch) };
    let revoked = Some(named(captured(&boot()), true));
    assert_eq!(denied(&claims, &input(revoked, OWNER)), not_member(BaselineMismatch::Revoked));
    let other = denied(&proposing(&vm(&with("initrd", "3")), Kinds::BOTH), &input(current(), OWNER));
    let ProposalDenial::NotMember { mismatch, .. } = other else { panic!("{other:?}") };
    let digest = Digest32::of(&new_content("initrd", "3")).into();
    let unlisted = BaselineMismatch::Unlisted { pcr: 9, digest, what: EventName::Unnamed {} };
    assert_eq!(mismatch.unnamed(), unlisted);
    let error = BaselineError::NoKernel;
    let unreadable = NamedBaseline { baseline: Err(error.clone()), ..named(captured(&boot()), false) };
    let expected = ProposalDenial::Unreadable { baseline: baseline.clone(), error };
    assert_eq!(denied(&claims, &input(Some(unreadable), OWNER)), expected);
    let ended = ProposalInput { now: END, ..input(current(), OWNER) };
    assert_eq!(denied(&claims, &ended), not_member(BaselineMismatch::Ended { ends_at: END }));
}

#[test]
fn t60_a_vm_whose_instance_or_boot_is_not_known_proposes_nothing() {
    let current = || Some(named(captured(&boot()), false));
    let report = proposing(&vm(&boot()), Kinds::REPORT);
    assert_eq!(denied(&report, &input(current(), OWNER)), ProposalDenial::NoInstance);
}

#[test]
fn t60_evidence_for_one_action_is_no_proposal() {
    let current = || Some(named(captured(&boot()), false));
    let release = verified(&vm(&boot()), Kinds::VTPM, &["prod/db/disk"]);
    assert_eq!(denied(&release, &input(current(), OWNER)), ProposalDenial::NotBound);
    let action = VolumeAction::RegisterVolume { path: path("prod/db/disk"), digest: Digest32([1; 32]) };
    let volume = verified_for(&vm(&boot()), Kinds::VTPM, Body::Volume(action));
    assert_eq!(denied(&volume, &input(current(), OWNER)), ProposalDenial::NotBound);
    let claims = proposing(&vm(&boot()), Kinds::BOTH);
    let other = BrokerIdentity([2; 32]);
    let elsewhere = ProposalInput { broker: &other, ..input(current(), OWNER) };
    assert_eq!(denied(&claims, &elsewhere), ProposalDenial::NotBound);
    // The other way round.
    let items = vec![item("prod/db/disk", &policy(&permitting("principal has vtpm")), Purpose::App)];
    let denial = decide(&claims, &request(items), &no_guardrails()).unwrap_err();
    assert_eq!(denial.paths[0].reason, DenialReason::NotBound);
}

#[test]
fn t53_a_boot_of_another_kind_cannot_be_proposed() {
    let baseline = captured(&boot());
    let without: Vec<_> =
        next("2").into_iter().filter(|event| event.component != ReferenceComponent::Shim).collect();
    let error = UpdateError::OtherBoot { component: Component::Shim, in_baseline: true };
    assert_eq!(baseline.propose(&without, NOW), Err(error));
    let mut ambiguous = next("2");
    ambiguous[4].digest = content_digest("initrd");
    let digest = content_digest("initrd").into();
    let error = UpdateError::Baseline(BaselineError::AmbiguousDigest { digest });
    assert_eq!(baseline.propose(&ambiguous, NOW), Err(error));
}

fn key() -> UpdateSigningKey {
    UpdateSigningKey::from_seed(&Zeroizing::new([7; 32])).unwrap()
}

/// The baseline of [`boot`] with a signer.
fn signed_baseline() -> Baseline {
    Baseline { update_signers: vec![key().signer()], ..captured(&boot()) }
}

/// A list for the update.
fn list(version: u32) -> CarriedLists {
    let components = ExpiringEntries::of_components(&new_of("2"));
    let terms = ListTerms { baseline: name("prod/b"), version, issued_at: NOW, ends_at: LATER };
    let list = ComponentList::sign(&key(), terms, components).to_json();
    CarriedLists::new(vec![list.into_bytes().into()]).unwrap()
}

fn proposing_with(lists: &CarriedLists) -> VerifiedClaims {
    let proposal = BaselineProposal { lists: lists.digests(), ..proposal() };
    verified_for(&vm(&boot()), Kinds::BOTH, Body::Proposal(proposal))
}

fn signed_input(lists: &CarriedLists) -> ProposalInput<'_> {
    let baseline = Some(named(signed_baseline(), false));
    let policies = vec![owned(OWNER)];
    ProposalInput { broker: &BROKER, epoch: 42, now: NOW, baseline, policies, lists }
}

#[test]
fn a_signed_list_approves_what_a_member_proposes() {
    let lists = list(5);
    let verdict = decide_proposal(&proposing_with(&lists), &signed_input(&lists)).unwrap();
    let ProposalVerdict::Signed(grant, approval) = verdict else { panic!("{verdict:?}") };
    assert_eq!((approval.baseline(), approval.id(), approval.epoch()), (&name("prod/b"), grant.id(), 42));
    assert_eq!((approval.new_events(), approval.version()), (&new_of("2")[..], 5));
    let (digest, signer) = (lists.digests()[0], key().signer());
    assert_eq!(approval.lists(), [UsedList { digest, signer, version: 5 }]);
    assert_eq!(grant.lists(), [ExaminedList { digest, signer: Some(signer), fault: None }]);
    // The approval raises the version of the lists, and changes neither the signers nor the security version.
    let (before, old) = (signed_baseline(), old_initrd());
    let approved = before.approve_signed(&approval, &old, KeepOld::Until(LATER), NOW).unwrap();
    assert_eq!((approved.update_version, approved.version), (5, before.version));
    assert_eq!(approved.update_signers, before.update_signers);
    assert_eq!(approved.until, [(LATER, old_initrd())].into());
    let again = approved.approve(&[], &ExpiringEntries::default(), KeepOld::Forever, NOW).unwrap();
    assert_eq!(again.update_version, 5, "an operator's approval keeps it");
}

#[test]
fn t60_a_list_that_does_not_count_is_no_denial() {
    let lists = list(2);
    let verdict = decide_proposal(&proposing_with(&lists), &signed_input(&lists)).unwrap();
    let ProposalVerdict::New(grant) = verdict else { panic!("{verdict:?}") };
    let fault = ListFault::OldVersion { version: 2, least: 3 };
    assert_eq!(grant.lists()[0].fault, Some(fault));
    // Without signers it is as without lists.
    let lists = list(5);
    let none = ProposalInput { baseline: Some(named(captured(&boot()), false)), ..signed_input(&lists) };
    let verdict = decide_proposal(&proposing_with(&lists), &none).unwrap();
    assert!(matches!(verdict, ProposalVerdict::New(_)), "{verdict:?}");
}

#[test]
fn t60_a_list_approves_for_members_of_the_owner_only() {
    let lists = list(5);
    let other = ProposalInput { policies: vec![owned(1)], ..signed_input(&lists) };
    let denial = ProposalDenial::OtherOwner { baseline: name("prod/b"), project_number: OWNER };
    assert_eq!(denied(&proposing_with(&lists), &other), denial);
    let body = BaselineProposal { lists: lists.digests(), ..proposal() };
    let stranger = verified_for(&vm(&with("initrd", "3")), Kinds::BOTH, Body::Proposal(body));
    let denial = denied(&stranger, &signed_input(&lists));
    assert!(matches!(denial, ProposalDenial::NotMember { .. }), "{denial:?}");
}

#[test]
fn t60_lists_are_those_that_the_evidence_is_bound_to() {
    let lists = list(5);
    assert_eq!(denied(&proposing_with(&list(6)), &signed_input(&lists)), ProposalDenial::NotBound);
    assert_eq!(
        denied(&proposing_with(&CarriedLists::default()), &signed_input(&lists)),
        ProposalDenial::NotBound
    );
    assert_eq!(denied(&proposing_with(&lists), &signed_input(&NO_LISTS)), ProposalDenial::NotBound);
}

#[test]
fn the_signers_of_a_baseline_are_bounded_and_strong() {
    let parsed = |signers: Vec<UpdateSigner>| {
        Baseline::parse(&Baseline { update_signers: signers, ..captured(&boot()) }.to_json()).map(drop)
    };
    assert_eq!(parsed(vec![key().signer(); 8]), Ok(()));
    assert_eq!(parsed(vec![key().signer(); 9]), Err(BaselineError::TooManySigners { count: 9 }));
    let signer = UpdateSigner::from([0; 32]);
    assert_eq!(parsed(vec![signer]), Err(BaselineError::WeakSigner { signer }));
}
