//! The validity of a chain, and the times at which its verification may have another result.

use vouchsafe_protocol::UnixTime;

use super::error::ChainError;

/// The validity of the chain, and the times at which the result of its verification may change.
#[derive(Debug)]
pub(super) struct Window {
    now: UnixTime,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    pub(super) transitions: Vec<UnixTime>,
}

impl Window {
    pub(super) const fn new(now: UnixTime) -> Self {
        Self { now, not_before: UnixTime(0), not_after: UnixTime(u64::MAX), transitions: Vec::new() }
    }

    pub(super) fn narrow(&mut self, not_before: UnixTime, not_after: UnixTime) -> Result<(), ChainError> {
        if self.now < not_before {
            return Err(ChainError::NotValidYet { not_before });
        }
        if not_after < self.now {
            return Err(ChainError::Expired { not_after });
        }
        self.not_before = self.not_before.max(not_before);
        self.not_after = self.not_after.min(not_after);
        self.transitions.extend([not_before, not_after.plus(1)]);
        Ok(())
    }

    pub(super) fn last_transition(&self) -> UnixTime {
        let past = self.transitions.iter().filter(|time| **time <= self.now);
        past.max().copied().unwrap_or(UnixTime(0))
    }

    pub(super) fn next_transition(&self) -> UnixTime {
        let coming = self.transitions.iter().filter(|time| **time > self.now);
        coming.min().copied().unwrap_or(UnixTime(u64::MAX))
    }
}
