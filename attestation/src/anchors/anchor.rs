//! Rows of the table of anchors.

use vouchsafe_protocol::UnixTime;

use super::product::Product;
use super::purpose::Purpose;
use super::root::Root;

/// A root or issuing CA of the table, transcribed from its certificate.
#[derive(Debug)]
pub struct Anchor {
    /// Name in the table.
    pub name: &'static str,
    /// The root of chains that end here.
    pub root: Root,
    /// Which chains may end here.
    pub purposes: &'static [Purpose],
    /// AMD product line that it is for.
    pub product: Option<Product>,
    /// Its issuer; `None` for a root.
    pub issuer: Option<&'static Self>,
    /// Subject, an encoded Name.
    pub subject: &'static [u8],
    /// Public key, an encoded `SubjectPublicKeyInfo`.
    pub spki: &'static [u8],
    /// Its subject key identifier.
    pub key_id: [u8; 20],
    /// Start of validity.
    pub not_before: UnixTime,
    /// End of validity.
    pub not_after: UnixTime,
    /// Serial number, the content of its INTEGER.
    pub serial: &'static [u8],
    /// How many CAs may follow below it.
    pub path_length: Option<u8>,
    /// Its CRL distribution point.
    pub crl_url: Option<&'static str>,
    /// SHA-256 of the certificate.
    pub sha256: [u8; 32],
    /// Where the certificate is published.
    pub url: &'static str,
}

/// A root of which only the digest of its certificate is known: the certificate itself comes with each chain.
#[derive(Debug)]
pub struct PinnedRoot {
    /// Name in the table.
    pub name: &'static str,
    /// The root of chains that end here.
    pub root: Root,
    /// Which chains may end here.
    pub purposes: &'static [Purpose],
    /// SHA-256 of the certificate.
    pub sha256: [u8; 32],
    /// Where the certificate is published.
    pub url: &'static str,
}
