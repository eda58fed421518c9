//! Backoff and limits. Pauses have jitter, so that VMs of a fleet that boot together do not retry together.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vouchsafe_protocol::UnixTime;

use crate::config::Limits;

/// Time and randomness, so that tests can replace them.
pub trait Pace {
    /// Time since some fixed moment.
    fn elapsed(&self) -> Duration;

    /// The time of day, by this machine's clock, which may be wrong.
    fn now(&self) -> UnixTime;

    /// Waits.
    fn sleep(&mut self, time: Duration);

    /// A number from 0 up to, not including, 1.
    fn random(&mut self) -> f64;
}

/// The machine's monotonic clock and random generator.
#[derive(Clone, Copy, Debug)]
pub struct SystemPace(Instant);

impl SystemPace {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Pace for SystemPace {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn now(&self) -> UnixTime {
        #[expect(clippy::disallowed_methods, reason = "the guest's one look at the time of day")]
        let now = SystemTime::now();
        UnixTime(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }

    fn sleep(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn random(&mut self) -> f64 {
        let mut bytes = [0; 4];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has randomness");
        f64::from(u32::from_be_bytes(bytes)) / 4_294_967_296.0
    }
}

/// One broker's share of the limits for one challenge.
pub(super) struct Share {
    /// Requests with it.
    pub(super) requests: u32,
    /// No further request is sent after this time.
    pub(super) until: Duration,
    /// The longest pause that this broker may ask for.
    pub(super) pause: Duration,
}

/// What remains of the limits.
pub(super) struct Budget {
    limits: Limits,
    started: Duration,
    used: u32,
}

impl Budget {
    pub(super) fn new(limits: Limits, now: Duration) -> Self {
        Self { limits, started: now, used: 0 }
    }

    /// Counts a request.
    pub(super) fn spend(&mut self) {
        self.used = self.used.saturating_add(1);
    }

    pub(super) const fn used(&self) -> u32 {
        self.used
    }

    /// Whether another request may be sent at `then`.
    pub(super) fn allows(&self, then: Duration) -> bool {
        self.used < self.limits.attempts && then < self.started + self.limits.deadline
    }

    /// The share of time for one of this number of brokers, from `now` on: a broker that only ever answers
    /// "later" must not use up the time for the others.
    pub(super) fn share(&self, brokers: usize, now: Duration) -> Share {
        let Limits { attempts, deadline, .. } = self.limits;
        let brokers = u32::try_from(brokers).unwrap_or(u32::MAX).max(1);
        let pause = if brokers == 1 { deadline } else { PATIENCE };
        Share { requests: attempts / brokers, until: now + deadline / brokers, pause }
    }

    /// The timeout of a request that starts now.
    pub(super) fn request_timeout(&self, now: Duration) -> Duration {
        let left = (self.started + self.limits.deadline).saturating_sub(now);
        self.limits.request.min(left).max(SHORTEST)
    }
}

/// A pause after every broker has failed: half a second, doubled each round, at most 15 s; half of it is
/// random.
pub(super) fn backoff(round: u32, random: f64) -> Duration {
    let full = FIRST.saturating_mul(2_u32.saturating_pow(round.min(16))).min(LONGEST);
    full.mul_f64(0.5 + random / 2.0)
}

/// The pause that a broker asked for plus up to a quarter, with limits: `Retry-After` is not signed, and must not end the
/// attempts of a guest that has no other broker.
pub(super) fn stretched(asked: Duration, random: f64) -> Duration {
    asked.clamp(SHORTEST, LONGEST_ASKED).mul_f64(1.0 + random / 4.0)
}

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);
/// The longest pause on request of a broker, which asks for a few seconds.
const LONGEST_ASKED: Duration = Duration::from_secs(30);
/// How long other brokers wait for one that asks for a pause.
const PATIENCE: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_have_jitter() {
        let milliseconds = |round, random| backoff(round, random).as_millis();
        assert_eq!((milliseconds(0, 0.0), milliseconds(0, 0.5)), (250, 375));
        assert_eq!(
            (milliseconds(3, 0.0), milliseconds(9, 0.0), milliseconds(u32::MAX, 0.0)),
            (2000, 7500, 7500)
        );
        assert!(backoff(40, 0.999) < LONGEST);
        assert_eq!(stretched(Duration::from_secs(4), 0.5), Duration::from_millis(4500));
        assert_eq!(stretched(Duration::ZERO, 0.0), SHORTEST);
        for asked in [31, u64::from(u32::MAX)] {
            assert_eq!(stretched(Duration::from_secs(asked), 0.0), LONGEST_ASKED);
        }
    }

    #[test]
    fn chance_is_in_its_range_and_differs() {
        let mut pace = SystemPace::start();
        let drawn: Vec<f64> = (0..32).map(|_| pace.random()).collect();
        assert!(drawn.iter().all(|random| (0.0..1.0).contains(random)));
        assert!(drawn.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_budget_ends_with_its_attempts_or_its_time() {
        let limits = Limits { attempts: 2, ..Limits::default() };
        let mut budget = Budget::new(limits, Duration::from_secs(5));
        budget.spend();
        assert!(budget.allows(Duration::from_secs(124)));
        assert!(!budget.allows(Duration::from_secs(125)));
        assert_eq!(budget.request_timeout(Duration::from_secs(5)), limits.request);
        assert_eq!(budget.request_timeout(Duration::from_secs(120)), Duration::from_secs(5));
        assert_eq!(budget.request_timeout(Duration::from_secs(500)), SHORTEST);
        budget.spend();
        assert!(!budget.allows(Duration::from_secs(6)));
    }
}
