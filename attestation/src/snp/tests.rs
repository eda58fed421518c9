//! Captured reports with their expected results, and fake ones with one fault each.

mod captured;
mod hostile;
mod identity;
mod tcb;

use std::time::Instant;

use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;
use vouchsafe_protocol::UnixTime;

use super::*;
use crate::anchors::Root;
use crate::anchors::TrustAnchors;
use crate::cache::VerifyCache;
use crate::evidence;
use crate::test_util::ca::CrlSpec;
use crate::test_util::snp::ASK_SERIAL;
use crate::test_util::snp::FakeAmd;
use crate::test_util::snp::SignedReport;
use crate::test_util::snp::SnpReportBuilder;
use crate::test_util::snp::VekSpec;
use crate::verify::Endorsements;
use crate::x509::ChainError;
use crate::x509::Collateral;
use crate::x509::Revocation;

/// 2026-02-19: every VCEK of the evidence and of the fakes is valid.
const NOW: UnixTime = UnixTime(1_771_500_000);
/// 2025-02-19: the captured VLEK is valid.
const VLEK_NOW: UnixTime = UnixTime(1_740_000_000);
const DAY: u64 = 86_400;

fn captured(report: &str, vek: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let report = evidence::read(&format!("snp/reports/{report}.report.bin"))?;
    Some((report, evidence::read(&format!("snp/reports/{vek}"))?))
}

fn verify_builtin(report: &[u8], vek: &[u8], now: UnixTime) -> Result<SnpClaims, SnpError> {
    let (anchors, collateral, cache) =
        (TrustAnchors::builtin(), Collateral::empty(), VerifyCache::new(4, 1024));
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        now,
        endorsements: &Endorsements::default(),
        audiences: &[],
        cache: &cache,
    };
    let evidence = SnpEvidence { report, vek, certificates: &[] };
    verify_unbound(&evidence, &inputs).map(UnboundReport::inspect)
}

fn anchors_of(amd: &FakeAmd) -> TrustAnchors {
    TrustAnchors::builtin().with_extra(amd.ark_der()).unwrap()
}

fn verify_signed(
    signed: &SignedReport,
    amd: &FakeAmd,
    collateral: &Collateral,
) -> Result<SnpClaims, SnpError> {
    let (anchors, cache) = (anchors_of(amd), VerifyCache::new(4, 1024));
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral,
        now: NOW,
        endorsements: &Endorsements::default(),
        audiences: &[],
        cache: &cache,
    };
    let SignedReport { report, vek, certificates } = signed;
    verify_unbound(&SnpEvidence { report, vek, certificates }, &inputs).map(UnboundReport::inspect)
}

/// Signs under the fake AMD of the builder's product, and verifies.
fn verify_fake(builder: &SnpReportBuilder) -> Result<SnpClaims, SnpError> {
    let amd = FakeAmd::shared(builder.product);
    verify_signed(&builder.sign(amd), amd, &Collateral::empty())
}

fn genoa() -> SnpReportBuilder {
    SnpReportBuilder::new(Product::Genoa)
}

/// Asserts that a Genoa report with one change is refused for this reason.
fn refused(change: impl FnOnce(&mut SnpReportBuilder)) -> SnpError {
    let mut builder = genoa();
    change(&mut builder);
    verify_fake(&builder).unwrap_err()
}

/// Asserts that a Genoa report whose certificate has one change is refused for this reason.
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
    // Before version 5 they are absent, and an absent claim satisfies no condition.
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
    let (anchors, collateral, cache) = (anchors_of(amd), Collateral::empty(), VerifyCache::new(4, 1024));
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        now: NOW,
        endorsements: &Endorsements::default(),
        audiences: &[],
        cache: &cache,
    };
    let evidence = SnpEvidence { report: &report, vek: &vek, certificates: &certificates };
    assert_eq!(verify_report(&evidence, &[7; 64], &inputs).unwrap().report_data, Hex([7; 64]));
    assert_eq!(verify_report(&evidence, &[0; 64], &inputs).unwrap_err(), SnpError::ReportDataMismatch);
}

#[test]
fn t10_a_fake_amd_is_refused_without_its_anchor() {
    let signed = genoa().sign(FakeAmd::shared(Product::Genoa));
    let (anchors, collateral, cache) =
        (TrustAnchors::builtin(), Collateral::empty(), VerifyCache::new(4, 1024));
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        now: NOW,
        endorsements: &Endorsements::default(),
        audiences: &[],
        cache: &cache,
    };
    let SignedReport { report, vek, certificates } = &signed;
    let error = verify_unbound(&SnpEvidence { report, vek, certificates }, &inputs).unwrap_err();
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
    let (anchors, collateral, cache) = (anchors_of(amd), Collateral::empty(), VerifyCache::new(4, 1024));
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        now: NOW,
        endorsements: &Endorsements::default(),
        audiences: &[],
        cache: &cache,
    };
    let verify = |report: &[u8]| {
        verify_unbound(&SnpEvidence { report, vek: &vek, certificates: &certificates }, &inputs).is_ok()
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
    let (anchors, collateral, cache) = (anchors_of(amd), Collateral::empty(), VerifyCache::new(4, 1024));
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        now: NOW,
        endorsements: &Endorsements::default(),
        audiences: &[],
        cache: &cache,
    };
    let evidence = SnpEvidence { report: &report, vek: &vek, certificates: &certificates };
    let _ = verify_unbound(&evidence, &inputs).unwrap();
    let fastest = (0..100).map(|_| {
        let start = Instant::now();
        let _ = verify_unbound(&evidence, &inputs).unwrap();
        start.elapsed()
    });
    println!("known chain: {:?}", fastest.min().unwrap());
    assert_eq!(cache.chains().len(), 1);
}
