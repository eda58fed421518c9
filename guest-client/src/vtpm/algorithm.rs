//! Which attestation keys there are.

use std::fmt;

use serde::Deserialize;

/// The algorithm of an AK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AkAlgorithm {
    /// RSA-2048, RSASSA with SHA-256.
    Rsa,
    /// P-256, ECDSA with SHA-256.
    Ecc,
}

/// Which AK to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AkChoice {
    /// ECC if there is one (it is created in a tenth of the time), otherwise RSA.
    #[default]
    Auto,
    /// RSA only.
    Rsa,
    /// ECC only.
    Ecc,
}

impl AkAlgorithm {
    /// NV index of the certificate. go-tpm-tools, `client/handles.go`.
    #[must_use]
    pub const fn certificate_index(self) -> u32 {
        match self {
            Self::Rsa => 0x01c1_0000,
            Self::Ecc => 0x01c1_0002,
        }
    }

    /// NV index of the template.
    #[must_use]
    pub const fn template_index(self) -> u32 {
        self.certificate_index() + 1
    }
}

impl fmt::Display for AkAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::Ecc => "ECC",
        })
    }
}

impl AkChoice {
    pub(super) const fn candidates(self) -> &'static [AkAlgorithm] {
        match self {
            Self::Auto => &[AkAlgorithm::Ecc, AkAlgorithm::Rsa],
            Self::Rsa => &[AkAlgorithm::Rsa],
            Self::Ecc => &[AkAlgorithm::Ecc],
        }
    }
}

impl fmt::Display for AkChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "ECC or RSA",
            Self::Rsa => "RSA",
            Self::Ecc => "ECC",
        })
    }
}
