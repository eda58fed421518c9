//! Certificate revocation lists, parsed once; their signature is checked against each issuer in use.
//!
//! Only complete CRLs of one issuer: delta and indirect CRLs and unknown critical extensions are refused when
//! collateral is loaded, never skipped.

use std::sync::OnceLock;

use der::Decode;
use der::asn1::ObjectIdentifier;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;
use x509_cert::crl::TbsCertList;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::IssuingDistributionPoint;

use super::algorithms;
use super::certificate::full_names;
use super::der as raw;
use super::extension::MAX_DECODED;
use crate::anchors::Purpose;
use crate::anchors::TrustAnchors;

/// A parsed CRL. Its signature has not been verified.
#[derive(Clone, Debug)]
pub(crate) struct Crl {
    encoded: Vec<u8>,
    /// Issuer, an encoded Name.
    pub(crate) issuer: Vec<u8>,
    pub(crate) this_update: UnixTime,
    pub(crate) next_update: Option<UnixTime>,
    /// CRL number without leading zeros; empty if absent or unreadable.
    pub(crate) number: Vec<u8>,
    /// Sorted.
    pub(crate) revoked: Vec<Vec<u8>>,
    scope: Scope,
    /// The key under which the signature was verified, and for which purpose: one CRL is used for many
    /// chains.
    signer: OnceLock<(Purpose, Vec<u8>)>,
}

/// The certificates that a CRL covers.
#[derive(Clone, Debug, Default)]
struct Scope {
    /// Only those with one of these distribution points; `None`: all.
    urls: Option<Vec<String>>,
    only_leaves: bool,
    only_authorities: bool,
}

/// Why a CRL cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrlFlaw {
    Malformed,
    Unsupported,
}

impl Crl {
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, CrlFlaw> {
        let signed = raw::Signed::parse(encoded).ok_or(CrlFlaw::Malformed)?;
        let issuer = issuer(&signed).ok_or(CrlFlaw::Malformed)?.to_vec();
        let list = TbsCertList::from_der(signed.message).map_err(|_| CrlFlaw::Malformed)?;
        let mut revoked = Vec::new();
        for entry in list.revoked_certificates.unwrap_or_default() {
            let extensions = entry.crl_entry_extensions.unwrap_or_default();
            // RFC 5280 §5.3.3: a certificate issuer makes the list indirect; it is always critical.
            if extensions
                .iter()
                .any(|extension| extension.critical || extension.extn_id == CERTIFICATE_ISSUER)
            {
                return Err(CrlFlaw::Unsupported);
            }
            revoked.push(magnitude(entry.serial_number.as_bytes()).to_vec());
        }
        revoked.sort_unstable();
        Ok(Self {
            encoded: encoded.to_vec(),
            issuer,
            this_update: UnixTime(list.this_update.to_unix_duration().as_secs()),
            next_update: list.next_update.map(|time| UnixTime(time.to_unix_duration().as_secs())),
            revoked,
            number: number(list.crl_extensions.as_deref().unwrap_or_default()),
            scope: scope(&list.crl_extensions.unwrap_or_default())?,
            signer: OnceLock::new(),
        })
    }

    /// Whether the key signed the CRL, with an algorithm allowed for this purpose.
    pub(crate) fn is_signed_by(&self, spki: &[u8], purpose: Purpose) -> bool {
        if self.signer.get().is_some_and(|(known, key)| *known == purpose && key == spki) {
            return true;
        }
        let verifies = raw::Signed::parse(&self.encoded)
            .is_some_and(|signed| algorithms::verify(purpose.algorithms(), spki, &signed));
        if verifies {
            let _ = self.signer.set((purpose, spki.to_vec()));
        }
        verifies
    }

    /// Whether the CRL covers a certificate with these distribution points (RFC 5280 §6.3.3 (b)(2)).
    pub(super) fn covers(&self, urls: &[String], is_ca: bool) -> bool {
        let in_urls = self.scope.urls.as_ref().is_none_or(|own| own.iter().any(|url| urls.contains(url)));
        in_urls && !(is_ca && self.scope.only_leaves) && (is_ca || !self.scope.only_authorities)
    }

    pub(crate) fn revokes(&self, serial: &[u8]) -> bool {
        self.revoked.binary_search_by(|known| known.as_slice().cmp(magnitude(serial))).is_ok()
    }

    /// Whether `now` is between `thisUpdate` and `nextUpdate` (RFC 5280 §5.1.2.5). A CRL without `nextUpdate`
    /// is never current.
    pub(super) fn is_current(&self, now: UnixTime) -> bool {
        self.this_update <= now && self.next_update.is_some_and(|next| now < next)
    }
}

/// SHA-256 of the key of the anchor that signed this CRL (DER). Several anchors with one name may have
/// different keys. CRLs of CAs below an anchor are only verified together with a chain.
#[must_use]
pub fn crl_signer(encoded: &[u8], anchors: &TrustAnchors) -> Option<Digest32> {
    let (list, signed) = Crl::parse(encoded).ok().zip(raw::Signed::parse(encoded))?;
    let issuer = raw::content(&list.issuer).unwrap_or_default();
    let signer = anchors
        .all()
        .filter(|ca| ca.pinned.subject.as_ref() == issuer)
        .find(|ca| algorithms::verify(algorithms::ANY, &ca.spki, &signed));
    signer.map(|ca| Digest32::of(&ca.spki))
}

/// Whether the key, an encoded `SubjectPublicKeyInfo`, signed this CRL (DER).
#[must_use]
pub fn crl_is_signed_by(encoded: &[u8], spki: &[u8]) -> bool {
    raw::Signed::parse(encoded).is_some_and(|signed| algorithms::verify(algorithms::ANY, spki, &signed))
}

/// A serial number (RFC 5280 §4.1.2.2) without its leading zero byte.
fn magnitude(serial: &[u8]) -> &[u8] {
    match serial.split_first() {
        Some((0, rest)) => rest,
        _ => serial,
    }
}

/// RFC 5280 §5.1.2: version (optional), algorithm, issuer, … The algorithm must equal the outer one.
fn issuer<'a>(signed: &raw::Signed<'a>) -> Option<&'a [u8]> {
    let mut rest = raw::content_of(raw::SEQUENCE, signed.message)?;
    let mut algorithm = raw::take(&mut rest)?;
    if algorithm.tag == raw::INTEGER {
        algorithm = raw::take(&mut rest)?;
    }
    let issuer = raw::take(&mut rest)?;
    let shaped = algorithm.content == signed.algorithm && issuer.tag == raw::SEQUENCE;
    (shaped && issuer.encoded.len() <= MAX_DECODED).then_some(issuer.encoded)
}

/// RFC 5280 §5.2.3: an INTEGER.
fn number(extensions: &[Extension]) -> Vec<u8> {
    let found = extensions.iter().find(|extension| extension.extn_id == CRL_NUMBER);
    let number = found.and_then(|extension| raw::content_of(raw::INTEGER, extension.extn_value.as_bytes()));
    magnitude(number.unwrap_or_default()).to_vec()
}

/// RFC 5280 §5.2: an unknown critical extension makes a CRL unusable.
fn scope(extensions: &[Extension]) -> Result<Scope, CrlFlaw> {
    let mut scope = Scope::default();
    for extension in extensions {
        match extension.extn_id {
            ISSUING_DISTRIBUTION_POINT => scope = distribution_scope(extension.extn_value.as_bytes())?,
            DELTA_CRL_INDICATOR => return Err(CrlFlaw::Unsupported),
            CRL_NUMBER | AUTHORITY_KEY_IDENTIFIER => {}
            _ if extension.critical => return Err(CrlFlaw::Unsupported),
            _ => {}
        }
    }
    Ok(scope)
}

/// RFC 5280 §5.2.5.
fn distribution_scope(value: &[u8]) -> Result<Scope, CrlFlaw> {
    if value.len() > MAX_DECODED {
        return Err(CrlFlaw::Malformed);
    }
    let point = IssuingDistributionPoint::from_der(value).map_err(|_| CrlFlaw::Malformed)?;
    if point.indirect_crl || point.only_some_reasons.is_some() || point.only_contains_attribute_certs {
        return Err(CrlFlaw::Unsupported);
    }
    Ok(Scope {
        urls: point.distribution_point.as_ref().map(full_names),
        only_leaves: point.only_contains_user_certs,
        only_authorities: point.only_contains_ca_certs,
    })
}

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
