//! Worthless requests, counted for what they come from: after several of them it has to wait.
//!
//! Counted are requests under a live challenge that no repetition makes good: malformed, with evidence that does not verify, or denied.
//! They count against the least that they have proved. Without a verified AK certificate that is the network that they come from. With one
//! it is the certificate's instance, from this network alone: certificates are public, so that a stranger can use up
//! the share of no instance. An instance whose evidence has verified is counted whatever its network.
//! All certificates from one network, or site, count together as well, with a share of their own: whoever has many of them comes after
//! the other networks.
//!
//! So a guest with a vTPM that shares an address with strangers is verified in spite of them, only after other networks
//! ([`Lane::Suspects`](crate::pool::Lane)). One whose evidence names no instance competes with them for what time makes up for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::admission::Network;
use crate::admission::network::{Group, Site};
use crate::admission::shares::SHARES_OF_SITE;
use crate::average::retry_seconds;
use crate::bucket::{Allowance, Bucket};
use crate::gate::Limited;

/// What a worthless request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin<'r> {
    /// A network.
    Network(Network),
    /// The instance of a verified AK certificate, which anyone in this network may have sent.
    Certified(Network, &'r str),
    /// An instance whose evidence verified.
    Proved(&'r str),
}

/// Worthless requests of late.
#[derive(Debug, Default)]
pub(crate) struct FailedRequests(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    buckets: HashMap<Key, Bucket>,
    swept: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Network(Network),
    Site(Site),
    Certified(Network, String),
    /// All certificates from a network or site.
    Certificates(Group),
    Proved(String),
}

impl Key {
    fn of(origin: Origin<'_>) -> Self {
        match origin {
            Origin::Network(network) => Self::Network(network),
            Origin::Certified(network, name) => Self::Certified(network, name.to_owned()),
            Origin::Proved(name) => Self::Proved(name.to_owned()),
        }
    }

    const fn allowance(&self) -> &'static Allowance {
        match self {
            Self::Site(_) | Self::Certificates(_) => &OF_SITE,
            Self::Network(_) | Self::Certified(..) | Self::Proved(_) => &OF_ONE,
        }
    }
}

impl Origin<'_> {
    /// The site, if the origin is a network in one.
    fn site(self) -> Option<Key> {
        match self {
            Origin::Network(network) => network.site().map(Key::Site),
            Origin::Certified(..) | Origin::Proved(_) => None,
        }
    }

    /// What the origin is counted with, before itself.
    fn common(self) -> Option<Key> {
        match self {
            Origin::Certified(network, _) => Some(Key::Certificates(network.group())),
            Origin::Network(_) | Origin::Proved(_) => self.site(),
        }
    }
}

impl FailedRequests {
    /// A worthless request.
    pub(crate) fn count(&self, origin: Origin<'_>, now: Instant) {
        let mut table = self.table();
        for key in origin.common().into_iter().chain([Key::of(origin)]) {
            // The networks of a site that has used up its share get no entries of their own, nor do certificates.
            if matches!(table.count(key, now), Some(Key::Site(_) | Key::Certificates(_))) {
                return;
            }
        }
    }

    /// Whether another request of this origin may be verified.
    ///
    /// # Errors
    /// [`Limited`] while it has to wait.
    pub(crate) fn admit(&self, origin: Origin<'_>, now: Instant) -> Result<(), Limited> {
        let table = self.table();
        let waits = [Some(Key::of(origin)), origin.site()].into_iter().flatten();
        let wait = waits.filter_map(|key| table.buckets.get(&key)?.wait(key.allowance(), now)).max();
        wait.map_or(Ok(()), |wait| Err(Limited { seconds: retry_seconds(wait) }))
    }

    /// Whether other networks come first: this one has to wait, or it is one of so many that not all are counted.
    pub(crate) fn suspects(&self, network: Network, now: Instant) -> bool {
        if self.admit(Origin::Network(network), now).is_err() {
            return true;
        }
        let mut table = self.table();
        let certificates = Key::Certificates(network.group());
        let waits = |bucket: &Bucket| bucket.wait(certificates.allowance(), now).is_some();
        table.buckets.get(&certificates).is_some_and(waits)
            || (!table.buckets.contains_key(&Key::Network(network)) && !table.has_room(now))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic could at most leave a count that is off by one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Counts, if there is room; returns the key if it has to wait already.
    fn count(&mut self, key: Key, now: Instant) -> Option<Key> {
        let allowance = key.allowance();
        if !self.buckets.contains_key(&key) && !self.has_room(now) {
            return None;
        }
        if self.buckets.get(&key).is_some_and(|bucket| bucket.wait(allowance, now).is_some()) {
            return Some(key);
        }
        self.buckets.entry(key).or_insert_with(|| Bucket::new(now)).add(allowance, now);
        None
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let may_sweep = self.swept.is_none_or(|at| now.saturating_duration_since(at) >= BETWEEN_SWEEPS);
        if self.buckets.len() >= MOST && may_sweep {
            self.swept = Some(now);
            self.buckets.retain(|key, bucket| !bucket.is_empty(key.allowance(), now));
        }
        self.buckets.len() < MOST
    }
}

/// Twenty at once, as a guest that is configured wrongly makes in a minute, and then one in two seconds.
const OF_ONE: Allowance = Allowance { burst: 20.0, per_second: 0.5 };
/// All networks of a site together, or all certificates from a network or site.
const OF_SITE: Allowance = Allowance { burst: 20.0 * SITE, per_second: 0.5 * SITE };
const SITE: f64 = SHARES_OF_SITE as f64;
/// Entries; each takes about 100 bytes, or 150 with an instance.
const MOST: usize = 65_536;
/// How often a full table is swept.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(bits: u32) -> Network {
        IpAddr::V4(Ipv4Addr::from_bits(bits)).into()
    }

    fn v6(site: u16, network: u16) -> Network {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1)).into()
    }

    fn fail(failed: &FailedRequests, origin: Origin<'_>, times: usize, now: Instant) {
        (0..times).for_each(|_| failed.count(origin, now));
    }

    #[test]
    fn t44_after_several_worthless_requests_a_network_waits() {
        let (failed, start) = (FailedRequests::default(), Instant::now());
        let (stranger, other) = (Origin::Network(v4(1)), Origin::Network(v4(2)));
        fail(&failed, stranger, 19, start);
        assert_eq!(failed.admit(stranger, start), Ok(()));
        fail(&failed, stranger, 1, start);
        assert_eq!(failed.admit(stranger, start), Err(Limited { seconds: 2 }));
        assert!(failed.suspects(v4(1), start) && !failed.suspects(v4(2), start));
        assert_eq!(failed.admit(other, start), Ok(()));
        // What is refused because of the limit prolongs nothing.
        fail(&failed, stranger, 100, start);
        let later = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(failed.admit(stranger, later(1001)), Err(Limited { seconds: 1 }));
        assert_eq!(failed.admit(stranger, later(2000)), Ok(()));
        fail(&failed, stranger, 1, later(2000));
        assert_eq!(failed.admit(stranger, later(2000)), Err(Limited { seconds: 2 }));
    }

    #[test]
    fn t44_a_certified_guest_is_not_limited_by_the_strangers_at_its_address() {
        let (failed, now) = (FailedRequests::default(), Instant::now());
        fail(&failed, Origin::Network(v4(1)), 20, now);
        let honest = Origin::Certified(v4(1), "1/2");
        assert_eq!(failed.admit(honest, now), Ok(()));
        // Nor by strangers elsewhere that have its certificate.
        fail(&failed, Origin::Certified(v4(7), "1/2"), 20, now);
        assert!(failed.admit(Origin::Certified(v4(7), "1/2"), now).is_err());
        assert_eq!(failed.admit(honest, now), Ok(()));
        assert_eq!(failed.admit(Origin::Proved("1/2"), now), Ok(()));
        // By its own denials it is.
        fail(&failed, Origin::Proved("1/2"), 20, now);
        assert!(failed.admit(Origin::Proved("1/2"), now).is_err());
        assert_eq!(failed.admit(Origin::Proved("1/3"), now), Ok(()));
    }

    #[test]
    fn t44_a_network_with_many_certificates_comes_after_the_others() {
        let (failed, now) = (FailedRequests::default(), Instant::now());
        for number in 0..79 {
            fail(&failed, Origin::Certified(v4(1), &format!("1/{number}")), 1, now);
        }
        assert!(!failed.suspects(v4(1), now));
        fail(&failed, Origin::Certified(v4(1), "1/79"), 1, now);
        assert!(failed.suspects(v4(1), now) && !failed.suspects(v4(2), now));
        // It is still verified, and no other certificate waits for it.
        assert_eq!(failed.admit(Origin::Certified(v4(1), "1/80"), now), Ok(()));
        for number in 100..300 {
            fail(&failed, Origin::Certified(v4(1), &format!("1/{number}")), 1, now);
        }
        assert_eq!(failed.table().buckets.len(), 81, "they take no more entries");
        assert!(!failed.suspects(v4(1), now + Duration::from_secs(1)));
        // The networks of a site count together.
        for number in 0..80 {
            fail(&failed, Origin::Certified(v6(1, number), "1/2"), 1, now);
        }
        assert!(failed.suspects(v6(1, 500), now) && !failed.suspects(v6(2, 500), now));
    }

    #[test]
    fn t44_the_networks_of_a_site_have_a_few_shares_of_worthless_requests() {
        let (failed, now) = (FailedRequests::default(), Instant::now());
        for network in 0..80 {
            fail(&failed, Origin::Network(v6(1, network)), 1, now);
        }
        assert!(failed.admit(Origin::Network(v6(1, 500)), now).is_err());
        assert!(failed.suspects(v6(1, 500), now));
        assert_eq!(failed.admit(Origin::Network(v6(2, 500)), now), Ok(()));
        for network in 100..300 {
            fail(&failed, Origin::Network(v6(1, network)), 1, now);
        }
        assert_eq!(failed.table().buckets.len(), 81, "they take no more entries");
    }

    #[test]
    fn t44_a_full_table_locks_nobody_out() {
        let (failed, now) = (FailedRequests::default(), Instant::now());
        for network in 0..u32::try_from(MOST).unwrap() {
            fail(&failed, Origin::Network(v4(network)), 1, now);
        }
        assert_eq!(failed.table().buckets.len(), MOST);
        let honest = v4(u32::MAX);
        fail(&failed, Origin::Network(v4(u32::MAX - 1)), 100, now);
        assert_eq!(failed.table().buckets.len(), MOST);
        assert_eq!(failed.admit(Origin::Network(honest), now), Ok(()));
        assert!(failed.suspects(honest, now), "those that are counted come first");
        assert!(!failed.suspects(v4(1), now));
        // What time has made up for is forgotten, also where nothing new is counted.
        assert!(!failed.suspects(honest, now + Duration::from_secs(3)));
        assert_eq!(failed.table().buckets.len(), 0);
    }
}
