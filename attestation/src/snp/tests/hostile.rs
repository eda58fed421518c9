//! Forged reports and endorsements.

use super::*;
use crate::x509::Certificate;

/// Order of the P-384 group, big-endian.
fn group_order() -> Vec<u8> {
    hex::decode(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    )
    .unwrap()
}

/// `left - right`, little-endian numbers of 48 bytes.
fn minus(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let pairs = left.iter().zip(right);
    pairs
        .map(|(left, right)| {
            let (first, one) = left.overflowing_sub(*right);
            let (out, two) = first.overflowing_sub(borrow);
            borrow = u8::from(one | two);
            out
        })
        .collect()
}

#[test]
fn numbers_of_a_signature_outside_the_group_are_refused() {
    let mut order = group_order();
    order.reverse();
    for offset in [0x2a0, 0x2a0 + 72] {
        for value in [order.clone(), vec![0xff; 48]] {
            let error = refused(|b| b.edits_after_signing = vec![(offset, value)]);
            assert_eq!(error, SnpError::SignatureInvalid);
        }
    }
    // R and S exchanged.
    let amd = FakeAmd::shared(Product::Genoa);
    let mut signed = genoa().sign(amd);
    let (r, s) = (signed.report[0x2a0..0x2d0].to_vec(), signed.report[0x2e8..0x318].to_vec());
    signed.report[0x2a0..0x2d0].copy_from_slice(&s);
    signed.report[0x2e8..0x318].copy_from_slice(&r);
    assert_eq!(verify_signed(&signed, amd, &Collateral::empty()).unwrap_err(), SnpError::SignatureInvalid);
}

#[test]
fn a_reports_bytes_are_not_its_identity() {
    // ECDSA: if (r, s) verifies, so does (r, n - s). So reports must not be counted by their digest.
    let amd = FakeAmd::shared(Product::Genoa);
    let mut signed = genoa().sign(amd);
    let original = verify_signed(&signed, amd, &Collateral::empty()).unwrap();
    let mut order = group_order();
    order.reverse();
    let mirrored = minus(&order, &signed.report[0x2e8..0x318]);
    signed.report[0x2e8..0x318].copy_from_slice(&mirrored);
    assert_eq!(verify_signed(&signed, amd, &Collateral::empty()).unwrap(), original);
}

#[test]
fn t11_no_way_of_signing_gives_milan_a_root() {
    for version in 2..=5 {
        for vlek in [false, true] {
            let mut builder = SnpReportBuilder::new(Product::Milan);
            builder.version = version;
            let builder = if vlek { builder.with_vlek() } else { builder };
            let claims = verify_fake(&builder).unwrap();
            assert_eq!((claims.root, claims.product), (None, Product::Milan), "version {version}");
            assert_eq!(claims.root_withheld, Some(RootWithheld::MilanSeedExtraction));
        }
    }
    let name = "milan_v3_vlek_trustee";
    let Some((report, vlek)) = captured(name, &format!("{name}.vlek.der")) else { return };
    assert_eq!(verify_builtin(&report, &vlek, VLEK_NOW).unwrap().root, None);
}

#[test]
fn t11_a_milan_chip_does_not_pass_for_another_product() {
    // What an attacker with the seed can do: forge any report under an authentic Milan certificate.
    let error = |change: fn(&mut SnpReportBuilder)| {
        let mut builder = SnpReportBuilder::new(Product::Milan);
        change(&mut builder);
        verify_fake(&builder).unwrap_err()
    };
    let mismatch = |report| SnpError::ProductMismatch { certificate: Product::Milan, report };
    assert_eq!(error(|b| (b.cpuid.family, b.cpuid.model) = (0x19, 0x11)), mismatch(Product::Genoa));
    assert_eq!(error(|b| (b.cpuid.family, b.cpuid.model) = (0x19, 0xa0)), mismatch(Product::Genoa));
    assert_eq!(error(|b| (b.cpuid.family, b.cpuid.model) = (0x1a, 0x02)), mismatch(Product::Turin));
    let unknown = SnpError::UnknownProcessor { family: 0x19, model: 0x30 };
    assert_eq!(error(|b| (b.cpuid.family, b.cpuid.model) = (0x19, 0x30)), unknown);
    // Certificates that name two lines, or one that only starts like a line.
    for name in ["Genoa", "Milan-Genoa-", "GenoaMilan", "Genoa-Milan", "milan", "Milan ", ""] {
        let mut builder = SnpReportBuilder::new(Product::Milan);
        builder.vek = Some(VekSpec { product_name: Some(name.to_owned()), ..builder.fitting_vek() });
        let outcome = verify_fake(&builder);
        match name {
            // The stepping may be anything.
            "Milan-Genoa-" => assert_eq!(outcome.unwrap().root, None),
            "Genoa" | "Genoa-Milan" => {
                assert_eq!(outcome.unwrap_err(), SnpError::VekMalformed { field: VekField::Issuer });
            }
            _ => assert_eq!(outcome.unwrap_err(), SnpError::VekMalformed { field: VekField::Product }),
        }
    }
}

#[test]
fn t10_amds_own_root_in_a_file_takes_nothing_away_and_gives_nothing() {
    for (name, ark, root) in
        [("genoa_v5_attestationrs", "genoa_ark", Some(Root::Amd)), ("milan_v2_virtee", "milan_ark", None)]
    {
        let Some((report, vek)) = captured(name, &format!("{name}.vcek.der")) else { return };
        let Some(ark) = evidence::certificate(&format!("snp/roots/{ark}.der")) else { return };
        let anchors = TrustAnchors::builtin().with_extra(&ark).unwrap();
        let verifier = Verifier { anchors, ..Verifier::builtin(NOW) };
        assert_eq!(verifier.verify(&report, &vek, &[ark]).unwrap().root, root, "{name}");
    }
}

#[test]
fn t16_the_vlek_authority_along_with_a_vlek_makes_no_vcek() {
    // The ASVK chains to the ARK, which is an anchor for both purposes: the certificate's own kind decides.
    let Some((report, _)) = captured("milan_v2_virtee", "milan_v2_virtee.vcek.der") else { return };
    let Some(vek) = evidence::read("snp/reports/milan_v3_vlek_trustee.vlek.der") else { return };
    let Some(asvk) = evidence::read("snp/roots/milan_asvk.der") else { return };
    let expected = SnpError::SignerKindMismatch { report: SignerKind::Vcek, certificate: SignerKind::Vlek };
    let error = Verifier::builtin(VLEK_NOW).verify(&report, &vek, &[asvk]).unwrap_err();
    assert_eq!(error, expected);
}

#[test]
fn t16_an_authoritys_certificate_endorses_no_report() {
    // A report with an arbitrary signature, and the ASK itself as its "VCEK".
    let amd = FakeAmd::shared(Product::Genoa);
    let mut signed = genoa().sign(amd);
    signed.vek = amd.ask_der().to_vec();
    let outcome = verify_signed(&signed, amd, &Collateral::empty()).unwrap_err();
    assert_eq!(outcome, SnpError::Chain(ChainError::LeafIsCa));
}

#[test]
fn t16_hardware_ids_have_the_length_of_their_product() {
    let malformed = SnpError::VekMalformed { field: VekField::HardwareId };
    for length in [0, 7, 9, 63, 64, 65] {
        let mut turin = SnpReportBuilder::new(Product::Turin);
        turin.vek = Some(VekSpec { hardware_id: Some(vec![0xc1; length]), ..turin.fitting_vek() });
        assert_eq!(verify_fake(&turin).unwrap_err(), malformed, "{length}");
    }
    for length in [0, 8, 63, 65] {
        assert_eq!(refused_vek(|v| v.hardware_id = Some(vec![0xc1; length])), malformed, "{length}");
    }
}

#[test]
fn t16_a_vlek_may_name_its_chip_and_endorses_none() {
    for product in [Product::Genoa, Product::Turin] {
        let plain = SnpReportBuilder::new(product);
        let chip_id = plain.chip_id;
        let mut builder = plain.with_vlek();
        builder.chip_id = chip_id;
        let length = if product == Product::Turin { 8 } else { 64 };
        let claims = verify_fake(&builder).unwrap();
        assert_eq!(claims.chip_id, Some("c1".repeat(length)));
        assert_eq!(claims.signer, SignerKind::Vlek);
    }
}

#[test]
fn t15_each_policy_bit_is_one_claim() {
    let bits = |bit: u32| {
        let mut builder = genoa();
        builder.policy = 1 << 17 | 1 << bit;
        let policy = verify_fake(&builder).unwrap().policy;
        let flags = [
            policy.smt,
            policy.migration_agent,
            policy.debug,
            policy.single_socket,
            policy.cxl_allow,
            policy.mem_aes_256_xts,
            policy.rapl_dis,
            policy.ciphertext_hiding,
            policy.page_swap_disable,
        ];
        flags.iter().enumerate().filter(|(_, set)| **set).map(|(index, _)| index).collect::<Vec<_>>()
    };
    // AMD 56860 §4.3.
    for (index, bit) in [16, 18, 19, 20, 21, 22, 23, 24, 25].into_iter().enumerate() {
        assert_eq!(bits(bit), [index], "bit {bit}");
    }
    assert!(bits(17).is_empty());
}

#[test]
fn t13_each_platform_bit_is_one_claim() {
    let bits = |bit: u32| {
        let mut builder = genoa();
        builder.platform_info = 1 << bit;
        let platform = verify_fake(&builder).unwrap().platform;
        let flags = [
            platform.smt,
            platform.tsme,
            platform.ecc,
            platform.rapl_dis,
            platform.ciphertext_hiding,
            platform.alias_check_complete.unwrap(),
            platform.unknown_bits == 1 << 6,
            platform.tio,
        ];
        flags.iter().enumerate().filter(|(_, set)| **set).map(|(index, _)| index).collect::<Vec<_>>()
    };
    for bit in 0..8 {
        assert_eq!(bits(bit), [bit as usize], "bit {bit}");
    }
}

#[test]
fn t12_turins_layout_does_not_pass_for_genoas() {
    // Byte 3 is reserved on Genoa and is SNP on Turin; byte 6 is the reverse.
    let genoa_bytes = crate::test_util::snp::tcb_bytes(Product::Genoa, tcb(10, 1, 27, 200));
    let mut turin = SnpReportBuilder::new(Product::Turin);
    turin.edits = vec![(0x180, genoa_bytes)];
    assert_eq!(verify_fake(&turin).unwrap_err(), SnpError::TcbReserved);
    let turin_tcb = Tcb { fmc: Some(1), ..tcb(10, 1, 27, 200) };
    let turin_bytes = crate::test_util::snp::tcb_bytes(Product::Turin, turin_tcb);
    for offset in [0x038, 0x180, 0x1e0, 0x1f0] {
        let error = refused(|b| b.edits = vec![(offset, turin_bytes.clone())]);
        assert_eq!(error, SnpError::TcbReserved, "{offset:#x}");
    }
}

#[test]
fn other_parameters_of_pss_are_refused() {
    let amd = FakeAmd::shared(Product::Genoa);
    // Salt of 32 instead of 48; SHA-256 and SHA-512 instead of SHA-384.
    let sha = |last| vec![0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last];
    let changes = [
        (vec![0xa2, 0x03, 0x02, 0x01, 0x30], vec![0xa2, 0x03, 0x02, 0x01, 0x20]),
        (sha(2), sha(1)),
        (sha(2), sha(3)),
    ];
    for (from, to) in changes {
        let mut signed = genoa().sign(amd);
        let (mut index, mut count) = (0, 0);
        while index + from.len() <= signed.vek.len() {
            if signed.vek[index..].starts_with(&from) {
                signed.vek[index..index + to.len()].copy_from_slice(&to);
                count += 1;
            }
            index += 1;
        }
        assert!(count >= 2, "inside and outside");
        assert!(Certificate::parse(&signed.vek).is_some());
        let error = verify_signed(&signed, amd, &Collateral::empty()).unwrap_err();
        assert_eq!(error, SnpError::Chain(ChainError::UnsupportedAlgorithm));
    }
}

#[test]
fn a_report_without_a_chain_costs_no_signature() {
    // Refused for its form before anything is looked up in the cache.
    let signed = genoa().sign(FakeAmd::shared(Product::Genoa));
    let mut report = signed.report;
    report[0] = 9;
    let error = verify_builtin(&report, &[], NOW).unwrap_err();
    assert_eq!(error, SnpError::UnsupportedVersion { version: 9 });
}
