//! The only place that reads the clock. Everything else takes the time as an argument.

use std::time::{Duration, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use vouchsafe_keystore::record::Clock;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::challenge::CLOCK_SKEW;

/// The system time; 0 if the clock is set before 1970.
#[must_use]
pub fn now() -> UnixTime {
    UnixTime(since_1970().as_secs())
}

/// As [`now`], in milliseconds.
#[must_use]
pub fn now_in_milliseconds() -> u128 {
    since_1970().as_millis()
}

/// As [`now`], in nanoseconds.
pub(crate) fn now_in_nanoseconds() -> u64 {
    u64::try_from(since_1970().as_nanos()).unwrap_or(u64::MAX)
}

fn since_1970() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this is broker::clock")]
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Notices that the system clock was set since the broker was started.
///
/// A clock that runs faster or slower is not noticed: NTP slews the time since boot alike. If the new time is the right one, a
/// restart takes it over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockWatch(Moment);

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
struct Moment {
    system: Duration,
    /// Since boot, including times of suspension. Nobody can set it.
    boot: Duration,
}

impl ClockWatch {
    /// Takes the system clock as it is for right.
    pub(crate) fn start() -> Self {
        Self(Moment::now())
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock_at(Moment::now())
    }

    fn clock_at(&self, now: Moment) -> Clock {
        let Self(started) = self;
        let expected = started.system + now.boot.saturating_sub(started.boot);
        let tolerated = Duration::from_secs(CLOCK_SKEW);
        if now.system.abs_diff(expected) <= tolerated { Clock::Steady } else { Clock::Stepped }
    }

    /// A watch to which the system clock was set by this much since it was started.
    #[cfg(test)]
    pub(crate) fn stepped_by(step: Duration) -> Self {
        let now = Moment::now();
        Self(Moment { system: now.system.saturating_sub(step), ..now })
    }
}

impl Moment {
    fn now() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        let (seconds, nanoseconds) = (u64::try_from(boot.tv_sec), u32::try_from(boot.tv_nsec));
        let boot = Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default());
        Self { system: since_1970(), boot }
    }
}

/// A time for people, RFC 3339 in UTC.
#[must_use]
pub fn human(time: UnixTime) -> String {
    let timestamp = i64::try_from(time.0).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| time.to_string(), |timestamp| timestamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t05_a_clock_that_was_set_is_noticed_until_it_is_right_again() {
        let at =
            |system, boot| Moment { system: Duration::from_secs(system), boot: Duration::from_secs(boot) };
        let watch = ClockWatch(at(1_800_000_000, 100));
        for (system, boot, expected) in [
            (1_800_000_000, 100, Clock::Steady),
            (1_800_086_400, 86_500, Clock::Steady),
            (1_800_000_005, 100, Clock::Steady),
            (1_800_000_006, 100, Clock::Stepped),
            (1_799_999_995, 100, Clock::Steady),
            (1_799_999_994, 100, Clock::Stepped),
            (0, 100, Clock::Stepped),
            // Suspended for an hour without the system clock.
            (1_800_000_000, 3_700, Clock::Stepped),
            (1_800_003_600, 3_700, Clock::Steady),
        ] {
            assert_eq!(watch.clock_at(at(system, boot)), expected, "{system} {boot}");
        }
        assert_eq!(ClockWatch::start().clock(), Clock::Steady);
        assert_eq!(ClockWatch::stepped_by(Duration::from_secs(60)).clock(), Clock::Stepped);
    }

    #[test]
    fn times_are_printed_in_utc() {
        assert_eq!(human(UnixTime(1_800_000_000)), "2027-01-15T08:00:00Z");
        assert_eq!(human(UnixTime(u64::MAX)), u64::MAX.to_string());
        assert!(now() > UnixTime(1_700_000_000));
    }
}
