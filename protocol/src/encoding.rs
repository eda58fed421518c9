//! Bytes in JSON: base64url without padding, in canonical form only.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, OnceLock};

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest32;

/// Bytes encoded as base64url without padding. `Debug` prints only the length.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_base64url(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of base64url without padding")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
                from_base64url(text).map(Bytes).ok_or_else(|| E::custom("not base64url without padding"))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// [`Bytes`] that cannot be changed, are shared by their clones, and are hashed at most once. For the large
/// parts of evidence, which several places know by their digest.
#[derive(Clone, Default)]
pub struct SharedBytes(Arc<Hashed>);

#[derive(Default)]
struct Hashed {
    bytes: Vec<u8>,
    digest: OnceLock<Digest32>,
}

impl SharedBytes {
    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        *self.0.digest.get_or_init(|| Digest32::of(&self.0.bytes))
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Hashed { bytes, digest: OnceLock::new() }))
    }
}

impl From<Bytes> for SharedBytes {
    fn from(bytes: Bytes) -> Self {
        bytes.0.into()
    }
}

impl From<&Bytes> for SharedBytes {
    fn from(bytes: &Bytes) -> Self {
        bytes[..].into()
    }
}

impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl PartialEq for SharedBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedBytes {}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl Serialize for SharedBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_base64url(self))
    }
}

impl<'de> Deserialize<'de> for SharedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes::deserialize(deserializer).map(|bytes| bytes.0.into())
    }
}

/// Bytes of a fixed length in JSON, in the same encoding.
pub(crate) fn deserialize_array<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    let bytes = Bytes::deserialize(deserializer)?;
    bytes.0.try_into().map_err(|_| D::Error::custom(format_args!("expected {N} bytes")))
}

/// A list of at most `N` items: a further item makes parsing fail before it is stored.
pub(crate) fn deserialize_at_most<'de, D, T, const N: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Visitor<T, const N: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const N: usize> serde::de::Visitor<'de> for Visitor<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {N} items")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == N {
                    return Err(A::Error::custom(format_args!("a list of more than {N} items")));
                }
                list.push(item);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_seq(Visitor::<T, N>(PhantomData))
}

/// base64url without padding, RFC 4648 §5.
#[must_use]
pub fn to_base64url(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

/// Decodes canonical base64url without padding; `None` for anything else.
#[must_use]
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

/// The same into an empty vector, which holds what was decoded so far if the rest is not canonical. Nothing is left elsewhere.
pub fn decode_base64url(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    BASE64URL.decode_vec(text, bytes).ok()
}

/// With the instructions of this CPU: evidence is mostly base64url.
static BASE64URL: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        assert_eq!(from_base64url("AQI"), Some(vec![1, 2]));
        for other in ["AQI=", "AQJ", "AQI\n", "AQ I", "A"] {
            assert_eq!(from_base64url(other), None, "{other:?}");
        }
    }
    #[test]
    fn long_texts_are_read_and_written_as_by_the_portable_engine() {
        for length in (0..300).chain([4096, 50_001]) {
            let bytes: Vec<u8> = (0..length).map(|index: usize| (index * 131 / 8).to_le_bytes()[0]).collect();
            let text = to_base64url(&bytes);
            assert_eq!(text, URL_SAFE_NO_PAD.encode(&bytes));
            assert_eq!(from_base64url(&text), Some(bytes));
            for place in [0, text.len() / 2, text.len().saturating_sub(1)] {
                for wrong in ["+", "/", "=", "\n", "\u{7f}", "é"] {
                    let mut other = text.clone();
                    if place < other.len() {
                        other.replace_range(place..=place, wrong);
                        assert_eq!(from_base64url(&other), None, "{wrong:?} at {place} of {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn shared_bytes_are_bytes_that_know_their_digest() {
        let shared = SharedBytes::from(vec![1, 2]);
        assert_eq!(serde_json::to_string(&shared).unwrap(), "\"AQI\"");
        assert_eq!(serde_json::from_str::<SharedBytes>("\"AQI\"").unwrap(), shared);
        assert_ne!(shared, SharedBytes::from(vec![1, 3]));
        assert_eq!(shared.digest(), Digest32::of(&[1, 2]));
        assert_eq!(format!("{shared:?}"), "2 bytes");
    }
}
