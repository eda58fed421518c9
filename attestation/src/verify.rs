//! The verifier: evidence, and what it has to be bound to, in; claims or one refusal out.
//!
//! Cheap checks come before expensive ones, so that a flood costs the sender more than the broker. All pieces
//! have to be good: there is no partial result.

mod endorsements;
mod error;
mod inspect;
#[cfg(test)]
mod tests;
mod veks;

use vouchsafe_protocol::Bound;
use vouchsafe_protocol::Evidence;
use vouchsafe_protocol::SevSnpEvidence;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::binding::QuoteNonce;
use vouchsafe_protocol::binding::ReportData;

pub use self::endorsements::Endorsements;
pub use self::error::Piece;
pub use self::error::VerifyError;
pub use self::inspect::Expected;
pub use self::inspect::InspectedLog;
pub use self::inspect::inspect_event_log;
pub use self::inspect::inspect_google_token;
pub use self::inspect::inspect_launch_endorsement;
pub use self::inspect::inspect_snp;
pub use self::inspect::inspect_tdx;
pub use self::inspect::inspect_vtpm;
pub use self::inspect::read_vtpm_file;
pub use self::veks::MAX_VEKS_OF_CHIP;
pub use self::veks::VekStore;
use crate::anchors::TrustAnchors;
use crate::chain::Collateral;
use crate::claims::Claims;
use crate::claims::Instance;
use crate::claims::VerifiedClaims;
use crate::event_log::Technology;
use crate::google_token::TokenContext;
use crate::launch;
use crate::launch::LaunchContext;
use crate::launch::LaunchMeasurement;
use crate::memory::VerifyMemory;
use crate::snp::REPORT_LENGTH;
use crate::snp::SnpClaims;
use crate::snp::SnpContext;
use crate::snp::SnpError;
use crate::snp::SnpEvidence;
use crate::snp::verify_report;
use crate::tdx::TdxContext;
use crate::vtpm::CertifiedKey;
use crate::vtpm::ReadQuote;
use crate::vtpm::Selection;
use crate::vtpm::VtpmError;

/// What evidence is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Who is trusted.
    pub anchors: &'a TrustAnchors,
    /// CRLs and issuing CAs.
    pub collateral: &'a Collateral,
    /// What vendors publish about their platforms, for evidence that comes without.
    pub endorsements: &'a Endorsements,
    /// URLs of this broker: one of them has to be the audience of a token.
    pub audiences: &'a [String],
    /// The time to judge at.
    pub now: UnixTime,
    /// What was verified before.
    pub memory: &'a VerifyMemory,
}

impl<'a> Context<'a> {
    const fn snp(&self) -> SnpContext<'a> {
        SnpContext {
            anchors: self.anchors,
            collateral: self.collateral,
            now: self.now,
            memory: self.memory.chains(),
        }
    }

    const fn tdx(&self) -> TdxContext<'a> {
        TdxContext {
            anchors: self.anchors,
            collateral: self.collateral,
            now: self.now,
            chains: self.memory.chains(),
            memory: self.memory.tdx(),
        }
    }

    const fn launch(&self) -> LaunchContext<'a> {
        LaunchContext {
            anchors: self.anchors,
            collateral: self.collateral,
            now: self.now,
            memory: self.memory.endorsements(),
        }
    }

    fn token(&self) -> TokenContext<'a> {
        TokenContext {
            anchors: self.anchors,
            collateral: self.collateral,
            keys: &self.endorsements.token_keys,
            audiences: self.audiences,
            now: self.now,
            memory: self.memory.chains(),
        }
    }
}

/// Verifies evidence that was made for `bound` and nothing else.
///
/// # Errors
/// One variant for each reason to refuse.
pub fn verify(
    evidence: &Evidence,
    bound: Bound,
    context: &Context<'_>,
) -> Result<VerifiedClaims, VerifyError> {
    verify_with(evidence, bound, context, |_| Ok(()))
}

/// As [`verify`], and asks `gate` in between whether to go on, once.
///
/// `gate` gets the instance as soon as the AK certificate has been verified, before any signature of the
/// VM's own; `None` where the evidence names no instance. A certificate is no secret: whoever has seen it can
/// show it. So a gate may turn strangers away, but what it counts against an instance may be somebody else's doing.
///
/// # Errors
/// Those of [`verify`], and whatever `gate` says.
pub fn verify_with<E: From<VerifyError>>(
    evidence: &Evidence,
    bound: Bound,
    context: &Context<'_>,
    gate: impl FnOnce(Option<&Instance>) -> Result<(), E>,
) -> Result<VerifiedClaims, E> {
    // 1. Sizes, before anything is parsed; at least one piece.
    evidence.check_sizes().map_err(VerifyError::from)?;
    let (vtpm, snp) = (evidence.vtpm.as_ref(), evidence.sev_snp.as_ref());
    if vtpm.is_none() && snp.is_none() {
        return Err(VerifyError::NoEvidence.into());
    }
    if let Some(found) = snp.map(|snp| snp.report.len()).filter(|length| *length != REPORT_LENGTH) {
        return Err(VerifyError::from(SnpError::ReportLength { found }).into());
    }

    // 2. The quote is for this request and commits to the hardware report (T01, T04, T05).
    let quote = vtpm.map(ReadQuote::parse).transpose().map_err(VerifyError::from)?;
    if let Some(quote) = &quote {
        check_quote_binding(quote, &bound, snp)?;
    }

    // 3. The attestation key is certified, and its owner is welcome (T02, T44).
    let key = quote.as_ref().map(|quote| quote.certified_key(context)).transpose();
    let key = key.map_err(VerifyError::from)?;
    gate(key.as_ref().and_then(CertifiedKey::instance))?;

    // 4. The hardware report is for this request and commits to the attestation key (T01, T05).
    let ak = key.as_ref().map(|key| key.spki().to_vec());
    if let Some(snp) = snp {
        check_report_binding(snp, &bound, ak.as_deref())?;
    }

    // 5. to 8. The pieces themselves.
    let claims = verify_pieces(quote.zip(key), snp, &bound, ak.as_deref(), context)?;
    Ok(VerifiedClaims::new(bound, context.now, claims))
}

fn verify_pieces(
    quote: Option<(ReadQuote<'_>, CertifiedKey)>,
    snp: Option<&SevSnpEvidence>,
    bound: &Bound,
    ak: Option<&[u8]>,
    context: &Context<'_>,
) -> Result<Claims, VerifyError> {
    // 5. The quote is signed and covers exactly the PCRs that count (T03).
    let quote = quote.map(|(quote, key)| quote.verify(key, Selection::Exact)).transpose()?;

    // 6. The hardware report, and Google's word on what it measures.
    let sev_snp = snp.map(|snp| endorsed_snp(snp, bound, ak, context)).transpose()?;

    // 7. The firmware log is that of the quoted PCRs (T22 to T26).
    let vtpm = quote.map(|quote| quote.claims(context)).transpose()?;

    // 8. Google's word on the technology agrees with the hardware (T01).
    let logged = vtpm.as_ref().and_then(|vtpm| vtpm.boot.technology);
    let hardware = sev_snp.as_ref().map(|_| Technology::SevSnp);
    if let Some(hardware) = hardware.filter(|hardware| vtpm.is_some() && logged != Some(*hardware)) {
        return Err(VerifyError::TechnologyMismatch { hardware, logged });
    }
    Ok(Claims { technology: hardware.or(logged), vtpm, sev_snp, ..Claims::default() })
}

fn check_quote_binding(
    quote: &ReadQuote<'_>,
    bound: &Bound,
    snp: Option<&SevSnpEvidence>,
) -> Result<(), VerifyError> {
    let transcript = bound.transcript();
    let report = snp.map(|snp| &snp.report[..]);
    if QuoteNonce::bind(&transcript, report).matches(quote.extra_data()) {
        return Ok(());
    }
    if report.is_some() && QuoteNonce::bind(&transcript, None).matches(quote.extra_data()) {
        return Err(VerifyError::Unlinked { piece: Piece::Vtpm });
    }
    Err(VtpmError::NonceMismatch.into())
}

/// Looks at the report's data before its signature; [`verify_report`] does so again afterwards.
fn check_report_binding(snp: &SevSnpEvidence, bound: &Bound, ak: Option<&[u8]>) -> Result<(), VerifyError> {
    // SEV-SNP ABI §7.3: REPORT_DATA is at 50h.
    let found = snp.report.get(0x50..0x90).unwrap_or_default();
    let transcript = bound.transcript();
    if ReportData::bind(&transcript, ak).matches(found) {
        return Ok(());
    }
    if ak.is_some() && ReportData::bind(&transcript, None).matches(found) {
        return Err(VerifyError::Unlinked { piece: Piece::SevSnp });
    }
    Err(SnpError::ReportDataMismatch.into())
}

fn endorsed_snp(
    snp: &SevSnpEvidence,
    bound: &Bound,
    ak: Option<&[u8]>,
    context: &Context<'_>,
) -> Result<SnpClaims, VerifyError> {
    let mut claims = verify_snp(snp, bound, ak, context)?;
    let measurement = LaunchMeasurement::Snp(claims.measurement);
    let given = snp.launch_endorsement.as_deref();
    claims.endorsement = launch::find(measurement, given, &context.endorsements.launch, &context.launch())?;
    Ok(claims)
}

fn verify_snp(
    snp: &SevSnpEvidence,
    bound: &Bound,
    ak: Option<&[u8]>,
    context: &Context<'_>,
) -> Result<SnpClaims, VerifyError> {
    let expected = ReportData::bind(&bound.transcript(), ak);
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
