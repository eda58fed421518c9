//! Extensions of certificates and CRLs.

use der::asn1::ObjectIdentifier;

/// An extension, not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its type.
    pub oid: ObjectIdentifier,
    /// Whether a verifier that does not know it must refuse the certificate.
    pub critical: bool,
    /// Content of its OCTET STRING.
    pub value: Vec<u8>,
}

/// Upper limit of bytes passed to x509-cert that may contain a Name: it sorts the sets in one by insertion,
/// which for 14 KiB takes as long as thousands of signatures.
pub(super) const MAX_DECODED: usize = 1024;
