//! The challenge: a fresh nonce that the broker can recognise without having stored it.
//!
//! For the guest a challenge is only a nonce with a lifetime. Its MAC is for brokers: any replica with the
//! root key accepts what another one issued. It covers the identity that will sign the answer, so that a request that is
//! under way while the broker's identity is replaced gets the answer that its guest expects. The decision log, not this
//! module, ensures that a nonce is spent only once.

use std::fmt;

use aws_lc_rs::hmac;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::encoding::{Bytes, deserialize_array, to_base64url};
use crate::hashing::Preimage;
use crate::identity::BrokerIdentity;
use crate::limits::MAX_CHALLENGE_LIFETIME;
use crate::time::UnixTime;

/// 32 random bytes that identify one release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 32]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base64url(&self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_array(deserializer).map(Self)
    }
}

/// Issued by the broker, and sent back unchanged by the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// Goes into the transcript.
    pub nonce: Nonce,
    /// When it was issued, by the broker's clock.
    pub issued_at: UnixTime,
    /// Last second in which the broker accepts it.
    pub expires_at: UnixTime,
    /// HMAC-SHA-256 over the other fields, and the identity that will sign the answer, under the broker's challenge key.
    pub mac: Bytes,
}

/// Why a challenge was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// This broker did not issue it, or it was changed.
    #[error("the challenge was not issued by this broker")]
    NotIssuedHere,
    /// Its time is over.
    #[error("the challenge expired at {expires_at}")]
    Expired {
        /// When.
        expires_at: UnixTime,
    },
    /// Issued in the future: the clocks of the brokers disagree.
    #[error("the challenge was issued at {issued_at}, which is in the future")]
    NotYetValid {
        /// The issue time in the challenge.
        issued_at: UnixTime,
    },
}

/// The key that authenticates challenges, derived from the broker's root key.
pub struct ChallengeKey(hmac::Key);

impl ChallengeKey {
    /// Uses these 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Makes a challenge with `nonce`, which must be fresh random bytes; `broker` will sign the answer. It is valid for
    /// `ttl` seconds, but never longer than [`MAX_CHALLENGE_LIFETIME`].
    #[must_use]
    pub fn issue(&self, broker: &BrokerIdentity, nonce: Nonce, now: UnixTime, ttl: u64) -> Challenge {
        let (issued_at, expires_at) = (now, now.plus(ttl.min(MAX_CHALLENGE_LIFETIME)));
        let mac = hmac::sign(&self.0, &preimage(broker, &nonce, issued_at, expires_at));
        Challenge { nonce, issued_at, expires_at, mac: mac.as_ref().into() }
    }

    /// The nonce of a challenge that was issued for `broker` under this key and is still live.
    ///
    /// # Errors
    /// [`ChallengeError`], the MAC first: nothing else of a foreign challenge is looked at.
    pub fn check(
        &self,
        broker: &BrokerIdentity,
        challenge: &Challenge,
        now: UnixTime,
    ) -> Result<Nonce, ChallengeError> {
        let Challenge { nonce, issued_at, expires_at, mac } = challenge;
        hmac::verify(&self.0, &preimage(broker, nonce, *issued_at, *expires_at), mac)
            .map_err(|_| ChallengeError::NotIssuedHere)?;
        let expires_at = (*expires_at).min(issued_at.plus(MAX_CHALLENGE_LIFETIME));
        if now > expires_at {
            return Err(ChallengeError::Expired { expires_at });
        }
        if *issued_at > now.plus(CLOCK_SKEW) {
            return Err(ChallengeError::NotYetValid { issued_at: *issued_at });
        }
        Ok(*nonce)
    }
}

impl fmt::Debug for ChallengeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeKey([REDACTED])")
    }
}

// MAC input = label || broker identity || nonce || issued at || expires at, each length-prefixed; times as 8 bytes
//             big-endian.
fn preimage(broker: &BrokerIdentity, nonce: &Nonce, issued_at: UnixTime, expires_at: UnixTime) -> Vec<u8> {
    Preimage::new(CHALLENGE_LABEL)
        .field(&broker.0)
        .field(&nonce.0)
        .number(issued_at.0)
        .number(expires_at.0)
        .into_bytes()
}

const CHALLENGE_LABEL: &[u8] = b"vouchsafe/v2 challenge";

/// Tolerated difference between the clocks of two replicas, in seconds. A spent nonce must be remembered for
/// twice this time after its challenge has expired. Against a clock that is set back further, the keystore refuses every
/// challenge that expires before a nonce that it has forgotten.
pub const CLOCK_SKEW: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);
    const BROKER: BrokerIdentity = BrokerIdentity([4; 32]);

    fn challenge() -> (ChallengeKey, Challenge) {
        let key = ChallengeKey::new(&[1; 32]);
        let challenge = key.issue(&BROKER, Nonce([2; 32]), NOW, 60);
        (key, challenge)
    }

    #[test]
    fn t05_a_challenge_lives_exactly_its_time() {
        let (key, challenge) = challenge();
        assert_eq!(key.check(&BROKER, &challenge, NOW), Ok(Nonce([2; 32])));
        assert_eq!(key.check(&BROKER, &challenge, NOW.plus(60)), Ok(Nonce([2; 32])));
        let expires_at = NOW.plus(60);
        assert_eq!(key.check(&BROKER, &challenge, NOW.plus(61)), Err(ChallengeError::Expired { expires_at }));
        let early = UnixTime(NOW.0 - 6);
        assert_eq!(
            key.check(&BROKER, &challenge, early),
            Err(ChallengeError::NotYetValid { issued_at: NOW })
        );
    }

    #[test]
    fn t05_no_challenge_lives_longer_than_the_limit() {
        let key = ChallengeKey::new(&[1; 32]);
        let challenge = key.issue(&BROKER, Nonce([2; 32]), NOW, u64::MAX);
        assert_eq!(challenge.expires_at, NOW.plus(MAX_CHALLENGE_LIFETIME));
    }

    #[test]
    fn t05_a_changed_or_foreign_challenge_is_refused() {
        let (key, challenge) = challenge();
        let foreign = ChallengeKey::new(&[3; 32]);
        assert_eq!(foreign.check(&BROKER, &challenge, NOW), Err(ChallengeError::NotIssuedHere));
        // Another identity of the same broker will sign.
        let other = BrokerIdentity([5; 32]);
        assert_eq!(key.check(&other, &challenge, NOW), Err(ChallengeError::NotIssuedHere));
        let mut changed =
            [challenge.clone(), challenge.clone(), challenge.clone(), challenge.clone(), challenge];
        changed[0].nonce.0[0] ^= 1;
        changed[1].issued_at.0 += 1;
        changed[2].expires_at.0 += 1;
        changed[3].mac.0[0] ^= 1;
        changed[4].mac.0.clear();
        for challenge in changed {
            assert_eq!(
                key.check(&BROKER, &challenge, NOW),
                Err(ChallengeError::NotIssuedHere),
                "{challenge:?}"
            );
        }
    }
}
