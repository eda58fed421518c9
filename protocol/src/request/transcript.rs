//! The transcript: one hash over everything that a request consists of.
//!
//! Every piece of evidence is bound to it, secrets are wrapped under it and the answer is signed over it. The
//! guest takes the broker's identity and the suite from its own configuration, never from a message, so a
//! network attacker can choose neither.

use std::fmt;

use super::body::{Body, ReleasePaths};
use crate::challenge::Nonce;
use crate::digest::Digest32;
use crate::hashing::Preimage;
use crate::identity::BrokerIdentity;
use crate::wrap::GuestPublicKey;

/// The hash that evidence, wrapped secrets and answer are bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transcript(pub(crate) Digest32);

impl Transcript {
    // Transcript = SHA-256(label || broker identity || nonce || action || HPKE suite || HPKE public key
    //              || SHA-256(body)), each length-prefixed.
    fn of(
        broker: &BrokerIdentity,
        nonce: &Nonce,
        action: &str,
        key: &GuestPublicKey,
        body: &Digest32,
    ) -> Self {
        let preimage = Preimage::new(TRANSCRIPT_LABEL)
            .field(&broker.0)
            .field(&nonce.0)
            .field(action.as_bytes())
            .field(&key.suite().id())
            .field(key.as_bytes())
            .field(body.as_bytes());
        Self(Digest32::of(preimage.as_bytes()))
    }

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

/// A request as known to both sides: the broker, the challenge's nonce, the guest's key and the body.
///
/// Made in one step together with its transcript, so that no part can be replaced afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundRequest {
    broker: BrokerIdentity,
    nonce: Nonce,
    key: GuestPublicKey,
    body: Body,
    transcript: Transcript,
}

impl BoundRequest {
    /// Binds `body` to `key` under the challenge with this nonce.
    #[must_use]
    pub fn new(broker: &BrokerIdentity, nonce: Nonce, key: GuestPublicKey, body: Body) -> Self {
        let transcript = Transcript::of(broker, &nonce, body.action().name(), &key, &body.digest());
        Self { broker: *broker, nonce, key, body, transcript }
    }

    /// Binds a release of `paths`.
    #[must_use]
    pub fn release(broker: &BrokerIdentity, nonce: Nonce, key: GuestPublicKey, paths: &ReleasePaths) -> Self {
        Self::new(broker, nonce, key, Body::Release(paths.clone().into()))
    }

    /// The addressed broker: only its answer is accepted.
    #[must_use]
    pub const fn broker(&self) -> &BrokerIdentity {
        &self.broker
    }

    /// The challenge's nonce.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The guest's ephemeral public key.
    #[must_use]
    pub const fn key(&self) -> &GuestPublicKey {
        &self.key
    }

    /// The body of the request.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// The hash over all of it.
    #[must_use]
    pub const fn transcript(&self) -> Transcript {
        self.transcript
    }
}

const TRANSCRIPT_LABEL: &[u8] = b"vouchsafe/v1 transcript";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::SecretPath;
    use crate::request::Action;
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
        let bound = |broker, nonce, key: &GuestPublicKey, paths| {
            BoundRequest::release(&broker, nonce, key.clone(), paths).transcript()
        };
        let action =
            |name| Transcript::of(&broker, &nonce, name, &x, &Body::Release(paths.clone().into()).digest());
        let all = [
            bound(broker, nonce, &x, &paths),
            bound(BrokerIdentity([3; 32]), nonce, &x, &paths),
            bound(broker, Nonce([3; 32]), &x, &paths),
            bound(broker, nonce, &y, &paths),
            bound(broker, nonce, &key(Suite::XWing, 9), &paths),
            bound(broker, nonce, &x, &other_paths),
            action("register-volume"),
        ];
        assert_eq!(all[0], action(Action::Release.name()));
        for (i, one) in all.iter().enumerate() {
            for other in &all[i + 1..] {
                assert_ne!(one, other);
            }
        }
    }
}
