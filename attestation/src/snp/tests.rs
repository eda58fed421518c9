//! Captured reports with their expected results, and fake ones with one fault each.

mod captured;
mod chain;
mod claims;
mod hostile;
mod identity;
mod malformed;
mod tcb;

use vouchsafe_protocol::UnixTime;

use super::*;
use crate::anchors::Root;
use crate::anchors::TrustAnchors;
use crate::cache::VerifyCache;
use crate::evidence;
use crate::test_util::snp::FakeAmd;
use crate::test_util::snp::SignedReport;
use crate::test_util::snp::SnpReportBuilder;
use crate::test_util::snp::VekSpec;
use crate::verify::Endorsements;
use crate::x509::ChainError;
use crate::x509::Collateral;

/// 2026-02-19: every VCEK of the evidence and of the fakes is valid.
const NOW: UnixTime = UnixTime(1_771_500_000);
/// 2025-02-19: the captured VLEK is valid.
const VLEK_NOW: UnixTime = UnixTime(1_740_000_000);
const DAY: u64 = 86_400;

fn captured(report: &str, vek: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let report = evidence::read(&format!("snp/reports/{report}.report.bin"))?;
    Some((report, evidence::read(&format!("snp/reports/{vek}"))?))
}

/// The inputs of verification; tests change one part.
struct Verifier {
    anchors: TrustAnchors,
    collateral: Collateral,
    endorsements: Endorsements,
    cache: VerifyCache,
    now: UnixTime,
}

impl Verifier {
    /// With the built-in anchors, and no collateral.
    fn builtin(now: UnixTime) -> Self {
        Self {
            anchors: TrustAnchors::builtin(),
            collateral: Collateral::empty(),
            endorsements: Endorsements::default(),
            cache: VerifyCache::new(4, 1024),
            now,
        }
    }

    /// With the root of this fake AMD as another anchor.
    fn of(amd: &FakeAmd) -> Self {
        let anchors = TrustAnchors::builtin().with_extra(amd.ark_der()).unwrap();
        Self { anchors, ..Self::builtin(NOW) }
    }

    fn inputs(&self) -> VerifyInputs<'_> {
        let Self { anchors, collateral, endorsements, cache, now } = self;
        VerifyInputs { anchors, collateral, endorsements, audiences: &[], now: *now, cache }
    }

    fn verify(&self, report: &[u8], vek: &[u8], certificates: &[Vec<u8>]) -> Result<SnpClaims, SnpError> {
        let certificates = &received(certificates);
        let evidence = SnpEvidence { report, vek, certificates };
        verify_unbound(&evidence, &self.inputs()).map(UnboundReport::inspect)
    }
}

fn received(certificates: &[Vec<u8>]) -> Vec<Bytes> {
    certificates.iter().cloned().map(Bytes).collect()
}

fn verify_builtin(report: &[u8], vek: &[u8], now: UnixTime) -> Result<SnpClaims, SnpError> {
    Verifier::builtin(now).verify(report, vek, &[])
}

fn verify_signed(
    signed: &SignedReport,
    amd: &FakeAmd,
    collateral: &Collateral,
) -> Result<SnpClaims, SnpError> {
    let verifier = Verifier { collateral: collateral.clone(), ..Verifier::of(amd) };
    verifier.verify(&signed.report, &signed.vek, &signed.certificates)
}

/// Signs under the fake AMD of the builder's product, and verifies.
fn verify_fake(builder: &SnpReportBuilder) -> Result<SnpClaims, SnpError> {
    let amd = FakeAmd::shared(builder.product);
    verify_signed(&builder.sign(amd), amd, &Collateral::empty())
}

fn genoa() -> SnpReportBuilder {
    SnpReportBuilder::new(Product::Genoa)
}

/// The error for a Genoa report with one change.
fn refused(change: impl FnOnce(&mut SnpReportBuilder)) -> SnpError {
    let mut builder = genoa();
    change(&mut builder);
    verify_fake(&builder).unwrap_err()
}

/// The error for a Genoa report whose VEK certificate has one change.
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
fn genoa_and_turin_reports_of_vceks_and_vleks_verify_under_an_extra_root() {
    for product in [Product::Genoa, Product::Turin] {
        let claims = verify_fake(&SnpReportBuilder::new(product)).unwrap();
        assert_eq!((claims.product, claims.root), (product, Some(Root::Extra)));
        let claims = verify_fake(&SnpReportBuilder::new(product).with_vlek()).unwrap();
        assert_eq!((claims.signer, claims.csp_id.as_deref()), (SignerKind::Vlek, Some("CN=cloud.invalid")));
    }
}

#[test]
fn the_report_is_bound_to_its_data() {
    let mut builder = genoa();
    builder.report_data = [7; 64];
    let amd = FakeAmd::shared(Product::Genoa);
    let SignedReport { report, vek, certificates } = builder.sign(amd);
    let verifier = Verifier::of(amd);
    let inputs = verifier.inputs();
    let evidence = SnpEvidence { report: &report, vek: &vek, certificates: &received(&certificates) };
    assert_eq!(verify_report(&evidence, &[7; 64], &inputs).unwrap().report_data, Hex([7; 64]));
    assert_eq!(verify_report(&evidence, &[0; 64], &inputs).unwrap_err(), SnpError::ReportDataMismatch);
}

#[test]
fn t30_no_damaged_report_verifies_or_panics() {
    let amd = FakeAmd::shared(Product::Genoa);
    let SignedReport { report, vek, certificates } = genoa().sign(amd);
    let verifier = Verifier::of(amd);
    let verify = |report: &[u8]| verifier.verify(report, &vek, &certificates).is_ok();
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
