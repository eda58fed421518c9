//! The body of a request, in a canonical form that both sides hash.

use serde::{Deserialize, Deserializer, Serialize};

use super::action::Action;
use crate::digest::Digest32;
use crate::encoding::deserialize_at_most;
use crate::hashing::Preimage;
use crate::limits::MAX_PATHS;
use crate::path::SecretPath;

/// The body of a request: one variant per action.
///
/// Exhaustive on purpose: for a new variant the compiler lists every place that must handle it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Release the secrets at these paths.
    Release(ReleasePaths),
}

impl Body {
    /// The action of this body.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Release(_) => Action::Release,
        }
    }

    /// The digest that the transcript covers. Each action has its own label.
    pub(super) fn digest(&self) -> Digest32 {
        let preimage = match self {
            // SHA-256(label || path 1 || … || path n), each length-prefixed.
            Self::Release(paths) => {
                paths.0.iter().fold(Preimage::new(RELEASE_BODY_LABEL), |preimage, path| {
                    preimage.field(path.as_str().as_bytes())
                })
            }
        };
        Digest32::of(preimage.as_bytes())
    }
}

/// Paths of one release: sorted, without duplicates, 1 to 16.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReleasePaths(Vec<SecretPath>);

/// Why a list of paths is not in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleasePathsError {
    /// None, or too many.
    #[error("a release is for 1 to {MAX_PATHS} paths, not {count}")]
    Count {
        /// Number of paths.
        count: usize,
    },
    /// Out of order, or duplicate.
    #[error("paths must be sorted and without duplicates: {path} is out of place")]
    Order {
        /// The first that is out of place.
        path: SecretPath,
    },
}

impl ReleasePaths {
    /// Accepts a list that is already sorted and free of duplicates.
    ///
    /// # Errors
    /// [`ReleasePathsError`].
    pub fn new(paths: Vec<SecretPath>) -> Result<Self, ReleasePathsError> {
        if paths.is_empty() || paths.len() > MAX_PATHS {
            return Err(ReleasePathsError::Count { count: paths.len() });
        }
        for (before, path) in paths.iter().zip(paths.iter().skip(1)) {
            if before >= path {
                return Err(ReleasePathsError::Order { path: path.clone() });
            }
        }
        Ok(Self(paths))
    }

    /// Sorts any list and removes duplicates.
    ///
    /// # Errors
    /// When there are none or too many.
    pub fn sort(mut paths: Vec<SecretPath>) -> Result<Self, ReleasePathsError> {
        paths.sort();
        paths.dedup();
        Self::new(paths)
    }

    /// The paths in order.
    #[must_use]
    pub fn as_slice(&self) -> &[SecretPath] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ReleasePaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(deserialize_at_most::<_, _, MAX_PATHS>(deserializer)?).map_err(serde::de::Error::custom)
    }
}

const RELEASE_BODY_LABEL: &[u8] = b"vouchsafe/v1 release body";

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SecretPath {
        SecretPath::parse(text).unwrap()
    }

    #[test]
    fn paths_are_canonical_or_refused() {
        let (a, b) = (path("n/a"), path("n/b"));
        assert_eq!(ReleasePaths::new(vec![]), Err(ReleasePathsError::Count { count: 0 }));
        assert_eq!(ReleasePaths::new(vec![a.clone(); 17]), Err(ReleasePathsError::Count { count: 17 }));
        let order = Err(ReleasePathsError::Order { path: a.clone() });
        assert_eq!(ReleasePaths::new(vec![b.clone(), a.clone()]), order);
        assert_eq!(ReleasePaths::new(vec![a.clone(), a.clone()]), order);
        assert_eq!(ReleasePaths::sort(vec![b.clone(), a.clone(), b.clone()]).unwrap().as_slice(), [a, b]);
    }
}
