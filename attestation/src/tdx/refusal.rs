//! Maps dcap-qvl's error texts to refusals. Its version is pinned, and tests compare each text with that of a
//! quote that it refuses.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use vouchsafe_protocol::UnixTime;

use super::collateral::TdxCollateral;
use super::error::CollateralPart;
use super::error::TdxError;
use crate::x509::Certificate;

/// The refusal for an error text of dcap-qvl. A text has the causes after their effects, separated by colons.
pub(super) fn of(text: &str, collateral: &TdxCollateral, now: UnixTime) -> TdxError {
    let known = TEXTS.iter().find(|(needles, _)| needles.iter().all(|needle| text.contains(needle)));
    match known.map(|(_, meaning)| meaning) {
        Some(Meaning::Is(error)) => error.clone(),
        Some(Meaning::SignerDates) => signer_dates(collateral, now).unwrap_or_else(|| other(text)),
        None => other(text),
    }
}

fn other(text: &str) -> TdxError {
    TdxError::Other { reason: text.to_owned() }
}

/// The signer whose certificate is not valid now: the platform's own chain has already been verified.
fn signer_dates(collateral: &TdxCollateral, now: UnixTime) -> Option<TdxError> {
    let signers = [
        (CollateralPart::TcbInfoSigner, &collateral.tcb_info_issuer_chain),
        (CollateralPart::QeIdentitySigner, &collateral.qe_identity_issuer_chain),
    ];
    for (part, pem) in signers {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = Certificate::parse(&certificate.ok()?)?;
            if now < certificate.not_before() {
                return Some(TdxError::CollateralNotYetValid { part, from: certificate.not_before() });
            }
            if certificate.not_after() < now {
                return Some(TdxError::CollateralExpired { part, until: certificate.not_after() });
            }
        }
    }
    None
}

enum Meaning {
    Is(TdxError),
    /// A certificate is not valid now; the text does not say which.
    SignerDates,
}

const fn signature(part: CollateralPart) -> Meaning {
    Meaning::Is(TdxError::CollateralSignature { part })
}

const fn malformed(part: CollateralPart) -> Meaning {
    Meaning::Is(TdxError::CollateralMalformed { part })
}

/// Texts that must all occur in an error, and its meaning. The first match counts.
static TEXTS: [(&[&str], Meaning); 31] = {
    use CollateralPart as Part;
    use Meaning::Is;
    use TdxError as E;
    [
        // CRLs and chains: webpki's names.
        (&["root CA CRL", "Signature"], signature(Part::RootCrl)),
        (&["root CA CRL"], malformed(Part::RootCrl)),
        (&["Failed to parse PCK CRL"], malformed(Part::PckCrl)),
        (&["CertRevoked"], Is(E::Revoked)),
        (&["UnknownRevocationStatus"], Is(E::CrlMissing { part: Part::PckCrl })),
        (&["InvalidCrlSignatureForPublicKey"], signature(Part::PckCrl)),
        (&["UnsupportedCrlSignatureAlgorithm"], signature(Part::PckCrl)),
        (&["CertExpired"], Meaning::SignerDates),
        (&["CertNotValidYet"], Meaning::SignerDates),
        (&["Failed to verify certificate chain"], Is(E::SignerUntrusted)),
        (&["Too many intermediate certificates"], Is(E::SignerUntrusted)),
        (&["must be issued directly by the root CA"], Is(E::SignerUntrusted)),
        (&["Certificate chain is too short"], Is(E::SignerUntrusted)),
        (&["Failed to parse certs"], Is(E::SignerUntrusted)),
        (&["leaf certificate"], Is(E::SignerUntrusted)),
        (&["Failed to create RevocationOptionsBuilder"], malformed(Part::PckCrl)),
        // Signed texts.
        (&["Signature is invalid for tcb_info"], signature(Part::TcbInfo)),
        (&["Signature is invalid for qe_identity"], signature(Part::QeIdentity)),
        (&["Failed to decode TcbInfo"], malformed(Part::TcbInfo)),
        (&["Failed to decode QeIdentity"], malformed(Part::QeIdentity)),
        (&["Unsupported QE Identity"], Is(E::CollateralKind { part: Part::QeIdentity })),
        // TCB.
        (&["No matching TCB level"], Is(E::TcbLevelUnknown)),
        (&["TDX module TCB level check", "Unrecognized"], Is(E::StatusUnknown)),
        (&["TDX module TCB level check"], Is(E::ModuleLevelUnknown)),
        (&["TDX module identity check", "mismatch"], Is(E::ModuleMismatch)),
        (&["TDX module identity check", "outside mask"], Is(E::ModuleMismatch)),
        (&["QE ISVSVN"], Is(E::QeLevelUnknown)),
        (&["No TCB levels found in QE Identity"], Is(E::QeLevelUnknown)),
        (&["QE ", "mismatch"], Is(E::QeMismatch)),
        (&["Unrecognized TCB status"], Is(E::StatusUnknown)),
        (&["TCB status is invalid: Revoked"], Is(E::TcbRevoked)),
    ]
};
