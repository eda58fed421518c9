//! How many requests a network may send: what exceeds its rate waits, so that its connections take turns for it.
//!
//! Waiting costs a connection and nothing else: the body of a request that waits is not read. Networks of one IPv6 /48 are paced together.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::network::{Group, Network};
use super::shares::{Rate, SHARES_OF_SITE};

/// When each network has made up for its requests.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    /// Networks that have made up have no entry, or an old one.
    even: HashMap<Group, Instant>,
    swept: Option<Instant>,
}

impl Pacing {
    /// Counts a request of this weight; returns how long it has to wait.
    ///
    /// # Errors
    /// That time, if it is longer than requests wait. Then it is not counted.
    pub(super) fn request(
        &mut self,
        network: Network,
        weight: u32,
        rate: &Rate,
        now: Instant,
    ) -> Result<Duration, Duration> {
        let group = network.group();
        let shares = match group {
            Group::Site(_) => u32::try_from(SHARES_OF_SITE).unwrap_or(1),
            Group::Network(_) => 1,
        };
        let each = MINUTE / rate.per_minute.saturating_mul(shares).max(1);
        let burst = each.saturating_mul(rate.burst.saturating_mul(shares));
        let even = self.even.get(&group).map_or(now, |even| (*even).max(now)) + each.saturating_mul(weight);
        let wait = even.saturating_duration_since(now).saturating_sub(burst);
        if wait > LONGEST_WAIT {
            return Err(wait);
        }
        self.forget_even(now);
        // Better some that are not paced than honest guests who are turned away.
        if self.even.len() < MOST || self.even.contains_key(&group) {
            self.even.insert(group, even);
        }
        Ok(wait)
    }

    fn forget_even(&mut self, now: Instant) {
        let pause = if self.even.len() < MOST { MINUTE } else { BETWEEN_SWEEPS };
        if self.swept.is_none_or(|at| now.saturating_duration_since(at) >= pause) {
            self.swept = Some(now);
            self.even.retain(|_, even| *even > now);
        }
    }
}

/// What a request with a body of this length counts: once, and once more for each part of its body that has to be read.
pub(crate) fn weight(body: usize) -> u32 {
    u32::try_from(body / PART).map_or(u32::MAX, |parts| parts.saturating_add(1))
}

/// Bytes of a body that cost about as much as a request.
const PART: usize = 64 * 1024;
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than this no request waits.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Networks with an entry; each takes about 50 bytes.
const MOST: usize = 65_536;
/// How often a full table is swept.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    /// One in a tenth of a second after three at once.
    const RATE: Rate = Rate { per_minute: 600, burst: 3 };

    fn v4(bits: u32) -> Network {
        IpAddr::V4(Ipv4Addr::from_bits(bits)).into()
    }

    fn v6(site: u16, network: u16) -> Network {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1)).into()
    }

    fn milliseconds(wait: Result<Duration, Duration>) -> u128 {
        wait.unwrap().as_millis()
    }

    #[test]
    fn t54_what_exceeds_the_rate_of_a_network_waits_for_its_turn() {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        let waits: Vec<_> = (0..6).map(|_| milliseconds(pacing.request(v4(1), 1, &RATE, now))).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
        assert_eq!(milliseconds(pacing.request(v4(2), 1, &RATE, now)), 0, "others do not");
        let later = now + Duration::from_millis(400);
        assert_eq!(milliseconds(pacing.request(v4(1), 1, &RATE, later)), 0);
        assert_eq!(milliseconds(pacing.request(v4(1), 1, &RATE, later)), 100);
    }

    #[test]
    fn t54_large_bodies_count_as_several_requests() {
        let weights = [0, PART - 1, PART, 10 * PART, usize::MAX].map(weight);
        assert_eq!(weights, [1, 1, 2, 11, u32::MAX]);
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        assert_eq!(milliseconds(pacing.request(v4(1), 11, &RATE, now)), 800);
        assert_eq!(milliseconds(pacing.request(v4(1), 1, &RATE, now)), 900);
        assert!(pacing.request(v4(1), u32::MAX, &RATE, now).is_err());
    }

    #[test]
    fn t54_a_request_that_would_wait_long_is_turned_away_and_not_counted() {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        (0..53).for_each(|_| assert!(pacing.request(v4(1), 1, &RATE, now).is_ok()));
        for _ in 0..9 {
            assert_eq!(pacing.request(v4(1), 1, &RATE, now), Err(Duration::from_millis(5100)));
        }
        let later = now + Duration::from_millis(100);
        assert_eq!(milliseconds(pacing.request(v4(1), 1, &RATE, later)), 5000);
    }

    #[test]
    fn t54_the_networks_of_a_site_are_paced_together() {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        let waits: Vec<_> =
            (0..14).map(|of| milliseconds(pacing.request(v6(1, of), 1, &RATE, now))).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 50]);
        assert_eq!(milliseconds(pacing.request(v6(2, 1), 1, &RATE, now)), 0);
    }

    #[test]
    fn t54_pacing_takes_bounded_memory_and_locks_nobody_out() {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        for network in 0..u32::try_from(MOST).unwrap() + 10 {
            assert_eq!(milliseconds(pacing.request(v4(network), 1, &RATE, now)), 0);
        }
        assert_eq!(pacing.even.len(), MOST);
        assert_eq!(milliseconds(pacing.request(v4(u32::MAX), 1, &RATE, now + Duration::from_secs(1))), 0);
        assert_eq!(pacing.even.len(), 1, "those that have made up are forgotten");
    }
}
