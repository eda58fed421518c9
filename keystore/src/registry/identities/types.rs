//! The identities of a broker, and why a change of them is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::succession::{
    MAX_SUCCESSION_LIFETIME, MAX_SUCCESSIONS, Succession, SuccessionAnswer,
};
use vouchsafe_protocol::{BrokerIdentity, IdentityKey, UnixTime};

use crate::db::StoreError;
use crate::sealing::SealError;

/// What an identity is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityState {
    /// Signs nothing yet, so that guests can pin it before it does.
    Next,
    /// Signs. There is exactly one.
    Primary,
    /// Signed before. It only answers requests whose challenges were issued before the promotion.
    Previous,
    /// Its key is gone. What it has signed can still be verified.
    Removed,
}

impl IdentityState {
    pub(super) const ALL: [Self; 4] = [Self::Next, Self::Primary, Self::Previous, Self::Removed];

    /// The name in the database and for operators.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Primary => "primary",
            Self::Previous => "previous",
            Self::Removed => "removed",
        }
    }
}

/// An identity and its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityUse {
    pub(super) id: u64,
    /// The identity.
    pub identity: BrokerIdentity,
    /// Its use.
    pub state: IdentityState,
    /// When it was made; 0 for the one that the keystore was made with.
    pub created_at: UnixTime,
    /// Since when it is in this state; 0 if that is since the keystore was made.
    pub since: UnixTime,
    /// What it signed about its successor.
    pub statement: Option<Succession>,
    /// Whether there is a row of it: there is none before the first rotation.
    pub(super) is_stored: bool,
}

/// All identities, and the keys of those that were not removed.
#[derive(Debug)]
pub struct Identities {
    all: Vec<IdentityUse>,
    primary: Arc<IdentityKey>,
    /// Those of the next and of previous identities.
    others: Vec<Arc<IdentityKey>>,
}

impl Identities {
    /// `None` unless exactly one is the primary one, and each that is not removed, and no other, has its key.
    pub(super) fn new(all: Vec<IdentityUse>, mut keys: BTreeMap<u64, IdentityKey>) -> Option<Self> {
        let (mut primary, mut others) = (None, Vec::new());
        for found in all.iter().filter(|found| found.state != IdentityState::Removed) {
            let key = keys.remove(&found.id).filter(|key| key.identity() == found.identity)?;
            if found.state != IdentityState::Primary {
                others.push(Arc::new(key));
            } else if primary.replace(Arc::new(key)).is_some() {
                return None;
            }
        }
        Some(Self { all, primary: primary.filter(|_| keys.is_empty())?, others })
    }

    /// Every identity there is or was, the oldest first.
    #[must_use]
    pub fn all(&self) -> &[IdentityUse] {
        &self.all
    }

    /// The key that signs.
    #[must_use]
    pub const fn primary(&self) -> &Arc<IdentityKey> {
        &self.primary
    }

    /// The keys that a live challenge may be for, the primary one first. The next one is among them, because another broker of
    /// the same keystore may have promoted it.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<IdentityKey>> {
        std::iter::once(&self.primary).chain(&self.others)
    }

    /// Whether it is the primary identity or a previous one.
    #[must_use]
    pub fn has_signed_as(&self, identity: &BrokerIdentity) -> bool {
        let states = [IdentityState::Primary, IdentityState::Previous];
        self.all.iter().any(|found| found.identity == *identity && states.contains(&found.state))
    }

    /// The statements that lead to the primary identity from those before it, as far as there is one at every step.
    #[must_use]
    pub fn succession(&self) -> SuccessionAnswer {
        let previous = self.all.iter().rev().filter(|found| found.state == IdentityState::Previous);
        let mut statements: Vec<_> = previous.map_while(|found| found.statement.clone()).collect();
        statements.reverse();
        SuccessionAnswer { statements }
    }

    /// Until when guests that pin only this previous identity accept the primary one: the earliest end of the statements that lead
    /// there. `None` if it is not a previous one, or a step has no statement.
    #[must_use]
    pub fn accepted_until(&self, identity: &BrokerIdentity) -> Option<UnixTime> {
        let steps = self.of(IdentityState::Previous).skip_while(|found| found.identity != *identity);
        let ends: Option<Vec<_>> =
            steps.map(|found| found.statement.as_ref().map(Succession::expires_at)).collect();
        ends?.into_iter().min()
    }

    /// When the next guests are left without the broker, after `now`: those that pin only a previous identity.
    #[must_use]
    pub fn next_overlap_end(&self, now: UnixTime) -> Option<UnixTime> {
        let ends = self.of(IdentityState::Previous).filter_map(|found| self.accepted_until(&found.identity));
        ends.filter(|end| *end > now).min()
    }

    /// For how many seconds guests that pin only the identity before the primary one were to accept it when it was promoted;
    /// 0 for none. `None` if no identity was before it.
    pub(super) fn overlap_of_promotion(&self) -> Option<u64> {
        let (at, before) = self.all.array_windows().find_map(|[before, after]| {
            (after.state == IdentityState::Primary).then_some((after.since, before))
        })?;
        Some(before.statement.as_ref().map_or(0, |statement| statement.expires_at().since(at)))
    }

    pub(super) fn of(&self, state: IdentityState) -> impl Iterator<Item = &IdentityUse> {
        self.all.iter().filter(move |found| found.state == state)
    }

    pub(super) fn next(&self) -> Option<&IdentityUse> {
        self.of(IdentityState::Next).next()
    }
}

/// Why the identities were not changed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is a next one already.
    #[error("{identity} is the next identity already: promote or remove it first")]
    AlreadyNext {
        /// The next identity.
        identity: BrokerIdentity,
    },
    /// It is not the one to promote.
    #[error(
        "{identity} is not the next identity: `vouchsafe identity status` shows that one, and `vouchsafe identity add` makes one if \
         there is none"
    )]
    NotNext {
        /// The identity that was to be promoted.
        identity: BrokerIdentity,
    },
    /// It was promoted before, with another overlap.
    #[error(
        "{identity} signs already, and was not promoted with an overlap of {seconds} s: what guests accept stays as it is, see \
         `vouchsafe identity status`"
    )]
    SignsAlready {
        /// The identity that was to be promoted.
        identity: BrokerIdentity,
        /// The overlap.
        seconds: u64,
    },
    /// Guests would not follow the statements of the oldest one.
    #[error(
        "there are {MAX_SUCCESSIONS} previous identities, and guests follow no more than {MAX_SUCCESSIONS} statements: \
         remove {oldest} first"
    )]
    TooManyPrevious {
        /// The oldest of them.
        oldest: BrokerIdentity,
    },
    /// The overlap is too long.
    #[error("an overlap of {seconds} s: at most {MAX_SUCCESSION_LIFETIME} s, 366 days, are possible")]
    Lifetime {
        /// The overlap.
        seconds: u64,
    },
    /// It is the one that signs.
    #[error("{identity} is the identity that signs: promote another one first")]
    Signs {
        /// The identity.
        identity: BrokerIdentity,
    },
    /// There are older ones.
    #[error(
        "guests that pin {oldest} are led over {identity} to the identity that signs: remove {oldest} first, it is the older one"
    )]
    NotOldest {
        /// The identity that was to be removed.
        identity: BrokerIdentity,
        /// The oldest one.
        oldest: BrokerIdentity,
    },
    /// Guests have challenges that it has to answer.
    #[error(
        "challenges that {identity} has to answer are accepted for another {seconds} s: guests with one of them would be \
         refused; try again after that"
    )]
    Outstanding {
        /// The identity.
        identity: BrokerIdentity,
        /// How long.
        seconds: u64,
    },
    /// It is none of this broker, or was removed.
    #[error("{identity} is no identity of this broker, or it was removed: see `vouchsafe identity status`")]
    Unknown {
        /// The identity.
        identity: BrokerIdentity,
    },
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for IdentityError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
