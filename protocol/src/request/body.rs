//! The body of a request, in a canonical form that both sides hash.

use serde::{Deserialize, Deserializer, Serialize};

use super::action::Action;
use super::headers::{HeadersError, VolumeHeaders};
use super::proposal::BaselineProposal;
use super::volume::VolumeAction;
use crate::digest::Digest32;
use crate::encoding::deserialize_at_most;
use crate::hashing::Preimage;
use crate::limits::MAX_PATHS;
use crate::path::SecretPath;

/// The body of a request: one variant per kind of request.
///
/// Exhaustive on purpose: for a new variant the compiler lists every place that must handle it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Release secrets.
    Release(ReleaseBody),
    /// Register the header of a volume, or announce its next one.
    Volume(VolumeAction),
    /// Propose the next boot for a baseline.
    Proposal(BaselineProposal),
}

impl Body {
    /// The action of this body.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Release(_) => Action::Release,
            Self::Volume(VolumeAction::RegisterVolume { .. }) => Action::RegisterVolume,
            Self::Volume(VolumeAction::AdvanceVolume { .. }) => Action::AdvanceVolume,
            Self::Proposal(_) => Action::ProposeBaseline,
        }
    }

    /// The paths of the secrets that it concerns.
    #[must_use]
    pub fn paths(&self) -> &[SecretPath] {
        match self {
            Self::Release(release) => release.paths().as_slice(),
            Self::Volume(action) => std::slice::from_ref(action.path()),
            Self::Proposal(_) => &[],
        }
    }

    /// The digest that the transcript covers. Each layout has its own label.
    pub(super) fn digest(&self) -> Digest32 {
        let preimage = match self {
            Self::Release(release) => release.preimage(),
            Self::Volume(action) => action.preimage(),
            Self::Proposal(proposal) => proposal.preimage(),
        };
        Digest32::of(preimage.as_bytes())
    }
}

/// A release: the paths of the secrets, and the headers of the volumes that are about to be opened with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseBody {
    paths: ReleasePaths,
    headers: VolumeHeaders,
}

impl ReleaseBody {
    /// A release of `paths`; `headers` may only name some of them.
    ///
    /// # Errors
    /// [`HeadersError`].
    pub fn new(paths: ReleasePaths, headers: VolumeHeaders) -> Result<Self, HeadersError> {
        let is_requested = |path: &SecretPath| paths.as_slice().binary_search(path).is_ok();
        if let Some((path, _)) = headers.iter().find(|(path, _)| !is_requested(path)) {
            return Err(HeadersError::NotRequested { path: path.clone() });
        }
        Ok(Self { paths, headers })
    }

    /// The paths.
    #[must_use]
    pub const fn paths(&self) -> &ReleasePaths {
        &self.paths
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &VolumeHeaders {
        &self.headers
    }

    fn preimage(&self) -> Preimage {
        let paths = self.paths.0.iter();
        if self.headers.is_empty() {
            // SHA-256(label || path 1 || … || path n), each length-prefixed.
            return paths.fold(Preimage::new(RELEASE_BODY_LABEL), |preimage, path| {
                preimage.field(path.as_str().as_bytes())
            });
        }
        // SHA-256(label || for each path: path || its header's digest or nothing), each length-prefixed.
        paths.fold(Preimage::new(RELEASE_HEADERS_BODY_LABEL), |preimage, path| {
            let header = self.headers.get(path);
            let header: &[u8] = header.as_ref().map_or(&[], |digest| digest.as_bytes());
            preimage.field(path.as_str().as_bytes()).field(header)
        })
    }
}

impl From<ReleasePaths> for ReleaseBody {
    fn from(paths: ReleasePaths) -> Self {
        Self { paths, headers: VolumeHeaders::default() }
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
const RELEASE_HEADERS_BODY_LABEL: &[u8] = b"vouchsafe/v1 release body with headers";

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

    #[test]
    fn t32_headers_are_only_of_requested_paths() {
        let paths = ReleasePaths::new(vec![path("n/a"), path("n/b")]).unwrap();
        let headers = |names: &[&str]| {
            VolumeHeaders::new(names.iter().map(|name| (path(name), Digest32([7; 32])))).unwrap()
        };
        let release = ReleaseBody::new(paths.clone(), headers(&["n/b"])).unwrap();
        assert_eq!(release.headers().get(&path("n/b")), Some(Digest32([7; 32])));
        assert_eq!(
            ReleaseBody::new(paths, headers(&["n/a", "n/c"])),
            Err(HeadersError::NotRequested { path: path("n/c") })
        );
    }

    #[test]
    fn t32_every_header_changes_the_body() {
        let paths = ReleasePaths::new(vec![path("n/a"), path("n/b")]).unwrap();
        let digest = |headers: &[(&str, u8)]| {
            let headers = headers.iter().map(|(name, byte)| (path(name), Digest32([*byte; 32])));
            let headers = VolumeHeaders::new(headers).unwrap();
            Body::Release(ReleaseBody::new(paths.clone(), headers).unwrap()).digest()
        };
        let all = [
            digest(&[]),
            digest(&[("n/a", 1)]),
            digest(&[("n/a", 2)]),
            digest(&[("n/b", 1)]),
            digest(&[("n/a", 1), ("n/b", 1)]),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one), "{i}");
        }
        assert_eq!(all[0], Body::Release(paths.into()).digest());
    }
}
