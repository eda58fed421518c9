//! Trust anchors: the roots and issuing CAs that certificate chains may end at.
//!
//! One table of constants names the roots and the issuing CAs known today, each with its purposes.
//! Certificates from a file can be added, and whatever chains to them has the root `extra` and no other: only
//! this table gives `amd`, `intel` or `google`.
//!
//! Some roots are pinned by the digest of their certificate, which then travels with the evidence.
//!
//! Issuing CAs of the table are anchors themselves: a chain ends at them without another signature to
//! check. Their validity and that of their root are enforced as for any certificate, and they can be
//! revoked by a CRL of their root.

mod addresses;
mod amd;
mod anchor;
mod extra;
mod google;
mod hex;
mod intel;
mod product;
mod purpose;
mod root;
#[cfg(test)]
mod tests;

use vouchsafe_protocol::Digest32;

pub use self::addresses::IssuerAddress;
pub use self::addresses::KNOWN_ISSUERS;
pub use self::anchor::Anchor;
pub use self::anchor::PinnedRoot;
pub use self::extra::AnchorError;
pub(crate) use self::extra::TrustedCa;
pub use self::product::Product;
pub use self::purpose::Purpose;
pub use self::root::Root;

/// Every root in the table that is pinned by digest.
pub static BY_DIGEST: &[&PinnedRoot] = &[&google::GCE_CC_TCB_ROOT];

/// Every anchor in the table.
pub static BUILTIN: &[&Anchor] = &[
    &amd::MILAN_ARK,
    &amd::MILAN_ASK,
    &amd::MILAN_ASVK,
    &amd::GENOA_ARK,
    &amd::GENOA_ASK,
    &amd::GENOA_ASVK,
    &amd::TURIN_ARK,
    &amd::TURIN_ASK,
    &amd::TURIN_ASVK,
    &google::EK_AK_CA_ROOT,
    &google::EK_AK_CA_INTERMEDIATE_V3,
    &google::EK_AK_CA_INTERMEDIATE_2024_02,
    &google::EK_AK_CA_INTERMEDIATE_0F21,
    &google::EK_AK_CA_INTERMEDIATE_67C3,
    &google::TPM_EK_ROOT_1,
    &google::TPM_EK_INTERMEDIATE_2,
    &google::TPM_EK_INTERMEDIATE_3,
    &intel::SGX_ROOT_CA,
    &google::CONFIDENTIAL_SPACE_ROOT,
];

/// The anchors of one verifier: those of the table, and those added from files.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    authorities: Vec<TrustedCa>,
    digest: Digest32,
}

impl TrustAnchors {
    /// Only the anchors of the table.
    #[must_use]
    pub fn builtin() -> Self {
        Self::from_authorities(BUILTIN.iter().map(|anchor| TrustedCa::builtin(anchor)).collect())
    }

    /// These anchors and the certificates of a file, PEM or one DER certificate.
    ///
    /// Each must be a self-signed CA certificate. What chains to them has the root `extra`.
    ///
    /// # Errors
    /// What is wrong with the file, or with which of its certificates.
    pub fn with_extra(&self, file: &[u8]) -> Result<Self, AnchorError> {
        let mut authorities = self.authorities.clone();
        for found in extra::read(file)? {
            let known = |ca: &TrustedCa| ca.root == Root::Extra && ca.sha256 == found.sha256;
            if !authorities.iter().any(known) {
                authorities.push(found);
            }
        }
        let extras = authorities.iter().filter(|ca| ca.root == Root::Extra).count();
        if extras > extra::MAX_EXTRA {
            return Err(AnchorError::TooMany { found: extras, limit: extra::MAX_EXTRA });
        }
        Ok(Self::from_authorities(authorities))
    }

    /// SHA-256 of each anchor that a file added.
    #[must_use]
    pub fn extra_fingerprints(&self) -> Vec<Digest32> {
        let extras = self.authorities.iter().filter(|ca| ca.root == Root::Extra);
        extras.map(|ca| ca.sha256).collect()
    }

    /// Digest of the whole set: sets with the same digest give the same result.
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.digest
    }

    /// Anchors at which a chain for `purpose` may end.
    pub(crate) fn serving(&self, purpose: Purpose) -> impl Iterator<Item = &TrustedCa> {
        self.authorities.iter().filter(move |ca| ca.serves(purpose))
    }

    /// These anchors, plus the given certificates that match a root pinned by digest.
    pub(crate) fn recognising(&self, certificates: &[Vec<u8>]) -> Self {
        self.recognising_of(BY_DIGEST, certificates)
    }

    fn recognising_of(&self, table: &[&'static PinnedRoot], certificates: &[Vec<u8>]) -> Self {
        let found = certificates.iter().filter_map(|bytes| TrustedCa::pinned(table, bytes));
        Self::from_authorities(self.authorities.iter().cloned().chain(found).collect())
    }

    /// Every anchor.
    pub(crate) fn all(&self) -> impl Iterator<Item = &TrustedCa> {
        self.authorities.iter()
    }

    /// No anchors at all.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::from_authorities(Vec::new())
    }

    fn from_authorities(authorities: Vec<TrustedCa>) -> Self {
        // digest = SHA-256(for each anchor: root, SHA-256 of its certificate), all of fixed length.
        let parts: Vec<u8> = authorities
            .iter()
            .flat_map(|ca| std::iter::once(ca.root as u8).chain(*ca.sha256.as_bytes()))
            .collect();
        Self { authorities, digest: Digest32::of(&parts) }
    }
}
