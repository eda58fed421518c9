//! The hardware report of evidence, of either vendor: what it commits to, and its verification.
//!
//! Parsed only as far as its binding needs; the rest comes after the cheap checks.

use vouchsafe_protocol::Bound;
use vouchsafe_protocol::Evidence;
use vouchsafe_protocol::SevSnpEvidence;
use vouchsafe_protocol::binding::ReportData;

use super::Context;
use super::Piece;
use super::VerifyError;
use super::veks;
use crate::claims::Claims;
use crate::event_log::Technology;
use crate::launch;
use crate::launch::LaunchMeasurement;
use crate::snp::REPORT_LENGTH;
use crate::snp::SnpClaims;
use crate::snp::SnpError;
use crate::snp::SnpEvidence;
use crate::snp::verify_report;
use crate::tdx;
use crate::tdx::TdxClaims;
use crate::tdx::TdxError;

/// The report of one vendor.
pub(super) enum Hardware<'e> {
    SevSnp(&'e SevSnpEvidence),
    Tdx {
        event_log: Option<&'e [u8]>,
        /// Cut to its own length.
        quote: &'e [u8],
    },
}

impl<'e> Hardware<'e> {
    /// The hardware report, if there is one; two are refused.
    pub(super) fn of(evidence: &'e Evidence) -> Result<Option<Self>, VerifyError> {
        match (&evidence.sev_snp, &evidence.tdx) {
            (Some(_), Some(_)) => Err(VerifyError::TwoHardwareReports),
            (None, None) => Ok(None),
            (Some(snp), None) if snp.report.len() != REPORT_LENGTH => {
                Err(SnpError::ReportLength { found: snp.report.len() }.into())
            }
            (Some(snp), None) => Ok(Some(Self::SevSnp(snp))),
            (None, Some(evidence)) => {
                let quote = tdx::cut(&evidence.quote).map_err(TdxError::from)?;
                let event_log = evidence.event_log.as_deref();
                Ok(Some(Self::Tdx { event_log, quote }))
            }
        }
    }

    /// What a vTPM quote commits to.
    pub(super) fn committed(&self) -> &'e [u8] {
        match self {
            Self::SevSnp(snp) => &snp.report,
            Self::Tdx { quote, .. } => quote,
        }
    }

    pub(super) const fn piece(&self) -> Piece {
        match self {
            Self::SevSnp(_) => Piece::SevSnp,
            Self::Tdx { .. } => Piece::Tdx,
        }
    }

    pub(super) const fn technology(&self) -> Technology {
        match self {
            Self::SevSnp(_) => Technology::SevSnp,
            Self::Tdx { .. } => Technology::Tdx,
        }
    }

    /// Looks at the report's data before its signature; the verification of the report does so again afterwards.
    pub(super) fn check_binding(&self, bound: &Bound, ak: Option<&[u8]>) -> Result<(), VerifyError> {
        let of_quote;
        let found = match self {
            // SEV-SNP ABI §7.3: REPORT_DATA is at 50h.
            Self::SevSnp(snp) => snp.report.get(0x50..0x90).unwrap_or_default(),
            Self::Tdx { quote, .. } => {
                of_quote = tdx::report_data(quote).map_err(TdxError::from)?;
                &of_quote[..]
            }
        };
        let transcript = bound.transcript();
        if ReportData::bind(&transcript, ak).matches(found) {
            return Ok(());
        }
        if ak.is_some() && ReportData::bind(&transcript, None).matches(found) {
            return Err(VerifyError::Unlinked { piece: self.piece() });
        }
        Err(match self {
            Self::SevSnp(_) => SnpError::ReportDataMismatch.into(),
            Self::Tdx { .. } => TdxError::ReportDataMismatch.into(),
        })
    }

    /// Verifies the report and puts its claims in their place.
    pub(super) fn verify(
        &self,
        bound: &Bound,
        ak: Option<&[u8]>,
        context: &Context<'_>,
        claims: &mut Claims,
    ) -> Result<(), VerifyError> {
        let expected = ReportData::bind(&bound.transcript(), ak);
        match self {
            Self::SevSnp(snp) => claims.sev_snp = Some(endorsed_snp(snp, &expected, context)?),
            Self::Tdx { event_log, quote } => {
                let store = &context.endorsements.tdx;
                let verified = tdx::verify_quote(quote, &expected.0, store, &context.tdx())?;
                claims.tdx = Some(complete_tdx(verified, *event_log, context)?);
            }
        }
        Ok(())
    }
}

/// The report, and Google's word on what it measures.
fn endorsed_snp(
    snp: &SevSnpEvidence,
    expected: &ReportData,
    context: &Context<'_>,
) -> Result<SnpClaims, VerifyError> {
    let mut claims = verify_snp(snp, expected, context)?;
    let measurement = LaunchMeasurement::Snp(claims.measurement);
    let given = snp.launch_endorsement.as_deref();
    claims.endorsement = launch::find(measurement, given, &context.endorsements.launch, &context.launch())?;
    Ok(claims)
}

fn verify_snp(
    snp: &SevSnpEvidence,
    expected: &ReportData,
    context: &Context<'_>,
) -> Result<SnpClaims, VerifyError> {
    let certificates: Vec<Vec<u8>> = snp.ca_certificates.iter().map(|bytes| bytes.0.clone()).collect();
    let verify = |vek: &[u8]| {
        let evidence = SnpEvidence { report: &snp.report, vek, certificates: &certificates };
        verify_report(&evidence, &expected.0, &context.snp())
    };
    if let Some(vek) = &snp.vek_certificate {
        return Ok(verify(vek)?);
    }
    // The host gave no certificate. One for another TCB of the chip has another key.
    let chip = snp.report.get(0x1a0..0x1e0).unwrap_or_default();
    // SEV-SNP ABI §7.3: REPORTED_TCB is at 180h.
    let tcb = snp.report.get(0x180..0x188).unwrap_or_default();
    // §7.3, 48h: MASK_CHIP_KEY is bit 1, set when nothing signed; SIGNING_KEY is bits 2 to 4, 0 for a VCEK.
    let is_vcek = snp.report.get(0x48).is_some_and(|bits| bits & 0x1e == 0);
    if !is_vcek || veks::chip_id(chip).is_none() {
        return Err(VerifyError::NoVekCertificate);
    }
    let mut verdict =
        Err(VerifyError::CollateralMissing { chip_id: hex::encode(chip), reported_tcb: hex::encode(tcb) });
    for candidate in context.endorsements.veks.fitting(chip, tcb) {
        verdict = verify(candidate).map_err(VerifyError::from);
        if verdict.is_ok() {
            break;
        }
    }
    verdict
}

/// What Google and the log add to a quote whose signature holds: the endorsement of its firmware, and the boot.
pub(super) fn complete_tdx(
    mut claims: TdxClaims,
    event_log: Option<&[u8]>,
    context: &Context<'_>,
) -> Result<TdxClaims, VerifyError> {
    let measurement = LaunchMeasurement::Tdx(claims.mr_td);
    claims.endorsement = launch::find(measurement, None, &context.endorsements.launch, &context.launch())?;
    let boot = event_log.map(|log| context.memory.ccel(log, &claims.rtmrs));
    claims.unconfirmed_boot = boot.transpose().map_err(TdxError::from)?;
    Ok(claims)
}
