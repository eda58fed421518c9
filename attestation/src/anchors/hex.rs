//! The transcribed constants: hexadecimal text and RSA keys, decoded when the crate is compiled.

/// Decodes lower-case hexadecimal text; anything else is a compile error.
#[expect(clippy::indexing_slicing, reason = "runs at compile time, over constants")]
pub(super) const fn hex<const N: usize>(text: &str) -> [u8; N] {
    let text = text.as_bytes();
    assert!(text.len() == 2 * N, "two digits a byte");
    let mut out = [0; N];
    let mut index = 0;
    while index < N {
        out[index] = digit(text[2 * index]) << 4 | digit(text[2 * index + 1]);
        index += 1;
    }
    out
}

const fn digit(text: u8) -> u8 {
    assert!(text.is_ascii_hexdigit() && !text.is_ascii_uppercase(), "a lower-case digit");
    if text <= b'9' { text - b'0' } else { text - b'a' + 10 }
}

/// `SubjectPublicKeyInfo` of an RSA-4096 key with the exponent 65537.
pub(super) const fn rsa_4096(modulus: &[u8; 512]) -> [u8; 550] {
    rsa(modulus, &hex::<33>("30820222300d06092a864886f70d01010105000382020f003082020a0282020100"))
}

/// `SubjectPublicKeyInfo` of an RSA-2048 key with the exponent 65537.
pub(super) const fn rsa_2048(modulus: &[u8; 256]) -> [u8; 294] {
    rsa(modulus, &hex::<33>("30820122300d06092a864886f70d01010105000382010f003082010a0282010100"))
}

/// Prefix, modulus, exponent.
#[expect(clippy::indexing_slicing, reason = "runs at compile time, over constants")]
const fn rsa<const N: usize>(modulus: &[u8], prefix: &[u8; 33]) -> [u8; N] {
    const EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
    assert!(N == prefix.len() + modulus.len() + EXPONENT.len(), "the parts fill the key");
    let mut out = [0; N];
    let mut index = 0;
    while index < N {
        let past_prefix = index.saturating_sub(prefix.len());
        out[index] = if index < prefix.len() {
            prefix[index]
        } else if past_prefix < modulus.len() {
            modulus[past_prefix]
        } else {
            EXPONENT[past_prefix - modulus.len()]
        };
        index += 1;
    }
    out
}
