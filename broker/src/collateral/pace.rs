//! When to fetch: how soon after a failure, and how long before the end of what is there.

use std::time::Duration;

use vouchsafe_protocol::UnixTime;

/// The times of a collateral service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// After the first failure.
    pub(crate) first: Duration,
    /// After any number of them.
    pub(crate) most: Duration,
    /// For how long what the source does not have is not asked for again.
    pub(crate) missing: Duration,
    /// For how long a CRL or an issuing CA that was refused is not asked for again, at most: guests take that for final.
    pub(crate) refused: Duration,
    /// How soon what is there may be fetched again because somebody asks.
    pub(crate) again: Duration,
    /// A whole request.
    pub(crate) request: Duration,
    /// Between two refreshes, at least and at most.
    pub(crate) refresh: [Duration; 2],
    /// How many new items may be asked for in a minute, of each source.
    pub(crate) asks: u32,
    /// How many issuing CAs at addresses that nothing vouches for.
    pub(crate) issuers: u32,
    /// Of these, for evidence from one network: a fleet behind one address has VMs below some ten of them.
    pub(crate) issuers_of_network: u32,
    /// A whole request to one of these.
    pub(crate) issuer_request: Duration,
}

impl Pace {
    /// With these limits of refreshes.
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

    /// How long to wait after so many failures in a row: twice as long each time, and half of it by chance, so
    /// that brokers do not come back together. `chance` is of 0 to 255.
    pub(crate) fn backoff(&self, failures: u32, chance: u8) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.most);
        doubled / 2 + (doubled / 2).saturating_mul(u32::from(chance)) / 255
    }

    /// How long after `fetched` what ends at `until` is fetched again: at two thirds of its life or a day
    /// before its end, whichever is first, within the limits.
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
