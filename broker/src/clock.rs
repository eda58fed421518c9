//! The only place that reads the clock. Everything else takes the time as an argument.

use std::time::{Duration, UNIX_EPOCH};

use vouchsafe_protocol::UnixTime;

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

fn since_1970() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this is broker::clock")]
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
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
    fn times_are_printed_in_utc() {
        assert_eq!(human(UnixTime(1_800_000_000)), "2027-01-15T08:00:00Z");
        assert_eq!(human(UnixTime(u64::MAX)), u64::MAX.to_string());
        assert!(now() > UnixTime(1_700_000_000));
    }
}
