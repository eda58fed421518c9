//! The usual duration of something, from which the broker derives the `Retry-After` of what it turns away.

use std::time::Duration;

/// A moving average of durations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Average(Option<Duration>);

impl Average {
    /// Adds a duration, with a weight of one eighth.
    pub(crate) fn add(&mut self, duration: Duration) {
        self.0 = Some(self.0.map_or(duration, |average| (average * 7 + duration) / 8));
    }

    /// The average; zero before the first duration.
    pub(crate) fn get(self) -> Duration {
        self.0.unwrap_or_default()
    }
}

/// The seconds of a `Retry-After` for something that is expected after `wait`: at least one, and no more than guests wait.
pub(crate) fn retry_seconds(wait: Duration) -> u32 {
    let rounded_up = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(rounded_up).unwrap_or(u32::MAX).clamp(1, MOST_SECONDS)
}

/// The longest pause on request of a broker that guests make.
const MOST_SECONDS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t44_retry_after_follows_from_the_expected_wait_and_is_bounded() {
        let seconds = |milliseconds| retry_seconds(Duration::from_millis(milliseconds));
        assert_eq!([seconds(0), seconds(1), seconds(1000), seconds(1001)], [1, 1, 1, 2]);
        assert_eq!([seconds(29_500), seconds(31_000), seconds(u64::MAX)], [30, 30, 30]);
    }

    #[test]
    fn an_average_follows_what_it_is_given() {
        let mut average = Average::default();
        assert_eq!(average.get(), Duration::ZERO);
        average.add(Duration::from_millis(8));
        assert_eq!(average.get(), Duration::from_millis(8));
        average.add(Duration::ZERO);
        assert_eq!(average.get(), Duration::from_millis(7));
        (0..100).for_each(|_| average.add(Duration::from_secs(1)));
        assert!(average.get() > Duration::from_millis(990), "{average:?}");
    }
}
