//! What chains are for, and what follows from that: the algorithms they may use, and whether there are CRLs.

use webpki::aws_lc_rs as provider;

use crate::x509::algorithms::Algorithms;
use crate::x509::algorithms::PssSha384ExplicitTrailer;
use crate::x509::p256::CACHED_P256;

/// The purpose of a certificate chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Versioned chip endorsement key, which signs SNP reports.
    AmdVcek,
    /// Versioned loaded endorsement key of a cloud provider, which signs SNP reports.
    AmdVlek,
    /// Attestation key of a Google vTPM.
    GoogleAk,
    /// Provisioning certification key of a platform, which signs reports of Intel's quoting enclave.
    IntelPck,
    /// Key that signs tokens of Google Cloud Attestation.
    ConfidentialSpace,
    /// Key that signs Google's launch endorsements.
    LaunchSigner,
}

impl Purpose {
    /// Whether the vendor publishes CRLs for such chains.
    ///
    /// A property of the hierarchy, stated here: omissions in a certificate never change it.
    #[must_use]
    pub const fn has_revocation(self) -> bool {
        match self {
            Self::AmdVcek | Self::AmdVlek | Self::GoogleAk | Self::IntelPck | Self::ConfidentialSpace => true,
            // Neither the root nor the signers of launch endorsements name a CRL, and Google publishes none.
            Self::LaunchSigner => false,
        }
    }

    /// The algorithms that such chains may use.
    pub(crate) fn algorithms(self) -> Algorithms {
        match self {
            Self::AmdVcek | Self::AmdVlek => AMD,
            Self::GoogleAk => GOOGLE,
            Self::IntelPck => INTEL,
            Self::ConfidentialSpace => CONFIDENTIAL_SPACE,
            Self::LaunchSigner => LAUNCH,
        }
    }
}

/// AMD signs with RSASSA-PSS and SHA-384 (AMD 57230 §3.1), nothing else.
const AMD: Algorithms = &[provider::RSA_PSS_2048_8192_SHA384_LEGACY_KEY, &PssSha384ExplicitTrailer];

/// What Google's CAs use, and what a private CA for a vTPM may use.
const GOOGLE: Algorithms = &[
    provider::RSA_PKCS1_2048_8192_SHA256,
    provider::RSA_PKCS1_2048_8192_SHA384,
    provider::RSA_PKCS1_2048_8192_SHA512,
    provider::ECDSA_P256_SHA256,
    provider::ECDSA_P384_SHA384,
];

/// Intel signs with ECDSA P-256 and SHA-256 (PCK profile), nothing else.
static INTEL: Algorithms = &[CACHED_P256];
/// Google signs the chains of its tokens with RSASSA-PKCS1 and SHA-256, nothing else.
const CONFIDENTIAL_SPACE: Algorithms = &[provider::RSA_PKCS1_2048_8192_SHA256];

/// RSASSA-PSS with SHA-256, used by the signing tool of launch endorsements, or the algorithms of Google's
/// other CAs.
const LAUNCH: Algorithms =
    &[provider::RSA_PSS_2048_8192_SHA256_LEGACY_KEY, provider::RSA_PKCS1_2048_8192_SHA256];
