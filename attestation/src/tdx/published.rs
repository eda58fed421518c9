//! Collateral as Intel published it, verified without a quote: before it takes the place of what is there.
//!
//! What is refused here would be refused with every quote. The other way round it does not hold: whether the TCB
//! of a platform has a level is for a quote to say.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use super::CollateralPart;
use super::TdxCollateral;
use super::TdxError;
use super::appraisal;
use super::collateral::Platform;
use super::pck;
use super::signatures;
use crate::anchors::Purpose;
use crate::anchors::TrustAnchors;
use crate::chain;
use crate::chain::Certificate;
use crate::chain::ChainError;
use crate::chain::ChainRequest;
use crate::chain::Collateral;
use crate::chain::MAX_CERTIFICATE;
use crate::chain::algorithms;
use crate::chain::crl::Crl;
use crate::chain::der as raw;

/// Verifies that Intel, or an extra anchor, signed all of this for this platform, and that it is current.
///
/// # Errors
/// One variant for each reason to refuse.
pub fn verify_collateral(
    collateral: &TdxCollateral,
    platform: &Platform,
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<(), TdxError> {
    use CollateralPart as Part;
    // 1. Each issuer chain ends at an anchor's certificate, all at the same one.
    let [ca, root] = issuers(Part::PckCrl, &collateral.pck_crl_issuer_chain, anchors)?;
    let [tcb_signer, tcb_root] = issuers(Part::TcbInfo, &collateral.tcb_info_issuer_chain, anchors)?;
    let [qe_signer, qe_root] = issuers(Part::QeIdentity, &collateral.qe_identity_issuer_chain, anchors)?;
    if tcb_root != root || qe_root != root {
        return Err(TdxError::SignerUntrusted);
    }
    let malformed = |part| TdxError::CollateralMalformed { part };
    let read = |certificate: &[u8]| Certificate::parse(certificate).ok_or(malformed(Part::PckCrl));
    let (parsed_ca, parsed_root) = (read(&ca)?, read(&root)?);

    // 2. All of it is readable, for TDX, current, and that of this platform and these issuers.
    appraisal::check(platform, [&parsed_ca, &parsed_root], collateral, now)?;

    // 3. The root signed its CRL, and is not in it.
    let root_crl = crl(Part::RootCrl, &collateral.root_ca_crl)?;
    if !root_crl.is_signed_by(&parsed_root.spki, Purpose::IntelPck) {
        return Err(TdxError::CollateralSignature { part: Part::RootCrl });
    }
    let unrevoked =
        |issued: &Certificate| if root_crl.revokes(&issued.serial) { Err(TdxError::Revoked) } else { Ok(()) };
    unrevoked(&parsed_root)?;

    // 4. The root issued the PCK CA, which signed its CRL.
    check_ca(&ca, &parsed_ca, &parsed_root, platform, now)?;
    unrevoked(&parsed_ca)?;
    if !crl(Part::PckCrl, &collateral.pck_crl)?.is_signed_by(&parsed_ca.spki, Purpose::IntelPck) {
        return Err(TdxError::CollateralSignature { part: Part::PckCrl });
    }

    // 5. The root issued the certificates of those who signed TCB info and QE identity, over the texts as received.
    let root = Digest32::of(&root);
    let signer = |part, leaf: &[u8]| {
        let signer = verify_signer(part, leaf, &root, anchors, now)?;
        unrevoked(&signer).map(|()| signer)
    };
    let tcb_signer = signer(Part::TcbInfoSigner, &tcb_signer)?;
    check_text(Part::TcbInfo, &tcb_signer, &collateral.tcb_info, &collateral.tcb_info_signature)?;
    let qe_signer = signer(Part::QeIdentitySigner, &qe_signer)?;
    check_text(Part::QeIdentity, &qe_signer, &collateral.qe_identity, &collateral.qe_identity_signature)
}

/// Two certificates, the second one an anchor's: Intel PCS API v4, issuer chains.
fn issuers(part: CollateralPart, pem: &str, anchors: &TrustAnchors) -> Result<[Vec<u8>; 2], TdxError> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).take(CHAIN_LENGTH + 1) {
        let certificate = certificate.map_err(|_| TdxError::SignerUntrusted)?;
        if certificate.len() > MAX_CERTIFICATE {
            return Err(TdxError::SignerUntrusted);
        }
        found.push(certificate.to_vec());
    }
    let [issuer, root]: [Vec<u8>; 2] = found.try_into().map_err(|_| TdxError::SignerUntrusted)?;
    let digest = Digest32::of(&root);
    if anchors.serving(Purpose::IntelPck).any(|anchor| anchor.sha256 == digest) {
        Ok([issuer, root])
    } else {
        Err(TdxError::CollateralRoot { part, root: digest })
    }
}

fn crl(part: CollateralPart, encoded: &[u8]) -> Result<Crl, TdxError> {
    Crl::parse(encoded).map_err(|_| TdxError::CollateralMalformed { part })
}

/// The CA of the platform's certificates: what chains of this crate check of an issuer (RFC 5280 §6.1.4).
fn check_ca(
    encoded: &[u8],
    ca: &Certificate,
    root: &Certificate,
    platform: &Platform,
    now: UnixTime,
) -> Result<(), TdxError> {
    let part = CollateralPart::PckCrl;
    let algorithms = algorithms::serving(Purpose::IntelPck);
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

/// A certificate that the root issued itself. Revocation is the caller's to judge.
fn verify_signer(
    part: CollateralPart,
    leaf: &[u8],
    root: &Digest32,
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<Certificate, TdxError> {
    let (certificates, purpose) = (&[][..], Purpose::IntelPck);
    let collateral = &Collateral::empty();
    let chain = chain::verify(&ChainRequest { leaf, certificates, purpose, anchors, collateral, now });
    let chain = chain.map_err(|error| match error {
        ChainError::NotValidYet { not_before: from } => TdxError::CollateralNotYetValid { part, from },
        ChainError::Expired { not_after: until } => TdxError::CollateralExpired { part, until },
        _ => TdxError::SignerUntrusted,
    })?;
    if chain.anchor() == *root { Ok(chain.leaf().clone()) } else { Err(TdxError::SignerUntrusted) }
}

/// R then S, 64 bytes (Intel PCS API v4).
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
