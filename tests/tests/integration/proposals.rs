//! Updates without a refused boot: a member proposes its next boot, an operator approves it once for the fleet, and what it
//! replaces expires.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::presets::{content, content_digest};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::messages::{ChallengeAnswer, ProposalAnswer, ProposalRequest, ProposalState};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent};
use vouchsafe_protocol::request::{CarriedLists, ProposedEvents};
use vouchsafe_protocol::{
    BaselineProposal, Body, BoundRequest, Digest32, GuestKey, ProposalId, ReasonCode, RequestDigest, Suite,
};

use crate::operators::baseline;
use crate::world::{World, boot, command_line, now, simulated, text};

pub(crate) const PATH: &str = "prod/web/token";
pub(crate) const BASELINE: &str = "prod/image";

/// A broker with a baseline of [`boot`], and a secret for its members.
fn world() -> World {
    let world = World::start();
    let file = world.write("baseline.json", &baseline(now() + 3600));
    world.run(&["baseline", "put", BASELINE, text(&file)]);
    world.policy("prod/closed", &["--for", "app", "--baseline", BASELINE]);
    world.put(PATH, "prod/closed", b"sesame");
    world
}

/// The boot with another content of the initrd.
pub(crate) fn updated(of: &str) -> EventLogBuilder {
    let mut log = boot();
    for event in &mut log.events {
        if event.pcr == 9 && event.measured == Some(content("initrd")) {
            event.measured = Some(initrd(of));
        }
    }
    log
}

pub(crate) fn initrd(of: &str) -> Vec<u8> {
    format!("initrd of {of}").into_bytes()
}

fn vm(instance_id: u64, log: &EventLogBuilder) -> SimulatedVm {
    SimulatedVm::booted(&AkCertificateSpec { instance_id, ..AkCertificateSpec::default() }, log)
}

/// What the boot of [`updated`] measures, as far as a guest predicts it.
pub(crate) fn events(of: &str) -> ProposedEvents {
    let event = |pcr, component, digest| ReferenceEvent { pcr, component, digest };
    let next = Digest32::of(&initrd(of));
    let line = ReferenceComponent::CommandLine { text: command_line() };
    ProposedEvents::sort(vec![
        event(4, ReferenceComponent::Shim, content_digest("shim")),
        event(4, ReferenceComponent::Grub, content_digest("grub")),
        event(4, ReferenceComponent::KernelImage, content_digest("kernel")),
        event(8, line, Digest32::of(command_line().as_bytes())),
        event(9, ReferenceComponent::Kernel, content_digest("kernel")),
        event(9, ReferenceComponent::Initrd, next),
        event(9, ReferenceComponent::LoadedInitrd, next),
    ])
    .unwrap()
}

fn proposal(of: &str) -> BaselineProposal {
    BaselineProposal { baseline: BASELINE.parse().unwrap(), events: events(of), lists: Vec::new() }
}

/// A proposal as a guest sends it, with what is needed to check the answer.
pub(crate) struct Proposing {
    bound: BoundRequest,
    pub(crate) body: Vec<u8>,
}

impl Proposing {
    fn new(world: &World, vm: &SimulatedVm, kinds: Kinds, proposal: BaselineProposal) -> Self {
        Self::with(world, vm, kinds, proposal, CarriedLists::default())
    }

    pub(crate) fn with(
        world: &World,
        vm: &SimulatedVm,
        kinds: Kinds,
        proposal: BaselineProposal,
        lists: CarriedLists,
    ) -> Self {
        let ChallengeAnswer { challenge, identity } = world.challenge();
        let key = GuestKey::generate(Suite::XWing);
        let body = Body::Proposal(proposal.clone());
        let bound = BoundRequest::new(&identity, challenge.nonce, key.public().clone(), body);
        let evidence = vm.evidence(kinds, &bound);
        let public_key = key.public().as_bytes().into();
        let request =
            ProposalRequest { challenge, suite: Suite::XWing, public_key, proposal, lists, evidence };
        Self { bound, body: serde_json::to_vec(&request).unwrap() }
    }

    pub(crate) fn send(&self, world: &World) -> Result<ProposalState, Problem> {
        let url = format!("{}/v1/baseline-proposals", world.broker.guests_url());
        let (status, answer) = world.post(&url, &self.body);
        let digest = RequestDigest::of(&self.body);
        if status == 200 {
            let answer: ProposalAnswer = serde_json::from_slice(&answer).unwrap();
            return Ok(answer.open(&self.bound, &digest).unwrap());
        }
        let problem: Problem = serde_json::from_slice(&answer).unwrap();
        assert!(problem.is_signed_by(self.bound.broker(), &self.bound.nonce(), &digest), "{problem:?}");
        assert_eq!(problem.detail, None);
        Err(problem)
    }
}

fn propose(world: &World, vm: &SimulatedVm, of: &str) -> Result<ProposalState, Problem> {
    Proposing::new(world, vm, Kinds::VTPM, proposal(of)).send(world)
}

/// The id of a proposal that waits for approval.
fn pending(world: &World, vm: &SimulatedVm, of: &str) -> ProposalId {
    match propose(world, vm, of).unwrap() {
        ProposalState::Pending { id, until: None } => id,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn assert_refused(
    world: &World,
    refused: Result<ProposalState, Problem>,
    code: ReasonCode,
    because: &str,
) {
    let problem = refused.unwrap_err();
    assert_eq!(problem.code, code);
    let explained = world.explain(&problem.decision.unwrap());
    assert!(explained.contains("the request was propose-baseline"), "{explained}");
    assert!(explained.contains(because), "{explained}");
}

pub(crate) fn listed(world: &World, arguments: &[&str]) -> Vec<Value> {
    world.json(&[&["baseline", "pending"], arguments].concat()).as_array().unwrap().clone()
}

#[test]
fn t28_an_approved_update_boots_and_what_it_replaced_expires() {
    let (world, one) = (world(), simulated());
    let next = SimulatedVm::booted(&AkCertificateSpec::default(), &updated("next"));
    assert_eq!(world.value(&one, PATH), b"sesame");
    let id = pending(&world, &one, "next");
    // A proposal allows nothing.
    world.assert_denied(&next, PATH, BASELINE);
    // The fleet has the same update.
    assert_eq!(pending(&world, &vm(7, &boot()), "next"), id);
    let [waiting] = &listed(&world, &[])[..] else { panic!("one proposal") };
    assert_eq!(waiting["id"], id.to_string());
    assert_eq!(waiting["proposers"].as_array().unwrap().len(), 2, "{waiting}");
    let old = content_digest("initrd").to_string();
    assert_eq!(waiting["replaced"]["initrd"], serde_json::json!([old]), "{waiting}");
    let shown = world.run(&["baseline", "pending"]);
    let digest = Digest32::of(&initrd("next")).to_string();
    for line in [
        format!("new       initrd {digest}"),
        format!("replaces  initrd {old}"),
        "VM        620438545889/7,".to_owned(),
    ] {
        assert!(shown.contains(&line), "{shown}");
    }
    let command = shown.lines().find_map(|line| line.trim().strip_prefix("approve   vouchsafe ")).unwrap();
    let command: Vec<_> = command.split(' ').chain(["--keep-old", "4s"]).collect();
    let approved = world.run(&command);
    let approved_at = now();
    assert!(approved.contains("prod/image: version 2 is in force."), "{approved}");
    assert!(approved.contains(&format!("initrd {old}")), "{approved}");
    // Both boots, and mixtures, are allowed for now.
    assert_eq!(world.value(&next, PATH), b"sesame");
    assert_eq!(world.value(&one, PATH), b"sesame");
    assert_eq!(propose(&world, &next, "next").unwrap(), ProposalState::Allowed);
    assert_eq!(listed(&world, &[]), Vec::<Value>::new());
    assert_eq!(listed(&world, &["--all"])[0]["status"], "approved");
    let stored = world.run(&["baseline", "show", BASELINE]);
    assert!(stored.contains("\"until\"") && stored.contains(&digest), "{stored}");
    while now() <= approved_at + 4 {
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(world.value(&next, PATH), b"sesame");
    world.assert_denied(&one, PATH, "it was allowed until");
    let metrics = world.get(&format!("{}/metrics", world.broker.operators_url()), None).1;
    for line in [
        "vouchsafe_proposals_decided_total{decision=\"approved\"} 1",
        "vouchsafe_proposal_requests_total{state=\"pending\"} 2",
        "vouchsafe_proposal_requests_total{state=\"allowed\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn a_boot_that_expires_is_told_so_and_can_be_approved_again() {
    let (world, one) = (world(), simulated());
    let id = pending(&world, &one, "next").to_string();
    world.run(&["baseline", "approve", &id]);
    // A VM that will boot as before is allowed for 14 days.
    let again = events_of_today();
    let before = now() + 14 * 86_400;
    let state = Proposing::new(&world, &one, Kinds::VTPM, again.clone()).send(&world).unwrap();
    let ProposalState::Pending { id, until: Some(until) } = state else { panic!("{state:?}") };
    assert!((before - 60..=before).contains(&until.0), "{until}");
    world.run(&["baseline", "approve", &id.to_string(), "--keep-old", "forever"]);
    let state = Proposing::new(&world, &one, Kinds::VTPM, again).send(&world).unwrap();
    assert_eq!(state, ProposalState::Allowed);
}

fn events_of_today() -> BaselineProposal {
    let mut events = events("next").as_slice().to_vec();
    for event in &mut events {
        if matches!(event.component, ReferenceComponent::Initrd | ReferenceComponent::LoadedInitrd) {
            event.digest = content_digest("initrd");
        }
    }
    BaselineProposal { events: ProposedEvents::sort(events).unwrap(), ..proposal("next") }
}

#[test]
fn a_rejected_update_stays_rejected_until_it_is_approved() {
    let (world, one) = (world(), simulated());
    let id = pending(&world, &one, "next");
    world.run(&["baseline", "reject", &id.to_string()]);
    assert_eq!(propose(&world, &one, "next").unwrap(), ProposalState::Rejected { id, until: None });
    assert_eq!(listed(&world, &[]), Vec::<Value>::new());
    let next = SimulatedVm::booted(&AkCertificateSpec::default(), &updated("next"));
    world.assert_denied(&next, PATH, BASELINE);
    world.run(&["baseline", "approve", &id.to_string()]);
    assert_eq!(world.value(&next, PATH), b"sesame");
    let again = world.refused(&["baseline", "approve", &id.to_string()], b"");
    assert!(again.contains("has been approved"), "{again}");
    let audit = world.json(&["decisions", "list", "--outcome", "operator"]);
    let [approved, rejected] = [0, 1].map(|n| &audit["records"][n]["record"]["operator"]);
    assert_eq!((&approved["action"], &approved["target"]), (&"baseline.approve".into(), &BASELINE.into()));
    assert_eq!((&rejected["action"], &rejected["target"]), (&"baseline.reject".into(), &BASELINE.into()));
    let row = serde_json::json!({ "key": format!("{BASELINE}@{id}"), "removed": false, "table": "baseline_proposals" });
    assert!(approved["rows"].as_array().unwrap().contains(&row), "{approved}");
}

#[test]
fn t60_only_members_of_the_owners_project_propose() {
    let world = world();
    let granted = ReasonCode::NotGranted;
    // Another owner with the same boot.
    let spec = AkCertificateSpec { project_number: 1, ..AkCertificateSpec::default() };
    let stranger = SimulatedVm::booted(&spec, &boot());
    let because = format!("no policy that names baseline {BASELINE} is for project 1");
    assert_refused(&world, propose(&world, &stranger, "next"), granted, &because);
    // A VM that is not a member now.
    let other = SimulatedVm::booted(&AkCertificateSpec::default(), &updated("other"));
    assert_refused(
        &world,
        propose(&world, &other, "next"),
        granted,
        &format!("not a member of baseline {BASELINE}"),
    );
    // A VM whose boot is not known.
    let report = Proposing::new(&world, &simulated(), Kinds::REPORT, proposal("next"));
    assert_eq!(report.send(&world).unwrap_err().code, granted);
    let absent = BaselineProposal { baseline: "prod/none".parse().unwrap(), ..proposal("next") };
    let absent = Proposing::new(&world, &simulated(), Kinds::VTPM, absent).send(&world);
    assert_refused(&world, absent, granted, "there is no baseline prod/none");
    // Evidence for another proposal.
    let mut swapped = Proposing::new(&world, &simulated(), Kinds::VTPM, proposal("next"));
    let mut request: ProposalRequest = serde_json::from_slice(&swapped.body).unwrap();
    request.proposal = proposal("evil");
    swapped.body = serde_json::to_vec(&request).unwrap();
    assert_refused(&world, swapped.send(&world), ReasonCode::EvidenceRefused, "vtpm-nonce-mismatch");
    assert_eq!(listed(&world, &["--all"]), Vec::<Value>::new());
    world.run(&["baseline", "revoke", BASELINE]);
    assert_refused(&world, propose(&world, &simulated(), "next"), granted, "it is revoked");
}

#[test]
fn a_proposal_that_no_baseline_can_allow_is_refused() {
    let world = world();
    let mut events = events("next").as_slice().to_vec();
    events.retain(|event| event.component != ReferenceComponent::Shim);
    let without = BaselineProposal { events: ProposedEvents::sort(events).unwrap(), ..proposal("next") };
    let refused = Proposing::new(&world, &simulated(), Kinds::VTPM, without).send(&world);
    assert_refused(&world, refused, ReasonCode::Conflict, "shim is in the baseline and not in the update");
}

#[test]
fn t05_a_proposal_is_recorded_once() {
    let (world, one) = (world(), simulated());
    let request = Proposing::new(&world, &one, Kinds::VTPM, proposal("next"));
    let ProposalState::Pending { id, .. } = request.send(&world).unwrap() else { panic!("pending") };
    // Sent again, it changes nothing; once it would be recorded again, its nonce is spent.
    assert!(request.send(&world).is_ok());
    world.run(&["baseline", "approve", &id.to_string()]);
    let file = world.write("again.json", &baseline(now() + 3600));
    world.run(&["baseline", "put", BASELINE, text(&file)]);
    assert_eq!(request.send(&world).unwrap_err().code, ReasonCode::NonceSpent);
    assert_eq!(pending(&world, &one, "next"), id, "proposed anew");
}

#[test]
fn t44_the_proposals_of_one_vm_are_bounded() {
    let (world, one) = (world(), simulated());
    let ids: Vec<_> = ["1", "2", "3", "4"].map(|of| pending(&world, &one, of)).into();
    let because = format!("has 4 pending proposals for baseline {BASELINE}");
    assert_refused(&world, propose(&world, &one, "5"), ReasonCode::Conflict, &because);
    pending(&world, &vm(7, &boot()), "5");
    world.run(&["baseline", "reject", &ids[0].to_string()]);
    pending(&world, &one, "6");
}

#[test]
fn operators_approve_for_baselines_of_their_namespaces() {
    let (world, one) = (world(), simulated());
    let id = pending(&world, &one, "next").to_string();
    for (role, namespace, reads, decides) in
        [("auditor", "prod", true, false), ("editor", "dev", false, false), ("editor", "prod", true, true)]
    {
        let name = format!("{role}-{namespace}");
        let file = world.folder().join(&name);
        let file = text(&file);
        world.run(&["operator", "add", &name, "--role", role, "--namespace", namespace, "--out", file]);
        let by = |arguments: &[&str]| {
            world.broker.operator(&[arguments, &["--operator", file]].concat(), b"").unwrap()
        };
        let list = String::from_utf8(by(&["baseline", "pending"]).stdout).unwrap();
        assert_eq!(list.contains(&id), reads, "{name}: {list}");
        assert_eq!(by(&["baseline", "reject", &id]).status.success(), decides, "{name}");
        assert_eq!(by(&["baseline", "approve", &id]).status.success(), decides, "{name}");
    }
    let none = world.broker.operator(&["baseline", "approve", &"0".repeat(64)], b"").unwrap();
    assert_eq!(none.status.code(), Some(2));
    let record = listed(&world, &["--all"])[0]["decision"].as_str().unwrap().to_owned();
    let explained = world.run(&["explain", &record]);
    assert!(explained.contains("Update of baseline prod/image proposed"), "{explained}");
}
