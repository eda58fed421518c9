//! Whole evidence of a file or of a record, verified as far as possible without the request that it was made for.

use vouchsafe_protocol::Evidence;
use vouchsafe_protocol::TdxEvidence;

use super::error::VerifyError;
use super::inspect::Expected;
use super::inspect::inspect_sev_snp;
use super::inspect::inspect_tdx;
use super::inspect::inspect_vtpm;
use super::inspect::read_vtpm_file;
use crate::claims::Claims;
use crate::claims::InspectedClaims;
use crate::google_token;
use crate::google_token::GoogleTokenClaims;
use crate::inputs::VerifyInputs;
use crate::tdx;
use crate::tdx::TdxError;
use crate::technology::Technology;
use crate::withheld::Withheld;

/// A file is not evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceFileError {
    /// JSON of another form.
    #[error("not evidence in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Malformed evidence, or an unusable attestation of go-tpm-tools.
    #[error("{0} ({name})", name = .0.name())]
    Evidence(#[from] VerifyError),
}

/// Reads the evidence of a file: ours in JSON, or an attestation of Google's go-tpm-tools.
///
/// # Errors
/// When it is neither.
pub fn read_evidence_file(file: &[u8]) -> Result<Evidence, EvidenceFileError> {
    if file.trim_ascii_start().first() == Some(&b'{') {
        let evidence: Evidence = serde_json::from_slice(file)?;
        evidence.check_sizes().map_err(VerifyError::from)?;
        return Ok(evidence);
    }
    Ok(Evidence { vtpm: Some(read_vtpm_file(file)?), ..Evidence::default() })
}

/// Verifies each piece alone: links between them could only be checked with the request.
///
/// A TDX quote is appraised by the collateral that the inputs have for its platform; without, its claims have no TCB.
///
/// # Errors
/// Those of each piece; also when there is none, or reports of two vendors.
pub fn inspect_evidence(
    evidence: &Evidence,
    inputs: &VerifyInputs<'_>,
) -> Result<InspectedClaims, VerifyError> {
    evidence.check_sizes()?;
    if evidence.sev_snp.is_some() && evidence.tdx.is_some() {
        return Err(VerifyError::TwoHardwareReports);
    }
    let mut claims = Claims::default();
    if let Some(evidence) = &evidence.google_token {
        let token = token_claims(&evidence.token, inputs)?;
        claims.technology = Some(token.technology);
        claims.google_token = Some(token);
    }
    if let Some(vtpm) = &evidence.vtpm {
        let logged = inspect_vtpm(vtpm, Expected::Waived, inputs)?.claims;
        claims.technology = logged.technology.or(claims.technology);
        claims.vtpm = logged.vtpm;
        claims.withheld.extend(logged.withheld);
    }
    // The hardware's own report takes precedence over the statements of the other pieces.
    if let Some(snp) = &evidence.sev_snp {
        let inspected = inspect_sev_snp(snp, inputs)?.claims;
        claims.sev_snp = inspected.sev_snp;
        claims.withheld.extend(inspected.withheld);
        claims.technology = Some(Technology::SevSnp);
    }
    if let Some(tdx) = &evidence.tdx {
        let inspected = trust_domain(tdx, inputs)?;
        claims.tdx = inspected.tdx;
        claims.withheld.extend(inspected.withheld);
        claims.technology = Some(Technology::Tdx);
    }
    if claims == Claims::default() {
        return Err(VerifyError::NoEvidence);
    }
    Ok(InspectedClaims { claims })
}

/// As in a release, a log that does not replay to the RTMRs gives no claims.
fn trust_domain(evidence: &TdxEvidence, inputs: &VerifyInputs<'_>) -> Result<Claims, VerifyError> {
    let platform = tdx::platform(&evidence.quote)?;
    let collateral = inputs.endorsements.tdx.get(&platform).map(AsRef::as_ref);
    let inspect = |log| inspect_tdx(&evidence.quote, collateral, log, Expected::Waived, inputs);
    match inspect(evidence.event_log.as_ref()) {
        Err(error @ VerifyError::Tdx(TdxError::EventLog(_))) => {
            let mut claims = inspect(None)?.claims;
            claims.withheld.push(Withheld::because("tdx.boot", &error));
            Ok(claims)
        }
        inspected => Ok(inspected?.claims),
    }
}

fn token_claims(token: &str, inputs: &VerifyInputs<'_>) -> Result<GoogleTokenClaims, VerifyError> {
    Ok(google_token::verify_unbound(token, inputs)?.inspect())
}
