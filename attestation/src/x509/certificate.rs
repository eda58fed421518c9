//! A parsed X.509 certificate.
//!
//! Parsing does not verify who signed: a [`Certificate`] is trustworthy only as part of a verified chain.

use der::Decode;
use der::asn1::ObjectIdentifier;
use vouchsafe_protocol::UnixTime;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::KeyUsage;
use x509_cert::ext::pkix::name::DistributionPointName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Validity;

use super::der as raw;
use super::extension::Extension;
use super::extension::MAX_DECODED;
use super::identifiers;

/// Upper limit of a certificate's size in bytes.
pub const MAX_CERTIFICATE: usize = 16 * 1024;

/// The parts of a certificate that verifiers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) is_ca: bool,
    pub(crate) may_sign_certificates: bool,
    pub(crate) path_length: Option<u8>,
    pub(crate) crl_urls: Vec<String>,
    /// Subject key identifier; `None` if absent or unreadable.
    pub(crate) key_id: Option<Vec<u8>>,
    /// Authority key identifier; `None` if absent or unreadable.
    pub(crate) authority_key_id: Option<Vec<u8>>,
    key_usage: Option<KeyUsage>,
}

impl Certificate {
    /// Content of the serial number's INTEGER.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Issuer, an encoded Name.
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Subject, an encoded Name.
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// Public key, an encoded `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Start of validity.
    #[must_use]
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// Last second of validity.
    #[must_use]
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Key usage, where the certificate has one.
    #[must_use]
    pub const fn key_usage(&self) -> Option<&KeyUsage> {
        self.key_usage.as_ref()
    }

    /// Whether basic constraints call it a CA (RFC 5280 §4.2.1.9).
    #[must_use]
    pub const fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Value of an extension. There is at most one of a kind.
    #[must_use]
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&[u8]> {
        let found = self.extensions.iter().find(|extension| extension.oid == oid);
        found.map(|extension| extension.value.as_slice())
    }

    /// URLs of the issuer's certificate, as the certificate names them (RFC 5280 §4.2.2.1). They are
    /// unverified: anybody can write anything there.
    #[must_use]
    pub fn issuer_urls(&self) -> Vec<&str> {
        identifiers::issuer_urls(&self.extensions)
    }

    /// The bits of the public key, without its algorithm.
    pub(crate) fn public_key(&self) -> Option<&[u8]> {
        raw::PublicKeyInfo::parse(&self.spki).map(|info| info.key)
    }

    /// Nothing is verified. `None` if malformed, not version 3 (RFC 5280 §4.1.2.1), an extension occurs twice (RFC 5280 §4.2), or
    /// there are more extensions than real ones have.
    #[must_use]
    pub fn parse(encoded: &[u8]) -> Option<Self> {
        let Fields { serial, sequences: [issuer, validity, subject, spki], rest } = Fields::parse(encoded)?;
        let validity = Validity::from_der(validity).ok()?;
        let extensions = extensions(rest)?;
        let constraints: Option<BasicConstraints> = decode(&extensions, BASIC_CONSTRAINTS)?;
        let key_usage: Option<KeyUsage> = decode(&extensions, KEY_USAGE)?;
        let points: Option<CrlDistributionPoints> = decode(&extensions, CRL_DISTRIBUTION_POINTS)?;
        Some(Self {
            serial: serial.to_vec(),
            issuer: issuer.to_vec(),
            subject: subject.to_vec(),
            spki: spki.to_vec(),
            not_before: UnixTime(validity.not_before.to_unix_duration().as_secs()),
            not_after: UnixTime(validity.not_after.to_unix_duration().as_secs()),
            is_ca: constraints.as_ref().is_some_and(|constraints| constraints.ca),
            may_sign_certificates: key_usage.as_ref().is_none_or(KeyUsage::key_cert_sign),
            path_length: constraints.and_then(|constraints| constraints.path_len_constraint),
            crl_urls: points.map(|points| urls(&points)).unwrap_or_default(),
            key_id: identifiers::subject_key_id(&extensions),
            authority_key_id: identifiers::authority_key_id(&extensions),
            extensions,
            key_usage,
        })
    }
}

/// Removes the leaf from the certificates of a file (DER) and returns it; `None` unless exactly one is not a
/// CA's.
pub fn take_leaf(certificates: &mut Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let is_leaf =
        |encoded: &Vec<u8>| Certificate::parse(encoded).is_some_and(|certificate| !certificate.is_ca);
    let place = certificates.iter().position(is_leaf)?;
    let is_only = certificates.iter().filter(|encoded| is_leaf(encoded)).count() == 1;
    is_only.then(|| certificates.remove(place))
}

/// The names and the key of a certificate: enough to see whether it may be relevant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// The certificate.
    pub(super) encoded: &'a [u8],
    /// Issuer, an encoded Name.
    pub(super) issuer: &'a [u8],
    /// Subject, an encoded Name.
    pub(super) subject: &'a [u8],
    /// Public key, an encoded `SubjectPublicKeyInfo`.
    pub(super) spki: &'a [u8],
}

impl<'a> Names<'a> {
    pub(super) fn parse(encoded: &'a [u8]) -> Option<Self> {
        let [issuer, _, subject, spki] = Fields::parse(encoded)?.sequences;
        Some(Self { encoded, issuer, subject, spki })
    }
}

/// The mandatory fields, not decoded.
struct Fields<'a> {
    serial: &'a [u8],
    /// Issuer, validity, subject, key.
    sequences: [&'a [u8]; 4],
    /// The fields after the key.
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(encoded: &'a [u8]) -> Option<Self> {
        let signed = raw::Signed::parse(encoded)?;
        // RFC 5280 §4.1: version [0], serial, algorithm, issuer, validity, subject, key, …, extensions [3].
        let mut rest = raw::content_of(raw::SEQUENCE, signed.message)?;
        let version = raw::take(&mut rest)?;
        if version.encoded != [0xa0, 3, 2, 1, 2] {
            return None;
        }
        let serial = raw::take(&mut rest).filter(|serial| serial.tag == raw::INTEGER)?;
        let algorithm = raw::take(&mut rest)?;
        let sequences = take_sequences(&mut rest)?;
        // RFC 5280 §4.1.1.2: the algorithm in the signed part equals the one next to the signature.
        let same = algorithm.content == signed.algorithm;
        same.then_some(Self { serial: serial.content, sequences, rest })
    }
}

/// The next four elements, each a SEQUENCE.
fn take_sequences<'a>(rest: &mut &'a [u8]) -> Option<[&'a [u8]; 4]> {
    let mut out: [&[u8]; 4] = [&[]; 4];
    for slot in &mut out {
        *slot = raw::take(rest).filter(|element| element.tag == raw::SEQUENCE)?.encoded;
    }
    Some(out)
}

/// The fields after the key: unique identifiers (RFC 5280 §4.1.2.8) are skipped, extensions (§4.1.2.9) are
/// read.
fn extensions(mut rest: &[u8]) -> Option<Vec<Extension>> {
    let mut found: Vec<Extension> = Vec::new();
    while !rest.is_empty() {
        let element = raw::take(&mut rest)?;
        match element.tag {
            0x81 | 0x82 => continue,
            0xa3 if rest.is_empty() => {}
            _ => return None,
        }
        let mut list = raw::content_of(raw::SEQUENCE, element.content)?;
        while !list.is_empty() {
            let extension = x509_cert::ext::Extension::from_der(raw::take(&mut list)?.encoded).ok()?;
            if found.len() == MAX_EXTENSIONS || found.iter().any(|known| known.oid == extension.extn_id) {
                return None;
            }
            found.push(Extension {
                oid: extension.extn_id,
                critical: extension.critical,
                value: extension.extn_value.into_bytes(),
            });
        }
    }
    Some(found)
}

/// The decoded extension; `Some(None)` if it is absent.
#[expect(clippy::option_option, reason = "malformed and absent are different")]
fn decode<'a, T: Decode<'a>>(extensions: &'a [Extension], oid: ObjectIdentifier) -> Option<Option<T>> {
    match extensions.iter().find(|extension| extension.oid == oid) {
        None => Some(None),
        Some(extension) if extension.value.len() > MAX_DECODED => None,
        Some(extension) => T::from_der(&extension.value).ok().map(Some),
    }
}

fn urls(points: &CrlDistributionPoints) -> Vec<String> {
    let names = points.0.iter().filter_map(|point| point.distribution_point.as_ref());
    names.flat_map(full_names).collect()
}

/// URIs of a distribution point's full name (RFC 5280 §4.2.1.13).
pub(crate) fn full_names(name: &DistributionPointName) -> Vec<String> {
    let DistributionPointName::FullName(names) = name else {
        return Vec::new();
    };
    let uri = |name: &GeneralName| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
        _ => None,
    };
    names.iter().filter_map(uri).collect()
}

/// Upper limit of extensions; real certificates have up to fourteen.
const MAX_EXTENSIONS: usize = 64;
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// Subject alternative name (RFC 5280 §4.2.1.6).
pub const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
