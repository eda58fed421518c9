//! Cache of verified endorsements: a fleet sends the same one many times.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use super::verified::Verified;
use crate::anchors::TrustAnchors;
use crate::x509::Collateral;

/// Verified endorsements, keyed by everything that their verification depends on.
///
/// Bounded; holds successes only. The result of a verification can only change at certain times, as in the
/// chain cache. An entry is used only between the two such times around its verification, and only with the
/// same anchors and the same collateral.
pub struct EndorsementCache {
    known: Cache<Digest32, Arc<Verified>>,
}

impl EndorsementCache {
    /// Room for about `capacity` endorsements.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { known: Cache::new(capacity) }
    }

    /// Number of cached endorsements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// A cached endorsement whose result is still valid.
    pub(super) fn get(&self, key: &Digest32, now: UnixTime) -> Option<Arc<Verified>> {
        self.known.get(key).filter(|known| known.chain.holds_at(now))
    }

    pub(super) fn insert(&self, key: Digest32, verified: &Arc<Verified>) {
        self.known.insert(key, Arc::clone(verified));
    }
}

/// SHA-256(label || anchors (32) || collateral (32) || SHA-256(endorsement) (32))
pub(super) fn key(endorsement: &Digest32, anchors: &TrustAnchors, collateral: &Collateral) -> Digest32 {
    let (anchors, collateral) = (anchors.digest(), collateral.digest());
    Digest32::of_parts(&[
        b"vouchsafe/v1 endorsement cache",
        anchors.as_bytes(),
        collateral.as_bytes(),
        endorsement.as_bytes(),
    ])
}

impl fmt::Debug for EndorsementCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndorsementCache").field("known", &self.len()).finish()
    }
}
