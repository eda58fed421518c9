//! Succession of a broker's identities: what a guest that pins only an earlier one accepts the present one by.
//!
//! A statement is signed by an identity and names the one that signs after it. Nothing else authenticates it, so it
//! travels over any channel. It lasts for a limited time, by the guest's clock: a pin means the pinned key, and only for that time also
//! what the key names. A thief of a pinned key can name a key of his own, as he can sign answers himself: against that only
//! another pin helps.

use serde::{Deserialize, Serialize};

use crate::encoding::Bytes;
use crate::hashing::Preimage;
use crate::identity::{BrokerIdentity, IdentityKey};
use crate::time::UnixTime;

/// Statements that a guest follows from a pinned identity to the present one.
pub const MAX_SUCCESSIONS: usize = 4;
/// How long a statement lasts at most, in seconds: 366 days.
pub const MAX_SUCCESSION_LIFETIME: u64 = 366 * 24 * 60 * 60;
/// Statements in JSON, in bytes; each has about 300.
pub const MAX_SUCCESSION_ANSWER: usize = 8 * 1024;

/// The version of the layout, and the purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "vouchsafe/v1 identity succession")]
    V1,
}

/// A statement as received. Only its form has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Succession {
    format: Format,
    from: BrokerIdentity,
    to: BrokerIdentity,
    made_at: UnixTime,
    expires_at: UnixTime,
    signature: Bytes,
}

/// The answer to `GET /v1/succession`: the statements that lead to the identity that signs now, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuccessionAnswer {
    /// Each is about the identity that the one before it names.
    pub statements: Vec<Succession>,
}

/// A pinned identity whose statements name the identity that signs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succeeded {
    /// The pinned identity.
    pub pinned: BrokerIdentity,
    /// The identity that signs now.
    pub by: BrokerIdentity,
    /// From when on it is not accepted any more for this reason.
    pub expires_at: UnixTime,
    /// How long that is, in seconds. The whole time of the statement, if the clock is behind it.
    pub remaining: u64,
}

/// Why statements do not make an identity acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// They exceed the size limit.
    #[error("{found} bytes of statements, the limit is {MAX_SUCCESSION_ANSWER}")]
    TooLarge {
        /// Their size.
        found: usize,
    },
    /// Not the JSON of statements.
    #[error("no statements about identities: {0}")]
    Malformed(String),
    /// More than are followed.
    #[error("{found} statements, the limit is {MAX_SUCCESSIONS}")]
    TooMany {
        /// Their number.
        found: usize,
    },
    /// None is by a pinned identity.
    #[error("none of the statements is by a pinned identity")]
    NotPinned,
    /// A statement is not by the identity that the one before it names.
    #[error("a statement is by {found}, the one before it names {named}")]
    Order {
        /// The identity named before.
        named: BrokerIdentity,
        /// The identity that the next statement is by.
        found: BrokerIdentity,
    },
    /// The last statement names another identity.
    #[error("the statements lead to {found}, the broker signs as {expected}")]
    Other {
        /// The identity that they lead to.
        found: BrokerIdentity,
        /// The identity that has to be accepted.
        expected: BrokerIdentity,
    },
    /// The signature of a statement does not verify.
    #[error("the statement in the name of {from} is not signed by it")]
    Signature {
        /// The identity that it names as its signer.
        from: BrokerIdentity,
    },
    /// A statement lasts longer than any may.
    #[error("the statement by {from} lasts longer than {MAX_SUCCESSION_LIFETIME} s")]
    TooLong {
        /// Its signer.
        from: BrokerIdentity,
    },
    /// A statement has expired.
    #[error("the statement by {from} expired {} ago", days(*.seconds))]
    Expired {
        /// Its signer.
        from: BrokerIdentity,
        /// How long ago, in seconds.
        seconds: u64,
    },
}

impl Succession {
    /// A statement by `key` that `to` signs after it. It lasts for `lifetime` seconds, but never longer than
    /// [`MAX_SUCCESSION_LIFETIME`].
    #[must_use]
    pub fn sign(key: &IdentityKey, to: BrokerIdentity, made_at: UnixTime, lifetime: u64) -> Self {
        let (format, from) = (Format::V1, key.identity());
        let expires_at = made_at.plus(lifetime.min(MAX_SUCCESSION_LIFETIME));
        let unsigned = Self { format, from, to, made_at, expires_at, signature: Bytes::default() };
        Self { signature: Bytes(key.sign(&unsigned.signed())), ..unsigned }
    }

    /// The identity that made it, unverified.
    #[must_use]
    pub const fn from(&self) -> BrokerIdentity {
        self.from
    }

    /// The identity that it names.
    #[must_use]
    pub const fn to(&self) -> BrokerIdentity {
        self.to
    }

    /// The first second in which it is not accepted any more.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Whether it was signed by the identity that it says it is by, whatever the time.
    ///
    /// # Errors
    /// [`SuccessionError::Signature`].
    pub fn verify_signature(&self) -> Result<(), SuccessionError> {
        if self.from.signed(&self.signed(), &self.signature) {
            return Ok(());
        }
        Err(SuccessionError::Signature { from: self.from })
    }

    /// Signature and time. The clock may be behind, in a guest for instance that has none of its own at boot, so a
    /// statement from the future is accepted.
    fn verify(&self, now: UnixTime) -> Result<(), SuccessionError> {
        let from = self.from;
        self.verify_signature()?;
        if self.expires_at.since(self.made_at) > MAX_SUCCESSION_LIFETIME {
            return Err(SuccessionError::TooLong { from });
        }
        if now >= self.expires_at {
            return Err(SuccessionError::Expired { from, seconds: now.since(self.expires_at) });
        }
        Ok(())
    }

    // Statement = label || from || to || made at || expires at, each length-prefixed; times as 8 bytes big-endian.
    fn signed(&self) -> Vec<u8> {
        Preimage::new(SUCCESSION_LABEL)
            .field(&self.from.0)
            .field(&self.to.0)
            .number(self.made_at.0)
            .number(self.expires_at.0)
            .into_bytes()
    }
}

impl SuccessionAnswer {
    /// Reads the JSON.
    ///
    /// # Errors
    /// When it is too large, not an answer, or has more statements than are followed.
    pub fn parse(json: &[u8]) -> Result<Self, SuccessionError> {
        if json.len() > MAX_SUCCESSION_ANSWER {
            return Err(SuccessionError::TooLarge { found: json.len() });
        }
        let answer: Self =
            serde_json::from_slice(json).map_err(|error| SuccessionError::Malformed(error.to_string()))?;
        match answer.statements.len() {
            0..=MAX_SUCCESSIONS => Ok(answer),
            found => Err(SuccessionError::TooMany { found }),
        }
    }

    /// Checks that statements lead from a pinned identity to `identity`, which the broker signs as. The last pinned one
    /// counts, so that those before it need not be trusted.
    ///
    /// # Errors
    /// [`SuccessionError`]; then `identity` must not be accepted.
    pub fn verify(
        &self,
        pinned: &[BrokerIdentity],
        identity: &BrokerIdentity,
        now: UnixTime,
    ) -> Result<Succeeded, SuccessionError> {
        let found = self.statements.len();
        if found > MAX_SUCCESSIONS {
            return Err(SuccessionError::TooMany { found });
        }
        let first = self.statements.iter().rposition(|statement| pinned.contains(&statement.from));
        let path = first.and_then(|first| self.statements.get(first..)).unwrap_or_default();
        // A promotion after the challenge adds a statement that goes beyond the identity which signs.
        let end = path.iter().position(|statement| statement.to == *identity).map_or(path.len(), |at| at + 1);
        let path = path.get(..end).unwrap_or_default();
        let (Some(first), Some(last)) = (path.first(), path.last()) else {
            return Err(SuccessionError::NotPinned);
        };
        if let Some([before, after]) = path.array_windows().find(|[before, after]| after.from != before.to) {
            return Err(SuccessionError::Order { named: before.to, found: after.from });
        }
        if last.to != *identity {
            return Err(SuccessionError::Other { found: last.to, expected: *identity });
        }
        path.iter().try_for_each(|statement| statement.verify(now))?;
        let soonest = path.iter().min_by_key(|statement| statement.expires_at).unwrap_or(last);
        let expires_at = soonest.expires_at;
        let remaining = expires_at.since(now.max(soonest.made_at));
        Ok(Succeeded { pinned: first.from, by: *identity, expires_at, remaining })
    }
}

/// A duration for people: whole days, or hours if it is less than one.
#[must_use]
pub fn days(seconds: u64) -> String {
    match seconds {
        0..DAY => format!("{} h", seconds / HOUR),
        _ => format!("{} d", seconds / DAY),
    }
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const SUCCESSION_LABEL: &[u8] = b"vouchsafe/v1 identity succession";

#[cfg(test)]
mod tests;
