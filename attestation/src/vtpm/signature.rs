//! Strict parser of `TPMT_SIGNATURE`: TPM 2.0 Part 2 §11.3.4.
//!
//! RSASSA and ECDSA with SHA-256 or SHA-384; everything else is refused, including RSAPSS, which GCE's
//! templates do not use. Nothing in a [`TpmSignature`] has been verified.

use super::reader::Reader;

/// Hash of a signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

impl Hash {
    /// `TPM_ALG_ID` (TPM 2.0 Part 2 §6.3).
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
        }
    }
}

/// A signature as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TpmSignature<'a> {
    /// RSASSA-PKCS1-v1_5.
    Rsassa {
        /// Hash.
        hash: Hash,
        /// The signature.
        signature: &'a [u8],
    },
    /// ECDSA.
    Ecdsa {
        /// Hash.
        hash: Hash,
        /// R, big-endian.
        r: &'a [u8],
        /// S, big-endian.
        s: &'a [u8],
    },
}

/// Why a signature is malformed or not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TpmSignatureError {
    /// The data ends too early.
    #[error("the signature is cut short")]
    Truncated,
    /// There is data after the end.
    #[error("{count} bytes after the signature")]
    TrailingBytes {
        /// Number of bytes.
        count: usize,
    },
    /// Neither RSASSA nor ECDSA.
    #[error("signature scheme {found:#06x} is not supported")]
    Scheme {
        /// Its TCG number.
        found: u16,
    },
    /// Neither SHA-256 nor SHA-384.
    #[error("signature hash {found:#06x} is not supported")]
    Hash {
        /// Its TCG number.
        found: u16,
    },
}

impl<'a> TpmSignature<'a> {
    /// Reads a signature.
    ///
    /// # Errors
    /// Anything that is not exactly one signature of a supported kind.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TpmSignatureError> {
        use TpmSignatureError::Truncated;
        let mut reader = Reader(bytes);
        let scheme = reader.u16().ok_or(Truncated)?;
        if scheme != TPM_ALG_RSASSA && scheme != TPM_ALG_ECDSA {
            return Err(TpmSignatureError::Scheme { found: scheme });
        }
        let hash = match reader.u16().ok_or(Truncated)? {
            0x000b => Hash::Sha256,
            0x000c => Hash::Sha384,
            found => return Err(TpmSignatureError::Hash { found }),
        };
        let first = reader.sized().ok_or(Truncated)?;
        let signature = if scheme == TPM_ALG_RSASSA {
            Self::Rsassa { hash, signature: first }
        } else {
            Self::Ecdsa { hash, r: first, s: reader.sized().ok_or(Truncated)? }
        };
        match reader.0.len() {
            0 => Ok(signature),
            count => Err(TpmSignatureError::TrailingBytes { count }),
        }
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        match self {
            Self::Rsassa { hash, .. } | Self::Ecdsa { hash, .. } => *hash,
        }
    }
}

pub(super) const TPM_ALG_RSASSA: u16 = 0x0014;
pub(super) const TPM_ALG_ECDSA: u16 = 0x0018;
