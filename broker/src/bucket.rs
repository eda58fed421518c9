//! Counts what must not happen often: a few at once, and then as many as time makes up for.

use std::time::{Duration, Instant};

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Allowance {
    /// At once.
    pub(crate) burst: f64,
    /// That time makes up for, per second.
    pub(crate) per_second: f64,
}

/// What happened, minus what time has made up for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    count: f64,
    /// The time that `count` refers to.
    at: Instant,
}

impl Bucket {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { count: 0.0, at: now }
    }

    /// It happened.
    pub(crate) fn add(&mut self, allowance: &Allowance, now: Instant) {
        self.count = (self.left(allowance, now) + 1.0).min(allowance.burst);
        self.at = now;
    }

    /// Whether time has made up for all of it.
    pub(crate) fn is_empty(&self, allowance: &Allowance, now: Instant) -> bool {
        self.left(allowance, now) <= 0.0
    }

    /// The time until it may happen again, if it must not happen now.
    pub(crate) fn wait(&self, allowance: &Allowance, now: Instant) -> Option<Duration> {
        let excess = self.left(allowance, now) + 1.0 - allowance.burst;
        (excess > 0.0).then(|| Duration::from_secs_f64(excess / allowance.per_second))
    }

    fn left(&self, allowance: &Allowance, now: Instant) -> f64 {
        let waited = now.saturating_duration_since(self.at).as_secs_f64();
        waited.mul_add(-allowance.per_second, self.count).max(0.0)
    }
}
