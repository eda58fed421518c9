//! The transcript: one hash over everything that a release is about.
//!
//! Every piece of evidence is bound to it, secrets are wrapped under it and the answer is signed over
//! it. The guest takes the broker's identity and the suite from its own configuration, never from a
//! message, so a party in the middle cannot choose either.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::challenge::Nonce;
use crate::digest::Digest32;
use crate::encoding::deserialize_at_most;
use crate::hashing::Preimage;
use crate::identity::BrokerIdentity;
use crate::limits::MAX_PATHS;
use crate::path::SecretPath;
use crate::wrap::GuestPublicKey;

/// What the guest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Release secrets.
    Release,
    /// Register an encrypted volume.
    RegisterVolume,
    /// Advance a volume's generation.
    AdvanceVolume,
    /// Propose the boot chain of an update as a baseline.
    ProposeBaseline,
}

impl Action {
    /// Its name in the transcript.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::RegisterVolume => "register-volume",
            Self::AdvanceVolume => "advance-volume",
            Self::ProposeBaseline => "propose-baseline",
        }
    }
}

/// Paths of one release: sorted, without duplicates, 1 to 16.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReleasePaths(Vec<SecretPath>);

/// The list of paths is not in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleasePathsError {
    /// None, or too many.
    #[error("a release is for 1 to {MAX_PATHS} paths, this one has {count}")]
    Count {
        /// How many.
        count: usize,
    },
    /// Out of order, or twice the same.
    #[error("paths must be sorted and without duplicates: {path} is out of place")]
    Order {
        /// The first that is out of place.
        path: SecretPath,
    },
}

impl ReleasePaths {
    /// Takes a list that is sorted and free of duplicates already.
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

    /// Brings any list into the canonical form.
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

    /// Digest of the action's body: label, then each path.
    // SHA-256(label || path 1 || … || path n), each length-prefixed.
    fn digest(&self) -> Digest32 {
        let preimage = self.0.iter().fold(Preimage::new(RELEASE_BODY_LABEL), |preimage, path| {
            preimage.field(path.as_str().as_bytes())
        });
        Digest32::of(preimage.as_bytes())
    }
}

impl<'de> Deserialize<'de> for ReleasePaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(deserialize_at_most::<_, _, MAX_PATHS>(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The hash that everything is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transcript(pub(crate) Digest32);

impl Transcript {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({})", self.0)
    }
}

/// A transcript together with the broker, the nonce, the key and the paths that it covers.
///
/// Made in one step from the same values on both sides, so that none of them can be exchanged for
/// another one afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    broker: BrokerIdentity,
    transcript: Transcript,
    nonce: Nonce,
    action: Action,
    key: GuestPublicKey,
    paths: ReleasePaths,
}

impl Bound {
    /// Binds a release of `paths` to `key`.
    // Transcript = SHA-256(label || broker identity || nonce || action || HPKE suite || HPKE public key
    //              || SHA-256(body)), each length-prefixed.
    #[must_use]
    pub fn release(broker: &BrokerIdentity, nonce: Nonce, key: GuestPublicKey, paths: &ReleasePaths) -> Self {
        Self::new(broker, nonce, Action::Release, key, paths)
    }

    fn new(
        broker: &BrokerIdentity,
        nonce: Nonce,
        action: Action,
        key: GuestPublicKey,
        paths: &ReleasePaths,
    ) -> Self {
        let preimage = Preimage::new(TRANSCRIPT_LABEL)
            .field(&broker.0)
            .field(&nonce.0)
            .field(action.name().as_bytes())
            .field(&key.suite().id())
            .field(key.as_bytes())
            .field(paths.digest().as_bytes());
        let transcript = Transcript(Digest32::of(preimage.as_bytes()));
        Self { broker: *broker, transcript, nonce, action, key, paths: paths.clone() }
    }

    /// The broker that this is for: the only one whose answer counts.
    #[must_use]
    pub const fn broker(&self) -> &BrokerIdentity {
        &self.broker
    }

    /// The paths that are asked for.
    #[must_use]
    pub const fn paths(&self) -> &ReleasePaths {
        &self.paths
    }

    /// The hash.
    #[must_use]
    pub const fn transcript(&self) -> Transcript {
        self.transcript
    }

    /// The challenge's nonce.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// What is asked for.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// The guest's ephemeral public key.
    #[must_use]
    pub const fn key(&self) -> &GuestPublicKey {
        &self.key
    }
}

const TRANSCRIPT_LABEL: &[u8] = b"vouchsafe/v1 transcript";
const RELEASE_BODY_LABEL: &[u8] = b"vouchsafe/v1 release body";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Suite;

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
    fn t09_every_part_changes_the_transcript() {
        let key =
            |suite: Suite, byte| GuestPublicKey::new(suite, &vec![byte; suite.public_key_length()]).unwrap();
        let (x, y) = (key(Suite::X25519, 9), key(Suite::X25519, 10));
        let paths = ReleasePaths::new(vec![path("n/a")]).unwrap();
        let other_paths = ReleasePaths::new(vec![path("n/b")]).unwrap();
        let (broker, nonce) = (BrokerIdentity([1; 32]), Nonce([2; 32]));
        let all = [
            Bound::release(&broker, nonce, x.clone(), &paths),
            Bound::release(&BrokerIdentity([3; 32]), nonce, x.clone(), &paths),
            Bound::release(&broker, Nonce([3; 32]), x.clone(), &paths),
            Bound::release(&broker, nonce, y, &paths),
            Bound::release(&broker, nonce, key(Suite::XWing, 9), &paths),
            Bound::release(&broker, nonce, x.clone(), &other_paths),
            Bound::new(&broker, nonce, Action::RegisterVolume, x, &paths),
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[i + 1..] {
                assert_ne!(one.transcript(), other.transcript());
            }
        }
    }
}
