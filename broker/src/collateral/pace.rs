//! When to fetch: backoff after failures, and refresh before expiry.

use std::time::Duration;

use vouchsafe_protocol::UnixTime;

/// The timing of a collateral service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// After the first failure.
    pub(crate) first: Duration,
    /// The longest backoff.
    pub(crate) most: Duration,
    /// How long an item that the source does not have is not requested again.
    pub(crate) missing: Duration,
    /// The most time for which a refused CRL or issuing CA is not requested again, since guests treat the
    /// refusal as final.
    pub(crate) refused: Duration,
    /// The least time before a stored item is fetched again on request.
    pub(crate) again: Duration,
    /// A whole request.
    pub(crate) request: Duration,
    /// The least and the most time between two refreshes.
    pub(crate) refresh: [Duration; 2],
    /// New items that may be requested per minute, for each source.
    pub(crate) asks: u32,
    /// Issuing CAs at unverified URLs, per minute.
    pub(crate) issuers: u32,
    /// Of these, for evidence from one network: the VMs of a fleet behind one address have about ten issuers.
    pub(crate) issuers_of_network: u32,
    /// Timeout of a whole request to an unverified URL.
    pub(crate) issuer_request: Duration,
}

impl Pace {
    /// The default timing, with these limits for refreshes.
    pub(crate) const fn new(refresh: [Duration; 2]) -> Self {
        Self {
            first: Duration::from_secs(5),
            most: Duration::from_secs(3600),
            missing: Duration::from_secs(3600),
            refused: Duration::from_secs(300),
            again: Duration::from_secs(60),
            request: Duration::from_secs(20),
            refresh,
            asks: 120,
            issuers: 60,
            issuers_of_network: 12,
            issuer_request: Duration::from_secs(5),
        }
    }

    /// The wait after this many consecutive failures: it doubles each time, and half of it is random, so that
    /// brokers do not retry at the same moment. `chance` is a random byte.
    pub(crate) fn backoff(&self, failures: u32, chance: u8) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.most);
        doubled / 2 + (doubled / 2).saturating_mul(u32::from(chance)) / 255
    }

    /// When to refresh an item fetched at `fetched` that expires at `until`: after two thirds of its lifetime
    /// or a day before expiry, whichever is first, within the limits.
    pub(crate) fn refresh(&self, fetched: UnixTime, until: Option<UnixTime>) -> Duration {
        let [least, most] = self.refresh;
        let Some(until) = until else { return most };
        let life = until.since(fetched);
        let due = (life / 3 * 2).min(life.saturating_sub(DAY).max(life / 2));
        Duration::from_secs(due).clamp(least, most)
    }
}

const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_a_limit_and_is_spread() {
        let pace = Pace::new([Duration::ZERO; 2]);
        let longest: Vec<_> = (1..=12).map(|failures| pace.backoff(failures, 255).as_secs()).collect();
        assert_eq!(longest, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(pace.backoff(3, 0), Duration::from_secs(10));
        assert_eq!(pace.backoff(u32::MAX, 255), pace.most);
    }

    #[test]
    fn collateral_is_refreshed_well_before_it_ends() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let pace = Pace::new([hours(1), hours(1000)]);
        let after = |life: u64| pace.refresh(UnixTime(1000), Some(UnixTime(1000).plus(life * 3600)));
        assert_eq!(after(30), hours(15));
        assert_eq!(after(60), hours(36));
        assert_eq!(after(300), hours(200));
        assert_eq!(after(0), hours(1));
        assert_eq!(after(100_000), hours(1000));
        assert_eq!(pace.refresh(UnixTime(1000), None), hours(1000));
    }
}
