//! The form of a TDX quote: Intel TDX DCAP Quoting Library API, appendix A.

use std::ops::Range;

/// ATTRIBUTES of the trust domain in `quote`. A.3.2: offset 120 of the body.
#[must_use]
pub fn attributes(quote: &[u8]) -> Option<u64> {
    number(quote, body(quote).ok()?.start + 120).map(u64::from_le_bytes)
}

/// Why a device's output is not a TDX quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// A version without a known layout.
    #[error("a TDX quote of version {version}: known are 4 and 5")]
    Version {
        /// The version.
        version: u16,
    },
    /// The quote is not of a trust domain.
    #[error("the quote is of TEE type {tee_type:#x}, not of TDX (0x81)")]
    TeeType {
        /// The type.
        tee_type: u32,
    },
    /// A body without a known layout.
    #[error("the quote has a body of type {body_type} and {size} bytes: known are 2 (584) and 3 (648)")]
    Body {
        /// The type.
        body_type: u16,
        /// The size that the quote states.
        size: u32,
    },
    /// The output is shorter than the quote's length.
    #[error("the quote is cut short after {length} bytes")]
    Truncated {
        /// The length received.
        length: usize,
    },
    /// The quote is followed by nonzero bytes.
    #[error("the {length} bytes of the quote are followed by bytes other than zero")]
    Trailing {
        /// Its own length.
        length: usize,
    },
}

/// Cuts a device's output to the quote in it: header, body, signature data; only zeros may follow.
pub(super) fn cut(mut bytes: Vec<u8>) -> Result<Vec<u8>, QuoteError> {
    let body = body(&bytes)?;
    let truncated = QuoteError::Truncated { length: bytes.len() };
    // Intel TDX DCAP Quoting Library API, A.3: quote signature data length, u32, then the data.
    let signature = number(&bytes, body.end).ok_or(truncated)?;
    let signature = usize::try_from(u32::from_le_bytes(signature)).map_err(|_| truncated)?;
    let length = (body.end + 4).checked_add(signature).ok_or(truncated)?;
    let tail = bytes.get(length..).ok_or(truncated)?;
    if tail.iter().any(|byte| *byte != 0) {
        return Err(QuoteError::Trailing { length });
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Range of the body: after the header, in version 5 also after a type and a size.
fn body(quote: &[u8]) -> Result<Range<usize>, QuoteError> {
    let truncated = QuoteError::Truncated { length: quote.len() };
    // A.3.1: version u16 at 0, TEE type u32 at 4.
    let version = u16::from_le_bytes(number(quote, 0).ok_or(truncated)?);
    let tee_type = u32::from_le_bytes(number(quote, 4).ok_or(truncated)?);
    let (start, size) = match version {
        4 => (HEADER, TD_1_0),
        5 => {
            // A.3.2 of version 5: body type u16, size u32.
            let body_type = u16::from_le_bytes(number(quote, HEADER).ok_or(truncated)?);
            let size = u32::from_le_bytes(number(quote, HEADER + 2).ok_or(truncated)?);
            match (body_type, size) {
                (2, 584) => (HEADER + 6, TD_1_0),
                (3, 648) => (HEADER + 6, TD_1_5),
                _ => return Err(QuoteError::Body { body_type, size }),
            }
        }
        version => return Err(QuoteError::Version { version }),
    };
    if tee_type != TDX {
        return Err(QuoteError::TeeType { tee_type });
    }
    Ok(start..start + size)
}

/// The report data of a quote. A.3.2: offset 520 of the body, also in TD 1.5, whose new fields are at the
/// end.
pub(super) fn quoted_data(quote: &[u8]) -> Option<&[u8]> {
    let start = body(quote).ok()?.start + 520;
    quote.get(start..start + 64)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) const HEADER: usize = 48;
pub(super) const TD_1_0: usize = 584;
pub(super) const TD_1_5: usize = 648;
const TDX: u32 = 0x81;
