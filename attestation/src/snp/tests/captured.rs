//! Reports of real chips with their expected results.

use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

use super::*;
use crate::x509::Revocation;

#[test]
fn captured_reports_give_their_expected_claims() {
    let milan = Product::Milan;
    let cases = [
        ("milan_v2_gosevguest", milan, 2, tcb(2, 0, 5, 68), true, false),
        ("milan_v2_virtee", milan, 2, tcb(3, 0, 8, 115), false, false),
        ("milan_v2_trustee", milan, 2, tcb(3, 0, 8, 115), false, true),
        ("milan_v2_azure", milan, 2, tcb(3, 0, 8, 115), false, true),
        ("genoa_v5_attestationrs", Product::Genoa, 5, tcb(10, 0, 27, 27), false, false),
        ("turin_ms", Product::Turin, 5, Tcb { fmc: Some(1), ..tcb(1, 1, 4, 81) }, false, false),
    ];
    for (name, product, version, reported, debug, provisional) in cases {
        let Some((report, vek)) = captured(name, &format!("{name}.vcek.der")) else { return };
        let claims = verify_builtin(&report, &vek, NOW).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(claims.product, product, "{name}");
        assert_eq!(claims.report_version, version, "{name}");
        if !name.contains("trustee") && !name.contains("azure") {
            assert_eq!(claims.reported_tcb, reported, "{name}");
        }
        assert_eq!(claims.policy.debug, debug, "{name}");
        assert_eq!(claims.provisional, provisional, "{name}");
        assert_eq!(claims.signer, SignerKind::Vcek, "{name}");
        assert_eq!(claims.revocation, Revocation::Absent, "{name}");
        assert_eq!(claims.root, (product != milan).then_some(Root::Amd), "{name}");
        assert_eq!(claims.measurement.as_bytes().as_slice(), &report[0x90..0xc0], "{name}");
        assert_eq!(claims.report_data.0.as_slice(), &report[0x50..0x90], "{name}");
        assert_eq!(claims.chip_id.unwrap().len(), if product == Product::Turin { 16 } else { 128 }, "{name}");
        assert!(!claims.has_migration_agent, "{name}");
    }
}

#[test]
fn the_same_fields_as_crate_sev_reads_them() {
    for name in ["milan_v2_virtee", "milan_v2_trustee", "genoa_v5_attestationrs", "turin_ms"] {
        let Some((report, vek)) = captured(name, &format!("{name}.vcek.der")) else { return };
        let ours = verify_builtin(&report, &vek, NOW).unwrap();
        let theirs = AttestationReport::from_bytes(&report).unwrap();
        let same = |tcb: Tcb, other: sev::firmware::host::TcbVersion| {
            let Tcb { fmc, boot_loader, tee, snp, microcode } = tcb;
            assert_eq!((fmc, boot_loader, tee), (other.fmc, other.bootloader, other.tee), "{name}");
            assert_eq!((snp, microcode), (other.snp, other.microcode), "{name}");
        };
        same(ours.current_tcb, theirs.current_tcb);
        same(ours.reported_tcb, theirs.reported_tcb);
        same(ours.committed_tcb, theirs.committed_tcb);
        same(ours.launch_tcb, theirs.launch_tcb);
        assert_eq!(ours.measurement.0, theirs.measurement);
        assert_eq!(ours.report_id.0, theirs.report_id);
        assert_eq!(ours.host_data.0, theirs.host_data);
        assert_eq!((ours.guest_svn, ours.vmpl), (theirs.guest_svn, theirs.vmpl));
        assert_eq!(ours.launch_mitigations, theirs.launch_mit_vector);
        assert_eq!(ours.current_mitigations, theirs.current_mit_vector);
        let FirmwareVersion { major, minor, build } = ours.current_version;
        let other = theirs.current;
        assert_eq!((major, minor, build), (other.major, other.minor, other.build));
        assert_eq!(ours.cpuid.map(|cpuid| cpuid.family), theirs.cpuid_fam_id);
        assert_eq!(ours.policy.abi_minor, u8::try_from(theirs.policy.abi_minor()).unwrap());
    }
}

#[test]
fn the_captured_vlek_report_verifies_while_its_certificate_is_valid() {
    let name = "milan_v3_vlek_trustee";
    let Some((report, vlek)) = captured(name, &format!("{name}.vlek.der")) else { return };
    let claims = verify_builtin(&report, &vlek, VLEK_NOW).unwrap();
    assert_eq!(claims.signer, SignerKind::Vlek);
    assert_eq!(claims.csp_id.as_deref(), Some("CN=cc-us-east-2.amazonaws.com"));
    assert_eq!((claims.vmpl, claims.chip_id), (1, None));
    let expired = verify_builtin(&report, &vlek, NOW).unwrap_err();
    assert!(matches!(expired, SnpError::Chain(ChainError::Expired { .. })));
}

#[test]
fn badly_signed_vceks_are_refused() {
    for vek in ["milan_v2_trustee.vcek-invalid-legacy.der", "milan_v2_trustee.vcek-invalid-new.der"] {
        let Some((report, vek)) = captured("milan_v2_trustee", vek) else { return };
        let error = verify_builtin(&report, &vek, NOW).unwrap_err();
        assert!(matches!(error, SnpError::Chain(_)), "{error}");
    }
}

#[test]
fn a_turin_certificate_alone_chains_to_amd() {
    let Some(leaf) = evidence::read("snp/reports/turin_virtee_certonly.vcek.der") else { return };
    let request = crate::x509::ChainRequest {
        leaf: &leaf,
        certificates: &[],
        purpose: Purpose::AmdVcek,
        anchors: &TrustAnchors::builtin(),
        collateral: &Collateral::empty(),
        now: NOW,
    };
    let chain = crate::x509::verify_chain(&request).unwrap();
    assert_eq!((chain.root(), chain.product()), (Root::Amd, Some(Product::Turin)));
}

#[test]
fn the_report_captured_beside_gce_is_debuggable_and_says_so() {
    let Some(report) = evidence::read("gce/snp/milan-debugpolicy-report-v2.bin") else { return };
    let Some(vek) = evidence::read("gce/snp/milan-debugpolicy-vcek.der") else { return };
    let claims = verify_builtin(&report, &vek, NOW).unwrap();
    assert!(claims.policy.debug);
    assert_eq!((claims.reported_tcb.snp, claims.reported_tcb.microcode), (5, 0x44));
}

#[test]
fn captured_reports_under_another_certificate_are_refused() {
    let names = ["milan_v2_gosevguest", "milan_v2_virtee", "genoa_v5_attestationrs", "turin_ms"];
    for report in names {
        for vek in names.into_iter().filter(|vek| *vek != report) {
            let Some((report, vek)) = captured(report, &format!("{vek}.vcek.der")) else { return };
            let error = verify_builtin(&report, &vek, NOW).unwrap_err();
            // For a certificate of another product, or of another chip and TCB, both are named.
            let expected = match &error {
                SnpError::OtherVek { certificate, report } => {
                    let names = |it: &ChipTcb| error.to_string().contains(&it.to_string());
                    certificate != report && names(certificate) && names(report)
                }
                SnpError::ProductMismatch { .. } | SnpError::ProductUnproven { .. } => true,
                _ => false,
            };
            assert!(expected, "{error}");
        }
    }
}

#[test]
fn t16_a_captured_vlek_does_not_serve_as_a_vcek() {
    // AMD's anchors are bound to one purpose: the VLEK's issuer is not an anchor for a VCEK.
    let Some((report, _)) = captured("milan_v2_virtee", "milan_v2_virtee.vcek.der") else { return };
    let Some(vlek) = evidence::read("snp/reports/milan_v3_vlek_trustee.vlek.der") else { return };
    let error = verify_builtin(&report, &vlek, VLEK_NOW).unwrap_err();
    assert_eq!(error, SnpError::Chain(ChainError::UnknownIssuer));
}
