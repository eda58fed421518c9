//! Selects the certificates for path building: one candidate path, not all certificates that came with the
//! leaf.
//!
//! RFC 5280 §6.1 validates a path, but does not say how to choose one. webpki tries the given certificates in
//! every order, which takes practically unbounded time when certificates have each other's names. So issuers
//! are selected here, by name, one for each name. This selection is not trusted: webpki verifies the selected
//! path up to an anchor.
//!
//! Anybody can send certificates with an issuer's name, before any rate limit applies. So the cost of
//! received certificates is bounded: their keys must not be slower to verify with than real CAs' keys, and at
//! most [`MAX_TRIED`] with the same name are tried, after those in the collateral.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::alg_id;
use vouchsafe_protocol::UnixTime;

use super::error::ChainError;
use super::request::ChainRequest;
use crate::anchors::TrustedCa;
use crate::x509::algorithms;
use crate::x509::certificate::Certificate;
use crate::x509::certificate::Names;
use crate::x509::der;
use crate::x509::der::PublicKeyInfo;
use crate::x509::der::Signed;

/// The leaf and the issuers selected for it, in order.
pub(super) struct Candidates<'a> {
    /// The issuers, DER.
    pub(super) issuers: Vec<CertificateDer<'a>>,
    /// For each certificate, starting with the leaf: its issuer's name and authority key identifier.
    issued_by: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Candidates<'_> {
    /// Whether the anchor may have issued a certificate of this path. Google has many CAs with the same name,
    /// so the name alone is not enough: different key identifiers mean different keys.
    pub(super) fn may_end_at(&self, ca: &TrustedCa) -> bool {
        let of_name = |(name, _): &&(Vec<u8>, _)| der::content(name) == Some(ca.pinned.subject.as_ref());
        let mut named = self.issued_by.iter().filter(of_name).peekable();
        named.peek().is_none() || named.any(|(_, id)| may_be_same(id.as_deref(), ca.key_id.as_deref()))
    }
}

/// Whether two key identifiers may belong to one key: true if either is unknown.
fn may_be_same(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

/// The path from the leaf upwards, as far as issuers are available.
///
/// # Errors
/// [`ChainError::Malformed`] when a certificate that came with the leaf cannot be read.
pub(super) fn above<'a>(
    leaf: &Certificate,
    request: &ChainRequest<'a>,
) -> Result<Candidates<'a>, ChainError> {
    let pool = Pool::of(request)?;
    let mut path: Vec<Names<'a>> = Vec::new();
    let mut issued_by = vec![(leaf.issuer.clone(), leaf.authority_key_id.clone())];
    let (mut below, mut wanted, mut key_id) =
        (request.leaf, leaf.issuer.clone(), leaf.authority_key_id.clone());
    // Each name only once, so the result is a path without branches.
    while path.iter().all(|picked| picked.subject != wanted) {
        let Some(next) = pool.issuer(&wanted, key_id.as_deref(), below, request) else { break };
        path.push(next);
        key_id = Certificate::parse(next.encoded).and_then(|issuer| issuer.authority_key_id);
        (below, wanted) = (next.encoded, next.issuer.to_vec());
        issued_by.push((wanted.clone(), key_id.clone()));
    }
    let issuers = path.into_iter().map(|picked| CertificateDer::from(picked.encoded)).collect();
    Ok(Candidates { issuers, issued_by })
}

/// The certificates among which issuers are looked for.
pub(super) struct Pool<'a> {
    /// From the collateral.
    known: Vec<Names<'a>>,
    /// Those that came with the leaf, without those whose keys are slow to verify with.
    given: Vec<Names<'a>>,
}

impl<'a> Pool<'a> {
    /// The candidates for this request.
    ///
    /// # Errors
    /// [`ChainError::Malformed`] when a certificate that came with the leaf cannot be read.
    pub(super) fn of(request: &ChainRequest<'a>) -> Result<Self, ChainError> {
        let given = request.certificates.iter().map(|encoded| Names::parse(encoded));
        let mut given: Vec<Names<'a>> = given.collect::<Option<_>>().ok_or(ChainError::Malformed)?;
        given.retain(|names| is_affordable(names.spki));
        let known = request.collateral.certificates().iter();
        Ok(Self { known: known.filter_map(|encoded| Names::parse(encoded)).collect(), given })
    }

    /// The certificate with this name and key identifier. If there are several, the first whose key verifies
    /// the signature; if none does, the first, so that validation reports the fault.
    fn issuer(
        &self,
        name: &[u8],
        key_id: Option<&[u8]>,
        below: &[u8],
        request: &ChainRequest<'_>,
    ) -> Option<Names<'a>> {
        let mut all = named(&self.known, name);
        all.extend(named(&self.given, name));
        all.retain(|names| has_key_id(names, key_id));
        let first = *all.first()?;
        // Received certificates are often in the collateral as well.
        if all.iter().all(|other| other.encoded == first.encoded) {
            return Some(first);
        }
        let signed = Signed::parse(below)?;
        let algorithms = request.purpose.algorithms();
        let mut tried = self.tried(name, key_id, request.now).into_iter();
        let fitting =
            tried.find(|(_, certificate)| algorithms::verify(algorithms, &certificate.spki, &signed));
        Some(fitting.map_or(first, |(names, _)| names))
    }

    /// The certificates with this name whose keys are tried, in this order.
    pub(super) fn tried(
        &self,
        name: &[u8],
        key_id: Option<&[u8]>,
        now: UnixTime,
    ) -> Vec<(Names<'a>, Certificate)> {
        let parse = |names: &Names<'a>| {
            let certificate = Certificate::parse(names.encoded)?;
            may_be_same(key_id, certificate.key_id.as_deref()).then_some((*names, certificate))
        };
        let valid = |(_, certificate): &(Names<'a>, Certificate)| is_valid(certificate, now);
        let known = named(&self.known, name);
        let mut given = named(&self.given, name);
        given.retain(|other| known.iter().all(|names| names.encoded != other.encoded));
        let given = given.iter().filter_map(parse).filter(valid).take(MAX_TRIED);
        known.iter().filter_map(parse).filter(valid).chain(given).collect()
    }
}

/// Whether the certificate may belong to the key with this identifier.
fn has_key_id(names: &Names<'_>, key_id: Option<&[u8]>) -> bool {
    let own = || Certificate::parse(names.encoded).and_then(|certificate| certificate.key_id);
    key_id.is_none() || may_be_same(key_id, own().as_deref())
}

/// The certificates with this subject, without duplicates.
fn named<'a>(all: &[Names<'a>], subject: &[u8]) -> Vec<Names<'a>> {
    let mut found: Vec<Names<'a>> = Vec::new();
    for names in all.iter().filter(|names| names.subject == subject) {
        if found.iter().all(|other| other.encoded != names.encoded) {
            found.push(*names);
        }
    }
    found
}

/// Whether verifying with the key costs no more than with the key of a real CA. RSA is slow with a long
/// modulus or a long exponent.
pub(super) fn is_affordable(spki: &[u8]) -> bool {
    let Some(key) = PublicKeyInfo::parse(spki) else {
        return false;
    };
    // Other kinds of keys have a fixed size.
    key.algorithm != alg_id::RSA_ENCRYPTION.as_ref() || has_usual_numbers(key.key).unwrap_or(false)
}

/// `RSAPublicKey { modulus, exponent }`: a modulus of at most [`MAX_RSA_MODULUS`] bytes, and the exponent
/// 65537.
fn has_usual_numbers(key: &[u8]) -> Option<bool> {
    let mut rest = der::content_of(der::SEQUENCE, key)?;
    let modulus = der::take(&mut rest).filter(|number| number.tag == der::INTEGER)?.content;
    let exponent = der::take(&mut rest).filter(|number| number.tag == der::INTEGER)?.content;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    Some(modulus.len() <= MAX_RSA_MODULUS && exponent == [1, 0, 1])
}

fn is_valid(certificate: &Certificate, now: UnixTime) -> bool {
    certificate.not_before <= now && now <= certificate.not_after
}

/// How many received certificates with the same name are tried.
pub(super) const MAX_TRIED: usize = 2;
/// The longest modulus of a real CA in bytes: 4096 bits.
const MAX_RSA_MODULUS: usize = 512;
