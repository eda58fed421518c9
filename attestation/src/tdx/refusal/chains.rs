//! Certificate chains of collateral and platform, with their revocation.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::TrustAnchor;
use rustls_pki_types::pem::PemObject;
use vouchsafe_protocol::UnixTime;
use webpki::BorrowedCertRevocationList;
use webpki::CertRevocationList;
use webpki::EndEntityCert;
use webpki::Error as E;
use webpki::ExpirationPolicy;
use webpki::KeyUsage;
use webpki::RevocationCheckDepth;
use webpki::RevocationOptionsBuilder;
use webpki::UnknownStatusPolicy;

use super::reason::Reason;
use super::reason::UNNAMED;
use crate::anchors::Purpose;
use crate::tdx::collateral::TdxCollateral;
use crate::tdx::error::CollateralPart;
use crate::tdx::error::TdxError;
use crate::tdx::pck::PckChain;
use crate::tdx::pem::is_plain;
use crate::tdx::signatures;
use crate::x509::Certificate;
use crate::x509::algorithms;
use crate::x509::der as raw;

/// The CRLs, and the root that everything chains to.
pub(super) struct Chains<'a> {
    collateral: &'a TdxCollateral,
    crls: [CertRevocationList<'a>; 2],
    anchor: TrustAnchor<'a>,
    now: UnixTime,
}

impl<'a> Chains<'a> {
    /// Checks the root's CRL, and reads that of the PCK CA.
    pub(super) fn read(
        collateral: &'a TdxCollateral,
        root: &Certificate,
        pck: &'a PckChain,
        now: UnixTime,
    ) -> Result<Self, Reason> {
        use CollateralPart as Part;
        let root_crl = crl(Part::RootCrl, &collateral.root_ca_crl)?;
        let signed = raw::Signed::parse(&collateral.root_ca_crl);
        let algorithms = Purpose::IntelPck.algorithms();
        if !signed.is_some_and(|signed| algorithms::verify(algorithms, root.spki(), &signed)) {
            return Err(Some(TdxError::CollateralSignature { part: Part::RootCrl }));
        }
        let pck_crl = crl(Part::PckCrl, &collateral.pck_crl)?;
        if root_crl.find_serial(root.serial()).is_ok_and(|found| found.is_some()) {
            return Err(Some(TdxError::Revoked));
        }
        let anchor = anchor(pck.root()).ok_or(UNNAMED)?;
        Ok(Self { collateral, crls: [root_crl, pck_crl], anchor, now })
    }

    /// Checks that a certificate of the root's own signed the text.
    pub(super) fn check_signed(
        &self,
        part: CollateralPart,
        text: &str,
        signature: &[u8],
    ) -> Result<(), TdxError> {
        let (signer, pem) = self.issuer_chain(part);
        let untrusted = TdxError::SignerUntrusted;
        let [leaf, above @ ..] = &certificates(pem).ok_or(untrusted.clone())?[..] else {
            return Err(untrusted);
        };
        let intermediates = self.verify(leaf, above).map_err(|error| signer_refusal(error, signer))?;
        if intermediates != 0 {
            return Err(untrusted);
        }
        let certificate = Certificate::parse(leaf).ok_or(untrusted)?;
        let key = certificate.public_key().zip(signature.try_into().ok());
        let is_signed =
            key.is_some_and(|(key, signature)| signatures::verify(key, text.as_bytes(), signature));
        if is_signed { Ok(()) } else { Err(TdxError::CollateralSignature { part }) }
    }

    /// Checks the platform's chain, which has been verified without these CRLs.
    pub(super) fn check_platform(&self, pck: &PckChain) -> Result<(), Reason> {
        let leaf = CertificateDer::from_slice(&pck.leaf);
        let above: Vec<_> = pck.issuers.iter().map(|issuer| CertificateDer::from_slice(issuer)).collect();
        self.verify(&leaf, &above).map(|_| ()).map_err(refusal)
    }

    /// Checks that the signers' chains are plain PEM.
    pub(super) fn check_plain(&self) -> Result<(), TdxError> {
        for part in [CollateralPart::TcbInfo, CollateralPart::QeIdentity] {
            let (_, pem) = self.issuer_chain(part);
            let is_plain = certificates(pem).is_some_and(|found| is_plain(pem, &found));
            if !is_plain {
                return Err(TdxError::SignerUntrusted);
            }
        }
        Ok(())
    }

    fn issuer_chain(&self, part: CollateralPart) -> (CollateralPart, &'a str) {
        match part {
            CollateralPart::TcbInfo => {
                (CollateralPart::TcbInfoSigner, &self.collateral.tcb_info_issuer_chain)
            }
            _ => (CollateralPart::QeIdentitySigner, &self.collateral.qe_identity_issuer_chain),
        }
    }

    /// Verifies a chain as dcap-qvl does; returns the number of certificates between leaf and root.
    fn verify(&self, leaf: &CertificateDer<'_>, above: &[CertificateDer<'_>]) -> Result<usize, E> {
        if above.len() > MAX_INTERMEDIATES {
            return Err(E::MaximumPathDepthExceeded);
        }
        let crls: Vec<_> = self.crls.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&crls).map_err(|_| E::UnknownRevocationStatus)?;
        let revocation = revocation
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(UnknownStatusPolicy::Deny)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build();
        let leaf = EndEntityCert::try_from(leaf)?;
        let path = leaf.verify_for_usage(
            Purpose::IntelPck.algorithms(),
            std::slice::from_ref(&self.anchor),
            above,
            rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(self.now.0)),
            KeyUsage::server_auth(),
            Some(revocation),
            None,
        )?;
        Ok(path.intermediate_certificates().count())
    }
}

fn crl(part: CollateralPart, encoded: &[u8]) -> Result<CertRevocationList<'_>, TdxError> {
    let parsed = BorrowedCertRevocationList::from_der(encoded);
    parsed.map(CertRevocationList::from).map_err(|error| match (error, part) {
        // RFC 5280 §5.1.1.2: the algorithm inside is the one outside. The root's CRL is verified when it is parsed.
        (E::SignatureAlgorithmMismatch, CollateralPart::RootCrl) => TdxError::CollateralSignature { part },
        _ => TdxError::CollateralMalformed { part },
    })
}

fn anchor(root: &[u8]) -> Option<TrustAnchor<'_>> {
    let root = CertificateDer::from_slice(root);
    webpki::anchor_from_trusted_cert(&root).ok().map(|anchor| anchor.to_owned())
}

fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().ok()
}

/// The refusal of a signer's chain.
fn signer_refusal(error: E, part: CollateralPart) -> TdxError {
    match error {
        E::CertNotValidYet { not_before, .. } => {
            TdxError::CollateralNotYetValid { part, from: UnixTime(not_before.as_secs()) }
        }
        E::CertExpired { not_after, .. } => {
            TdxError::CollateralExpired { part, until: UnixTime(not_after.as_secs()) }
        }
        error => refusal(error).unwrap_or(TdxError::SignerUntrusted),
    }
}

/// The refusal of a chain; the platform's own dates have been checked before.
fn refusal(error: E) -> Reason {
    let part = CollateralPart::PckCrl;
    match error {
        E::CertRevoked => Some(TdxError::Revoked),
        E::UnknownRevocationStatus => Some(TdxError::CrlMissing { part }),
        E::InvalidCrlSignatureForPublicKey
        | E::UnsupportedCrlSignatureAlgorithmContext(_)
        | E::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            Some(TdxError::CollateralSignature { part })
        }
        E::CertNotValidYet { .. } | E::CertExpired { .. } => None,
        _ => Some(TdxError::SignerUntrusted),
    }
}

/// dcap-qvl's bound, the root included.
const MAX_INTERMEDIATES: usize = 4;
