//! Limits on concurrent releases, and on requests per instance.
//!
//! Work is turned away where that is cheapest: at the challenge, before evidence is collected. A request with
//! a live challenge is admitted while the queue has room. No network can close the gate to others: each has a share, and when all
//! networks together are at the limit, those with less than an even part of it still get challenges. Where there are so many that none is left for each, those with
//! nothing in progress do, up to twice the limit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vouchsafe_protocol::UnixTime;

use crate::admission::Network;
use crate::admission::network::Group;
use crate::admission::shares::SHARES_OF_SITE;

/// Counts releases that are running or waiting.
#[derive(Debug)]
pub struct Gate {
    limit: AtomicUsize,
    share: AtomicUsize,
    releases: Mutex<Releases>,
}

/// Releases in progress. Networks and groups without any have no entry.
#[derive(Debug, Default)]
struct Releases {
    all: usize,
    networks: HashMap<Network, usize>,
    groups: HashMap<Group, usize>,
}

/// One release that is running or waiting.
#[derive(Debug)]
pub struct Admitted {
    gate: Arc<Gate>,
    network: Network,
}

impl Gate {
    /// Challenges are issued while fewer than `limit` releases are in progress; to one network while it has fewer than `share`.
    #[must_use]
    pub fn new(limit: usize, share: usize) -> Self {
        Self { limit: limit.into(), share: share.into(), releases: Mutex::default() }
    }

    /// Whether another challenge may be issued to this network.
    #[must_use]
    pub fn admits(&self, network: Network) -> bool {
        let (limit, share) = (self.limit.load(Ordering::Relaxed), self.share.load(Ordering::Relaxed));
        let releases = self.lock();
        let of_network = releases.networks.get(&network).copied().unwrap_or_default();
        let of_group = releases.groups.get(&network.group()).copied().unwrap_or_default();
        let even = limit / (releases.groups.len() + usize::from(of_group == 0));
        of_network < share
            && of_group < share.saturating_mul(SHARES_OF_SITE)
            && (releases.all < limit || of_group < even || (of_group == 0 && releases.all < 2 * limit))
    }

    /// Whether as many releases are in progress as there may be: only networks with few of them get challenges.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.releases() >= self.limit.load(Ordering::Relaxed)
    }

    /// Replaces the limits.
    pub fn set(&self, limit: usize, share: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.share.store(share, Ordering::Relaxed);
    }

    /// Counts a release from this network until the returned value is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>, network: Network) -> Admitted {
        let mut releases = self.lock();
        releases.all += 1;
        *releases.networks.entry(network).or_default() += 1;
        *releases.groups.entry(network.group()).or_default() += 1;
        Admitted { gate: Arc::clone(self), network }
    }

    /// Releases in progress.
    #[must_use]
    pub fn releases(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Releases> {
        // A panic could at most leave a count that is off by one.
        self.releases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut releases = self.gate.lock();
        releases.all = releases.all.saturating_sub(1);
        leave(&mut releases.networks, self.network);
        leave(&mut releases.groups, self.network.group());
    }
}

fn leave<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&key);
        }
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
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(last: u8) -> Network {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    fn v6(site: u16, network: u16) -> Network {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1)).into()
    }

    #[test]
    fn t44_challenges_stop_before_releases_do() {
        let gate = Arc::new(Gate::new(2, 9));
        let first = gate.enter(v4(1));
        assert!(gate.admits(v4(1)) && !gate.is_full());
        let second = gate.enter(v4(1));
        assert!(!gate.admits(v4(1)) && gate.is_full());
        let third = gate.enter(v4(1));
        assert_eq!(gate.releases(), 3);
        drop((first, second));
        assert!(gate.admits(v4(1)));
        drop(third);
        assert_eq!(gate.releases(), 0);
        assert!(gate.lock().networks.is_empty() && gate.lock().groups.is_empty());
    }

    #[test]
    fn t44_one_network_cannot_close_the_gate_to_others() {
        let gate = Arc::new(Gate::new(8, 4));
        let mut held: Vec<_> = (0..4).map(|_| gate.enter(v4(1))).collect();
        assert!(!gate.admits(v4(1)), "it has its share");
        assert!(gate.admits(v4(2)));
        // Requests under challenges that were issued earlier are not turned away here.
        held.extend((0..4).map(|_| gate.enter(v4(1))));
        assert!(gate.is_full() && !gate.admits(v4(1)));
        // What is kept for others: an even part for each.
        held.extend((0..3).map(|_| gate.enter(v4(2))));
        assert!(gate.admits(v4(2)));
        held.push(gate.enter(v4(2)));
        assert!(!gate.admits(v4(2)), "four of eight");
        assert!(gate.admits(v4(3)));
        held.extend((10..13).map(|last| gate.enter(v4(last))));
        assert!(gate.admits(v4(3)), "eight have one each");
        drop(held);
        // So many networks that there is no even part: one each, up to twice the limit.
        let mut held: Vec<_> = (10..25).map(|last| gate.enter(v4(last))).collect();
        assert!(gate.admits(v4(3)) && !gate.admits(v4(10)));
        held.push(gate.enter(v4(25)));
        assert!(!gate.admits(v4(3)));
    }

    #[test]
    fn t44_the_networks_of_a_site_have_a_few_shares_of_the_gate() {
        let gate = Arc::new(Gate::new(100, 2));
        let held: Vec<_> = (0..8).map(|number| gate.enter(v6(1, number))).collect();
        assert!(!gate.admits(v6(1, 9)) && gate.admits(v6(2, 9)));
        drop(held);
        assert!(gate.admits(v6(1, 9)));
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
