//! Intel TDX: quotes, and the collateral for their appraisal.
//!
//! Verification refuses a quote that is unauthentic, and a trust domain that its host can access: debugging,
//! profiling, migration, a foreign TDX module, a revoked TCB. The TCB status is otherwise a claim, for
//! policies to evaluate. A quote does not identify the VM's owner, and its RTMRs are meaningful only under
//! known firmware.
//!
//! The platform's chain, the quoting enclave and the quote's signature are verified here, even without
//! collateral. dcap-qvl appraises collateral and TCB, using aws-lc.
//!
//! Documents cited: DCAP API is the appendix of "Intel TDX DCAP Quoting Library API", TDX module ABI is Intel's
//! specification 348551-008, and PCS API is version 4 of the Provisioning Certification Service's API.
//!
//! Left out, and why:
//! - MRSEAM and SEAMATTRIBUTES (DCAP API A.3.2): not compared with a list of known modules here, because the
//!   TDX module's identity is part of the TCB info and appraised with it.
//! - MRSIGNER, ISVPRODID and ISVSVN of the quoting enclave: appraisal compares them with the QE identity.
//! - XFAM, PKS, key locker and PERFMON: they give the trust domain more features and its host no access. They
//!   are claims.
//! - MRCONFIGID, MROWNER, MROWNERCONFIG: chosen by the creator of the trust domain, so they are claims.
//! - The header's user data (DCAP API A.3.1), a platform id: the PCK certificate has its own.
//! - MRTD: this verifier has no list of accepted firmware; an endorsement by Google, a baseline or a policy
//!   decides.

mod appraisal;
pub(crate) mod cache;
pub(crate) mod claims;
pub(crate) mod collateral;
mod error;
pub(crate) mod heads;
pub(crate) mod pck;
mod pem;
mod published;
mod qe_report;
mod quote;
mod refusal;
mod signatures;
#[cfg(test)]
mod tests;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;

pub use self::cache::TdxCache;
pub use self::claims::TcbStatus;
pub use self::claims::TdAttributes;
pub use self::claims::TdxClaims;
pub use self::claims::TdxTcb;
pub use self::collateral::MAX_TDX_COLLATERAL;
pub use self::collateral::PckCa;
pub use self::collateral::Platform;
pub use self::collateral::TdxCollateral;
pub use self::collateral::TdxCollateralError;
pub use self::collateral::TdxCollateralStore;
pub use self::error::CollateralPart;
pub use self::error::PckField;
pub use self::error::TdxError;
use self::pck::PckChain;
pub use self::published::CollateralAnchor;
pub use self::published::verify_collateral;
pub(crate) use self::quote::Quote;
pub use self::quote::QuoteError;
pub use self::quote::QuotePart;
use crate::anchors::Purpose;
use crate::hex_bytes::Hex;
use crate::inputs::VerifyInputs;
use crate::x509::Revocation;
use crate::x509::VerifiedChain;
use crate::x509::p256;

/// How the TCB is appraised.
#[derive(Clone, Copy, Debug)]
pub enum Appraisal<'a> {
    /// With the inputs' collateral for the platform.
    Store,
    /// Appraised with this collateral.
    Given(&'a TdxCollateral),
    /// Not at all: for inspection only.
    Waived,
}

/// An authentic quote whose report data has not been checked yet.
#[derive(Debug)]
#[must_use]
pub struct UnboundQuote(TdxClaims);

impl UnboundQuote {
    /// The claims, if the guest requested the quote with exactly this data.
    ///
    /// # Errors
    /// [`TdxError::ReportDataMismatch`] otherwise.
    pub fn bind(self, expected: &[u8; 64]) -> Result<TdxClaims, TdxError> {
        if bool::from(self.0.report_data.0.ct_eq(expected)) {
            Ok(self.0)
        } else {
            Err(TdxError::ReportDataMismatch)
        }
    }

    /// The claims for inspection, whatever the report data is.
    #[must_use]
    pub fn inspect(self) -> TdxClaims {
        self.0
    }
}

/// The quote without trailing bytes, as other evidence commits to it.
///
/// # Errors
/// When it is not a well-formed quote, or is followed by anything but zeros.
pub fn cut(quote: &[u8]) -> Result<&[u8], QuoteError> {
    Ok(Quote::parse(quote)?.encoded)
}

/// The platform that a quote names, unverified: for fetching its collateral.
///
/// # Errors
/// When the quote or its PCK certificate cannot be parsed.
pub fn platform(quote: &[u8]) -> Result<Platform, TdxError> {
    Ok(PckChain::parse(Quote::parse(quote)?.pck_chain)?.platform)
}

/// Verifies a quote that was made with `expected` as its report data.
pub(crate) fn verify_quote(
    quote: &Quote<'_>,
    expected: &[u8; 64],
    inputs: &VerifyInputs<'_>,
) -> Result<TdxClaims, TdxError> {
    verify_parsed(quote, Appraisal::Store, inputs)?.bind(expected)
}

/// Verifies everything about a quote except its report data.
///
/// # Errors
/// One variant for each reason.
pub fn verify_unbound(
    quote: &[u8],
    appraisal: Appraisal<'_>,
    inputs: &VerifyInputs<'_>,
) -> Result<UnboundQuote, TdxError> {
    // 1. The quote is well-formed, of a known version (DCAP API A.3, A.4), followed only by zeros.
    verify_parsed(&Quote::parse(quote)?, appraisal, inputs)
}

fn verify_parsed(
    quote: &Quote<'_>,
    appraisal: Appraisal<'_>,
    inputs: &VerifyInputs<'_>,
) -> Result<UnboundQuote, TdxError> {
    // 2. The host cannot access the trust domain, and the TDX module is Intel's: TDATTRIBUTES (DCAP API
    //    A.3.4) and MRSIGNERSEAM (A.3.2; T15).
    check_trust_domain(quote)?;

    let cache = inputs.cache.tdx();
    p256::with(cache.signature_cache(), || {
        // 3. The platform's certificate chains to an anchor that is also the last certificate of the quote's
        //    own chain: certification data of type 5 (DCAP API A.3.9; T10).
        let pck = cache.chain(quote.pck_chain)?;
        let chain = verify_chain(&pck, inputs)?;
        cache.keep(quote.pck_chain, &pck);

        // 4. The platform's key signed the quoting enclave's report, which certifies the attestation key
        //    (DCAP API A.3.11).
        check_quoting_enclave(quote, &pck)?;

        // 5. The attestation key signed header and body of the quote, over the bytes as received (DCAP API A.3.8).
        if !signatures::verify_own(quote.attestation_key, quote.signed, quote.signature) {
            return Err(TdxError::QuoteSignature);
        }

        // 6. Intel's collateral is authentic and current; platform, module and quoting enclave have a TCB
        //    level that is not revoked (PCS API, Get TDX TCB Info and Get TD QE Identity; T17, T18).
        let platform = pck.platform;
        let collateral = match appraisal {
            Appraisal::Store => {
                let store = &inputs.endorsements.tdx;
                Some(store.get(&platform).ok_or(TdxError::CollateralMissing { platform })?.as_ref())
            }
            Appraisal::Given(collateral) => Some(collateral),
            Appraisal::Waived => None,
        };
        let tcb = collateral.map(|collateral| appraisal::appraise(quote, &pck, collateral, inputs.now));
        Ok(UnboundQuote(claims(quote, &pck, &chain, tcb.transpose()?)))
    })
}

/// Attributes: TDX module ABI table 3.23. A bit of the group TUD, 0 to 7, marks a trust domain that its host
/// can access.
fn check_trust_domain(quote: &Quote<'_>) -> Result<(), TdxError> {
    let attributes = quote.body.attributes();
    let bits = attributes.bits();
    if attributes.debug {
        return Err(TdxError::Debug);
    }
    if bits & PROFILING != 0 {
        return Err(TdxError::Profiling);
    }
    if bits & RESERVED != 0 {
        return Err(TdxError::AttributesReserved { attributes: attributes.raw });
    }
    if !attributes.sept_ve_disable {
        return Err(TdxError::SeptVeNotDisabled);
    }
    if attributes.migratable {
        return Err(TdxError::Migratable);
    }
    let service = quote.body.mr_service_td().is_some_and(|service| service.0 != [0; 48]);
    if service || bits & SERVICE_TD_EXTENSION != 0 {
        return Err(TdxError::ServiceTd);
    }
    // DCAP API A.3.2: MRSIGNERSEAM is zero for Intel's module.
    if quote.body.mr_signer_seam().0 != [0; 48] {
        return Err(TdxError::ForeignModule);
    }
    Ok(())
}

fn verify_chain(pck: &PckChain, inputs: &VerifyInputs<'_>) -> Result<VerifiedChain, TdxError> {
    let root = pck.root_digest;
    if !inputs.anchors.serving(Purpose::IntelPck).any(|anchor| anchor.sha256 == root) {
        return Err(TdxError::UnknownRoot { root });
    }
    let chain = inputs.chain(&pck.leaf, &pck.issuers, Purpose::IntelPck)?;
    // RFC 5280 §6.1.1 (d) defines an anchor by name and key; here the quote's certificate must be the
    // anchor's certificate.
    if chain.anchor() == root { Ok(chain) } else { Err(TdxError::UnknownRoot { root }) }
}

fn check_quoting_enclave(quote: &Quote<'_>, pck: &PckChain) -> Result<(), TdxError> {
    if !signatures::verify(&pck.key, quote.qe_report.as_bytes(), quote.qe_report_signature) {
        return Err(TdxError::QeReportSignature);
    }
    if quote.qe_report.is_debug() {
        return Err(TdxError::QeDebug);
    }
    // DCAP API A.3.11: SHA-256(attestation key || authentication data) || 32 zeros; dcap-qvl requires
    // authentication data of 32 bytes.
    let mut bound = digest::Context::new(&digest::SHA256);
    bound.update(quote.attestation_key);
    bound.update(quote.qe_authentication);
    let reported = quote.qe_report.report_data();
    let (key, zeros) = reported.split_at(32);
    let is_bound = key == bound.finish().as_ref() && zeros.iter().all(|byte| *byte == 0);
    if is_bound && quote.qe_authentication.len() == 32 { Ok(()) } else { Err(TdxError::QeBinding) }
}

fn claims(quote: &Quote<'_>, pck: &PckChain, chain: &VerifiedChain, tcb: Option<TdxTcb>) -> TdxClaims {
    let body = &quote.body;
    TdxClaims {
        root: chain.root(),
        // Appraisal requires a current CRL for every certificate.
        revocation: if tcb.is_some() { Revocation::Fresh } else { chain.revocation() },
        tcb,
        quote_version: quote.version,
        fmspc: Hex(pck.platform.fmspc),
        pck_ca: pck.platform.ca.name(),
        platform_id: pck.platform_id,
        tee_tcb_svn: Hex(body.tee_tcb_svn()),
        tee_tcb_svn2: body.tee_tcb_svn2(),
        mr_seam: body.mr_seam(),
        mr_signer_seam: body.mr_signer_seam(),
        attributes: body.attributes(),
        xfam: body.xfam(),
        mr_td: body.mr_td(),
        mr_config_id: body.mr_config_id(),
        mr_owner: body.mr_owner(),
        mr_owner_config: body.mr_owner_config(),
        rtmrs: body.rtmrs(),
        mr_service_td: body.mr_service_td(),
        report_data: Hex(body.report_data()),
        endorsement: None,
        unconfirmed_boot: None,
    }
}

/// HGS_PLUS_PROF, PERF_PROF, PMT_PROF (TDX module ABI table 3.23).
const PROFILING: u64 = 0b111 << 4;
/// SERVTD_EXT (TDX module ABI table 3.23).
const SERVICE_TD_EXTENSION: u64 = 1 << 17;
/// Bits that verifiers must refuse: 1 to 3, 7 to 15, 23 to 26, 32 to 61.
const RESERVED: u64 = 0b111 << 1 | 0x1ff << 7 | 0xf << 23 | ((1 << 30) - 1) << 32;
