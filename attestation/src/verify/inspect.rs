//! Inspection of captured files: the same checks with other bindings, and claims that no decision accepts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use subtle::ConstantTimeEq as _;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::Evidence;
use vouchsafe_protocol::SevSnpEvidence;
use vouchsafe_protocol::SharedBytes;
use vouchsafe_protocol::VtpmEvidence;
use vouchsafe_protocol::limits::MAX_EVENT_LOG;
use vouchsafe_protocol::limits::MAX_REQUEST;

use super::error::VerifyError;
use super::hardware::SNP_ENDORSEMENT;
use super::hardware::endorsed_tdx;
use super::hardware::endorsement;
use super::hardware::logged_boot;
use super::hardware::snp_claims;
use crate::claims::Claims;
use crate::claims::InspectedClaims;
use crate::event_log::BootLog;
use crate::event_log::EventLogError;
use crate::event_log::PcrRule;
use crate::event_log::PcrState;
use crate::event_log::RTMR_COUNT;
use crate::event_log::ReplayedCcel;
use crate::event_log::ReplayedLog;
use crate::event_log::UserspaceLog;
use crate::go_tpm_tools;
use crate::google_token;
use crate::inputs::VerifyInputs;
use crate::launch;
use crate::launch::LaunchEndorsement;
use crate::launch::LaunchMeasurement;
use crate::snp::SnpError;
use crate::snp::SnpEvidence;
use crate::snp::verify_unbound;
use crate::tdx;
use crate::tdx::Appraisal;
use crate::tdx::TdxCollateral;
use crate::tdx::TdxError;
use crate::technology::Technology;
use crate::vtpm::ReadQuote;
use crate::vtpm::Selection;
use crate::vtpm::VtpmError;
use crate::withheld::Withheld;

/// The expected binding of an inspected piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// Exactly these bytes.
    Exactly(&'a [u8]),
    /// Any binding: for display only.
    Waived,
}

impl Expected<'_> {
    fn matches(self, found: &[u8]) -> bool {
        match self {
            Self::Exactly(expected) => expected.ct_eq(found).into(),
            Self::Waived => true,
        }
    }
}

/// The claims of a log, and the PCRs that it was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InspectedLog {
    /// What the PCRs prove beyond the log.
    pub pcrs: PcrState,
    /// The boot claims.
    pub boot: Arc<BootLog>,
    /// The claims that are absent, with the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
}

/// Verifies a vTPM quote over at least PCR 0 to 7. Claims that depend on a PCR outside of the quote are
/// withheld.
///
/// # Errors
/// As [`super::verify`].
pub fn inspect_vtpm(
    evidence: &VtpmEvidence,
    nonce: Expected<'_>,
    inputs: &VerifyInputs<'_>,
) -> Result<InspectedClaims, VerifyError> {
    let quote = ReadQuote::parse(evidence)?;
    if !nonce.matches(quote.extra_data()) {
        return Err(VtpmError::NonceMismatch.into());
    }
    let key = quote.certified_key(inputs)?;
    let mut withheld = Vec::new();
    let vtpm = quote.verify(key, Selection::Inspected)?.claims(inputs, &mut withheld)?;
    let technology = vtpm.boot.technology;
    Ok(InspectedClaims { claims: Claims { technology, vtpm: Some(vtpm), withheld, ..Claims::default() } })
}

/// Verifies the SNP report of evidence, whatever it was made for: under the certificate that came with it or
/// one from the store, as for a release.
///
/// # Errors
/// As [`super::verify`].
pub fn inspect_sev_snp(
    evidence: &SevSnpEvidence,
    inputs: &VerifyInputs<'_>,
) -> Result<InspectedClaims, VerifyError> {
    let verify = |report: &SnpEvidence<'_>| Ok(verify_unbound(report, inputs)?.inspect());
    let mut withheld = Vec::new();
    let sev_snp = Some(snp_claims(evidence, verify, inputs, &mut withheld)?);
    let technology = Some(Technology::SevSnp);
    Ok(InspectedClaims { claims: Claims { technology, sev_snp, withheld, ..Claims::default() } })
}

/// Verifies an SNP report under the given endorsement certificate, with a launch endorsement from the store
/// if there is one.
///
/// # Errors
/// As [`super::verify`].
pub fn inspect_snp(
    evidence: &SnpEvidence<'_>,
    report_data: Expected<'_>,
    inputs: &VerifyInputs<'_>,
) -> Result<InspectedClaims, VerifyError> {
    let mut claims = verify_unbound(evidence, inputs)?.inspect();
    if !report_data.matches(&claims.report_data.0) {
        return Err(SnpError::ReportDataMismatch.into());
    }
    let (measurement, mut withheld) = (LaunchMeasurement::Snp(claims.measurement), Vec::new());
    claims.endorsement = endorsement(SNP_ENDORSEMENT, measurement, None, inputs, &mut withheld);
    let technology = Some(Technology::SevSnp);
    Ok(InspectedClaims {
        claims: Claims { technology, sev_snp: Some(claims), withheld, ..Claims::default() },
    })
}

/// Verifies a TDX quote with the given collateral, and with its CCEL log if given; without collateral its TCB
/// is not appraised. A log that does not match is refused here, whereas a release withholds its claims.
///
/// # Errors
/// As [`super::verify`].
pub fn inspect_tdx(
    quote: &[u8],
    collateral: Option<&TdxCollateral>,
    event_log: Option<&SharedBytes>,
    report_data: Expected<'_>,
    inputs: &VerifyInputs<'_>,
) -> Result<InspectedClaims, VerifyError> {
    let appraisal = collateral.map_or(Appraisal::Waived, Appraisal::Given);
    let claims = tdx::verify_unbound(quote, appraisal, inputs)?.inspect();
    if !report_data.matches(&claims.report_data.0) {
        return Err(TdxError::ReportDataMismatch.into());
    }
    let mut withheld = Vec::new();
    let mut claims = endorsed_tdx(claims, inputs, &mut withheld);
    claims.unconfirmed_boot = logged_boot(&claims, event_log, inputs)?;
    let technology = Some(Technology::Tdx);
    Ok(InspectedClaims { claims: Claims { technology, tdx: Some(claims), withheld, ..Claims::default() } })
}

/// Verifies a token of Google Cloud Attestation that was made for `audience`, whatever its age.
///
/// # Errors
/// As [`super::verify`].
pub fn inspect_google_token(
    token: &str,
    audience: &str,
    nonce: Expected<'_>,
    inputs: &VerifyInputs<'_>,
) -> Result<InspectedClaims, VerifyError> {
    let audiences = [audience.to_owned()];
    let unbound = google_token::verify_unbound(token, &VerifyInputs { audiences: &audiences, ..*inputs })?;
    let token = match nonce {
        Expected::Exactly(nonce) => unbound.with_nonce(nonce)?,
        Expected::Waived => unbound.inspect(),
    };
    let technology = Some(token.technology);
    Ok(InspectedClaims { claims: Claims { technology, google_token: Some(token), ..Claims::default() } })
}

/// Verifies that a launch endorsement is for a measurement. It says nothing about a VM.
///
/// # Errors
/// As [`super::verify`].
pub fn inspect_launch_endorsement(
    endorsement: &[u8],
    measurement: LaunchMeasurement,
    inputs: &VerifyInputs<'_>,
) -> Result<LaunchEndorsement, VerifyError> {
    Ok(launch::verify(endorsement, measurement, inputs)?)
}

/// Compares a firmware log, and systemd's measurement log if given, with given PCRs of the SHA-256 bank. The
/// PCR values are not verified.
///
/// # Errors
/// What is wrong with the firmware log, or the first PCR that does not match.
pub fn inspect_event_log(
    log: &[u8],
    pcrs: &BTreeMap<u8, Digest32>,
    userspace_log: Option<&[u8]>,
) -> Result<InspectedLog, VerifyError> {
    if log.len() > MAX_EVENT_LOG {
        return Err(VtpmError::from(EventLogError::TooLarge { size: log.len() }).into());
    }
    let log = ReplayedLog::from_bytes(log).map_err(VtpmError::from)?;
    let opened = userspace_log.map(UserspaceLog::open).transpose();
    let (userspace_log, withheld) = opened.map_or_else(|reason| (None, vec![reason]), |log| (log, vec![]));
    let pcrs =
        log.replayed.check_against(pcrs, PcrRule::Given, userspace_log.as_ref()).map_err(VtpmError::from)?;
    Ok(InspectedLog { pcrs, boot: log.boot, withheld })
}

/// Compares a CCEL log with given RTMRs. The RTMR values are not verified.
///
/// # Errors
/// What is wrong with the log, or the first RTMR that does not match.
pub fn inspect_ccel(log: &[u8], rtmrs: &[Digest48; RTMR_COUNT]) -> Result<Arc<BootLog>, VerifyError> {
    let log = ReplayedCcel::from_bytes(log).map_err(TdxError::from)?;
    log.check_against(rtmrs).map_err(TdxError::from)?;
    Ok(log.boot)
}

/// Reads the vTPM piece of a file: our evidence in JSON, or an attestation of go-tpm-tools.
///
/// # Errors
/// When it is neither, has no vTPM piece or is too large.
pub fn read_vtpm_file(file: &[u8]) -> Result<VtpmEvidence, VerifyError> {
    let is_json = file.trim_ascii_start().first() == Some(&b'{');
    let vtpm = if is_json && file.len() <= MAX_REQUEST {
        let evidence: Evidence = serde_json::from_slice(file).map_err(|_| VerifyError::NotEvidence)?;
        evidence.vtpm.ok_or(VerifyError::NoEvidence)?
    } else {
        go_tpm_tools::read(file)?
    };
    let evidence = Evidence { vtpm: Some(vtpm), ..Evidence::default() };
    evidence.check_sizes()?;
    evidence.vtpm.ok_or(VerifyError::NoEvidence)
}
