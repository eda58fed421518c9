//! Captured reports against their verdicts, and fake ones with one thing broken each.

mod hostile;

use std::time::Instant;

use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

use super::*;
use crate::anchors::Root;
use crate::chain::ChainError;
use crate::chain::Revocation;
use crate::chain::evidence;
use crate::test_util::ca::CrlSpec;
use crate::test_util::snp::ASK_SERIAL;
use crate::test_util::snp::FakeAmd;
use crate::test_util::snp::SignedReport;
use crate::test_util::snp::SnpReportBuilder;
use crate::test_util::snp::VekSpec;

/// 2026-02-19: fits every VCEK of the evidence and of the fakes.
const NOW: UnixTime = UnixTime(1_771_500_000);
/// 2025-02-19: fits the captured VLEK.
const VLEK_NOW: UnixTime = UnixTime(1_740_000_000);
const DAY: u64 = 86_400;

fn captured(report: &str, vek: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let report = evidence::read(&format!("snp/reports/{report}.report.bin"))?;
    Some((report, evidence::read(&format!("snp/reports/{vek}"))?))
}

fn verify_builtin(report: &[u8], vek: &[u8], now: UnixTime) -> Result<SnpClaims, SnpError> {
    let (anchors, collateral, memory) = (TrustAnchors::builtin(), Collateral::empty(), ChainMemory::new(4));
    let context = SnpContext { anchors: &anchors, collateral: &collateral, now, memory: &memory };
    let evidence = SnpEvidence { report, vek, certificates: &[] };
    verify_unbound(&evidence, &context).map(UnboundReport::inspect)
}

fn anchors_of(amd: &FakeAmd) -> TrustAnchors {
    TrustAnchors::builtin().with_extra(amd.ark_der()).unwrap()
}

fn verify_signed(
    signed: &SignedReport,
    amd: &FakeAmd,
    collateral: &Collateral,
) -> Result<SnpClaims, SnpError> {
    let (anchors, memory) = (anchors_of(amd), ChainMemory::new(4));
    let context = SnpContext { anchors: &anchors, collateral, now: NOW, memory: &memory };
    let SignedReport { report, vek, certificates } = signed;
    verify_unbound(&SnpEvidence { report, vek, certificates }, &context).map(UnboundReport::inspect)
}

/// Signs under the fake AMD of the builder's product and verifies.
fn verify_fake(builder: &SnpReportBuilder) -> Result<SnpClaims, SnpError> {
    let amd = FakeAmd::shared(builder.product);
    verify_signed(&builder.sign(amd), amd, &Collateral::empty())
}

fn genoa() -> SnpReportBuilder {
    SnpReportBuilder::new(Product::Genoa)
}

/// A report of Genoa with one change is refused for this reason.
fn refused(change: impl FnOnce(&mut SnpReportBuilder)) -> SnpError {
    let mut builder = genoa();
    change(&mut builder);
    verify_fake(&builder).unwrap_err()
}

/// A report of Genoa whose certificate has one change is refused for this reason.
fn refused_vek(change: impl FnOnce(&mut VekSpec)) -> SnpError {
    refused(|builder| {
        let mut spec = builder.fitting_vek();
        change(&mut spec);
        builder.vek = Some(spec);
    })
}

const fn tcb(boot_loader: u8, tee: u8, snp: u8, microcode: u8) -> Tcb {
    Tcb { fmc: None, boot_loader, tee, snp, microcode }
}

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
    let request = ChainRequest {
        leaf: &leaf,
        certificates: &[],
        purpose: Purpose::AmdVcek,
        anchors: &TrustAnchors::builtin(),
        collateral: &Collateral::empty(),
        now: NOW,
    };
    let chain = crate::chain::verify(&request).unwrap();
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
            let expected = matches!(
                error,
                SnpError::SignatureInvalid
                    | SnpError::ProductMismatch { .. }
                    | SnpError::ProductUnproven { .. }
            );
            assert!(expected, "{error}");
        }
    }
}

#[test]
fn a_flipped_bit_of_the_measurement_is_refused() {
    let Some((mut report, vek)) = captured("genoa_v5_attestationrs", "genoa_v5_attestationrs.vcek.der")
    else {
        return;
    };
    report[0x90] ^= 1;
    assert_eq!(verify_builtin(&report, &vek, NOW).unwrap_err(), SnpError::SignatureInvalid);
}

#[test]
fn fake_reports_of_every_product_and_signer_verify_as_extra() {
    for product in [Product::Genoa, Product::Turin] {
        let claims = verify_fake(&SnpReportBuilder::new(product)).unwrap();
        assert_eq!((claims.product, claims.root), (product, Some(Root::Extra)));
        let claims = verify_fake(&SnpReportBuilder::new(product).with_vlek()).unwrap();
        assert_eq!((claims.signer, claims.csp_id.as_deref()), (SignerKind::Vlek, Some("CN=cloud.invalid")));
    }
}

#[test]
fn report_versions_2_to_5_verify() {
    for version in 2..=5 {
        let mut builder = genoa();
        builder.version = version;
        let claims = verify_fake(&builder).unwrap();
        assert_eq!(claims.report_version, version);
        assert_eq!(claims.cpuid.is_some(), version >= 3);
        assert_eq!(claims.launch_mitigations.is_some(), version >= 5);
        let json = serde_json::to_value(&claims).unwrap();
        let mask = claims.launch_mitigations.map(|mask| format!("{mask:016x}"));
        assert_eq!(json.get("launch_mitigations").and_then(|mask| mask.as_str()), mask.as_deref());
    }
}

#[test]
fn t14_mitigations_at_launch_and_now_are_claims_of_their_own() {
    let mut builder = genoa();
    (builder.launch_mitigations, builder.current_mitigations) = (0x1, 0x3);
    let claims = verify_fake(&builder).unwrap();
    assert_eq!((claims.launch_mitigations, claims.current_mitigations), (Some(0x1), Some(0x3)));
    // Before version 5 there are none, and an absent claim passes no condition.
    builder.version = 4;
    let claims = verify_fake(&builder).unwrap();
    assert_eq!((claims.launch_mitigations, claims.current_mitigations), (None, None));
}

#[test]
fn the_report_is_bound_to_its_data() {
    let mut builder = genoa();
    builder.report_data = [7; 64];
    let amd = FakeAmd::shared(Product::Genoa);
    let SignedReport { report, vek, certificates } = builder.sign(amd);
    let (anchors, collateral, memory) = (anchors_of(amd), Collateral::empty(), ChainMemory::new(4));
    let context = SnpContext { anchors: &anchors, collateral: &collateral, now: NOW, memory: &memory };
    let evidence = SnpEvidence { report: &report, vek: &vek, certificates: &certificates };
    assert_eq!(verify_report(&evidence, &[7; 64], &context).unwrap().report_data, Hex([7; 64]));
    assert_eq!(verify_report(&evidence, &[0; 64], &context).unwrap_err(), SnpError::ReportDataMismatch);
}

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
    // No key of AMD signs such a certificate; the rule is tested on the parts.
    let amd = FakeAmd::shared(Product::Milan);
    let signed = SnpReportBuilder::new(Product::Milan).sign(amd);
    let leaf = crate::chain::Certificate::parse(&signed.vek).unwrap();
    let outcome = product(&Report::parse(&signed.report).unwrap(), &Vek::parse(&leaf).unwrap(), chain);
    let mismatch = SnpError::VekProductMismatch { chain: Product::Genoa, certificate };
    assert_eq!(outcome.unwrap_err(), mismatch);
}

#[test]
fn t10_a_fake_amd_is_nobody_without_its_anchor() {
    let signed = genoa().sign(FakeAmd::shared(Product::Genoa));
    let (anchors, collateral, memory) = (TrustAnchors::builtin(), Collateral::empty(), ChainMemory::new(4));
    let context = SnpContext { anchors: &anchors, collateral: &collateral, now: NOW, memory: &memory };
    let SignedReport { report, vek, certificates } = &signed;
    let error = verify_unbound(&SnpEvidence { report, vek, certificates }, &context).unwrap_err();
    assert_eq!(error, SnpError::Chain(ChainError::UnknownIssuer));
}

#[test]
fn t11_a_milan_report_gives_claims_but_no_root() {
    let Some((report, vek)) = captured("milan_v2_virtee", "milan_v2_virtee.vcek.der") else { return };
    let fake = verify_fake(&SnpReportBuilder::new(Product::Milan)).unwrap();
    for claims in [verify_builtin(&report, &vek, NOW).unwrap(), fake] {
        assert_eq!(claims.product, Product::Milan);
        assert_eq!(claims.root, None);
        assert_eq!(claims.root_withheld, Some(RootWithheld::MilanSeedExtraction));
        let json = serde_json::to_value(&claims).unwrap();
        assert_eq!(json["root_withheld"], "milan-seed-extraction");
        assert!(json.get("root").is_none());
    }
}

#[test]
fn t12_every_tcb_is_a_claim_by_component() {
    let mut builder = genoa();
    builder.current_tcb = tcb(11, 2, 28, 201);
    builder.reported_tcb = tcb(9, 0, 26, 199);
    builder.committed_tcb = tcb(10, 1, 27, 200);
    builder.launch_tcb = tcb(8, 0, 25, 198);
    let claims = verify_fake(&builder).unwrap();
    assert_eq!(claims.current_tcb, builder.current_tcb);
    assert_eq!(claims.reported_tcb, builder.reported_tcb);
    assert_eq!(claims.committed_tcb, builder.committed_tcb);
    assert_eq!(claims.launch_tcb, builder.launch_tcb);
    assert!(claims.provisional);
    assert!(!verify_fake(&genoa()).unwrap().provisional);
    builder = genoa();
    builder.committed_version.build -= 1;
    assert!(verify_fake(&builder).unwrap().provisional);
}

#[test]
fn t12_a_tcb_that_the_certificate_does_not_endorse_is_refused() {
    let mismatch =
        |component, certificate, report| SnpError::TcbExtensionMismatch { component, certificate, report };
    assert_eq!(refused_vek(|v| v.tcb.boot_loader = 9), mismatch(TcbComponent::BootLoader, 9, 10));
    assert_eq!(refused_vek(|v| v.tcb.tee = 9), mismatch(TcbComponent::Tee, 9, 1));
    assert_eq!(refused_vek(|v| v.tcb.snp = 26), mismatch(TcbComponent::Snp, 26, 27));
    assert_eq!(refused_vek(|v| v.tcb.microcode = 255), mismatch(TcbComponent::Microcode, 255, 200));
    assert_eq!(refused_vek(|v| v.tcb.fmc = Some(1)), mismatch(TcbComponent::Fmc, 1, 0));
}

#[test]
fn t12_tcbs_that_contradict_each_other_are_refused() {
    let reported = |component| SnpError::ReportedAboveCurrent { component };
    let committed = |component| SnpError::CommittedAboveCurrent { component };
    assert_eq!(refused(|b| b.reported_tcb.snp = 28), reported(TcbComponent::Snp));
    assert_eq!(refused(|b| b.reported_tcb.microcode = 201), reported(TcbComponent::Microcode));
    assert_eq!(refused(|b| b.committed_tcb.tee = 2), committed(TcbComponent::Tee));
    // Above in one component is above, whatever the others are.
    let mixed = |b: &mut SnpReportBuilder| b.committed_tcb = tcb(11, 0, 0, 0);
    assert_eq!(refused(mixed), committed(TcbComponent::BootLoader));
}

#[test]
fn t12_reserved_bytes_of_a_tcb_are_refused() {
    for offset in [0x038, 0x180, 0x1e0, 0x1f0] {
        assert_eq!(refused(|b| b.edits = vec![(offset + 2, vec![1])]), SnpError::TcbReserved, "{offset:#x}");
    }
    let reserved = SnpError::VekMalformed { field: VekField::ReservedLevel };
    assert_eq!(refused_vek(|v| v.reserved_level = 1), reserved);
}

#[test]
fn t13_the_platform_is_a_claim() {
    let platform = |version, bits| {
        let mut builder = genoa();
        (builder.version, builder.platform_info) = (version, bits);
        verify_fake(&builder).unwrap().platform
    };
    assert_eq!(platform(5, 1 << 5).alias_check_complete, Some(true));
    assert_eq!(platform(3, 0).alias_check_complete, Some(false));
    assert_eq!(platform(2, 0).alias_check_complete, None);
    assert_eq!(platform(2, 1 << 5).alias_check_complete, Some(true));
    let bits = platform(5, 0b1001_1111);
    assert!(bits.smt && bits.tsme && bits.ecc && bits.rapl_dis && bits.ciphertext_hiding && bits.tio);
    assert_eq!((bits.unknown_bits, platform(5, 1 << 6 | 1 << 63).unknown_bits), (0, 1 << 6 | 1 << 63));
}

#[test]
fn t15_policy_and_privilege_level_are_claims() {
    let policy = |bits| {
        let mut builder = genoa();
        builder.policy = bits;
        verify_fake(&builder).unwrap().policy
    };
    let plain = policy(0x3_1f05);
    assert_eq!((plain.abi_major, plain.abi_minor), (0x1f, 0x05));
    assert!(plain.smt && !plain.debug && !plain.migration_agent);
    assert!(policy(1 << 17 | 1 << 19).debug);
    assert!(policy(1 << 17 | 1 << 18).migration_agent);
    let rest = policy(0b11_1111 << 20 | 1 << 17);
    assert!(rest.single_socket && rest.cxl_allow && rest.mem_aes_256_xts);
    assert!(rest.rapl_dis && rest.ciphertext_hiding && rest.page_swap_disable && !rest.smt);
    let mut builder = genoa();
    (builder.vmpl, builder.report_id_ma) = (3, [1; 32]);
    let claims = verify_fake(&builder).unwrap();
    assert_eq!((claims.vmpl, claims.has_migration_agent), (3, true));
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
fn t16_the_reports_key_and_the_certificate_must_be_of_one_kind() {
    let mismatch = |report, certificate| SnpError::SignerKindMismatch { report, certificate };
    let (vcek, vlek) = (SignerKind::Vcek, SignerKind::Vlek);
    let outcome = refused(|b| b.vek = Some(VekSpec::vlek(b.product, b.reported_tcb)));
    // The ASVK does not travel with a report that names a VCEK.
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
fn t16_a_captured_vlek_does_not_serve_as_a_vcek() {
    // AMD's anchors are bound to one purpose: the VLEK's issuer is none for a VCEK.
    let Some((report, _)) = captured("milan_v2_virtee", "milan_v2_virtee.vcek.der") else { return };
    let Some(vlek) = evidence::read("snp/reports/milan_v3_vlek_trustee.vlek.der") else { return };
    let error = verify_builtin(&report, &vlek, VLEK_NOW).unwrap_err();
    assert_eq!(error, SnpError::Chain(ChainError::UnknownIssuer));
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
        assert_eq!(verify_fake(&builder).unwrap().chip_id, None, "version {version}");
    }
    // Not even where the certificate endorses a chip of zeros.
    let mut builder = genoa();
    builder.chip_id = [0; 64];
    assert_eq!(verify_fake(&builder).unwrap().chip_id, None);
}

#[test]
fn t16_a_report_that_nobody_signed_is_refused() {
    assert_eq!(refused(|b| b.key_info = 7 << 2), SnpError::Unsigned);
    assert_eq!(refused(|b| b.key_info = 1 << 1), SnpError::Unsigned);
    assert_eq!(refused(|b| b.edits_after_signing = vec![(0x2a0, vec![0; 48])]), SnpError::Unsigned);
    assert_eq!(refused(|b| b.edits_after_signing = vec![(0x2e8, vec![0; 48])]), SnpError::Unsigned);
    for bits in [2 << 2, 6 << 2, 1 << 5, 1 << 31] {
        assert_eq!(refused(|b| b.key_info = bits), SnpError::KeyInfoReserved { bits });
    }
}

#[test]
fn t17_a_revoked_authority_is_refused_and_freshness_is_a_claim() {
    let amd = FakeAmd::shared(Product::Genoa);
    let signed = genoa().sign(amd);
    let verify = |crl: &CrlSpec| verify_signed(&signed, amd, &Collateral::new(&[amd.crl(crl)], &[]).unwrap());
    let current = CrlSpec::current(UnixTime(NOW.0 - DAY), NOW.plus(DAY));
    assert_eq!(verify(&current).unwrap().revocation, Revocation::Fresh);
    let old = CrlSpec::current(UnixTime(NOW.0 - 2 * DAY), UnixTime(NOW.0 - DAY));
    assert_eq!(verify(&old).unwrap().revocation, Revocation::Stale);
    assert_eq!(verify_signed(&signed, amd, &Collateral::empty()).unwrap().revocation, Revocation::Absent);
    let revoked = verify(&current.revoking(&ASK_SERIAL.to_be_bytes())).unwrap_err();
    assert_eq!(revoked, SnpError::Chain(ChainError::Revoked { serial: "010001".to_owned() }));
}

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

#[test]
fn both_ways_of_writing_pss_parameters_are_accepted() {
    use crate::test_util::ca::Scheme;
    for scheme in [Scheme::PssSha384, Scheme::PssSha384ShortForm] {
        let mut builder = genoa();
        builder.vek = Some(VekSpec { scheme, ..builder.fitting_vek() });
        assert!(verify_fake(&builder).is_ok(), "{scheme:?}");
    }
}

#[test]
fn a_saved_hierarchy_signs_for_another_process() {
    let amd = FakeAmd::shared(Product::Genoa);
    let saved = serde_json::to_string(&amd.save()).unwrap();
    let loaded = FakeAmd::load(Product::Genoa, &serde_json::from_str(&saved).unwrap());
    assert!(verify_signed(&genoa().sign(&loaded), amd, &Collateral::empty()).is_ok());
}

#[test]
fn t30_no_damaged_report_verifies_or_panics() {
    let amd = FakeAmd::shared(Product::Genoa);
    let SignedReport { report, vek, certificates } = genoa().sign(amd);
    let (anchors, collateral, memory) = (anchors_of(amd), Collateral::empty(), ChainMemory::new(4));
    let context = SnpContext { anchors: &anchors, collateral: &collateral, now: NOW, memory: &memory };
    let verify = |report: &[u8]| {
        verify_unbound(&SnpEvidence { report, vek: &vek, certificates: &certificates }, &context).is_ok()
    };
    assert!(verify(&report));
    for length in 0..report.len() {
        assert!(!verify(&report[..length]), "{length} bytes");
    }
    for index in 0..report.len() {
        for flip in [0x01, 0xff] {
            let mut damaged = report.clone();
            damaged[index] ^= flip;
            assert!(!verify(&damaged), "byte {index:#x}");
        }
    }
}

#[test]
fn a_known_chain_costs_about_one_signature() {
    let amd = FakeAmd::shared(Product::Genoa);
    let SignedReport { report, vek, certificates } = genoa().sign(amd);
    let (anchors, collateral, memory) = (anchors_of(amd), Collateral::empty(), ChainMemory::new(4));
    let context = SnpContext { anchors: &anchors, collateral: &collateral, now: NOW, memory: &memory };
    let evidence = SnpEvidence { report: &report, vek: &vek, certificates: &certificates };
    let _ = verify_unbound(&evidence, &context).unwrap();
    let fastest = (0..100).map(|_| {
        let start = Instant::now();
        let _ = verify_unbound(&evidence, &context).unwrap();
        start.elapsed()
    });
    println!("known chain: {:?}", fastest.min().unwrap());
    assert_eq!(memory.len(), 1);
}
