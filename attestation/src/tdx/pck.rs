//! The platform's certificates in a quote: PCK certificate, PCK CA, root. PCK profile is the Intel SGX PCK
//! Certificate and Certificate Revocation List Profile Specification, 1.5.

use der::asn1::ObjectIdentifier;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::alg_id;
use rustls_pki_types::pem::PemObject;
use vouchsafe_protocol::Digest32;

use super::collateral::PckCa;
use super::collateral::Platform;
use super::error::PckField;
use super::error::TdxError;
use crate::x509::Certificate;
use crate::x509::MAX_CERTIFICATE;
use crate::x509::der as raw;

/// A parsed chain. Nothing in it has been verified yet; it depends only on the chain's bytes.
#[derive(Debug)]
pub(super) struct PckChain {
    /// PCK certificate, DER.
    pub(super) leaf: Vec<u8>,
    /// PCK CA and root, DER.
    pub(super) issuers: Vec<Vec<u8>>,
    /// SHA-256 of the root's certificate.
    pub(super) root_digest: Digest32,
    pub(super) platform: Platform,
    /// SHA-256 of the PPID.
    pub(super) platform_id: Digest32,
    /// Point of the PCK (RFC 5480 §2.2).
    pub(super) key: Vec<u8>,
}

impl PckChain {
    pub(super) fn parse(pem: &[u8]) -> Result<Self, TdxError> {
        let [leaf, ca, root] = certificates(pem)?;
        let certificate = Certificate::parse(&leaf).ok_or(malformed(PckField::Certificate))?;
        let extensions = certificate.extension(SGX_EXTENSIONS).ok_or(malformed(PckField::SgxExtensions))?;
        let fmspc = value(extensions, FMSPC, PckField::Fmspc)?;
        let ppid: [u8; 16] = value(extensions, PPID, PckField::Ppid)?;
        let key = raw::PublicKeyInfo::parse(certificate.spki()).ok_or(malformed(PckField::Key))?;
        if key.algorithm != alg_id::ECDSA_P256.as_ref() {
            return Err(malformed(PckField::Key));
        }
        let key = key.key.to_vec();
        let ca_kind = issuer(certificate.issuer()).ok_or(malformed(PckField::Issuer))?;
        Ok(Self {
            root_digest: Digest32::of(&root),
            platform: Platform { fmspc, ca: ca_kind },
            platform_id: Digest32::of(&ppid),
            key,
            leaf,
            issuers: vec![ca, root],
        })
    }

    /// The root's certificate, DER.
    pub(super) fn root(&self) -> &[u8] {
        self.issuers.last().map_or(&[], Vec::as_slice)
    }
}

/// Exactly three: all of Intel's chains have this length.
fn certificates(pem: &[u8]) -> Result<[Vec<u8>; 3], TdxError> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem).take(CHAIN_LENGTH + 1) {
        let certificate = certificate.map_err(|_| malformed(PckField::Certificate))?;
        if certificate.len() > MAX_CERTIFICATE {
            return Err(malformed(PckField::Certificate));
        }
        found.push(certificate.to_vec());
    }
    found.try_into().map_err(|found: Vec<_>| TdxError::PckChainLength { found: found.len() })
}

/// The only value with this OID among the SGX extensions (PCK profile §1.3.5): `SEQUENCE OF SEQUENCE { OID,
/// OCTET STRING }`.
fn value<const N: usize>(
    extensions: &[u8],
    wanted: ObjectIdentifier,
    field: PckField,
) -> Result<[u8; N], TdxError> {
    let read = || {
        let mut found = None;
        let mut rest = raw::content_of(raw::SEQUENCE, extensions)?;
        while !rest.is_empty() {
            let mut entry = raw::content_of(raw::SEQUENCE, raw::take(&mut rest)?.encoded)?;
            let name = raw::take(&mut entry)?;
            if name.tag != OBJECT_IDENTIFIER || name.content != wanted.as_bytes() {
                continue;
            }
            let value = raw::take(&mut entry).filter(|value| value.tag == OCTET_STRING)?;
            if found.replace(value.content).is_some() || !entry.is_empty() {
                return None;
            }
        }
        found?.try_into().ok()
    };
    read().ok_or(malformed(field))
}

/// The CA with this issuer name, by its common name (PCK profile §1.3.1).
pub(crate) fn issuer(name: &[u8]) -> Option<PckCa> {
    let mut rest = raw::content_of(raw::SEQUENCE, name)?;
    let mut common_name = None;
    while !rest.is_empty() {
        let mut attribute = raw::content(raw::content_of(SET, raw::take(&mut rest)?.encoded)?)?;
        let kind = raw::take(&mut attribute)?;
        if kind.content == COMMON_NAME.as_bytes() && common_name.replace(raw::take(&mut attribute)?).is_some()
        {
            return None;
        }
    }
    match common_name?.content {
        b"Intel SGX PCK Platform CA" => Some(PckCa::Platform),
        b"Intel SGX PCK Processor CA" => Some(PckCa::Processor),
        _ => None,
    }
}

const fn malformed(field: PckField) -> TdxError {
    TdxError::PckMalformed { field }
}

const CHAIN_LENGTH: usize = 3;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SET: u8 = 0x31;
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SGX_EXTENSIONS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1");
const PPID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.1");
const FMSPC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.4");
