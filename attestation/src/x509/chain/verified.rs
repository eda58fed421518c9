//! The result of verifying a chain.

use std::sync::Arc;
use std::sync::OnceLock;

use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED;
use aws_lc_rs::signature::ParsedPublicKey;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use super::revocation::MissingCrl;
use super::revocation::Revocation;
use crate::anchors::Product;
use crate::anchors::Root;
use crate::x509::certificate::Certificate;
use crate::x509::der;

/// A verified chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VerifiedChain(pub(super) Arc<Verified>);

#[derive(Debug)]
pub(super) struct Verified {
    pub(super) leaf: Certificate,
    pub(super) leaf_digest: Digest32,
    pub(super) root: Root,
    pub(super) anchor: Digest32,
    pub(super) product: Option<Product>,
    pub(super) revocation: Revocation,
    pub(super) missing_crls: Vec<MissingCrl>,
    pub(super) crl_issuers: Vec<Vec<u8>>,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    pub(super) holds_from: UnixTime,
    pub(super) holds_until: UnixTime,
    pub(super) intermediates: usize,
    pub(super) p384: OnceLock<Option<ParsedPublicKey>>,
    pub(super) rs256: OnceLock<Option<ParsedPublicKey>>,
}

impl VerifiedChain {
    /// The leaf certificate.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.0.leaf
    }

    /// SHA-256 of the leaf certificate.
    #[must_use]
    pub fn leaf_digest(&self) -> Digest32 {
        self.0.leaf_digest
    }

    /// The root that it chains to.
    #[must_use]
    pub fn root(&self) -> Root {
        self.0.root
    }

    /// SHA-256 of the anchor at the end of the path.
    #[must_use]
    pub fn anchor(&self) -> Digest32 {
        self.0.anchor
    }

    /// AMD product line of the anchor; `None` for an extra anchor.
    #[must_use]
    pub fn product(&self) -> Option<Product> {
        self.0.product
    }

    /// How current the revocation data is.
    #[must_use]
    pub fn revocation(&self) -> Revocation {
        self.0.revocation
    }

    /// The CRLs without which the status is not [`Revocation::Fresh`].
    #[must_use]
    pub fn missing_crls(&self) -> &[MissingCrl] {
        &self.0.missing_crls
    }

    /// Issuers of the CRLs that [`Self::revocation`] is based on, encoded Names.
    #[must_use]
    pub fn crl_issuers(&self) -> &[Vec<u8>] {
        &self.0.crl_issuers
    }

    /// Start of the common validity of the chain.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.0.not_before
    }

    /// Last second of the common validity of the chain.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.0.not_after
    }

    /// Number of certificates between the leaf and the anchor.
    pub(crate) fn intermediates(&self) -> usize {
        self.0.intermediates
    }

    /// Whether verification at `now` would give the same result, with the same anchors and collateral.
    pub(crate) fn holds_at(&self, now: UnixTime) -> bool {
        self.0.holds_from <= now && now < self.0.holds_until
    }

    /// The leaf's key for P-384 signatures of fixed length, parsed once; `None` for other kinds of keys.
    pub(crate) fn p384_key(&self) -> Option<&ParsedPublicKey> {
        let parse = || {
            let info = der::PublicKeyInfo::parse(&self.0.leaf.spki)?;
            let is_p384 = info.algorithm == rustls_pki_types::alg_id::ECDSA_P384.as_ref();
            // RFC 5480 §2.2: 0x04 is an uncompressed point.
            let key = self.0.leaf.public_key().filter(|key| is_p384 && key.first() == Some(&4))?;
            ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key).ok()
        };
        self.0.p384.get_or_init(parse).as_ref()
    }

    /// The leaf's key for RSASSA-PKCS1 signatures with SHA-256, parsed once; `None` for other kinds of keys.
    pub(crate) fn rs256_key(&self) -> Option<&ParsedPublicKey> {
        let parse = || {
            let info = der::PublicKeyInfo::parse(&self.0.leaf.spki)?;
            let is_rsa = info.algorithm == rustls_pki_types::alg_id::RSA_ENCRYPTION.as_ref();
            let key = self.0.leaf.public_key().filter(|_| is_rsa)?;
            ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).ok()
        };
        self.0.rs256.get_or_init(parse).as_ref()
    }
}
