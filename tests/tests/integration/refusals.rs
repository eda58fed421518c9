//! Requests that are refused, and what guests and operators are told.

use std::fs;

use vouchsafe_attestation::test_util::ca::google::INTERMEDIATE_SERIAL;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec, FakeGoogle};
use vouchsafe_attestation::test_util::event_log::BuiltEvent;
use vouchsafe_attestation::test_util::event_log::presets::UBUNTU_KERNEL;
use vouchsafe_attestation::test_util::event_log::userspace::UserspaceBuilder;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_attestation::test_util::vtpm::{FakeAk, QuoteSpec, bitmap};
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_protocol::{
    BoundRequest, DecisionId, Digest32, Evidence, GuestKey, ReasonCode, Suite, UnixTime,
};
use vouchsafe_tests::broker::guest;
use vouchsafe_tests::pem;

use crate::world::{World, boot, google, now, paths_of, simulated, text};

pub(crate) const PATH: &str = "prod/db/token";
pub(crate) const VALUE: &[u8] = b"sesame";

pub(crate) fn world() -> World {
    let world = World::start();
    world.put(PATH, "prod/app", VALUE);
    world
}

/// The vTPM piece alone, with any quote.
pub(crate) fn vtpm(vm: &SimulatedVm, spec: &QuoteSpec) -> Evidence {
    Evidence { vtpm: Some(vm.vtpm_with(spec)), ..Evidence::default() }
}

pub(crate) fn quote(bound: &BoundRequest) -> QuoteSpec {
    QuoteSpec::new(&bound.transcript().quote_nonce(None).0)
}

#[test]
fn t48_a_vm_of_another_owner_is_refused() {
    let world = world();
    assert_eq!(world.value(&simulated(), PATH), VALUE);
    let stranger = AkCertificateSpec { project_number: 1, ..AkCertificateSpec::default() };
    let stranger = SimulatedVm::booted(&stranger, &boot());
    world.assert_denied(&stranger, PATH, "principal.vtpm.instance.project_number");
    // Anyone can get authentic evidence: requests of strangers are kept in memory, and cause no durable
    // write.
    let listed = world.json(&["decisions", "list", "--outcome", "refused"]);
    assert_eq!(listed["records"].as_array().unwrap().len(), 0, "{listed}");
    let remembered = world.json(&["decisions", "list", "--remembered"]);
    assert_eq!(
        remembered["records"][0]["record"]["refusal"]["instance"], "1/3560342035431930290",
        "{remembered}"
    );
}

#[test]
fn t48_another_instance_of_the_same_owner_is_refused() {
    let world = world();
    world.policy("prod/one", &["--for", "app", "--instance", "3560342035431930290"]);
    world.put("prod/one/token", "prod/one", VALUE);
    assert_eq!(world.value(&simulated(), "prod/one/token"), VALUE);
    let other = AkCertificateSpec { instance_id: 7, ..AkCertificateSpec::default() };
    let other = SimulatedVm::booted(&other, &boot());
    assert_eq!(world.value(&other, PATH), VALUE, "the policy that names no instance");
    world.assert_denied(&other, "prod/one/token", "principal.vtpm.instance.instance_id");
}

#[test]
fn another_command_line_is_refused() {
    let world = world();
    let booted = boot().with_kernel_arguments("ro console=ttyS0 init=/bin/sh panic=-1");
    let vm = SimulatedVm::booted(&AkCertificateSpec::default(), &booted);
    world.assert_denied(&vm, PATH, "init=/bin/sh");
}

#[test]
fn a_boot_without_secure_boot_is_refused() {
    let world = world();
    let vm = SimulatedVm::booted(&AkCertificateSpec::default(), &boot().with_secure_boot(false));
    world.assert_denied(&vm, PATH, "principal.vtpm.secure_boot.enabled");
}

#[test]
fn t31_a_disk_secret_is_refused_once_the_latch_is_closed() {
    let world = world();
    let instance = ["--instance", "3560342035431930290"];
    world.policy("prod/disk", &[&["--for", "disk"][..], &instance].concat());
    world.run(&["secret", "generate", "prod/vm/disk", "--policy", "prod/disk", "--for", "disk"]);
    let mut vm = simulated();
    assert_eq!(world.value(&vm, "prod/vm/disk").len(), 32);
    vm.latch();
    world.assert_denied(&vm, "prod/vm/disk", "Phase::\"latched\"");
    assert_eq!(world.value(&vm, PATH), VALUE, "secrets of applications are for later");
    // systemd itself extends PCR 15 after switch-root, which is not a latch but ends the phase `initrd`.
    let mut booted = simulated();
    booted.measure(&UserspaceBuilder::initrd_262());
    assert_eq!(world.value(&booted, "prod/vm/disk").len(), 32);
    booted.measure(&UserspaceBuilder::after_switch_root());
    world.assert_denied(&booted, "prod/vm/disk", "Phase::\"booted\"");
    // A policy without a condition on the phase does not help: the guardrail applies to it.
    let refused = world.refused(
        &["secret", "put", "prod/vm/disk2", "--policy", "prod/app", "--for", "disk", "--from", "-"],
        VALUE,
    );
    assert!(refused.contains("invalid-object"), "{refused}");
}

#[test]
fn t50_absent_retired_and_denied_look_alike_to_the_guest() {
    let world = world();
    for path in ["prod/retired/a", "prod/destroyed/a"] {
        world.put(path, "prod/app", VALUE);
    }
    world.run(&["secret", "retire", "prod/retired/a"]);
    world.run(&["secret", "destroy", "prod/destroyed/a"]);
    world.policy("prod/other", &["--for", "app", "--instance", "7"]);
    world.put("prod/denied/a", "prod/other", VALUE);

    let vm = simulated();
    let mut seen = Vec::new();
    for (path, because) in [
        ("prod/absent/a", "there is no such secret"),
        ("prod/retired/a", "the secret is retired"),
        ("prod/destroyed/a", "the secret is retired"),
        ("prod/denied/a", "policy prod/other refuses"),
        ("elsewhere/denied/a", "there is no such secret"),
    ] {
        let asked = world.request(&vm, Kinds::VTPM, &[path]);
        let reply = world.send(&asked);
        let problem = reply.signed_problem(&asked, ReasonCode::NotGranted);
        let explained = world.explain(&problem.decision.unwrap());
        assert!(explained.contains(because), "{path}: {explained}");
        let mut members: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        for fresh in ["decision", "signature"] {
            let text = members[fresh].as_str().unwrap().len();
            members[fresh] = text.into();
        }
        seen.push((reply.status, reply.body.len(), members));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

#[test]
fn t05_a_recorded_request_is_served_once() {
    let world = world();
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    assert_eq!(world.send(&asked).open(&asked)[0].secret.expose(), VALUE);
    world.assert_refused(&asked, ReasonCode::NonceSpent, "spent");
    // Nor is its challenge valid with fresh evidence for another key.
    let again = world.challenge();
    let answer = vouchsafe_protocol::messages::ChallengeAnswer {
        challenge: asked.request.challenge,
        identity: again.identity,
    };
    let other = crate::world::Asked::new(answer, &[PATH], |bound| simulated().evidence(Kinds::VTPM, bound));
    world.send(&other).signed_problem(&other, ReasonCode::NonceSpent);
}

#[test]
fn t05_a_challenge_of_another_broker_or_a_changed_one_is_refused() {
    let world = world();
    let tampered = world.request(&simulated(), Kinds::VTPM, &[PATH]).tampered(|request| {
        request.challenge.expires_at = UnixTime(request.challenge.expires_at.0 + 1);
    });
    let problem = world.send(&tampered).problem(ReasonCode::ChallengeInvalid);
    assert_eq!(problem.signature, None, "a broker signs under its own challenges only");
    let elsewhere = World::bare("");
    let asked = elsewhere.request(&simulated(), Kinds::VTPM, &[PATH]);
    world.send(&asked).problem(ReasonCode::ChallengeInvalid);
}

#[test]
fn t01_evidence_of_a_vm_does_not_serve_another_ones_key() {
    let world = world();
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let attacker = GuestKey::generate(Suite::XWing);
    let relayed = asked.tampered(|request| request.public_key = attacker.public().as_bytes().into());
    world.assert_refused(&relayed, ReasonCode::EvidenceRefused, "vtpm-nonce-mismatch");
}

#[test]
fn evidence_for_one_secret_does_not_serve_for_another_one() {
    let world = world();
    world.put("prod/db/other", "prod/app", VALUE);
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    let other = asked.tampered(|request| request.paths = paths_of(&["prod/db/other"]));
    world.assert_refused(&other, ReasonCode::EvidenceRefused, "vtpm-nonce-mismatch");
}

#[test]
fn t02_quote_under_foreign_ak_is_refused() {
    let world = world();
    let genuine = simulated();
    let attacker = FakeAk::p256();
    // The genuine key's certificate, with a quote by another key that claims its name.
    let asked = world.request_with(&[PATH], |bound| {
        let mut evidence = genuine.evidence(Kinds::VTPM, bound);
        let spec = QuoteSpec { qualified_signer: Some(genuine.ak.qualified_name().to_vec()), ..quote(bound) };
        let forged = evidence.vtpm.as_mut().unwrap();
        forged.quote = spec.encode(&attacker, &genuine.pcrs);
        forged.signature = attacker.sign(&forged.quote).into();
        evidence
    });
    world.assert_refused(&asked, ReasonCode::EvidenceRefused, "vtpm-scheme-mismatch");
    // A certificate by a CA with the same name.
    let foreign = FakeGoogle::new();
    let mut vm = simulated();
    vm.ak_certificate = foreign.issue_ak(vm.ak.spki(), &AkCertificateSpec::default());
    vm.ak_issuers = vec![foreign.intermediate_der().to_vec()];
    world.assert_refused(&world.request(&vm, Kinds::VTPM, &[PATH]), ReasonCode::EvidenceRefused, "ak-chain-");
}

#[test]
fn t03_a_quote_over_other_pcrs_is_refused() {
    let world = world();
    let vm = simulated();
    let release = 0b1111_1011_1111_1111;
    for selected in [0, release & !(1 << 8), release | 1 << 10, release | 1 << 16] {
        let asked = world.request_with(&[PATH], |bound| {
            let spec = QuoteSpec { selections: vec![(0x000b, bitmap(selected))], ..quote(bound) };
            vtpm(&vm, &spec)
        });
        world.assert_refused(&asked, ReasonCode::EvidenceRefused, "vtpm-selected-pcrs");
    }
    let asked = world.request_with(&[PATH], |bound| {
        let sha1 = (0x0004, bitmap(release));
        let spec = QuoteSpec { selections: vec![(0x000b, bitmap(release)), sha1], ..quote(bound) };
        vtpm(&vm, &spec)
    });
    world.assert_refused(&asked, ReasonCode::EvidenceRefused, "vtpm-selection-count");
}

/// Root in a VM with another boot extends PCRs and writes the log at will.
#[test]
fn t22_t24_events_that_root_appends_are_refused() {
    let world = world();
    let evil = boot().with_kernel_arguments("ro init=/bin/sh panic=-1");
    let (vm, config) = world.vm_with("vm", AkAlgorithm::Ecc, &AkCertificateSpec::default(), &evil);
    let refused = |because: &str| {
        let output = guest(&config, ["fetch", PATH]).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(10), 0), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let id = said.split("decision ").nth(1).unwrap().split_whitespace().next().unwrap();
        let explained = world.explain(&id.parse::<DecisionId>().unwrap());
        assert!(explained.contains(because), "{explained}");
    };
    refused("init=/bin/sh");
    // The approved line appended to PCR and log.
    let line = crate::world::command_line();
    vm.extend(8, &Digest32::of(line.as_bytes()).0).unwrap();
    refused("event-log-pcr-mismatch");
    let mut log = evil;
    log.events.push(BuiltEvent::grub("kernel_cmdline: ", &line));
    fs::write(vm.event_log(), log.bytes()).unwrap();
    refused("event-log-");
    // The true line, relabelled as something harmless.
    let last = log.events.len() - 1;
    let relabelled = log.position(|event| event.data.starts_with(b"kernel_cmdline: "));
    assert!(relabelled < last && log.events[relabelled].data.starts_with(b"kernel_cmdline: /vmlinuz"));
    log.events[relabelled].data =
        format!("grub_cmd: {UBUNTU_KERNEL} ro init=/bin/sh panic=-1\0").into_bytes();
    fs::write(vm.event_log(), log.bytes()).unwrap();
    refused("event-log-");
}

#[test]
fn t59_extends_of_systemd_are_explained_by_its_log() {
    let world = world();
    let (vm, config) = world.vm_with("vm", AkAlgorithm::Ecc, &AkCertificateSpec::default(), &boot());
    let fetch = || guest(&config, ["fetch", PATH]).unwrap();
    assert_eq!(fetch().stdout, VALUE);
    vm.measure_userspace(&UserspaceBuilder::initrd_262_with(&["login", "hardware"])).unwrap();
    assert_eq!(fetch().stdout, VALUE);
    // Without the log the registers are unexplained, and an unreadable log counts as absent.
    let log = fs::read(vm.userspace_log()).unwrap();
    for log in [None, Some(&b"no log\n"[..])] {
        match log {
            None => fs::remove_file(vm.userspace_log()).unwrap(),
            Some(log) => fs::write(vm.userspace_log(), log).unwrap(),
        }
        let output = fetch();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(10), 0), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let id = said.split("decision ").nth(1).unwrap().split_whitespace().next().unwrap();
        let explained = world.explain(&id.parse::<DecisionId>().unwrap());
        assert!(explained.contains("event-log-userspace-log-needed"), "{explained}");
    }
    fs::write(vm.userspace_log(), log).unwrap();
    vm.measure_userspace(&UserspaceBuilder::after_switch_root()).unwrap();
    assert_eq!(fetch().stdout, VALUE);
}

#[test]
fn t17_revoked_and_missing_revocation_data_are_refused() {
    let world = world();
    assert_eq!(world.value(&simulated(), PATH), VALUE);
    let now = now();
    let crl = CrlSpec::current(UnixTime(now - 30), UnixTime(now + 86_400))
        .revoking(&INTERMEDIATE_SERIAL.to_be_bytes());
    let file = world.write("revoked.crl", &pem::crl(&google().root_crl(&crl)));
    world.run(&["collateral", "import", text(&file)]);
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    world.assert_refused(&asked, ReasonCode::EvidenceRefused, "ak-chain-revoked");

    // No CRL at all: a genuine VM, denied by the shipped guardrail.
    let mut bare = World::start();
    bare.put(PATH, "prod/app", VALUE);
    bare.broker.stop().unwrap();
    fs::remove_dir_all(bare.broker.data().join("collateral")).unwrap();
    bare.broker.run().unwrap();
    bare.assert_denied(&simulated(), PATH, "vtpm-revocation-fresh");
}

#[test]
fn t30_requests_that_are_too_large_or_malformed_are_refused() {
    let world = world();
    let url = format!("{}/v1/release", world.broker.guests_url());
    let code = |body: &[u8]| {
        let (status, body) = world.post(&url, body);
        let problem: vouchsafe_protocol::problem::Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, problem.detail), (problem.code.status(), None));
        problem.code
    };
    assert_eq!(code(b"{"), ReasonCode::MalformedRequest);
    assert_eq!(code(b""), ReasonCode::MalformedRequest);
    let asked = world.request(&simulated(), Kinds::VTPM, &[PATH]);
    assert_eq!(code(&[&asked.body[..], b" x"].concat()), ReasonCode::MalformedRequest);
    assert_eq!(code(&vec![b' '; vouchsafe_protocol::limits::MAX_REQUEST + 1]), ReasonCode::RequestTooLarge);
    let mut unknown: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    unknown["debug"] = true.into();
    assert_eq!(code(unknown.to_string().as_bytes()), ReasonCode::MalformedRequest);
    assert_eq!(world.send(&asked).open(&asked)[0].secret.expose(), VALUE);
}
