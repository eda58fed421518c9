//! Verifies evidence against its expected binding; returns claims or one exact error.
//!
//! The verifier of the background-check model (RFC 9334 §5.2). Cheap checks come before expensive ones, so
//! that a flood costs the sender more than the broker. All evidence must verify: there is no partial result.
//!
//! Left out, and why:
//! - Times in evidence, such as the TPM's clock: the nonce proves freshness (RFC 9334 §10.2).
//! - Comparing reset and restart counters with earlier evidence: no state of a VM is kept between requests.
//!   The counters are claims.
//! - Reference values (RFC 9334 §8.3): measurements are claims, which policies appraise.

pub(crate) mod endorsements;
mod error;
mod hardware;
mod inspect;
mod inspect_evidence;
#[cfg(test)]
mod tests;

use vouchsafe_protocol::BoundRequest;
use vouchsafe_protocol::Evidence;
use vouchsafe_protocol::GoogleTokenEvidence;
use vouchsafe_protocol::VtpmEvidence;

pub use self::endorsements::Endorsements;
pub use self::error::EvidenceKind;
pub use self::error::VerifyError;
use self::hardware::Hardware;
pub use self::inspect::Expected;
pub use self::inspect::InspectedLog;
pub use self::inspect::inspect_ccel;
pub use self::inspect::inspect_event_log;
pub use self::inspect::inspect_google_token;
pub use self::inspect::inspect_launch_endorsement;
pub use self::inspect::inspect_sev_snp;
pub use self::inspect::inspect_snp;
pub use self::inspect::inspect_tdx;
pub use self::inspect::inspect_vtpm;
pub use self::inspect::read_vtpm_file;
pub use self::inspect_evidence::EvidenceFileError;
pub use self::inspect_evidence::inspect_evidence;
pub use self::inspect_evidence::read_evidence_file;
use crate::claims::Claims;
use crate::claims::Instance;
use crate::claims::VerifiedClaims;
use crate::google_token::GoogleTokenClaims;
use crate::google_token::verify_token;
use crate::inputs::VerifyInputs;
pub use crate::snp::MAX_VEKS_OF_CHIP;
pub use crate::snp::VekStore;
use crate::technology::Technology;
use crate::vtpm::CertifiedKey;
use crate::vtpm::ReadQuote;
use crate::vtpm::Selection;
use crate::vtpm::VtpmError;
use crate::withheld::Withheld;

/// Verifies evidence that must be bound to `bound`.
///
/// # Errors
/// One variant for each reason.
pub fn verify(
    evidence: &Evidence,
    bound: BoundRequest,
    inputs: &VerifyInputs<'_>,
) -> Result<VerifiedClaims, VerifyError> {
    verify_with(evidence, bound, inputs, |_| Ok(()), |_| {})
}

/// As [`verify`], but `gate` decides early on whether verification continues. It is called once.
///
/// `gate` gets the instance as soon as the AK certificate has been verified, before any signature of the VM
/// itself; `None` if the evidence names no instance. A certificate is public: anyone who has seen it can send
/// it. So a gate may turn requests away, but must not count them against the instance, since another VM may
/// have sent them.
///
/// `begins` is told from where on evidence of which kind is verified, so that the caller can measure it. A kind may come twice:
/// a quote's key is verified before its signature and its log.
///
/// # Errors
/// Those of [`verify`] and of `gate`.
pub fn verify_with<E: From<VerifyError>>(
    evidence: &Evidence,
    bound: BoundRequest,
    inputs: &VerifyInputs<'_>,
    gate: impl FnOnce(Option<&Instance>) -> Result<(), E>,
    mut begins: impl FnMut(EvidenceKind),
) -> Result<VerifiedClaims, E> {
    // 1. Sizes, before anything is parsed; at least one kind of evidence, and at most one hardware report,
    //    since a VM has one processor vendor.
    evidence.check_sizes().map_err(VerifyError::from)?;
    let unverified = UnverifiedEvidence::of(evidence)?;

    // 2. The quote is for this request and commits to the hardware report (T01, T04, T05): a nonce as in RFC 9334 §10.2,
    // in extraData (TPM 2.0 Part 2 §10.12.12).
    if unverified.vtpm.is_some() {
        begins(EvidenceKind::Vtpm);
    }
    let quote = unverified.vtpm.map(ReadQuote::parse).transpose().map_err(VerifyError::from)?;
    if let Some(quote) = &quote {
        check_quote_binding(quote, &bound, unverified.hardware.as_ref())?;
    }

    // 3. The attestation key is certified, or the token is Google's and for this request (RFC 9711 §4.1); its
    //    instance is admitted by `gate` (T02, T07, T44).
    let key = quote.as_ref().map(|quote| quote.certified_key(inputs)).transpose();
    let key = key.map_err(VerifyError::from)?;
    let mut withheld = Vec::new();
    if unverified.token.is_some() {
        begins(EvidenceKind::GoogleToken);
    }
    let google_token = unverified.google_token(&bound, inputs, &mut withheld)?;
    let of_token = google_token.as_ref().and_then(|token| token.instance.as_ref());
    gate(key.as_ref().map_or(of_token, CertifiedKey::instance))?;

    // 4. The hardware report is for this request and commits to the attestation key (T01, T05): REPORT_DATA
    //    (AMD 56860 §7.3) or REPORTDATA (DCAP API A.3.2). Neither vendor's report identifies a TPM by itself.
    let ak = key.as_ref().map(|key| key.spki().to_vec());
    if let Some(hardware) = &unverified.hardware {
        hardware.check_binding(&bound, ak.as_deref())?;
    }

    // 5. to 9. Each kind of evidence verifies, and all of it is from one VM (composite device, RFC 9334 §3.3).
    let mut claims = Claims { google_token, withheld, ..Claims::default() };
    verify_evidence(
        quote.zip(key),
        unverified.hardware.as_ref(),
        &bound,
        ak.as_deref(),
        inputs,
        &mut claims,
        begins,
    )?;
    Ok(VerifiedClaims::new(bound, inputs.now, claims))
}

/// Unverified evidence by kind: there is at least one kind, and all kinds present can be bound together.
struct UnverifiedEvidence<'e> {
    vtpm: Option<&'e VtpmEvidence>,
    hardware: Option<Hardware<'e>>,
    token: Option<&'e GoogleTokenEvidence>,
}

impl<'e> UnverifiedEvidence<'e> {
    fn of(evidence: &'e Evidence) -> Result<Self, VerifyError> {
        let hardware = Hardware::of(evidence)?;
        let (vtpm, token) = (evidence.vtpm.as_ref(), evidence.google_token.as_ref());
        match (vtpm, &hardware, token) {
            (None, None, None) => Err(VerifyError::NoEvidence),
            // Nothing in a token identifies the hardware report, and nothing in the report identifies the
            // instance.
            (None, Some(_), Some(_)) => Err(VerifyError::Unlinked { kind: EvidenceKind::GoogleToken }),
            _ => Ok(Self { vtpm, hardware, token }),
        }
    }

    /// The token's claims. If there is vTPM evidence as well, a token with claims that this version does not
    /// support is ignored: an attacker could have omitted the token anyway, and Google may change the form of
    /// a claim for a whole fleet at once (T52).
    fn google_token(
        &self,
        bound: &BoundRequest,
        inputs: &VerifyInputs<'_>,
        withheld: &mut Vec<Withheld>,
    ) -> Result<Option<GoogleTokenClaims>, VerifyError> {
        let nonce = bound.transcript().token_nonce();
        let Some(evidence) = self.token else { return Ok(None) };
        match verify_token(&evidence.token, &nonce, inputs) {
            Err(error) if self.vtpm.is_some() && error.is_of_unknown_form() => {
                withheld.push(Withheld::because("google_token", &error.into()));
                Ok(None)
            }
            verified => Ok(Some(verified?)),
        }
    }
}

fn verify_evidence(
    quote: Option<(ReadQuote<'_>, CertifiedKey)>,
    hardware: Option<&Hardware<'_>>,
    bound: &BoundRequest,
    ak: Option<&[u8]>,
    inputs: &VerifyInputs<'_>,
    claims: &mut Claims,
    mut begins: impl FnMut(EvidenceKind),
) -> Result<(), VerifyError> {
    // 5. The quote is signed and covers exactly the required PCRs (TPM 2.0 Part 3 §18.4; T03).
    if quote.is_some() {
        begins(EvidenceKind::Vtpm);
    }
    let quote = quote.map(|(quote, key)| quote.verify(key, Selection::Exact)).transpose()?;

    // 6. The hardware report, with the log of its own registers (UEFI 2.10 §38.4) and Google's endorsement of the firmware.
    if let Some(hardware) = hardware {
        begins(hardware.kind());
        hardware.verify(bound, ak, inputs, claims)?;
    }

    // 7. The firmware log matches the quoted PCRs (PFP 1.06 §10; T22 to T26).
    if quote.is_some() && hardware.is_some() {
        begins(EvidenceKind::Vtpm);
    }
    claims.vtpm = quote.map(|quote| quote.claims(inputs, &mut claims.withheld)).transpose()?;

    // 8. All evidence that names a technology names the same one (T01): the hardware, the log's `GCE
    //    NonHostInfo`, the token's `hwmodel`.
    claims.technology = agreed_technology(hardware.map(Hardware::technology), claims)?;

    // 9. All evidence that names an instance names the same one (T01): by project number and instance id,
    //    since names are reused.
    check_instance(claims)
}

/// The technology of the hardware report, or else the one that Google asserts in the firmware log or the
/// token. All that are present must agree.
fn agreed_technology(
    hardware: Option<Technology>,
    claims: &Claims,
) -> Result<Option<Technology>, VerifyError> {
    let logged = claims.vtpm.as_ref().map(|vtpm| vtpm.boot.technology);
    let stated = claims.google_token.as_ref().map(|token| token.technology);
    if let Some((hardware, logged)) = hardware.zip(logged)
        && logged != Some(hardware)
    {
        return Err(VerifyError::TechnologyMismatch { hardware, logged });
    }
    let known = hardware.or(logged.flatten());
    if let (Some(token), true) = (stated, claims.vtpm.is_some())
        && known != Some(token)
    {
        return Err(VerifyError::TokenTechnologyMismatch { token, other: known });
    }
    Ok(known.or(stated))
}

fn check_instance(claims: &Claims) -> Result<(), VerifyError> {
    let (Some(vtpm), Some(token)) = (&claims.vtpm, &claims.google_token) else { return Ok(()) };
    let certified = vtpm.instance.as_ref().map(Instance::id);
    let stated = token.instance.as_ref().map(Instance::id);
    // Unless both name an instance, nothing shows that quote and token are from one VM.
    if certified.is_none() || certified != stated {
        return Err(VerifyError::InstanceMismatch { certified, stated });
    }
    Ok(())
}

fn check_quote_binding(
    quote: &ReadQuote<'_>,
    bound: &BoundRequest,
    hardware: Option<&Hardware<'_>>,
) -> Result<(), VerifyError> {
    let transcript = bound.transcript();
    let report = hardware.map(Hardware::committed);
    if transcript.quote_nonce(report).matches(quote.extra_data()) {
        return Ok(());
    }
    if report.is_some() && transcript.quote_nonce(None).matches(quote.extra_data()) {
        return Err(VerifyError::Unlinked { kind: EvidenceKind::Vtpm });
    }
    Err(VtpmError::NonceMismatch.into())
}
