//! Captured evidence in the inspection functions, with the expected results.

use std::collections::BTreeMap;

use serde_json::Value;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::Digest32;

use super::*;
use crate::anchors::Root;
use crate::claims::Phase;
use crate::event_log::EventLogError;
use crate::evidence::read;
use crate::go_tpm_tools::GoTpmToolsError;
use crate::x509::Revocation;

const COS_85: &str = "gce/vtpm/attestations/gce-cos-85-nonce9009.pb";
const NONCE: Expected<'static> = Expected::Exactly(&[0x90, 0x09]);

fn verifier() -> Verifier {
    Verifier { anchors: TrustAnchors::builtin(), ..Verifier::new() }
}

#[test]
fn attestation_of_a_real_vm_is_accepted_with_its_nonce() {
    let Some(file) = read(COS_85) else { return };
    let evidence = read_vtpm_file(&file).unwrap();
    let verifier = verifier();
    for nonce in [NONCE, Expected::Waived] {
        let claims = inspect_vtpm(&evidence, nonce, &verifier.inputs()).unwrap().claims;
        assert_eq!(claims.technology, Some(Technology::Sev));
        let vtpm = claims.vtpm.unwrap();
        assert_eq!(
            (vtpm.root, vtpm.revocation, vtpm.phase),
            (Root::Google, Revocation::Absent, Phase::Initrd)
        );
        let instance = vtpm.instance.unwrap();
        assert_eq!((instance.zone.as_str(), instance.instance_name.as_str()), ("us-central1-a", "cos-test"));
        assert!(vtpm.boot.secure_boot.enabled);
        assert_eq!((vtpm.pcrs.len(), vtpm.ak.algorithm), (24, "rsa-2048"));
    }
}

#[test]
fn t05_attestation_of_a_real_vm_is_refused_with_another_nonce() {
    let Some(file) = read(COS_85) else { return };
    let evidence = read_vtpm_file(&file).unwrap();
    for nonce in [&[0x90, 0x08][..], &[0x90], &[], &[0x90, 0x09, 0]] {
        let error = inspect_vtpm(&evidence, Expected::Exactly(nonce), &verifier().inputs()).unwrap_err();
        assert_eq!(error, VerifyError::Vtpm(VtpmError::NonceMismatch));
    }
}

#[test]
fn t03_attestation_over_all_pcrs_is_no_evidence_for_a_release() {
    let Some(file) = read(COS_85) else { return };
    // The nonce check of a release refuses it first; the PCR selection would be refused as well.
    let vtpm = read_vtpm_file(&file).unwrap();
    let key = ReadQuote::parse(&vtpm).unwrap().certified_key(&verifier().inputs()).unwrap();
    let error = ReadQuote::parse(&vtpm).unwrap().verify(key, Selection::Exact).err().unwrap();
    let (found, expected) = (0xff_ffff, crate::vtpm::RELEASE_PCRS);
    assert_eq!(error, VtpmError::SelectedPcrs { found, expected });
    assert_eq!(refusal(&vtpm_evidence(vtpm)), VerifyError::Vtpm(VtpmError::NonceMismatch));
}

#[test]
fn t02_attestation_of_a_real_vm_is_refused_without_googles_anchors() {
    let Some(file) = read(COS_85) else { return };
    let evidence = read_vtpm_file(&file).unwrap();
    let verifier = Verifier { anchors: TrustAnchors::none(), ..Verifier::new() };
    let error = inspect_vtpm(&evidence, NONCE, &verifier.inputs()).unwrap_err();
    assert_eq!(error.name(), "ak-chain-unknown-issuer");
    let VerifyError::Vtpm(VtpmError::UnknownIssuer(issuer)) = error else { panic!("{error}") };
    assert_eq!(hex::encode(&issuer.key_id), "13cd71ba58b20a51a3280e65b9969ebb1d0d1193");
    assert_eq!(issuer.url.as_deref(), Some("https://pki.goog/cloud_integrity/tpm_ek_intermediate_2.crt"));
}

#[test]
fn t02_certificates_of_endorsement_keys_are_refused_under_the_real_anchors() {
    let Some(file) = read(COS_85) else { return };
    for name in ["uca_tpm_ecc_enc_cert", "pca_tpm_rsa_enc_cert", "pca_tpm_ecc_enc_cert"] {
        let mut evidence = read_vtpm_file(&file).unwrap();
        let path = format!("gce/vtpm/certs-leaf/{name}.pem");
        evidence.ak_certificate = Bytes(crate::evidence::certificate(&path).unwrap());
        let error = inspect_vtpm(&evidence, NONCE, &verifier().inputs()).unwrap_err();
        assert_eq!(error, VerifyError::Vtpm(VtpmError::NotASigningKey), "{name}");
    }
}

/// Name, log, and the PCRs to compare it with.
type NegativeLog = (String, Vec<u8>, BTreeMap<u8, Digest32>);

fn negative_logs() -> Option<Vec<NegativeLog>> {
    let expected: Value = serde_json::from_slice(&read("gce/expected.json")?).unwrap();
    let logs = expected["negative"].as_object().unwrap().iter();
    let one = |(name, entry): (&String, &Value)| {
        let pcrs = entry["sha256_pcrs"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(pcr, value)| (pcr.parse().unwrap(), value.as_str().unwrap().parse().unwrap()));
        (name.clone(), read(&format!("gce/negative-eventlogs/{name}")).unwrap(), pcrs.collect())
    };
    // CCEL logs are another format.
    Some(logs.filter(|(name, _)| !name.contains("ccel")).map(one).collect())
}

#[test]
fn negative_logs_are_refused_with_their_pcrs() {
    let Some(logs) = negative_logs() else { return };
    assert_eq!(logs.len(), 15);
    for (name, log, pcrs) in logs {
        let error = inspect_event_log(&log, &pcrs, None).unwrap_err();
        assert!(matches!(error, VerifyError::Vtpm(VtpmError::EventLog(_))), "{name}: {error}");
    }
}

#[test]
fn negative_logs_are_refused_under_a_real_quote() {
    let (Some(file), Some(logs)) = (read(COS_85), negative_logs()) else { return };
    let verifier = verifier();
    for (name, log, _) in logs {
        let mut evidence = read_vtpm_file(&file).unwrap();
        evidence.event_log = log.into();
        let error = inspect_vtpm(&evidence, NONCE, &verifier.inputs()).unwrap_err();
        assert!(matches!(error, VerifyError::Vtpm(VtpmError::EventLog(_))), "{name}: {error}");
    }
    assert_eq!(verifier.cache.logs(), 0);
}

#[test]
fn log_and_pcrs_are_inspected_alone() {
    let vm = SimulatedVm::new();
    let inspected = inspect_event_log(&vm.event_log, &vm.pcrs, None).unwrap();
    assert_eq!(inspected.pcrs.phase, Some(Phase::Initrd));
    assert_eq!(inspected.boot.technology, Some(Technology::SevSnp));
    let size = vouchsafe_protocol::limits::MAX_EVENT_LOG + 1;
    let error = inspect_event_log(&vec![0; size], &vm.pcrs, None).unwrap_err();
    assert_eq!(error, VerifyError::Vtpm(VtpmError::EventLog(EventLogError::TooLarge { size })));
    let error = inspect_event_log(&vec![0; size - 1], &vm.pcrs, None).unwrap_err();
    assert_eq!(error.name(), "event-log-legacy-format");
}

#[test]
fn our_own_json_is_inspected() {
    let (verifier, vm) = (Verifier::new(), SimulatedVm::new());
    let evidence = vm.evidence(Kinds::VTPM, &bound(1));
    let file = serde_json::to_vec(&evidence).unwrap();
    let vtpm = read_vtpm_file(&file).unwrap();
    assert_eq!(Some(&vtpm), evidence.vtpm.as_ref());
    let nonce = bound(1).transcript().quote_nonce(None).0;
    let claims = inspect_vtpm(&vtpm, Expected::Exactly(&nonce), &verifier.inputs()).unwrap();
    let json = serde_json::to_value(&claims).unwrap();
    assert_eq!(json["technology"], "sev-snp");
    assert_eq!(json["vtpm"]["root"], "extra");
    assert_eq!(json["vtpm"]["phase"], "initrd");
    assert_eq!(json["vtpm"]["boot"]["secure_boot"]["enabled"], true);
}

#[test]
fn files_that_are_no_evidence_are_refused() {
    assert_eq!(read_vtpm_file(b"{}"), Err(VerifyError::NoEvidence));
    assert_eq!(read_vtpm_file(b" {\"vtpm\": 1}"), Err(VerifyError::NotEvidence));
    assert_eq!(read_vtpm_file(&[0x0b]), Err(VerifyError::GoTpmTools(GoTpmToolsError::Malformed)));
}

#[test]
fn report_is_inspected_with_and_without_its_data() {
    let (verifier, vm) = (Verifier::new(), SimulatedVm::new());
    let snp = vm.snp_with(&[7; 64]);
    let vek = snp.vek_certificate.as_ref().unwrap();
    let evidence = SnpEvidence { report: &snp.report, vek, certificates: &snp.ca_certificates };
    for expected in [Expected::Waived, Expected::Exactly(&[7; 64])] {
        let claims = inspect_snp(&evidence, expected, &verifier.inputs()).unwrap().claims;
        assert_eq!((claims.technology, claims.sev_snp.is_some()), (Some(Technology::SevSnp), true));
    }
    let error = inspect_snp(&evidence, Expected::Exactly(&[8; 64]), &verifier.inputs()).unwrap_err();
    assert_eq!(error, VerifyError::Snp(SnpError::ReportDataMismatch));
}
