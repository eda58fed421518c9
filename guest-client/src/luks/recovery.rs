//! Recovery codes: what a person types when the broker cannot release the key.
//!
//! A code has 140 random bits and a checksum of 20 bits, as eight groups of four characters: `k3f9-0wzt-…`. The alphabet is that of
//! Crockford's base 32 in lower case, which has no i, l, o and u. The whole code in this form is the passphrase of a key slot.

use std::fmt;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::hashing::Preimage;
use zeroize::{Zeroize as _, Zeroizing};

/// A code. Printing it takes a decision: there is no `Debug` and no `Display`.
pub struct RecoveryCode(Zeroizing<String>);

/// The text is not a code, or has a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryCodeError {
    /// Too few or too many characters.
    #[error("a recovery code has {LENGTH} characters in groups of {GROUP}, and this has {found}")]
    Length {
        /// Characters, without separators.
        found: usize,
    },
    /// A character that no code has.
    #[error("character {position} is not one of a recovery code")]
    Character {
        /// From 1, without separators.
        position: usize,
    },
    /// The last group does not belong to the others.
    #[error("the checksum does not match: there is a typing error somewhere")]
    Checksum,
}

impl RecoveryCode {
    /// A new code.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut random = Zeroizing::new([0; RANDOM]);
        aws_lc_rs::rand::fill(&mut *random)?;
        Ok(Self::of_values(&random.map(|byte| byte & 31)))
    }

    /// Reads what a person typed: in any case, with any spaces and hyphens, and with i, l and o for the digits they look like.
    ///
    /// # Errors
    /// [`RecoveryCodeError`].
    pub fn parse(text: &str) -> Result<Self, RecoveryCodeError> {
        let typed = text.trim().chars().filter(|c| !matches!(c, ' ' | '-'));
        let mut values = Zeroizing::new([0; LENGTH]);
        let mut found = 0;
        for c in typed {
            let value = value_of(c).ok_or(RecoveryCodeError::Character { position: found + 1 })?;
            if let Some(place) = values.get_mut(found) {
                *place = value;
            }
            found += 1;
        }
        if found != LENGTH {
            return Err(RecoveryCodeError::Length { found });
        }
        let random = values.first_chunk().ok_or(RecoveryCodeError::Length { found })?;
        if checksum(random) != *values.last_chunk().ok_or(RecoveryCodeError::Length { found })? {
            return Err(RecoveryCodeError::Checksum);
        }
        Ok(Self::of_values(random))
    }

    fn of_values(random: &[u8; RANDOM]) -> Self {
        let mut values = Zeroizing::new(random.to_vec());
        values.extend(checksum(random));
        let mut text = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
        for (index, value) in values.iter().enumerate() {
            if index != 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET.get(usize::from(*value)).copied().unwrap_or(b'0')));
        }
        Self(text)
    }

    /// The code in the one form that opens the key slot.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode([REDACTED])")
    }
}

// Checksum = the first 20 bits of SHA-256(label || the 28 values), each length-prefixed, in groups of 5.
fn checksum(random: &[u8; RANDOM]) -> [u8; GROUP] {
    let mut preimage = Preimage::new(CHECKSUM_LABEL).field(random).into_bytes();
    let Digest32([one, two, three, ..]) = Digest32::of(&preimage);
    preimage.zeroize();
    let bits = u32::from_be_bytes([0, one, two, three]) >> 4;
    [15, 10, 5, 0].map(|shift| u8::try_from((bits >> shift) & 31).unwrap_or_default())
}

/// The value of a character, also of one that looks like another.
fn value_of(c: char) -> Option<u8> {
    let c = match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    let index = ALPHABET.iter().position(|other| char::from(*other) == c)?;
    u8::try_from(index).ok()
}

const CHECKSUM_LABEL: &[u8] = b"vouchsafe/v1 recovery code";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUP: usize = 4;
const RANDOM: usize = 28;
const LENGTH: usize = RANDOM + GROUP;

#[cfg(test)]
mod tests {
    use super::*;

    /// Fixed for ever: codes on paper have to stay valid.
    const KNOWN: &str = "0123-4567-89ab-cdef-ghjk-mnpq-rstv-58te";

    #[test]
    fn a_known_code_stays_valid() {
        let values: [u8; RANDOM] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(RecoveryCode::of_values(&values).expose(), KNOWN);
        assert_eq!(RecoveryCode::parse(KNOWN).unwrap().expose(), KNOWN);
    }

    #[test]
    fn what_a_person_may_type_is_the_same_code() {
        for typed in
            [KNOWN.to_uppercase(), KNOWN.replace('-', " "), KNOWN.replace('-', ""), format!(" {KNOWN}\n")]
        {
            assert_eq!(RecoveryCode::parse(&typed).unwrap().expose(), KNOWN, "{typed}");
        }
        for (digit, letters) in [('0', "oO"), ('1', "iIlL")] {
            for letter in letters.chars() {
                let typed = KNOWN.replace(digit, &letter.to_string());
                assert_eq!(RecoveryCode::parse(&typed).unwrap().expose(), KNOWN, "{typed}");
            }
        }
    }

    #[test]
    fn typing_errors_are_found() {
        for (index, byte) in KNOWN.bytes().enumerate().filter(|(_, byte)| *byte != b'-') {
            let mut typed = KNOWN.as_bytes().to_vec();
            typed[index] = if byte == b'x' { b'y' } else { b'x' };
            let typed = String::from_utf8(typed).unwrap();
            assert_eq!(RecoveryCode::parse(&typed).unwrap_err(), RecoveryCodeError::Checksum, "{typed}");
        }
        let swapped = format!("{}{}", &KNOWN[5..10], &KNOWN[..5]) + &KNOWN[10..];
        assert_eq!(RecoveryCode::parse(&swapped).unwrap_err(), RecoveryCodeError::Checksum);
        assert_eq!(RecoveryCode::parse("k3f9-0wzt").unwrap_err(), RecoveryCodeError::Length { found: 8 });
        let longer = format!("{KNOWN}0");
        assert_eq!(RecoveryCode::parse(&longer).unwrap_err(), RecoveryCodeError::Length { found: 33 });
        assert_eq!(RecoveryCode::parse("k3u9").unwrap_err(), RecoveryCodeError::Character { position: 3 });
        assert_eq!(RecoveryCode::parse("ké").unwrap_err(), RecoveryCodeError::Character { position: 2 });
    }

    #[test]
    fn codes_are_random_and_pass_their_own_check() {
        let codes: Vec<_> = (0..64).map(|_| RecoveryCode::generate().unwrap()).collect();
        for code in &codes {
            assert_eq!(code.expose().len(), 39);
            assert_eq!(RecoveryCode::parse(code.expose()).unwrap().expose(), code.expose());
        }
        let different: std::collections::BTreeSet<_> = codes.iter().map(RecoveryCode::expose).collect();
        assert_eq!(different.len(), 64);
    }

    #[test]
    fn t34_debug_of_a_recovery_code_is_redacted() {
        assert_eq!(format!("{:?}", RecoveryCode::parse(KNOWN).unwrap()), "RecoveryCode([REDACTED])");
    }
}
