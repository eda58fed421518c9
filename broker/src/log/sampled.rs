//! Log lines about events that strangers can cause: one at once, then at most one per interval, with the number of
//! events since the line before. What is not in a line yet is in the metrics.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time of the last line, and the events since.
#[derive(Debug, Default)]
pub(crate) struct Notice {
    at: Option<Instant>,
    since: u64,
}

impl Notice {
    /// Counts an event; returns the count when a line is due.
    pub(crate) fn due(&mut self, interval: Duration, now: Instant) -> Option<u64> {
        self.due_for(1, interval, now)
    }

    /// The same for this number of events.
    pub(crate) fn due_for(&mut self, events: u64, interval: Duration, now: Instant) -> Option<u64> {
        self.since = self.since.saturating_add(events);
        if self.at.is_some_and(|at| now.saturating_duration_since(at) < interval) {
            return None;
        }
        self.at = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

/// A [`Notice`] for each key. The keys are few: classes of events, nothing that a client chooses.
#[derive(Debug)]
pub(crate) struct Sampled<K> {
    interval: Duration,
    notices: Mutex<HashMap<K, Notice>>,
}

impl<K: Eq + Hash> Sampled<K> {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, notices: Mutex::default() }
    }

    /// Counts an event of this class; returns the count when a line is due.
    pub(crate) fn due(&self, key: K, now: Instant) -> Option<u64> {
        // A panic could at most leave a count that is off by one.
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.entry(key).or_default().due(self.interval, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t44_the_first_event_has_a_line_and_the_next_line_counts_the_others() {
        let (start, interval) = (Instant::now(), Duration::from_secs(10));
        let sampled = Sampled::new(interval);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(sampled.due("a", at(0)), Some(1));
        assert_eq!(sampled.due("a", at(1)), None);
        assert_eq!(sampled.due("b", at(1)), Some(1));
        assert_eq!(sampled.due("a", at(9)), None);
        assert_eq!(sampled.due("a", at(10)), Some(3));
        assert_eq!(sampled.due("a", at(19)), None);
    }
}
