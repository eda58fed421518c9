//! Recent refusals that are not worth a durable record, in memory.
//!
//! Anyone can get authentic evidence, so strangers could fill a disk with refusals. Theirs are kept here
//! until newer ones replace them or the broker stops. Refusals that are cheap to cause never replace
//! expensive ones: unreadable requests, evidence that does not verify, and refused VMs with verified evidence
//! are kept separately.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vouchsafe_keystore::record::RefusalRecord;
use vouchsafe_protocol::DecisionId;

/// What a refused request had proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The request was unreadable, or had no live challenge.
    Malformed,
    /// The evidence did not verify.
    Unverified,
    /// The evidence verified.
    Verified,
}

/// Recent refusals, by standing.
#[derive(Debug)]
pub struct Refusals {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Refusals so far; numbers the next one.
    count: u64,
    malformed: VecDeque<Numbered>,
    unverified: VecDeque<Numbered>,
    verified: VecDeque<Numbered>,
}

#[derive(Debug)]
struct Numbered {
    number: u64,
    refusal: Arc<RefusalRecord>,
}

impl Refusals {
    /// Room for `capacity` refusals of each standing.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::default() }
    }

    /// Keeps a refusal, and drops the oldest of its standing when there is no room.
    pub fn keep(&self, refusal: RefusalRecord, standing: Standing) {
        if self.capacity == 0 {
            return;
        }
        let mut kept = self.kept();
        kept.count += 1;
        let number = kept.count;
        let ring = kept.ring(standing);
        while ring.len() >= self.capacity {
            ring.pop_front();
        }
        ring.push_back(Numbered { number, refusal: Arc::new(refusal) });
    }

    /// The refusal with this id.
    #[must_use]
    pub fn get(&self, decision: DecisionId) -> Option<RefusalRecord> {
        let kept = self.kept();
        let found = kept.all().filter(|kept| kept.refusal.decision == decision);
        found.max_by_key(|kept| kept.number).map(|kept| (*kept.refusal).clone())
    }

    /// The newest refusals that match `is_wanted`, newest first. The lock is held while `is_wanted` runs, so
    /// it should be quick; filter the result for anything slower.
    #[must_use]
    pub fn newest(&self, is_wanted: impl Fn(&RefusalRecord) -> bool) -> Vec<Arc<RefusalRecord>> {
        let kept = self.kept();
        let wanted = kept.all().filter(|kept| is_wanted(&kept.refusal));
        let mut wanted: Vec<_> = wanted.map(|kept| (kept.number, Arc::clone(&kept.refusal))).collect();
        drop(kept);
        wanted.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        wanted.into_iter().map(|(_, refusal)| refusal).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic could at most leave a number unused.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    const fn ring(&mut self, standing: Standing) -> &mut VecDeque<Numbered> {
        match standing {
            Standing::Malformed => &mut self.malformed,
            Standing::Unverified => &mut self.unverified,
            Standing::Verified => &mut self.verified,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Numbered> {
        self.malformed.iter().chain(&self.unverified).chain(&self.verified)
    }
}

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::{ReasonCode, UnixTime};

    use super::*;

    fn refusal(number: u8) -> RefusalRecord {
        RefusalRecord {
            at: UnixTime(1),
            baseline: None,
            claims: None,
            code: ReasonCode::EvidenceRefused,
            decision: DecisionId([number; 16]),
            evidence: vec![],
            instance: None,
            paths: vec![],
            peer: None,
            reasons: vec![],
        }
    }

    #[test]
    fn t44_refusals_of_strangers_take_bounded_room() {
        let refusals = Refusals::new(3);
        (0..100).for_each(|number| refusals.keep(refusal(number), Standing::Unverified));
        assert_eq!(refusals.newest(|_| true), [refusal(99), refusal(98), refusal(97)].map(Arc::new));
        assert_eq!(refusals.get(DecisionId([98; 16])), Some(refusal(98)));
        assert_eq!(refusals.get(DecisionId([96; 16])), None);
        let none = Refusals::new(0);
        none.keep(refusal(1), Standing::Verified);
        assert_eq!(none.newest(|_| true), []);
    }

    #[test]
    fn t44_cheap_refusals_displace_no_expensive_ones() {
        let refusals = Refusals::new(3);
        refusals.keep(refusal(1), Standing::Verified);
        refusals.keep(refusal(2), Standing::Unverified);
        (100..200).for_each(|number| refusals.keep(refusal(number), Standing::Malformed));
        assert_eq!(refusals.get(DecisionId([1; 16])), Some(refusal(1)));
        let kept = [199, 198, 197, 2, 1].map(|number| Arc::new(refusal(number)));
        assert_eq!(refusals.newest(|_| true), kept);
        (200..=255).for_each(|number| refusals.keep(refusal(number), Standing::Unverified));
        assert_eq!(refusals.get(DecisionId([1; 16])), Some(refusal(1)));
        assert_eq!(refusals.get(DecisionId([2; 16])), None);
        assert_eq!(refusals.newest(|kept| kept.decision == DecisionId([1; 16])), [Arc::new(refusal(1))]);
    }
}
