//! Revocation: a revoked certificate is an error, stale or missing CRLs become a claim. In these cases RFC
//! 5280 §6.3.3 ends with an undetermined status; here the policy decides.

use serde::Serialize;
use vouchsafe_protocol::UnixTime;

use super::error::ChainError;
use crate::anchors::Purpose;
use crate::x509::certificate::Certificate;
use crate::x509::collateral::Collateral;

/// How current the revocation data of a chain is; the least current certificate determines the value.
///
/// Certificates with a CRL distribution point determine it; one without needs no CRL, but is refused if one
/// revokes it. If no certificate of the chain has a distribution point, the certificate below the root
/// determines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocation {
    /// Each has a current CRL of its issuer.
    Fresh,
    /// No certificate of the chain names a CRL, and the vendor publishes none for this hierarchy.
    /// [`Purpose::has_revocation`] decides that, never the certificates alone.
    NotOffered,
    /// At least one has only a CRL whose next update is overdue.
    Stale,
    /// At least one has no CRL at all.
    Absent,
}

/// A CRL that a verified chain names and that is missing or overdue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingCrl {
    /// The distribution points of the certificate, each an alternative.
    pub addresses: Vec<String>,
    /// The key that must have signed the CRL, an encoded `SubjectPublicKeyInfo`.
    #[serde(skip)]
    pub issuer_key: Vec<u8>,
}

/// The revocation status of a path.
pub(super) struct PathStatus {
    pub(super) revocation: Revocation,
    pub(super) missing: Vec<MissingCrl>,
    /// Issuers of the CRLs that were used, encoded Names.
    pub(super) issuers: Vec<Vec<u8>>,
}

/// A certificate of a verified path, with the key that signed it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) serial: Vec<u8>,
    /// Issuer, an encoded Name.
    pub(super) issuer: Vec<u8>,
    pub(super) issuer_spki: Vec<u8>,
    pub(super) crl_urls: Vec<String>,
    pub(super) is_ca: bool,
}

impl Link {
    pub(super) fn of(certificate: &Certificate, issuer_spki: &[u8]) -> Self {
        Self {
            serial: certificate.serial.clone(),
            issuer: certificate.issuer.clone(),
            issuer_spki: issuer_spki.to_vec(),
            crl_urls: certificate.crl_urls.clone(),
            is_ca: certificate.is_ca,
        }
    }
}

/// Evaluates a path, ordered from the leaf to the certificate below the root. Adds the times at which the
/// result may change.
///
/// # Errors
/// A certificate is in a CRL of its issuer, whether that CRL is current or not.
pub(super) fn evaluate(
    path: &[Link],
    collateral: &Collateral,
    purpose: Purpose,
    now: UnixTime,
    transitions: &mut Vec<UnixTime>,
) -> Result<PathStatus, ChainError> {
    let (mut worst, mut missing, mut issuers) = (None, Vec::new(), Vec::new());
    let mut topmost = Revocation::Absent;
    for link in path {
        topmost = status(link, collateral, purpose, now, transitions)?;
        if link.crl_urls.is_empty() {
            continue;
        }
        worst = worst.max(Some(topmost));
        issuers.push(link.issuer.clone());
        if topmost != Revocation::Fresh {
            let (addresses, issuer_key) = (link.crl_urls.clone(), link.issuer_spki.clone());
            missing.push(MissingCrl { addresses, issuer_key });
        }
    }
    if issuers.is_empty() {
        issuers.extend(path.last().map(|topmost| topmost.issuer.clone()));
    }
    let revocation = match worst {
        Some(worst) => worst,
        None if topmost == Revocation::Absent && !purpose.has_revocation() => Revocation::NotOffered,
        None => topmost,
    };
    Ok(PathStatus { revocation, missing, issuers })
}

fn status(
    link: &Link,
    collateral: &Collateral,
    purpose: Purpose,
    now: UnixTime,
    transitions: &mut Vec<UnixTime>,
) -> Result<Revocation, ChainError> {
    let mut status = Revocation::Absent;
    for crl in collateral.crls().iter().filter(|crl| crl.issuer == link.issuer) {
        // RFC 5280 §4.1.2.2: serial numbers are unique per issuer, so a certificate is revoked if any CRL of
        // its issuer lists it, for whatever distribution point. That it is not listed means something only in
        // a CRL that covers it.
        let is_revoked = crl.revokes(&link.serial);
        let counts = is_revoked || crl.covers(&link.crl_urls, link.is_ca);
        if !counts || !crl.is_signed_by(&link.issuer_spki, purpose) {
            continue;
        }
        if is_revoked {
            return Err(ChainError::Revoked { serial: hex::encode(&link.serial) });
        }
        transitions.push(crl.this_update);
        transitions.extend(crl.next_update);
        let this = if crl.is_current(now) { Revocation::Fresh } else { Revocation::Stale };
        status = status.min(this);
    }
    Ok(status)
}
