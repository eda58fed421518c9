//! The headers that a guest is about to open volumes with.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest32;
use crate::limits::MAX_PATHS;
use crate::path::SecretPath;

/// Header digests by the path of the secret that opens the volume, at most 16.
///
/// A header digest is the SHA-256 of a device's bytes up to its data segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct VolumeHeaders(BTreeMap<SecretPath, Digest32>);

/// Why headers are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadersError {
    /// Too many.
    #[error("headers of more than {MAX_PATHS} volumes")]
    Count,
    /// Two headers for one path.
    #[error("{path} has two headers")]
    Duplicate {
        /// The path.
        path: SecretPath,
    },
    /// A header for a path that is not requested.
    #[error("a header for {path}, which is not requested")]
    NotRequested {
        /// The path.
        path: SecretPath,
    },
}

impl VolumeHeaders {
    /// Collects headers, in any order.
    ///
    /// # Errors
    /// When there are too many, or two for one path.
    pub fn new(headers: impl IntoIterator<Item = (SecretPath, Digest32)>) -> Result<Self, HeadersError> {
        let mut all = Self::default();
        headers.into_iter().try_for_each(|(path, digest)| all.add(path, digest))?;
        Ok(all)
    }

    fn add(&mut self, path: SecretPath, digest: Digest32) -> Result<(), HeadersError> {
        if self.0.contains_key(&path) {
            return Err(HeadersError::Duplicate { path });
        }
        if self.0.len() == MAX_PATHS {
            return Err(HeadersError::Count);
        }
        self.0.insert(path, digest);
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The header of the volume of this secret.
    #[must_use]
    pub fn get(&self, path: &SecretPath) -> Option<Digest32> {
        self.0.get(path).copied()
    }

    /// All of them, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretPath, &Digest32)> {
        self.0.iter()
    }
}

impl<'de> Deserialize<'de> for VolumeHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Headers;
        impl<'de> Visitor<'de> for Headers {
            type Value = VolumeHeaders;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {MAX_PATHS} header digests by path")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<VolumeHeaders, A::Error> {
                let mut all = VolumeHeaders::default();
                while let Some((path, digest)) = members.next_entry()? {
                    all.add(path, digest).map_err(A::Error::custom)?;
                }
                Ok(all)
            }
        }
        deserializer.deserialize_map(Headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SecretPath {
        SecretPath::parse(text).unwrap()
    }

    #[test]
    fn headers_are_read_once_per_path() {
        let digest = Digest32([7; 32]);
        let read = |text: String| serde_json::from_str::<VolumeHeaders>(&text).map_err(|e| e.to_string());
        let headers = VolumeHeaders::new([(path("n/b"), digest), (path("n/a"), digest)]).unwrap();
        assert_eq!(read(format!("{{\"n/b\":\"{digest}\",\"n/a\":\"{digest}\"}}")), Ok(headers.clone()));
        assert_eq!(read(serde_json::to_string(&headers).unwrap()), Ok(headers));
        let twice = read(format!("{{\"n/a\":\"{digest}\",\"n/a\":\"{digest}\"}}")).unwrap_err();
        assert!(twice.starts_with("n/a has two headers"), "{twice}");
        assert_eq!(
            VolumeHeaders::new([(path("n/a"), digest), (path("n/a"), digest)]),
            Err(HeadersError::Duplicate { path: path("n/a") })
        );
    }

    #[test]
    fn t30_the_number_of_headers_is_bounded() {
        let headers = |count: usize| {
            VolumeHeaders::new((0..count).map(|i| (path(&format!("n/{i}")), Digest32([7; 32]))))
        };
        assert_eq!(headers(MAX_PATHS).unwrap().iter().count(), MAX_PATHS);
        assert_eq!(headers(MAX_PATHS + 1), Err(HeadersError::Count));
    }
}
