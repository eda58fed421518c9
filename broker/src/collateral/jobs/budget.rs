//! How many new items of one source may be requested per minute, and by whom.
//!
//! Requests for the same item are counted once. So a fleet behind one address uses one unit for each issuer,
//! whatever its number of VMs, and the share of one network is enough for it. The networks of one site
//! together have two shares, and the shares of several sites fit into the limit for all unverified requests.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::request::Asker;
use super::source::Source;
use crate::admission::network::{Network, Site};
use crate::collateral::pace::Pace;

/// The limits of one source, and what was used of them in the current minute.
#[derive(Debug)]
pub(super) struct Budget {
    /// Items requested by all clients together.
    all: u32,
    /// Of these, items requested by unverified evidence.
    unverified: u32,
    /// Of these, items requested from one network, so that a network that forges evidence leaves room for the
    /// others.
    network: u32,
    /// Of these, items requested from all networks of one site.
    site: u32,
    minute: Instant,
    asked: u32,
    by_unverified: u32,
    by_network: HashMap<Network, u32>,
    by_site: HashMap<Site, u32>,
}

impl Budget {
    pub(super) fn new(pace: &Pace, source: Source, now: Instant) -> Self {
        let (unverified, network) = match source {
            Source::Issuers => (pace.issuers, pace.issuers_of_network),
            _ => (pace.asks / UNVERIFIED_DIVISOR, pace.asks / UNVERIFIED_DIVISOR / 2),
        };
        Self {
            all: pace.asks,
            unverified,
            network,
            site: network.saturating_mul(SHARES_OF_SITE),
            minute: now,
            asked: 0,
            by_unverified: 0,
            by_network: HashMap::new(),
            by_site: HashMap::new(),
        }
    }

    /// Counts one item, if the budget allows it.
    pub(super) fn take(&mut self, asker: Asker, now: Instant) -> bool {
        if now.saturating_duration_since(self.minute) >= MINUTE {
            (self.minute, self.asked, self.by_unverified) = (now, 0, 0);
            self.by_network.clear();
            self.by_site.clear();
        }
        if self.asked >= self.all {
            return false;
        }
        if let Asker::Unverified(network) = asker {
            let of_network = self.by_network.get(&network).copied().unwrap_or_default();
            let of_site =
                network.site().and_then(|site| self.by_site.get(&site)).copied().unwrap_or_default();
            let rest = self.unverified.saturating_sub(self.by_unverified);
            // No more than it leaves to others, so that a few networks do not use up all of it.
            let is_even = of_network < rest && of_site < rest;
            if !is_even || of_network >= self.network || of_site >= self.site {
                return false;
            }
            self.by_unverified += 1;
            // The maps are bounded: they have at most one entry for each item.
            self.by_network.insert(network, of_network + 1);
            if let Some(site) = network.site() {
                self.by_site.insert(site, of_site + 1);
            }
        }
        self.asked += 1;
        true
    }

    /// Time until the budget is free again.
    pub(super) fn free_in(&self, now: Instant) -> Duration {
        (self.minute + MINUTE).saturating_duration_since(now)
    }
}

/// Unverified evidence gets the budget divided by this.
const UNVERIFIED_DIVISOR: u32 = 4;
/// All networks of one site together get this multiple of the share of one network.
const SHARES_OF_SITE: u32 = 2;
const MINUTE: Duration = Duration::from_secs(60);
