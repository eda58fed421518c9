//! The transcript: one hash over everything that a release is about.
//!
//! Every piece of evidence is bound to it, secrets are wrapped under it and the answer is signed over
//! it. The guest takes the broker's identity and the suite from its own configuration, never from a
//! message, so a party in the middle cannot choose either.

use std::fmt;

use super::action::Action;
use super::body::ReleasePaths;
use crate::challenge::Nonce;
use crate::digest::Digest32;
use crate::hashing::Preimage;
use crate::identity::BrokerIdentity;
use crate::wrap::GuestPublicKey;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::SecretPath;
    use crate::suite::Suite;

    fn path(text: &str) -> SecretPath {
        SecretPath::parse(text).unwrap()
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
