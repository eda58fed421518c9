//! Digest types that print as lower-case hex.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest as hash;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text does not have the expected number of lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} lower-case hex digits")]
pub struct DigestParseError {
    /// Hex digits of this kind of digest.
    pub expected: usize,
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $len:literal, $algorithm:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The digest of `data`.
            #[must_use]
            pub fn of(data: &[u8]) -> Self {
                Self::of_parts(&[data])
            }

            /// The digest of the concatenation of `parts`.
            #[must_use]
            pub fn of_parts(parts: &[&[u8]]) -> Self {
                let mut context = hash::Context::new(&hash::$algorithm);
                for part in parts {
                    context.update(part);
                }
                let mut out = [0; $len];
                out.copy_from_slice(context.finish().as_ref());
                Self(out)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Lower-case hex, in `digits`.
            fn digits<'d>(&self, digits: &'d mut [u8; 2 * $len]) -> &'d str {
                hex::encode_to_slice(self.0, digits).expect("two digits a byte");
                std::str::from_utf8(digits).expect("digits are ASCII")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0; 2 * $len];
                f.write_str(self.digits(&mut digits))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = DigestParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let error = DigestParseError { expected: 2 * $len };
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(error);
                }
                let mut out = [0; $len];
                hex::decode_to_slice(text, &mut out).map_err(|_| error)?;
                Ok(Self(out))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut digits = [0; 2 * $len];
                serializer.serialize_str(self.digits(&mut digits))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

digest!(
    /// A SHA-256 digest, or a PCR of the SHA-256 bank.
    Digest32, 32, SHA256
);
digest!(
    /// A SHA-384 digest, such as an SNP launch measurement.
    Digest48, 48, SHA384
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_lower_case_hex_of_exact_length() {
        let digest = Digest32::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let error = Err(DigestParseError { expected: 64 });
        assert_eq!(digest.to_string().to_uppercase().parse::<Digest32>(), error);
        assert_eq!("ba78".parse::<Digest32>(), error);
    }
}
