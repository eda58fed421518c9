//! The parameters of an attestation key.

/// The key's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// Exponent 65537.
    Rsa { modulus: Vec<u8> },
    /// Coordinates, padded to the curve's length.
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// `TPM_ECC_CURVE` (TPM 2.0 Part 2 §6.4).
    pub(super) const fn id(self) -> u16 {
        match self {
            Self::P256 => 0x0003,
            Self::P384 => 0x0004,
        }
    }

    pub(super) const fn length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}
