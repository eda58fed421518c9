//! Recent refusals that are not worth a durable record, in memory.
//!
//! Anyone can get authentic evidence, so strangers could fill a disk with refusals. Theirs are kept here
//! until newer ones replace them or the broker stops. Refusals that are cheap to cause never replace
//! expensive ones: unreadable requests, evidence that does not verify, and refused VMs with verified evidence
//! are kept separately. Each kind has a limited number and a limited number of bytes, because the requester chooses the paths and
//! so the length of the reasons.

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
    /// Bytes of each standing.
    bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Refusals so far; numbers the next one.
    count: u64,
    malformed: Ring,
    unverified: Ring,
    verified: Ring,
}

#[derive(Debug, Default)]
struct Ring {
    refusals: VecDeque<Numbered>,
    bytes: usize,
}

#[derive(Debug)]
struct Numbered {
    number: u64,
    refusal: Arc<RefusalRecord>,
}

impl Refusals {
    /// Room for `capacity` refusals of each standing, and `bytes` for all of them.
    #[must_use]
    pub fn new(capacity: usize, bytes: usize) -> Self {
        Self { capacity, bytes: bytes / STANDINGS, kept: Mutex::default() }
    }

    /// Keeps a refusal, and drops the oldest of its standing while there is no room. One that is larger than all the room is not kept.
    pub fn keep(&self, refusal: RefusalRecord, standing: Standing) {
        let bytes = size(&refusal);
        if self.capacity == 0 || bytes > self.bytes {
            return;
        }
        let mut kept = self.kept();
        kept.count += 1;
        let number = kept.count;
        let ring = kept.ring(standing);
        while ring.refusals.len() >= self.capacity || ring.bytes + bytes > self.bytes {
            ring.drop_oldest();
        }
        ring.bytes += bytes;
        ring.refusals.push_back(Numbered { number, refusal: Arc::new(refusal) });
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
    const fn ring(&mut self, standing: Standing) -> &mut Ring {
        match standing {
            Standing::Malformed => &mut self.malformed,
            Standing::Unverified => &mut self.unverified,
            Standing::Verified => &mut self.verified,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Numbered> {
        [&self.malformed, &self.unverified, &self.verified].into_iter().flat_map(|ring| &ring.refusals)
    }
}

impl Ring {
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.refusals.pop_front() {
            self.bytes = self.bytes.saturating_sub(size(&oldest.refusal));
        }
    }
}

/// Bytes that a refusal takes in memory, approximately: the allocator's own are not counted.
fn size(refusal: &RefusalRecord) -> usize {
    let RefusalRecord { baseline, evidence, instance, paths, reasons, .. } = refusal;
    let texts = baseline.iter().map(|name| name.as_str().len()).chain(instance.iter().map(String::len));
    let lists = evidence.iter().map(|piece| size_of_val(piece) + piece.kind.len());
    let lists = lists.chain(paths.iter().map(|path| size_of_val(path) + path.as_str().len()));
    let lists = lists.chain(reasons.iter().map(|reason| size_of_val(reason) + reason.len()));
    size_of::<Numbered>() + size_of::<RefusalRecord>() + texts.chain(lists).sum::<usize>()
}

const STANDINGS: usize = 3;

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::{ReasonCode, UnixTime};

    use super::*;

    const MIB: usize = 1024 * 1024;

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
        let refusals = Refusals::new(3, MIB);
        (0..100).for_each(|number| refusals.keep(refusal(number), Standing::Unverified));
        assert_eq!(refusals.newest(|_| true), [refusal(99), refusal(98), refusal(97)].map(Arc::new));
        assert_eq!(refusals.get(DecisionId([98; 16])), Some(refusal(98)));
        assert_eq!(refusals.get(DecisionId([96; 16])), None);
        let none = Refusals::new(0, MIB);
        none.keep(refusal(1), Standing::Verified);
        assert_eq!(none.newest(|_| true), []);
    }

    #[test]
    fn t44_cheap_refusals_displace_no_expensive_ones() {
        let refusals = Refusals::new(3, MIB);
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
    #[test]
    fn t44_refusals_with_many_long_reasons_take_bounded_memory() {
        let refusals = Refusals::new(4096, 3 * MIB);
        let long = |number: u8| RefusalRecord { reasons: vec!["x".repeat(1000); 100], ..refusal(number) };
        refusals.keep(refusal(0), Standing::Verified);
        (1..=100).for_each(|number| refusals.keep(long(number), Standing::Unverified));
        let kept: Vec<_> = refusals.newest(|_| true).iter().map(|kept| kept.decision.0[0]).collect();
        assert_eq!(kept, [100, 99, 98, 97, 96, 95, 94, 93, 92, 91, 0]);
        assert!(refusals.kept().unverified.bytes <= MIB);
        let larger = RefusalRecord { reasons: vec!["x".repeat(MIB)], ..refusal(101) };
        refusals.keep(larger, Standing::Unverified);
        assert_eq!(refusals.newest(|_| true).len(), 11, "it displaces nothing");
        // Small ones replace large ones, and the room is the same afterwards.
        (0..4096).for_each(|_| refusals.keep(refusal(7), Standing::Unverified));
        let kept = refusals.kept();
        assert_eq!((kept.unverified.refusals.len(), kept.unverified.bytes), (4096, 4096 * size(&refusal(7))));
        assert!(4096 * size(&refusal(7)) < 2 * MIB);
    }
}
