//! Strict parser of `TPMS_ATTEST` of a quote: TPM 2.0 Part 2 §10.12.12, `TPMS_QUOTE_INFO` in §10.12.4.
//!
//! Nothing in an [`Attest`] has been verified.

use super::reader::Reader;
use crate::claims::ClockInfo;

/// Upper limit of selections: there is one per bank, and no TPM has more banks.
pub const MAX_SELECTIONS: u32 = 16;

/// A quote as received. It is well-formed; nothing has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attest<'a> {
    /// Qualified name of the key that claims to have signed.
    pub qualified_signer: &'a [u8],
    /// The data that the TPM's caller passed.
    pub extra_data: &'a [u8],
    /// Counters.
    pub clock: ClockInfo,
    /// Vendor's version of the TPM's firmware.
    pub firmware_version: u64,
    /// Which PCRs were quoted.
    pub selections: Vec<PcrSelection>,
    /// Digest over their values.
    pub pcr_digest: &'a [u8],
}

/// `TPMS_PCR_SELECTION` (TPM 2.0 Part 2 §10.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcrSelection {
    /// Algorithm of the bank.
    pub algorithm: u16,
    /// `sizeofSelect`.
    pub size: u8,
    /// Bit i is PCR i.
    pub pcrs: u32,
}

/// Why a structure is not a quote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestError {
    /// The data ends too early.
    #[error("the quote is cut short")]
    Truncated,
    /// There is data after the end.
    #[error("{count} bytes after the quote")]
    TrailingBytes {
        /// Number of bytes.
        count: usize,
    },
    /// Not made by a TPM: a TPM signs no external data that starts with this magic.
    #[error("magic {found:#010x} is not TPM_GENERATED_VALUE")]
    Magic {
        /// The value found.
        found: u32,
    },
    /// An attestation other than a quote.
    #[error("attestation type {found:#06x} is not a quote")]
    Type {
        /// The value found.
        found: u16,
    },
    /// `safe` is neither 0 nor 1.
    #[error("clock flag {found} is neither yes nor no")]
    ClockSafe {
        /// The value found.
        found: u8,
    },
    /// More banks than a TPM has.
    #[error("{count} PCR selections")]
    SelectionCount {
        /// Number of them.
        count: u32,
    },
    /// A bitmap that is empty, or longer than that of any TPM.
    #[error("a PCR bitmap of {size} bytes")]
    SelectionSize {
        /// Its size.
        size: u8,
    },
}

impl<'a> Attest<'a> {
    /// Reads a quote.
    ///
    /// # Errors
    /// Anything that is not exactly a quote.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, AttestError> {
        use AttestError::Truncated;
        let mut reader = Reader(bytes);
        let found = reader.u32().ok_or(Truncated)?;
        if found != TPM_GENERATED_VALUE {
            return Err(AttestError::Magic { found });
        }
        let found = reader.u16().ok_or(Truncated)?;
        if found != TPM_ST_ATTEST_QUOTE {
            return Err(AttestError::Type { found });
        }
        let attest = Self {
            qualified_signer: reader.sized().ok_or(Truncated)?,
            extra_data: reader.sized().ok_or(Truncated)?,
            clock: clock(&mut reader)?,
            firmware_version: reader.u64().ok_or(Truncated)?,
            selections: selections(&mut reader)?,
            pcr_digest: reader.sized().ok_or(Truncated)?,
        };
        match reader.0.len() {
            0 => Ok(attest),
            count => Err(AttestError::TrailingBytes { count }),
        }
    }
}

/// `TPMS_CLOCK_INFO` (TPM 2.0 Part 2 §10.11.1).
fn clock(reader: &mut Reader<'_>) -> Result<ClockInfo, AttestError> {
    let clock = reader.u64().ok_or(AttestError::Truncated)?;
    let reset_count = reader.u32().ok_or(AttestError::Truncated)?;
    let restart_count = reader.u32().ok_or(AttestError::Truncated)?;
    let safe = match reader.u8().ok_or(AttestError::Truncated)? {
        0 => false,
        1 => true,
        found => return Err(AttestError::ClockSafe { found }),
    };
    Ok(ClockInfo { clock, reset_count, restart_count, safe })
}

/// `TPML_PCR_SELECTION` (TPM 2.0 Part 2 §10.9.7).
fn selections(reader: &mut Reader<'_>) -> Result<Vec<PcrSelection>, AttestError> {
    let count = reader.u32().ok_or(AttestError::Truncated)?;
    if count > MAX_SELECTIONS {
        return Err(AttestError::SelectionCount { count });
    }
    (0..count).map(|_| selection(reader)).collect()
}

fn selection(reader: &mut Reader<'_>) -> Result<PcrSelection, AttestError> {
    let algorithm = reader.u16().ok_or(AttestError::Truncated)?;
    let size = reader.u8().ok_or(AttestError::Truncated)?;
    if !(1..=4).contains(&size) {
        return Err(AttestError::SelectionSize { size });
    }
    let bitmap = reader.take(usize::from(size)).ok_or(AttestError::Truncated)?;
    // TPM 2.0 Part 2 §10.6.1: byte 0 holds PCR 0 to 7, least significant bit first.
    let pcrs = bitmap.iter().rev().fold(0, |pcrs, byte| pcrs << 8 | u32::from(*byte));
    Ok(PcrSelection { algorithm, size, pcrs })
}

/// TPM 2.0 Part 2 §6.2. A restricted key signs no external data that starts with it.
const TPM_GENERATED_VALUE: u32 = 0xff54_4347;
/// TPM 2.0 Part 2 §6.9.
const TPM_ST_ATTEST_QUOTE: u16 = 0x8018;
