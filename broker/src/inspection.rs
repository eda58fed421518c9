//! Evidence of a file or of the record, verified as far as it can be without the request that it was made for.

use vouchsafe_attestation::snp::SnpEvidence;
use vouchsafe_attestation::{
    Claims, Context, Expected, InspectedClaims, VerifyError, inspect_snp, inspect_vtpm,
};
use vouchsafe_protocol::Evidence;

/// The claims of all pieces, each verified by itself: nothing is known of the request that would link them.
///
/// # Errors
/// As those of each piece; when there is none.
pub(crate) fn inspect(evidence: &Evidence, context: &Context<'_>) -> Result<InspectedClaims, VerifyError> {
    evidence.check_sizes()?;
    let mut claims = Claims::default();
    if let Some(vtpm) = &evidence.vtpm {
        claims = inspect_vtpm(vtpm, Expected::Waived, context)?.claims;
    }
    if let Some(snp) = &evidence.sev_snp {
        let certificates: Vec<Vec<u8>> = snp.ca_certificates.iter().map(|bytes| bytes.0.clone()).collect();
        let vek = snp.vek_certificate.as_deref().unwrap_or_default();
        let report = SnpEvidence { report: &snp.report, vek, certificates: &certificates };
        let hardware = inspect_snp(&report, Expected::Waived, context)?.claims;
        claims.technology = hardware.technology;
        claims.sev_snp = hardware.sev_snp;
    }
    if claims == Claims::default() {
        return Err(VerifyError::NoEvidence);
    }
    Ok(InspectedClaims { claims })
}
