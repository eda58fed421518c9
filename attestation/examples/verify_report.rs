//! Verifies a captured SEV-SNP report offline and prints its claims as JSON.
//!
//!     cargo run -p vouchsafe-attestation --example verify_report -- REPORT VEK SECONDS [FILE…]
//!
//! REPORT is the report, 1184 bytes; VEK its VCEK or VLEK certificate in DER; SECONDS the verification time,
//! since 1970; each FILE holds CRLs or issuing CAs, in PEM or DER. The library reads no file and no clock:
//! everything is an argument.
//!
//! The claims are [`InspectedClaims`]: the request that the report was made for is unknown, so no secret can
//! be released on them. A broker calls [`vouchsafe_attestation::verify()`] with the request that the evidence
//! is bound to and gets `VerifiedClaims`.

use std::error::Error;
use std::fs;
use std::io::Write as _;

use vouchsafe_attestation::snp::SnpEvidence;
use vouchsafe_attestation::x509::read_file;
use vouchsafe_attestation::{
    Collateral, Endorsements, Expected, InspectedClaims, TrustAnchors, VerifyCache, VerifyInputs, inspect_snp,
};
use vouchsafe_protocol::UnixTime;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let claims = run(&arguments)?;
    let mut text = serde_json::to_vec_pretty(&claims)?;
    text.push(b'\n');
    Ok(std::io::stdout().write_all(&text)?)
}

/// Reads the files and verifies the report.
///
/// # Errors
/// When arguments are missing, a file cannot be read, or the report is refused.
pub(crate) fn run(arguments: &[String]) -> Result<InspectedClaims, Box<dyn Error>> {
    let [report, vek, seconds, files @ ..] = arguments else {
        return Err("usage: verify_report REPORT VEK SECONDS [FILE...]".into());
    };
    let (report, vek) = (fs::read(report)?, fs::read(vek)?);
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    for file in files {
        read_file(&fs::read(file)?, &mut crls, &mut certificates)?;
    }
    let collateral = Collateral::new(&crls, &certificates)?;

    // AMD's roots are built in. The cache starts empty, and the files are the only collateral.
    let (anchors, endorsements, cache) =
        (TrustAnchors::builtin(), Endorsements::default(), VerifyCache::default());
    let inputs = VerifyInputs {
        anchors: &anchors,
        collateral: &collateral,
        endorsements: &endorsements,
        audiences: &[],
        now: UnixTime(seconds.parse()?),
        cache: &cache,
    };
    let evidence = SnpEvidence { report: &report, vek: &vek, certificates: &[] };
    Ok(inspect_snp(&evidence, Expected::Waived, &inputs)?)
}
