//! Bech32 (BIP 173) for values of 32 bytes, without that document's limit on the length.

use zeroize::Zeroizing;

/// `prefix || "1" || data || checksum`, in the case of the prefix.
pub(super) fn encode(prefix: &str, value: &[u8; 32]) -> String {
    let mut digits = regroup::<8, 5>(value);
    let checksum = checksum(prefix, &digits) ^ 1;
    digits.extend((0..6).rev().map(|place| u8::try_from(checksum >> (5 * place) & 31).unwrap_or_default()));
    let letters =
        digits.iter().filter_map(|&digit| ALPHABET.get(usize::from(digit))).map(|&letter| char::from(letter));
    prefix.chars().chain(['1']).chain(letters).collect()
}

/// The value of a text with this prefix, in the case of the prefix.
pub(super) fn decode(prefix: &str, text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let is_upper = prefix.bytes().any(|byte| byte.is_ascii_uppercase());
    let has_case = |byte: u8| if is_upper { !byte.is_ascii_lowercase() } else { !byte.is_ascii_uppercase() };
    let data = text.strip_prefix(prefix)?.strip_prefix('1').filter(|data| data.bytes().all(has_case))?;
    let digit = |letter: u8| ALPHABET.iter().position(|&other| other == letter.to_ascii_lowercase());
    if data.len() != DIGITS + 6 {
        return None;
    }
    // With room for all of it, so that no copy of an identity stays behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(DIGITS + 6));
    for letter in data.bytes() {
        digits.push(u8::try_from(digit(letter)?).ok()?);
    }
    let (value, _) = digits.split_at_checked(DIGITS)?;
    // The checksum is over the lower-case prefix.
    if checksum_of(prefix, &digits) != 1 {
        return None;
    }
    let bytes = Zeroizing::new(regroup::<5, 8>(value));
    let (bytes, rest) = bytes.split_first_chunk::<32>()?;
    // The last of 52 digits has 4 bits of padding, which are zero.
    (rest == [0]).then(|| Zeroizing::new(*bytes))
}

/// Groups of `FROM` bits as groups of `TO` bits, the last one padded with zeros.
fn regroup<const FROM: u32, const TO: u32>(groups: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(groups.len() * 2);
    let (mut bits, mut count) = (0_u32, 0);
    for &group in groups {
        (bits, count) = (bits << FROM | u32::from(group), count + FROM);
        while count >= TO {
            count -= TO;
            out.push(low_bits::<TO>(bits >> count));
        }
    }
    if count > 0 {
        out.push(low_bits::<TO>(bits << (TO - count)));
    }
    out
}

fn low_bits<const N: u32>(bits: u32) -> u8 {
    u8::try_from(bits & ((1 << N) - 1)).unwrap_or_default()
}

/// The state that a checksum of these digits has to bring to 1.
fn checksum(prefix: &str, digits: &[u8]) -> u32 {
    let padded: Vec<u8> = digits.iter().copied().chain([0; 6]).collect();
    checksum_of(prefix, &padded)
}

/// The checksum of BIP 173 over the expanded prefix and these digits.
fn checksum_of(prefix: &str, digits: &[u8]) -> u32 {
    let prefix = prefix.to_ascii_lowercase();
    let (high, low) = (prefix.bytes().map(|byte| byte >> 5), prefix.bytes().map(|byte| byte & 31));
    let expanded = high.chain([0]).chain(low).chain(digits.iter().copied());
    expanded.fold(1, |sum, digit| {
        let shifted = (sum & 0x1ff_ffff) << 5 ^ u32::from(digit);
        let terms = GENERATOR.iter().enumerate().filter(|(bit, _)| sum >> (25 + bit) & 1 == 1);
        terms.fold(shifted, |sum, (_, term)| sum ^ term)
    })
}

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// 32 bytes in groups of 5 bits.
const DIGITS: usize = 52;

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification of age.
    const RECIPIENT: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

    #[test]
    fn the_examples_of_the_specification_are_read_and_written() {
        let identity = decode("AGE-SECRET-KEY-", IDENTITY).unwrap();
        assert_eq!(*identity, [0x42; 32]);
        assert_eq!(encode("age", &decode("age", RECIPIENT).unwrap()), RECIPIENT);
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        for index in 0..RECIPIENT.len() {
            for letter in ["q", "p", "Q", "b", "1", "é"] {
                let mut text = RECIPIENT.to_owned();
                if &text[index..=index] != letter {
                    text.replace_range(index..=index, letter);
                    assert!(decode("age", &text).is_none(), "{text}");
                }
            }
        }
        let long = format!("{RECIPIENT}q");
        let upper = RECIPIENT.to_uppercase();
        for text in ["", "age", "age1", &RECIPIENT[..61], &long, &upper, IDENTITY, &IDENTITY.to_lowercase()] {
            assert!(decode("age", text).is_none(), "{text}");
        }
        assert!(decode("AGE-SECRET-KEY-", &IDENTITY.to_lowercase()).is_none());
    }
}
