//! Verifies collateral without a quote, before it replaces the stored one.
//!
//! What is refused here would be refused with every quote. The reverse is not true: whether a platform's TCB
//! matches a level depends on the quote.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use super::appraisal;
use super::collateral::Platform;
use super::collateral::TdxCollateral;
use super::error::CollateralPart;
use super::error::TdxError;
use super::pck;
use super::pem::is_plain;
use super::signatures;
use crate::anchors::Purpose;
use crate::anchors::Root;
use crate::anchors::TrustAnchors;
use crate::x509;
use crate::x509::Certificate;
use crate::x509::ChainError;
use crate::x509::ChainRequest;
use crate::x509::Collateral;
use crate::x509::MAX_CERTIFICATE;
use crate::x509::algorithms;
use crate::x509::crl::Crl;
use crate::x509::der as raw;

/// The anchor that the signers of collateral chain to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollateralAnchor {
    /// Its root.
    pub root: Root,
    /// SHA-256 of the anchor's certificate.
    pub certificate: Digest32,
}

/// Verifies that all parts are signed under one anchor, Intel's or an extra one, for this platform, and are
/// current. Returns the anchor.
///
/// # Errors
/// One variant for each reason.
pub fn verify_collateral(
    collateral: &TdxCollateral,
    platform: &Platform,
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<CollateralAnchor, TdxError> {
    use CollateralPart as Part;
    // 1. Each issuer chain (PCS API, header `TCB-Info-Issuer-Chain` and its siblings) ends at an anchor's certificate, all
    //    at the same one.
    let ([ca, root], anchor) = issuers(Part::PckCrl, &collateral.pck_crl_issuer_chain, anchors)?;
    let ([tcb_signer, tcb_root], _) = issuers(Part::TcbInfo, &collateral.tcb_info_issuer_chain, anchors)?;
    let ([qe_signer, qe_root], _) = issuers(Part::QeIdentity, &collateral.qe_identity_issuer_chain, anchors)?;
    if tcb_root != root || qe_root != root {
        return Err(TdxError::SignerUntrusted);
    }
    let malformed = |part| TdxError::CollateralMalformed { part };
    let read = |certificate: &[u8]| Certificate::parse(certificate).ok_or(malformed(Part::PckCrl));
    let (parsed_ca, parsed_root) = (read(&ca)?, read(&root)?);

    // 2. All of it is readable, for TDX, current, and for this platform and these issuers.
    appraisal::check(platform, [&parsed_ca, &parsed_root], collateral, now)?;

    // 3. The root signed its CRL (RFC 5280 §6.3.3 (g)), and is not in it.
    let root_crl = crl(Part::RootCrl, &collateral.root_ca_crl)?;
    if !root_crl.is_signed_by(&parsed_root.spki, Purpose::IntelPck) {
        return Err(TdxError::CollateralSignature { part: Part::RootCrl });
    }
    let unrevoked =
        |issued: &Certificate| if root_crl.revokes(&issued.serial) { Err(TdxError::Revoked) } else { Ok(()) };
    unrevoked(&parsed_root)?;

    // 4. The root issued the PCK CA, which signed its CRL (PCK profile; RFC 5280 §6.1.3).
    check_ca(&ca, &parsed_ca, &parsed_root, platform, now)?;
    unrevoked(&parsed_ca)?;
    if !crl(Part::PckCrl, &collateral.pck_crl)?.is_signed_by(&parsed_ca.spki, Purpose::IntelPck) {
        return Err(TdxError::CollateralSignature { part: Part::PckCrl });
    }

    // 5. The root issued the certificates of the signers of TCB info and QE identity (PCS API: `signature`,
    //    over the member as text), whose signatures are over the texts as received.
    let signer = |part, leaf: &[u8]| {
        let signer = verify_signer(part, leaf, &anchor.certificate, anchors, now)?;
        unrevoked(&signer).map(|()| signer)
    };
    let tcb_signer = signer(Part::TcbInfoSigner, &tcb_signer)?;
    check_text(Part::TcbInfo, &tcb_signer, &collateral.tcb_info, &collateral.tcb_info_signature)?;
    let qe_signer = signer(Part::QeIdentitySigner, &qe_signer)?;
    check_text(Part::QeIdentity, &qe_signer, &collateral.qe_identity, &collateral.qe_identity_signature)?;
    Ok(anchor)
}

/// Two certificates, the second one an anchor's (PCS API, issuer chains).
fn issuers(
    part: CollateralPart,
    pem: &str,
    anchors: &TrustAnchors,
) -> Result<([Vec<u8>; 2], CollateralAnchor), TdxError> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).take(CHAIN_LENGTH + 1) {
        let certificate = certificate.map_err(|_| TdxError::SignerUntrusted)?;
        if certificate.len() > MAX_CERTIFICATE {
            return Err(TdxError::SignerUntrusted);
        }
        found.push(certificate.to_vec());
    }
    let chain: [Vec<u8>; 2] = found.try_into().map_err(|_| TdxError::SignerUntrusted)?;
    if !is_plain(pem, &chain) {
        return Err(TdxError::CollateralChain { part });
    }
    let [_, root] = &chain;
    let certificate = Digest32::of(root);
    let anchor = anchors.serving(Purpose::IntelPck).find(|anchor| anchor.sha256 == certificate);
    let anchor = anchor.ok_or(TdxError::CollateralRoot { part, root: certificate })?;
    let root = anchor.root;
    Ok((chain, CollateralAnchor { root, certificate }))
}

fn crl(part: CollateralPart, encoded: &[u8]) -> Result<Crl, TdxError> {
    Crl::parse(encoded).map_err(|_| TdxError::CollateralMalformed { part })
}

/// The CA of the platform's certificates: the checks that this crate's chains make for an issuer (RFC 5280
/// §6.1.4).
fn check_ca(
    encoded: &[u8],
    ca: &Certificate,
    root: &Certificate,
    platform: &Platform,
    now: UnixTime,
) -> Result<(), TdxError> {
    let part = CollateralPart::PckCrl;
    let algorithms = Purpose::IntelPck.algorithms();
    let is_issued = ca.issuer == root.subject
        && raw::Signed::parse(encoded)
            .is_some_and(|signed| algorithms::verify(algorithms, &root.spki, &signed));
    if !is_issued || !ca.is_ca || !ca.may_sign_certificates {
        return Err(TdxError::SignerUntrusted);
    }
    if pck::issuer(&ca.subject) != Some(platform.ca) {
        return Err(TdxError::CrlMissing { part });
    }
    if now < ca.not_before {
        return Err(TdxError::CollateralNotYetValid { part, from: ca.not_before });
    }
    if ca.not_after < now {
        return Err(TdxError::CollateralExpired { part, until: ca.not_after });
    }
    Ok(())
}

/// A certificate issued by the root itself. The caller checks revocation.
fn verify_signer(
    part: CollateralPart,
    leaf: &[u8],
    root: &Digest32,
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<Certificate, TdxError> {
    let (certificates, purpose) = (&[][..], Purpose::IntelPck);
    let collateral = &Collateral::empty();
    let chain = x509::verify_chain(&ChainRequest { leaf, certificates, purpose, anchors, collateral, now });
    let chain = chain.map_err(|error| match error {
        ChainError::NotValidYet { not_before: from } => TdxError::CollateralNotYetValid { part, from },
        ChainError::Expired { not_after: until } => TdxError::CollateralExpired { part, until },
        _ => TdxError::SignerUntrusted,
    })?;
    if chain.anchor() == *root { Ok(chain.leaf().clone()) } else { Err(TdxError::SignerUntrusted) }
}

/// R then S, 64 bytes (PCS API, `signature`).
fn check_text(
    part: CollateralPart,
    signer: &Certificate,
    text: &str,
    signature: &[u8],
) -> Result<(), TdxError> {
    let key = signer.public_key().zip(signature.try_into().ok());
    let signed = key.is_some_and(|(key, signature)| signatures::verify(key, text.as_bytes(), signature));
    if signed { Ok(()) } else { Err(TdxError::CollateralSignature { part }) }
}

const CHAIN_LENGTH: usize = 2;
