//! Product, chip and kind of key of a report.

use super::*;

#[test]
fn t08_report_and_certificate_must_be_of_one_product() {
    let mismatch = |report| SnpError::ProductMismatch { certificate: Product::Genoa, report };
    assert_eq!(refused(|b| b.cpuid.model = 0x01), mismatch(Product::Milan));
    assert_eq!(refused(|b| b.cpuid.family = 0x1a), mismatch(Product::Turin));
    let unknown = SnpError::UnknownProcessor { family: 0x1a, model: 0x50 };
    assert_eq!(refused(|b| (b.cpuid.family, b.cpuid.model) = (0x1a, 0x50)), unknown);
}

#[test]
fn t08_a_version_2_report_cannot_be_of_turin() {
    let mut builder = SnpReportBuilder::new(Product::Turin);
    builder.version = 2;
    let unproven = SnpError::ProductUnproven { product: Product::Turin };
    assert_eq!(verify_fake(&builder).unwrap_err(), unproven);
}

#[test]
fn t08_a_certificate_must_name_the_product_of_its_issuer() {
    let field = VekField::Issuer;
    assert_eq!(refused_vek(|v| v.product_name = Some("Turin".to_owned())), SnpError::VekMalformed { field });
    let certificate = Product::Milan;
    let chain = Some(Product::Genoa);
    // AMD would not sign such a certificate; the rule is tested on its parts.
    let amd = FakeAmd::shared(Product::Milan);
    let signed = SnpReportBuilder::new(Product::Milan).sign(amd);
    let leaf = crate::x509::Certificate::parse(&signed.vek).unwrap();
    let outcome = product(&Report::parse(&signed.report).unwrap(), &Vek::parse(&leaf).unwrap(), chain);
    let mismatch = SnpError::VekProductMismatch { chain: Product::Genoa, certificate };
    assert_eq!(outcome.unwrap_err(), mismatch);
}

#[test]
fn t16_the_reports_key_and_the_certificate_must_be_of_one_kind() {
    let mismatch = |report, certificate| SnpError::SignerKindMismatch { report, certificate };
    let (vcek, vlek) = (SignerKind::Vcek, SignerKind::Vlek);
    let outcome = refused(|b| b.vek = Some(VekSpec::vlek(b.product, b.reported_tcb)));
    // The ASVK is not sent with a report that names a VCEK.
    assert_eq!(outcome, SnpError::Chain(ChainError::UnknownIssuer));

    let amd = FakeAmd::shared(Product::Genoa);
    let all = vec![amd.ask_der().to_vec(), amd.asvk_der().to_vec()];
    let mut signed = genoa().sign(amd);
    signed.certificates = all.clone();
    signed.vek = amd.vek(&VekSpec::vlek(Product::Genoa, genoa().reported_tcb));
    let outcome = verify_signed(&signed, amd, &Collateral::empty()).unwrap_err();
    assert_eq!(outcome, mismatch(vcek, vlek));

    let mut signed = genoa().with_vlek().sign(amd);
    signed.certificates = all;
    signed.vek = amd.vcek(genoa().reported_tcb, &genoa().chip_id);
    let outcome = verify_signed(&signed, amd, &Collateral::empty()).unwrap_err();
    assert_eq!(outcome, mismatch(vlek, vcek));
}

#[test]
fn t16_a_vcek_from_the_vlek_authority_is_refused() {
    let amd = FakeAmd::shared(Product::Genoa);
    let mut builder = genoa();
    builder.vek = Some(VekSpec { from_asvk: true, ..builder.fitting_vek() });
    let mut signed = builder.sign(amd);
    signed.certificates = vec![amd.asvk_der().to_vec()];
    let outcome = verify_signed(&signed, amd, &Collateral::empty()).unwrap_err();
    assert_eq!(outcome, SnpError::VekMalformed { field: VekField::Issuer });
}

#[test]
fn t16_the_chip_must_be_the_certified_one() {
    for product in [Product::Genoa, Product::Turin] {
        let mut builder = SnpReportBuilder::new(product);
        builder.vek = Some(builder.fitting_vek());
        builder.chip_id[3] ^= 1;
        assert_eq!(verify_fake(&builder).unwrap_err(), SnpError::HardwareIdMismatch, "{product:?}");
    }
    let mut turin = SnpReportBuilder::new(Product::Turin);
    turin.chip_id[8] = 1;
    assert_eq!(verify_fake(&turin).unwrap_err(), SnpError::HardwareIdMismatch);
}

#[test]
fn t16_a_masked_chip_id_is_unknown_and_never_a_match() {
    for version in 2..=5 {
        let mut builder = genoa();
        builder.version = version;
        builder.vek = Some(builder.fitting_vek());
        builder.chip_id = [0; 64];
        let claims = verify_fake(&builder).unwrap();
        assert_eq!(claims.chip_id, None, "version {version}");
        // T20: the certificate still names the chip.
        assert_eq!(claims.hardware_id, Some(hex::encode(genoa().chip_id)), "version {version}");
    }
    // Not even if the certificate endorses a chip id of zeros.
    let mut builder = genoa();
    builder.chip_id = [0; 64];
    assert_eq!(verify_fake(&builder).unwrap().chip_id, None);
}

#[test]
fn t16_an_unsigned_report_is_refused() {
    assert_eq!(refused(|b| b.key_info = 7 << 2), SnpError::Unsigned);
    assert_eq!(refused(|b| b.key_info = 1 << 1), SnpError::Unsigned);
    assert_eq!(refused(|b| b.edits_after_signing = vec![(0x2a0, vec![0; 48])]), SnpError::Unsigned);
    assert_eq!(refused(|b| b.edits_after_signing = vec![(0x2e8, vec![0; 48])]), SnpError::Unsigned);
    for bits in [2 << 2, 6 << 2, 1 << 5, 1 << 31] {
        assert_eq!(refused(|b| b.key_info = bits), SnpError::KeyInfoReserved { bits });
    }
}

#[test]
fn t16_a_signature_by_another_key_names_the_chip_or_tcb_that_differs() {
    // Each chip has another key for each TCB: one that differs is reason enough.
    let edited = |offset, bytes: Vec<u8>| refused(|b| b.edits_after_signing = vec![(offset, bytes)]);
    let SnpError::OtherVek { certificate, report } = edited(0x1a0, vec![0xc2; 64]) else { panic!("chip") };
    assert_eq!((certificate.tcb, report.tcb), (genoa().reported_tcb, genoa().reported_tcb));
    assert_eq!((certificate.chip, report.chip), (Some("c1".repeat(64)), Some("c2".repeat(64))));
    let SnpError::OtherVek { certificate, report } = edited(0x180, vec![9]) else { panic!("TCB") };
    assert_eq!((certificate.tcb.boot_loader, report.tcb.boot_loader), (10, 9));
    assert_eq!(certificate.chip, report.chip);
    // Neither differs.
    assert_eq!(edited(0x090, vec![0; 48]), SnpError::SignatureInvalid);
}
