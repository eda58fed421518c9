//! Limits on concurrent releases, and on requests per instance.
//!
//! Work is turned away where that is cheapest: at the challenge, before evidence is collected. A request with
//! a live challenge is admitted while the queue has room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vouchsafe_protocol::UnixTime;

/// Counts releases that are running or waiting.
#[derive(Debug)]
pub struct Gate {
    releases: AtomicUsize,
    limit: AtomicUsize,
}

/// One release that is running or waiting.
#[derive(Debug)]
pub struct Admitted(Arc<Gate>);

impl Gate {
    /// Challenges are issued while fewer than `limit` releases are in progress.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { releases: AtomicUsize::new(0), limit: AtomicUsize::new(limit) }
    }

    /// Whether another challenge may be issued.
    #[must_use]
    pub fn open(&self) -> bool {
        self.releases() < self.limit.load(Ordering::Relaxed)
    }

    /// Replaces the limit.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Counts a release until the returned value is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Admitted {
        self.releases.fetch_add(1, Ordering::Relaxed);
        Admitted(Arc::clone(self))
    }

    /// Releases in progress.
    #[must_use]
    pub fn releases(&self) -> usize {
        self.releases.load(Ordering::Relaxed)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.releases.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The instance, or all VMs without a named instance, used up their share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests: retry in {seconds} s")]
pub struct Limited {
    /// Seconds until the next request is accepted.
    pub seconds: u32,
}

/// Requests of each instance in this minute. Only proved instances are counted, so that no client can use up
/// the share of another instance. All VMs whose evidence names no instance have one common share, which one
/// of them can use up.
#[derive(Debug)]
pub struct Rate {
    each: AtomicU32,
    nameless: AtomicU32,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    minute: u64,
    asked: HashMap<String, u32>,
    nameless: u32,
}

impl Rate {
    /// Allows each instance `each` requests per minute, and all VMs without a named instance `nameless`
    /// together.
    #[must_use]
    pub fn new(each: u32, nameless: u32) -> Self {
        Self { each: each.into(), nameless: nameless.into(), counts: Mutex::default() }
    }

    /// Replaces the limits.
    pub fn set_shares(&self, each: u32, nameless: u32) {
        self.each.store(each, Ordering::Relaxed);
        self.nameless.store(nameless, Ordering::Relaxed);
    }

    /// Whether this instance may send a request, without counting it.
    ///
    /// # Errors
    /// [`Limited`] when its share of this minute is used up.
    pub fn peek(&self, instance: Option<&str>, now: UnixTime) -> Result<(), Limited> {
        let counts = self.counts(now);
        let (asked, limit) = match instance {
            Some(name) => (counts.asked.get(name).copied().unwrap_or(0), self.each.load(Ordering::Relaxed)),
            None => (counts.nameless, self.nameless.load(Ordering::Relaxed)),
        };
        if asked >= limit { Err(until_next_minute(now)) } else { Ok(()) }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// [`Limited`] when the share of this minute is used up.
    pub fn take(&self, instance: Option<&str>, now: UnixTime) -> Result<(), Limited> {
        let mut counts = self.counts(now);
        let (asked, limit) = match instance {
            Some(name) => {
                (counts.asked.entry(name.to_owned()).or_insert(0), self.each.load(Ordering::Relaxed))
            }
            None => (&mut counts.nameless, self.nameless.load(Ordering::Relaxed)),
        };
        if *asked >= limit {
            return Err(until_next_minute(now));
        }
        *asked += 1;
        Ok(())
    }

    fn counts(&self, now: UnixTime) -> MutexGuard<'_, Counts> {
        // A panic could at most leave a count that is off by one.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.0 / 60;
        if counts.minute != minute {
            *counts = Counts { minute, ..Counts::default() };
        } else if counts.asked.len() >= MAX_INSTANCES {
            counts.asked = HashMap::new();
        }
        counts
    }
}

fn until_next_minute(now: UnixTime) -> Limited {
    Limited { seconds: u32::try_from(60 - now.0 % 60).unwrap_or(60) }
}

const MAX_INSTANCES: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t44_challenges_stop_before_releases_do() {
        let gate = Arc::new(Gate::new(2));
        let first = gate.enter();
        assert!(gate.open());
        let second = gate.enter();
        assert!(!gate.open());
        let third = gate.enter();
        assert_eq!(gate.releases(), 3);
        drop((first, second));
        assert!(gate.open());
        drop(third);
        assert_eq!(gate.releases(), 0);
    }

    #[test]
    fn t44_an_instance_has_a_share_of_each_minute() {
        let rate = Rate::new(2, 9);
        let now = UnixTime(600);
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(
            [rate.take(a, now), rate.take(a, now), rate.take(a, now)],
            [Ok(()), Ok(()), Err(Limited { seconds: 60 })]
        );
        assert_eq!(rate.peek(a, now), Err(Limited { seconds: 60 }));
        assert_eq!(rate.peek(b, now), Ok(()));
        assert_eq!(rate.take(b, now), Ok(()));
        assert_eq!(rate.take(a, now.plus(59)), Err(Limited { seconds: 1 }));
        assert_eq!(rate.take(a, now.plus(60)), Ok(()));
    }

    #[test]
    fn t44_vms_without_an_instance_have_one_share_in_common() {
        let rate = Rate::new(9, 2);
        let now = UnixTime(600);
        assert_eq!([rate.take(None, now), rate.take(None, now)], [Ok(()), Ok(())]);
        assert_eq!(rate.peek(None, now), Err(Limited { seconds: 60 }));
        assert_eq!(rate.take(None, now), Err(Limited { seconds: 60 }));
        assert_eq!(rate.peek(Some("a"), now), Ok(()));
        // Also when entries are dropped because there are too many instances.
        for instance in 0..=MAX_INSTANCES {
            assert_eq!(rate.take(Some(&instance.to_string()), now), Ok(()));
        }
        assert_eq!(rate.peek(None, now), Err(Limited { seconds: 60 }));
        assert_eq!(rate.peek(None, now.plus(60)), Ok(()));
    }
}
