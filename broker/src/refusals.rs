//! Refusals that are not worth a durable record: the last ones, in memory.
//!
//! Authentic evidence is not scarce, so that strangers could fill a disk with refusals. Theirs stay here until newer ones
//! push them out or the broker stops. What costs less to make never pushes out what costs more: requests that are none,
//! evidence that does not verify, and evidence of a VM that verified and was refused are kept apart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vouchsafe_keystore::record::RefusalRecord;
use vouchsafe_protocol::DecisionId;

/// What was shown by whoever was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No request that can be read, or one without a live challenge.
    Malformed,
    /// Evidence that did not verify.
    Unverified,
    /// Evidence that verified.
    Verified,
}

/// The last refusals, by standing.
#[derive(Debug)]
pub struct Refusals {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// How many there were.
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
    /// Room for `capacity` of them of each standing.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::default() }
    }

    /// Keeps one, and forgets the oldest of its standing when there is no room.
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

    /// The newest ones first that `is_wanted`. Nothing is kept while that is asked: it should be quick, and what takes longer is
    /// for what comes out.
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
        // What a panic could leave half-written is a number that is not used.
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
        (0..100).for_each(|number| refusals.keep(refusal(number), Standing::Unverified));
        assert_eq!(refusals.newest(|_| true), [refusal(99), refusal(98), refusal(97)].map(Arc::new));
        assert_eq!(refusals.get(DecisionId([98; 16])), Some(refusal(98)));
        assert_eq!(refusals.get(DecisionId([96; 16])), None);
        let none = Refusals::new(0);
        none.keep(refusal(1), Standing::Verified);
        assert_eq!(none.newest(|_| true), []);
    }

    #[test]
    fn t44_what_is_cheap_to_make_pushes_out_nothing_else() {
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
