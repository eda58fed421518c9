//! Names the reason why dcap-qvl refuses.
//!
//! The library's errors are prose, so their text is never read. Its verdict is final. To find the reason, the
//! checks are repeated in the library's order, with its own types and with webpki, until one fails. This runs
//! only after a refusal and cannot turn it into an acceptance: at worst it reports a wrong reason. If no
//! check fails, the reason is [`TdxError::Other`] with the library's text.
//!
//! The steps are those of `verify_impl` in dcap-qvl 0.7.1. Left out: what [`super::verify_unbound`] and
//! [`super::appraisal`] have checked before, namely the quote's form, its own signatures, the quoting enclave's binding, the
//! attributes of the trust domain, and form, kind, dates and platform of the collateral.

mod chains;
mod levels;
mod reason;

use dcap_qvl::QeIdentity;
use dcap_qvl::TcbInfo;
use serde::de::DeserializeOwned;
use vouchsafe_protocol::UnixTime;

use self::chains::Chains;
use self::reason::Reason;
use super::collateral::TdxCollateral;
use super::error::CollateralPart;
use super::error::TdxError;
use super::pck::PckChain;
use super::quote::Quote;
use crate::x509::Certificate;
use crate::x509::crl::Crl;

/// A quote that dcap-qvl refuses, with everything that its verdict depends on.
#[derive(Clone, Copy)]
pub(super) struct Refused<'a> {
    pub(super) quote: &'a Quote<'a>,
    pub(super) pck: &'a PckChain,
    pub(super) root: &'a Certificate,
    pub(super) collateral: &'a TdxCollateral,
    pub(super) now: UnixTime,
}

impl Refused<'_> {
    /// The reason; the library's `text` where no check that has a name fails.
    pub(super) fn reason(&self, text: String) -> TdxError {
        self.check().err().flatten().unwrap_or(TdxError::Other { reason: text })
    }

    fn check(&self) -> Result<(), Reason> {
        use CollateralPart as Part;
        let Self { quote, pck, root, collateral, now } = *self;
        // 1. The root's CRL is signed by the root and does not list it; the PCK CA's is readable.
        let chains = Chains::read(collateral, root, pck, now)?;

        // 2. TCB info and QE identity are signed by a certificate that the root issued.
        let info: TcbInfo = parse(Part::TcbInfo, &collateral.tcb_info)?;
        let signature = &collateral.tcb_info_signature;
        chains.check_signed(Part::TcbInfo, &collateral.tcb_info, signature)?;
        let identity: QeIdentity = parse(Part::QeIdentity, &collateral.qe_identity)?;
        let signature = &collateral.qe_identity_signature;
        chains.check_signed(Part::QeIdentity, &collateral.qe_identity, signature)?;

        // 3. Nothing in the platform's chain is revoked.
        chains.check_platform(pck)?;

        // 4. Quoting enclave, platform and TDX module are the listed ones and have a level that is not revoked.
        let enclave = levels::quoting_enclave(quote.qe_report, &identity)?;
        let platform = levels::platform(quote, pck, &info)?;
        levels::check_revoked(platform.into_iter().chain([enclave]))?;

        // 5. The numbers of the CRLs can be given as claims.
        check_number(Part::RootCrl, &collateral.root_ca_crl)?;
        check_number(Part::PckCrl, &collateral.pck_crl)?;

        // 6. The issuer chains mean the same to dcap-qvl, which reads PEM in another way.
        Ok(chains.check_plain()?)
    }
}

fn parse<T: DeserializeOwned>(part: CollateralPart, text: &str) -> Result<T, TdxError> {
    serde_json::from_str(text).map_err(|_| TdxError::CollateralMalformed { part })
}

/// dcap-qvl returns the number as 32 bits (RFC 5280 §5.2.3 allows 20 bytes).
fn check_number(part: CollateralPart, encoded: &[u8]) -> Result<(), TdxError> {
    let number = Crl::parse(encoded).map(|crl| crl.number.len());
    if number.is_ok_and(|length| length <= 4) { Ok(()) } else { Err(TdxError::CollateralMalformed { part }) }
}
