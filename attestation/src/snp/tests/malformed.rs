//! Reports and certificates with fields that are missing, reserved or contradictory.

use super::*;

#[test]
fn a_report_of_another_length_or_version_is_refused() {
    let signed = genoa().sign(FakeAmd::shared(Product::Genoa));
    for found in [0, 1183, 1185] {
        let mut report = signed.report.clone();
        report.resize(found, 0);
        assert_eq!(verify_builtin(&report, &signed.vek, NOW).unwrap_err(), SnpError::ReportLength { found });
    }
    for version in [0, 1, 6, u32::MAX] {
        assert_eq!(refused(|b| b.version = version), SnpError::UnsupportedVersion { version });
    }
    assert_eq!(
        refused(|b| b.signature_algorithm = 2),
        SnpError::UnsupportedSignatureAlgorithm { algorithm: 2 }
    );
}

#[test]
fn reserved_bytes_are_refused() {
    let at = |version, offset: usize| {
        let mut builder = genoa();
        builder.version = version;
        builder.edits_after_signing = vec![(offset, vec![1])];
        verify_fake(&builder).unwrap_err()
    };
    let start = |offset| SnpError::ReservedNotZero { offset };
    assert_eq!(at(5, 0x04f), start(0x04c));
    assert_eq!(at(2, 0x188), start(0x188));
    assert_eq!(at(5, 0x18b), start(0x18b));
    assert_eq!(at(5, 0x1eb), start(0x1eb));
    assert_eq!(at(5, 0x1ef), start(0x1ef));
    assert_eq!(at(4, 0x1f8), start(0x1f8));
    assert_eq!(at(5, 0x29f), start(0x208));
    assert_eq!(at(5, 0x2d0), start(0x2d0));
    assert_eq!(at(5, 0x49f), start(0x318));
}

#[test]
fn an_author_key_digest_needs_an_author_key() {
    assert_eq!(refused(|b| b.author_key_digest = [1; 48]), SnpError::AuthorKeyContradiction);
    let mut builder = genoa();
    (builder.author_key_digest, builder.key_info) = ([1; 48], 1);
    assert!(verify_fake(&builder).unwrap().author_key_enabled);
}

#[test]
fn t15_reserved_policy_bits_and_foreign_levels_are_refused() {
    for bits in [0, 1 << 17 | 1 << 26, 1 << 17 | 1 << 63] {
        assert_eq!(refused(|b| b.policy = bits), SnpError::PolicyReserved { bits });
    }
    for vmpl in [4, u32::MAX] {
        assert_eq!(refused(|b| b.vmpl = vmpl), SnpError::VmplOutOfRange { vmpl });
    }
}

#[test]
fn certificates_with_missing_or_foreign_fields_are_refused() {
    let malformed = |field| SnpError::VekMalformed { field };
    assert_eq!(refused_vek(|v| v.subject = "SEV-OTHER".to_owned()), malformed(VekField::Subject));
    assert_eq!(refused_vek(|v| v.product_name = None), malformed(VekField::Product));
    assert_eq!(refused_vek(|v| v.product_name = Some("Genoa2".to_owned())), malformed(VekField::Product));
    assert_eq!(refused_vek(|v| v.hardware_id = None), malformed(VekField::HardwareId));
    assert_eq!(refused_vek(|v| v.hardware_id = Some(vec![0xc1; 8])), malformed(VekField::HardwareId));
    assert_eq!(refused_vek(|v| v.csp_id = Some("CN=x".to_owned())), malformed(VekField::CspId));
    let snp = "1.3.6.1.4.1.3704.1.3.3".to_owned();
    assert_eq!(refused_vek(|v| v.omitted = vec![snp]), malformed(VekField::Tcb(TcbComponent::Snp)));
    let mut vlek = genoa().with_vlek();
    vlek.vek = Some(VekSpec { csp_id: None, ..vlek.fitting_vek() });
    assert_eq!(verify_fake(&vlek).unwrap_err(), malformed(VekField::CspId));
    vlek.vek =
        Some(VekSpec { hardware_id: Some(vec![0; 64]), ..VekSpec::vlek(Product::Genoa, vlek.reported_tcb) });
    assert_eq!(verify_fake(&vlek).unwrap_err(), malformed(VekField::HardwareId));
}

#[test]
fn a_key_that_is_not_p384_is_refused() {
    let rsa = FakeAmd::shared(Product::Genoa).ask().spki();
    assert_eq!(refused_vek(|v| v.spki = Some(rsa)), SnpError::KeyNotP384);
}
