//! A TPM's public key as DER `SubjectPublicKeyInfo`, to compare with a certificate's.

use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::structures::Public;

/// The key is of a kind that GCE does not certify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpkiError {
    /// Neither RSA nor ECC.
    #[error("the key is neither RSA nor ECC")]
    Kind,
    /// A curve other than P-256 and P-384.
    #[error("the key's curve is neither P-256 nor P-384")]
    Curve,
    /// A coordinate is longer than the curve allows.
    #[error("a coordinate of the key is longer than its curve's")]
    Coordinate,
}

/// `SubjectPublicKeyInfo` of a TPM key, DER (RFC 5280 §4.1, RFC 3279 §2.3.1, RFC 5480 §2).
///
/// # Errors
/// [`SpkiError`] for keys other than RSA, P-256 and P-384.
pub fn subject_public_key_info(public: &Public) -> Result<Vec<u8>, SpkiError> {
    match public {
        Public::Rsa { parameters, unique, .. } => {
            let exponent = match parameters.exponent().value() {
                // TPM 2.0 part 2, 12.2.3.5: zero is the default, 2^16 + 1.
                0 => 65537,
                exponent => exponent,
            };
            let key = [integer(unique), integer(&exponent.to_be_bytes())].concat();
            Ok(spki(&[RSA_ENCRYPTION, NULL].concat(), &tlv(SEQUENCE, &key)))
        }
        Public::Ecc { parameters, unique, .. } => {
            let (curve, length) = match parameters.ecc_curve() {
                EccCurve::NistP256 => (P256, 32),
                EccCurve::NistP384 => (P384, 48),
                _ => return Err(SpkiError::Curve),
            };
            let (x, y) = (padded(unique.x(), length)?, padded(unique.y(), length)?);
            let point = [vec![UNCOMPRESSED], x, y].concat();
            Ok(spki(&[EC_PUBLIC_KEY, curve].concat(), &point))
        }
        _ => Err(SpkiError::Kind),
    }
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let no_unused_bits = [&[0], key].concat();
    let fields = [tlv(SEQUENCE, algorithm), tlv(BIT_STRING, &no_unused_bits)].concat();
    tlv(SEQUENCE, &fields)
}

/// DER INTEGER of an unsigned number, X.690 §8.3.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = bytes.get(start..).unwrap_or_default();
    match digits.first() {
        Some(first) if first & 0x80 == 0 => tlv(INTEGER, digits),
        _ => tlv(INTEGER, &[&[0], digits].concat()),
    }
}

fn padded(coordinate: &[u8], length: usize) -> Result<Vec<u8>, SpkiError> {
    let missing = length.checked_sub(coordinate.len()).ok_or(SpkiError::Coordinate)?;
    Ok([&vec![0; missing], coordinate].concat())
}

/// Tag, definite length, value: X.690 §8.1.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let start = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let digits = length.get(start..).unwrap_or_default();
    let mut out = vec![tag];
    match digits {
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0x7f));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(value);
    out
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const UNCOMPRESSED: u8 = 0x04;
const NULL: &[u8] = &[0x05, 0x00];
/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_lengths_are_der() {
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(integer(&[0, 1, 0, 1]), [2, 3, 1, 0, 1]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(tlv(4, &[9; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[9; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[9; 256])[..4], [4, 0x82, 1, 0]);
        assert_eq!(tlv(4, &[]), [4, 0]);
    }

    #[test]
    fn coordinates_are_padded_to_their_curve() {
        assert_eq!(padded(&[1], 3).unwrap(), [0, 0, 1]);
        assert_eq!(padded(&[1; 4], 3), Err(SpkiError::Coordinate));
    }
}
