//! Runs the examples and checks their output.

#[path = "../examples/verify_report.rs"]
#[expect(dead_code, reason = "`main` is for the command line")]
mod verify_report;

use std::fs;
use std::path::Path;

use vouchsafe_attestation::{Revocation, Root};

/// 2026-04-01: the certificate is valid.
const NOW: &str = "1775001600";

fn arguments(report: &Path, folder: &Path) -> Vec<String> {
    let vek = folder.join("snp/reports/genoa_v5_attestationrs.vcek.der");
    [report, &vek].map(|path| path.display().to_string()).into_iter().chain([NOW.to_owned()]).collect()
}

#[test]
fn a_captured_report_gives_its_claims() {
    let Some(folder) = vouchsafe_captured::folder() else { return };
    let report = folder.join("snp/reports/genoa_v5_attestationrs.report.bin");
    let inspected = verify_report::run(&arguments(&report, &folder)).expect("a genuine report");
    let claims = inspected.claims.sev_snp.expect("claims of a report");
    assert_eq!((claims.report_version, claims.root), (5, Some(Root::Amd)));
    assert_eq!(claims.revocation, Revocation::Absent, "no CRL was given");
}

#[test]
fn a_changed_report_is_refused() {
    let Some(folder) = vouchsafe_captured::folder() else { return };
    let mut report = vouchsafe_captured::read_from(&folder, "snp/reports/genoa_v5_attestationrs.report.bin");
    report[0x90] ^= 1;
    let changed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("changed.report.bin");
    fs::write(&changed, report).expect("written");
    let refused = verify_report::run(&arguments(&changed, &folder)).expect_err("a changed report");
    assert!(refused.to_string().contains("signature"), "{refused}");
}

#[test]
fn missing_arguments_are_named() {
    let refused = verify_report::run(&[]).expect_err("no arguments");
    assert!(refused.to_string().starts_with("usage: verify_report REPORT VEK SECONDS"), "{refused}");
}
