//! Binary evidence saved as text: hex or base64, as tools and web pages show it.
//!
//! This cannot misread binary evidence: reports, quotes, logs and messages all have zero bytes near their
//! beginning.

use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::failure::Failure;
use super::output;

/// Reads binary evidence from a file, decoding hex or base64. A note on standard error says so.
pub(super) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let file = output::read_input(path, limit.saturating_mul(3))?;
    let bytes = match decoded(&file) {
        Some((encoding, bytes)) => {
            output::note(&format!("{}: read as {encoding}", path.display()));
            bytes
        }
        None => file,
    };
    if bytes.len() > limit {
        return Err(Failure::file(path, format!("more than {limit} bytes")));
    }
    Ok(bytes)
}

/// The decoded bytes and the encoding; `None` when the file is neither.
fn decoded(file: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let text: Vec<u8> = file.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digits = text.strip_prefix(b"0x").unwrap_or(&text);
    if digits.len() < SHORTEST {
        return None;
    }
    if let Ok(bytes) = hex::decode(digits) {
        return Some(("hex", bytes));
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabets = [("base64", alphabet::STANDARD), ("base64url", alphabet::URL_SAFE)];
    alphabets.into_iter().find_map(|(name, alphabet)| {
        let bytes = GeneralPurpose::new(&alphabet, config).decode(&text).ok()?;
        Some((name, bytes))
    })
}

/// Characters of the shortest text that is decoded.
const SHORTEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hex_and_base64_are_decoded() {
        let bytes: Vec<u8> = (0..=255).collect();
        let hex = hex::encode(&bytes);
        let wrapped = |text: &str| {
            text.as_bytes().chunks(60).map(|line| [line, b"\n"].concat()).collect::<Vec<_>>().concat()
        };
        let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
        for (text, encoding) in [
            (hex.clone().into_bytes(), "hex"),
            (hex.to_uppercase().into_bytes(), "hex"),
            (format!("0x{hex}\n").into_bytes(), "hex"),
            (wrapped(&hex), "hex"),
            (wrapped(&base64), "base64"),
            (base64.trim_end_matches('=').as_bytes().to_vec(), "base64"),
            (url.into_bytes(), "base64url"),
        ] {
            assert_eq!(decoded(&text), Some((encoding, bytes.clone())), "{}", String::from_utf8_lossy(&text));
        }
        let binary = [&[4, 0, 2, 0][..], &bytes].concat();
        for other in [
            &binary[..],
            b"",
            b"0400",
            b"{\"vtpm\": {}}",
            b"-----BEGIN CERTIFICATE-----",
            b"quotes: { quote: \"x\" } and more and more and more and more text",
        ] {
            assert_eq!(decoded(other), None);
        }
    }
}
