//! Releases with a report of AMD's processor, alone and together with a vTPM.

use std::fs;
use std::path::PathBuf;

use vouchsafe_attestation::anchors::Product;
use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::snp::SnpReportBuilder;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_guest_client::hardware::tsm::fake::{FakeTsm, Faults};
use vouchsafe_guest_client::hardware::{Guid, HardwareReporter, Tsm, TsmSnp};
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_guest_client::{Client, FetchError, GuestConfig, LocalEvidence};
use vouchsafe_protocol::ReasonCode;

use crate::world::{World, amd, paths_of};

/// A VM's processor behind the kernel's own interface, signing with the fake chip.
fn device(report: SnpReportBuilder) -> Box<dyn HardwareReporter> {
    let root = PathBuf::from("/sys/kernel/config/tsm/report");
    let signed = report.sign(amd());
    let [ask, ark] = signed.certificates.try_into().unwrap();
    let table = certificate_table(&[(Guid::VCEK, signed.vek), (Guid::ASK, ask), (Guid::ARK, ark)]);
    let respond = move |data: &[u8; 64], privilege: u8| {
        let report = SnpReportBuilder { report_data: *data, vmpl: privilege.into(), ..report.clone() };
        Ok((report.sign_report(amd()), table.clone()))
    };
    let kernel = FakeTsm::new(root.clone(), Some("sev_guest"), Box::new(respond), Faults::default());
    Box::new(TsmSnp::new(Tsm::with_fs(root, kernel, |_| {})))
}

/// The host's certificate table for a guest. GHCB 2.04, section 4.1.8.1: GUID, offset, length, then the
/// bytes.
fn certificate_table(certificates: &[(Guid, Vec<u8>)]) -> Vec<u8> {
    let (mut entries, mut bytes) = (Vec::new(), Vec::new());
    let header = (certificates.len() + 1) * 24;
    for (guid, der) in certificates {
        let place =
            [header + bytes.len(), der.len()].map(|number| u32::try_from(number).unwrap().to_le_bytes());
        entries.extend([guid.0.as_slice(), &place[0], &place[1]].concat());
        bytes.extend_from_slice(der);
    }
    entries.resize(header, 0);
    [entries, bytes].concat()
}

fn boot() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::SevSnp)
}

fn genoa() -> SnpReportBuilder {
    SnpReportBuilder::new(Product::Genoa)
}

fn fetch(config: &GuestConfig, source: LocalEvidence) -> Result<Vec<u8>, FetchError> {
    let release = Client::new(config, source).unwrap().fetch(&paths_of(&["prod/db/token"]))?;
    Ok(release.secrets[0].secret.expose().to_vec())
}

/// The library's configuration for this world's broker.
fn config(world: &World) -> GuestConfig {
    let (url, identity, ca) = (world.broker.guests_url(), world.broker.identity(), world.broker.ca());
    let text = format!("brokers = [{url:?}]\nidentities = [{identity:?}]\nca = {ca:?}\n");
    GuestConfig::parse(&text).unwrap()
}

fn assert_not_granted(world: &World, outcome: Result<Vec<u8>, FetchError>, because: &str) {
    let Err(FetchError::Refused { code, decision }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, ReasonCode::NotGranted);
    let explained = world.explain(&decision);
    assert!(explained.contains(because), "{explained}");
}

/// A report alone names no owner, which the operator must acknowledge.
pub(crate) fn alone(accepts: &str) -> String {
    format!(
        r#"@id("release") @for("app") {accepts}
permit (principal is Vm, action == Action::"release", resource is Secret)
when {{
  principal has snp.root && principal.snp.root == Root::"extra" &&
  principal has technology && principal.technology == Technology::"sev-snp" &&
  principal.snp.product == Product::"genoa" &&
  principal.snp.measurement == "{}" &&
  !principal.snp.policy.debug &&
  principal.snp.reported_tcb.boot_loader >= 10 && principal.snp.reported_tcb.tee >= 1 &&
  principal.snp.reported_tcb.snp >= 27 && principal.snp.reported_tcb.microcode >= 200
}};"#,
        "3e".repeat(48)
    )
}

#[test]
fn an_snp_guest_alone_gets_its_secret_where_the_owner_does_not_matter() {
    let world = World::bare("");
    let refused = world.refused(&["policy", "put", "prod/snp", "-"], alone("").as_bytes());
    assert!(refused.contains("@accepts(\"owner\")"), "t48: {refused}");
    world.put_policy_text("prod/snp", &alone("@accepts(\"owner\")"));
    world.put("prod/db/token", "prod/snp", b"sesame");

    let source = LocalEvidence::new(None, Some(device(genoa())));
    assert_eq!(fetch(&config(&world), source).unwrap(), b"sesame");
}

#[test]
fn t12_t15_a_report_of_old_firmware_or_with_debug_is_refused() {
    let world = World::bare("");
    world.put_policy_text("prod/snp", &alone("@accepts(\"owner\")"));
    world.put("prod/db/token", "prod/snp", b"sesame");
    let config = config(&world);
    let ask = |report| fetch(&config, LocalEvidence::new(None, Some(device(report))));

    let mut old = genoa();
    for tcb in [&mut old.reported_tcb, &mut old.committed_tcb] {
        tcb.microcode = 199;
    }
    assert_not_granted(&world, ask(old), "reported_tcb.microcode");
    let debug = SnpReportBuilder { policy: 0x3_0000 | 1 << 19, ..genoa() };
    assert_not_granted(&world, ask(debug), "the host may debug this guest");
    let other = SnpReportBuilder { measurement: [0x3f; 48], ..genoa() };
    assert_not_granted(&world, ask(other), "snp.measurement");
}

#[test]
fn a_composite_gets_its_secret_and_each_piece_alone_does_not() {
    let world = World::bare("");
    let (vm, file) = world.vm_with("vm", AkAlgorithm::Rsa, &AkCertificateSpec::default(), &boot());
    let config = GuestConfig::read(&file).unwrap();
    let vtpm = || Some(config.collect.vtpm.clone());
    let (evidence, _) = LocalEvidence::new(vtpm(), Some(device(genoa()))).capture(&[7; 32], "").unwrap();
    let captured = world.write("evidence.json", &serde_json::to_string(&evidence).unwrap());
    let policy = world.policy_of("prod/both", "app", &captured);
    assert!(policy.contains("principal.snp.measurement"), "{policy}");
    world.put("prod/db/token", "prod/both", b"sesame");

    let both = LocalEvidence::new(vtpm(), Some(device(genoa())));
    assert_eq!(fetch(&config, both).unwrap(), b"sesame");
    assert_not_granted(&world, fetch(&config, LocalEvidence::new(vtpm(), None)), "snp");
    let report = LocalEvidence::new(None, Some(device(genoa())));
    assert_not_granted(&world, fetch(&config, report), "vtpm.instance");
    // Captured evidence is not bound to a release.
    let stale: vouchsafe_protocol::Evidence =
        serde_json::from_str(&fs::read_to_string(captured).unwrap()).unwrap();
    let asked = world.request_with(&["prod/db/token"], |_| stale);
    world.send(&asked).signed_problem(&asked, ReasonCode::EvidenceRefused);
    drop(vm);
}

#[test]
fn t01_pieces_of_two_vms_are_not_linked() {
    let world = World::bare("");
    world.put_policy_text("prod/snp", &alone("@accepts(\"owner\")"));
    world.put("prod/db/token", "prod/snp", b"sesame");
    let vm = SimulatedVm::booted(&AkCertificateSpec::default(), &boot());
    // The quote of one VM and the report of another one, each bound to the request by itself.
    let asked = world.request_with(&["prod/db/token"], |bound| {
        let mut evidence = vm.evidence(Kinds::VTPM, bound);
        evidence.sev_snp = vm.evidence(Kinds::REPORT, bound).sev_snp;
        evidence
    });
    world.assert_refused(&asked, ReasonCode::UnlinkedEvidence, "unlinked");
}
