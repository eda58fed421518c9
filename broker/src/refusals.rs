//! Refusals that are not worth a durable record: the last ones, in memory.
//!
//! Authentic evidence is not scarce, so that strangers could fill a disk with refusals. Theirs stay here
//! until newer ones push them out or the broker stops.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use vouchsafe_keystore::record::RefusalRecord;
use vouchsafe_protocol::DecisionId;

/// The last refusals.
#[derive(Debug)]
pub struct Refusals {
    capacity: usize,
    kept: Mutex<VecDeque<RefusalRecord>>,
}

impl Refusals {
    /// Room for `capacity` of them.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::new(VecDeque::new()) }
    }

    /// Keeps one, and forgets the oldest when there is no room.
    pub fn keep(&self, refusal: RefusalRecord) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.capacity == 0 {
            return;
        }
        while kept.len() >= self.capacity {
            kept.pop_front();
        }
        kept.push_back(refusal);
    }

    /// The refusal with this id.
    #[must_use]
    pub fn get(&self, decision: DecisionId) -> Option<RefusalRecord> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().find(|refusal| refusal.decision == decision).cloned()
    }

    /// The newest ones first, at most `limit`.
    #[must_use]
    pub fn newest(&self, limit: usize) -> Vec<RefusalRecord> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::{ReasonCode, UnixTime};

    use super::*;

    fn refusal(number: u8) -> RefusalRecord {
        RefusalRecord {
            at: UnixTime(1),
            claims: None,
            code: ReasonCode::EvidenceRefused,
            decision: DecisionId([number; 16]),
            evidence: vec![],
            instance: None,
            paths: vec![],
            reasons: vec![],
        }
    }

    #[test]
    fn t44_refusals_of_strangers_take_bounded_room() {
        let refusals = Refusals::new(3);
        (0..100).for_each(|number| refusals.keep(refusal(number)));
        assert_eq!(refusals.newest(10), [refusal(99), refusal(98), refusal(97)]);
        assert_eq!(refusals.get(DecisionId([98; 16])), Some(refusal(98)));
        assert_eq!(refusals.get(DecisionId([96; 16])), None);
        let none = Refusals::new(0);
        none.keep(refusal(1));
        assert_eq!(none.newest(10), []);
    }
}
