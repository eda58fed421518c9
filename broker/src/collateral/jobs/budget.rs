//! How many new items of one source may be asked for in a minute, and by whom.
//!
//! An item counts once, however many ask for it: a fleet behind one address uses up no more of its share than it has
//! issuers. A network's share is what such a fleet needs, a site gets two of them, and several sites are below the limit
//! of all together.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Asker, Source};
use crate::admission::{Network, Site};
use crate::collateral::pace::Pace;

/// What is left of a minute's items.
#[derive(Debug)]
pub(super) struct Budget {
    /// By all together.
    all: u32,
    /// Of these, by evidence of which nothing is verified.
    anybody: u32,
    /// Of these, by such evidence from one network: one that makes things up leaves something to the others.
    network: u32,
    /// Of these, by such evidence from all networks of one site.
    site: u32,
    minute: Instant,
    asked: u32,
    by_anybody: u32,
    by_network: HashMap<Network, u32>,
    by_site: HashMap<Site, u32>,
}

impl Budget {
    pub(super) fn new(pace: &Pace, source: Source, now: Instant) -> Self {
        let (anybody, network) = match source {
            Source::Issuers => (pace.issuers, pace.issuers_of_network),
            _ => (pace.asks / ANYBODYS_SHARE, pace.asks / ANYBODYS_SHARE / 2),
        };
        Self {
            all: pace.asks,
            anybody,
            network,
            site: network.saturating_mul(SHARES_OF_SITE),
            minute: now,
            asked: 0,
            by_anybody: 0,
            by_network: HashMap::new(),
            by_site: HashMap::new(),
        }
    }

    /// Counts one item, if there is room for it.
    pub(super) fn take(&mut self, asker: Asker, now: Instant) -> bool {
        if now.saturating_duration_since(self.minute) >= MINUTE {
            (self.minute, self.asked, self.by_anybody) = (now, 0, 0);
            self.by_network.clear();
            self.by_site.clear();
        }
        if self.asked >= self.all {
            return false;
        }
        if let Asker::Anybody(network) = asker {
            let of_network = self.by_network.get(&network).copied().unwrap_or_default();
            let of_site =
                network.site().and_then(|site| self.by_site.get(&site)).copied().unwrap_or_default();
            if self.by_anybody >= self.anybody || of_network >= self.network || of_site >= self.site {
                return false;
            }
            self.by_anybody += 1;
            // No more networks and sites than items.
            self.by_network.insert(network, of_network + 1);
            if let Some(site) = network.site() {
                self.by_site.insert(site, of_site + 1);
            }
        }
        self.asked += 1;
        true
    }

    /// When there is room again.
    pub(super) fn free_in(&self, now: Instant) -> Duration {
        (self.minute + MINUTE).saturating_duration_since(now)
    }
}

/// What evidence of which nothing is verified may ask for: one in so many.
const ANYBODYS_SHARE: u32 = 4;
/// So many times the share of a network is what all networks of one site get.
const SHARES_OF_SITE: u32 = 2;
const MINUTE: Duration = Duration::from_secs(60);
