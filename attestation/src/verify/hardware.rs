//! The hardware report of evidence, of either vendor: its binding and its verification.
//!
//! It is parsed here only as far as its binding requires; the rest follows after the cheap checks.

use std::sync::Arc;

use vouchsafe_protocol::BoundRequest;
use vouchsafe_protocol::Evidence;
use vouchsafe_protocol::SevSnpEvidence;
use vouchsafe_protocol::SharedBytes;

use super::error::EvidenceKind;
use super::error::VerifyError;
use crate::claims::Claims;
use crate::event_log::BootLog;
use crate::inputs::VerifyInputs;
use crate::launch;
use crate::launch::LaunchEndorsement;
use crate::launch::LaunchMeasurement;
use crate::snp::ReportFields;
use crate::snp::SnpClaims;
use crate::snp::SnpError;
use crate::snp::SnpEvidence;
use crate::snp::VekStore;
use crate::snp::veks;
use crate::snp::verify_report;
use crate::tdx;
use crate::tdx::Quote;
use crate::tdx::TdxClaims;
use crate::tdx::TdxError;
use crate::technology::Technology;
use crate::withheld::Withheld;
use crate::x509::ChainError;

/// The hardware report, by vendor.
pub(super) enum Hardware<'e> {
    SevSnp { evidence: &'e SevSnpEvidence, report: ReportFields<'e> },
    Tdx { event_log: Option<&'e SharedBytes>, quote: Quote<'e> },
}

impl<'e> Hardware<'e> {
    /// The hardware report, if any; two are refused.
    pub(super) fn of(evidence: &'e Evidence) -> Result<Option<Self>, VerifyError> {
        match (&evidence.sev_snp, &evidence.tdx) {
            (Some(_), Some(_)) => Err(VerifyError::TwoHardwareReports),
            (None, None) => Ok(None),
            (Some(evidence), None) => {
                let report = ReportFields::of(&evidence.report)?;
                Ok(Some(Self::SevSnp { evidence, report }))
            }
            (None, Some(evidence)) => {
                let quote = Quote::parse(&evidence.quote).map_err(TdxError::from)?;
                let event_log = evidence.event_log.as_ref();
                Ok(Some(Self::Tdx { event_log, quote }))
            }
        }
    }

    /// The bytes that a vTPM quote commits to; a TDX quote without its padding.
    pub(super) const fn committed(&self) -> &'e [u8] {
        match self {
            Self::SevSnp { report, .. } => report.as_bytes(),
            Self::Tdx { quote, .. } => quote.encoded,
        }
    }

    pub(super) const fn kind(&self) -> EvidenceKind {
        match self {
            Self::SevSnp { .. } => EvidenceKind::SevSnp,
            Self::Tdx { .. } => EvidenceKind::Tdx,
        }
    }

    pub(super) const fn technology(&self) -> Technology {
        match self {
            Self::SevSnp { .. } => Technology::SevSnp,
            Self::Tdx { .. } => Technology::Tdx,
        }
    }

    /// Checks the report data before the signature; the verification of the report checks it again
    /// afterwards.
    pub(super) fn check_binding(&self, bound: &BoundRequest, ak: Option<&[u8]>) -> Result<(), VerifyError> {
        let found = match self {
            Self::SevSnp { report, .. } => report.report_data(),
            Self::Tdx { quote, .. } => quote.body.report_data(),
        };
        let transcript = bound.transcript();
        if transcript.report_data(ak).matches(&found) {
            return Ok(());
        }
        if ak.is_some() && transcript.report_data(None).matches(&found) {
            return Err(VerifyError::Unlinked { kind: self.kind() });
        }
        Err(match self {
            Self::SevSnp { .. } => SnpError::ReportDataMismatch.into(),
            Self::Tdx { .. } => TdxError::ReportDataMismatch.into(),
        })
    }

    /// Verifies the report and adds its claims.
    pub(super) fn verify(
        &self,
        bound: &BoundRequest,
        ak: Option<&[u8]>,
        inputs: &VerifyInputs<'_>,
        claims: &mut Claims,
    ) -> Result<(), VerifyError> {
        let expected = bound.transcript().report_data(ak);
        match self {
            Self::SevSnp { evidence, .. } => {
                let verify = |report: &SnpEvidence<'_>| verify_report(report, &expected.0, inputs);
                claims.sev_snp = Some(snp_claims(evidence, verify, inputs, &mut claims.withheld)?);
            }
            Self::Tdx { event_log, quote } => {
                let verified = tdx::verify_quote(quote, &expected.0, inputs)?;
                let mut verified = endorsed_tdx(verified, inputs, &mut claims.withheld);
                // Without a log the quote would be accepted, so a log that does not match only withholds its
                // claims.
                match logged_boot(&verified, *event_log, inputs) {
                    Ok(boot) => verified.unconfirmed_boot = boot,
                    Err(error) => claims.withheld.push(Withheld::because("tdx.boot", &error)),
                }
                claims.tdx = Some(verified);
            }
        }
        Ok(())
    }
}

/// The report's claims, with the endorsement of its measurement.
pub(super) fn snp_claims(
    snp: &SevSnpEvidence,
    verify: impl Fn(&SnpEvidence<'_>) -> Result<SnpClaims, SnpError>,
    inputs: &VerifyInputs<'_>,
    withheld: &mut Vec<Withheld>,
) -> Result<SnpClaims, VerifyError> {
    let mut claims = verify_snp(snp, verify, inputs, withheld)?;
    let measurement = LaunchMeasurement::Snp(claims.measurement);
    let given = snp.launch_endorsement.as_deref();
    claims.endorsement = endorsement(SNP_ENDORSEMENT, measurement, given, inputs, withheld);
    Ok(claims)
}

/// The endorsement of a measurement; if none is valid, why not.
pub(super) fn endorsement(
    claim: &'static str,
    measurement: LaunchMeasurement,
    given: Option<&[u8]>,
    inputs: &VerifyInputs<'_>,
    withheld: &mut Vec<Withheld>,
) -> Option<LaunchEndorsement> {
    let found = launch::find(measurement, given, inputs);
    found.unwrap_or_else(|error| {
        withheld.push(Withheld::because(claim, &error.into()));
        None
    })
}

/// Verifies the report with the certificate that came with it, or else with one from the store.
///
/// The host's certificate may be for another TCB or chip, or may not be a certificate: then it is ignored. If
/// it is for this chip and TCB and verifies, the result is final: the report is at fault.
fn verify_snp(
    snp: &SevSnpEvidence,
    verify: impl Fn(&SnpEvidence<'_>) -> Result<SnpClaims, SnpError>,
    inputs: &VerifyInputs<'_>,
    withheld: &mut Vec<Withheld>,
) -> Result<SnpClaims, VerifyError> {
    let certificates = &snp.ca_certificates;
    let verify = |vek: &[u8]| verify(&SnpEvidence { report: &snp.report, vek, certificates });
    let mut unusable = None;
    if let Some(vek) = &snp.vek_certificate {
        match verify(vek) {
            // It is genuine and for this chip: no other certificate for its key could give another result
            // (T17).
            Err(error @ SnpError::Chain(ChainError::Revoked { .. })) if is_of_report(vek, snp) => {
                return Err(error.into());
            }
            Err(error) if error.is_of_certificate() => unusable = Some(error),
            verdict => return Ok(verdict?),
        }
    }
    let stored = stored_vek(snp, inputs, verify);
    match (stored, unusable) {
        (Ok(claims), Some(error)) => {
            withheld.push(Withheld::because(VEK_CERTIFICATE, &error.into()));
            Ok(claims)
        }
        // None can be fetched either.
        (Err(VerifyError::NoVekCertificate), Some(error)) => Err(error.into()),
        (stored, _) => stored,
    }
}

/// Verifies the report under a certificate from the store. One for another TCB of the chip has another key.
fn stored_vek(
    snp: &SevSnpEvidence,
    inputs: &VerifyInputs<'_>,
    verify: impl Fn(&[u8]) -> Result<SnpClaims, SnpError>,
) -> Result<SnpClaims, VerifyError> {
    let report = ReportFields::of(&snp.report).map_err(|_| VerifyError::NoVekCertificate)?;
    let (chip, tcb) = (report.chip_id(), report.reported_tcb());
    if !report.names_vcek() || veks::chip_id(&chip).is_none() {
        return Err(VerifyError::NoVekCertificate);
    }
    let mut verdict =
        Err(VerifyError::CollateralMissing { chip_id: hex::encode(chip), reported_tcb: hex::encode(tcb) });
    for candidate in inputs.endorsements.veks.fitting(&chip, &tcb) {
        verdict = verify(candidate).map_err(VerifyError::from);
        if verdict.is_ok() {
            break;
        }
    }
    verdict
}

/// Whether a certificate is for the chip and the TCB that the report names.
fn is_of_report(vek: &[u8], snp: &SevSnpEvidence) -> bool {
    let store = VekStore::new(&[vek.to_vec()]);
    ReportFields::of(&snp.report).is_ok_and(|report| store.has(&report.chip_id(), &report.reported_tcb()))
}

/// Adds the endorsement of the firmware to a verified quote.
pub(super) fn endorsed_tdx(
    mut claims: TdxClaims,
    inputs: &VerifyInputs<'_>,
    withheld: &mut Vec<Withheld>,
) -> TdxClaims {
    let measurement = LaunchMeasurement::Tdx(claims.mr_td);
    claims.endorsement = endorsement(TDX_ENDORSEMENT, measurement, None, inputs, withheld);
    claims
}

/// Adds the boot claims whose replay matches the RTMRs to a verified quote.
pub(super) fn logged_boot(
    claims: &TdxClaims,
    event_log: Option<&SharedBytes>,
    inputs: &VerifyInputs<'_>,
) -> Result<Option<Arc<BootLog>>, VerifyError> {
    let boot = event_log.map(|log| inputs.cache.ccel(log, &claims.rtmrs));
    Ok(boot.transpose().map_err(TdxError::from)?)
}

/// Names in [`Claims::withheld`].
pub(super) const SNP_ENDORSEMENT: &str = "sev_snp.endorsement";
const TDX_ENDORSEMENT: &str = "tdx.endorsement";
/// The host's certificate, a part of the evidence that has no claims.
const VEK_CERTIFICATE: &str = "sev_snp.vek_certificate";
