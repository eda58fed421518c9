//! Admission to a listener: bounds the number of connections and the bytes of request bodies that they hold.
//!
//! Everything is counted per network (an IPv4 address or the /64 of an IPv6 address), before TLS and before
//! the first byte of a body. One network gets a share and no more, so that it cannot exhaust what others
//! need. The networks of one IPv6 /48, the usual allocation to one site, get a few shares between them. Many
//! networks together can still fill the listener; a log line and a metric then say so.

pub(crate) mod network;
pub(crate) mod pacing;
pub(crate) mod shares;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::average::{Average, retry_seconds};
use crate::log::sampled::Notice;
use crate::metrics::ListenerMetrics;
use network::Site;
use pacing::Pacing;

pub use network::Network;
pub use shares::{Shares, TurnedAway};

/// Admission to one listener.
#[derive(Debug)]
pub struct Admission {
    listener: &'static str,
    shares: ArcSwap<Shares>,
    table: Mutex<Table>,
    pacing: Mutex<Pacing>,
    metrics: ListenerMetrics,
}

#[derive(Debug, Default)]
struct Table {
    connections: usize,
    bodies: usize,
    /// Bodies that are being read.
    reading: HashMap<u64, Reading>,
    /// Numbers the next of them.
    next: u64,
    networks: HashMap<Network, Usage>,
    /// Only sites with connections or bodies, so there are no more entries than connections.
    sites: HashMap<Site, Held>,
    looked_at: Option<Instant>,
    notice: Notice,
    /// How long the room for a body was held lately.
    held: Average,
}

/// Connections and bytes of all networks of a site.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    connections: usize,
    bodies: usize,
}

#[derive(Debug)]
struct Usage {
    connections: usize,
    bodies: usize,
    /// Connections opened, minus those that have been earned back by waiting.
    opened: f64,
    /// The time that `opened` refers to.
    at: Instant,
}

/// A body that is being read. It may be displaced.
#[derive(Debug)]
struct Reading {
    network: Network,
    bytes: usize,
    displaced: Arc<Notify>,
}

/// One admitted connection. It is counted until this is dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    admission: Arc<Admission>,
    address: IpAddr,
    network: Network,
}

/// Room for the bytes of one body, held until this is dropped.
#[derive(Debug)]
pub struct BodyPermit {
    admission: Arc<Admission>,
    network: Network,
    bytes: usize,
    since: Instant,
    number: u64,
    displaced: Arc<Notify>,
    /// Whether the body has been read as a whole.
    kept: AtomicBool,
}

impl Admission {
    /// An admission without connections. `listener` is its name in the log and in metrics.
    #[must_use]
    pub fn new(listener: &'static str, shares: Shares, metrics: ListenerMetrics) -> Arc<Self> {
        let shares = ArcSwap::from_pointee(shares);
        Arc::new(Self { listener, shares, table: Mutex::default(), pacing: Mutex::default(), metrics })
    }

    /// The listener's name in the log and in metrics.
    #[must_use]
    pub const fn listener(&self) -> &'static str {
        self.listener
    }

    /// Replaces the limits. What is held already stays.
    pub fn set(&self, shares: Shares) {
        self.shares.store(Arc::new(shares));
    }

    /// Admits a connection from this address.
    ///
    /// # Errors
    /// [`TurnedAway`], which is counted and, at intervals, logged.
    pub fn connect(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<ConnectionPermit, TurnedAway> {
        let (network, shares) = (Network::from(address), **self.shares.load());
        let mut table = self.table();
        table.forget_idle(MINUTE, now, &shares);
        if let Err(reason) = table.connect(network, &shares, now) {
            drop(table);
            self.turn_away(reason, now);
            return Err(reason);
        }
        self.metrics.connections(self.listener, table.connections);
        Ok(ConnectionPermit { admission: Arc::clone(self), address: address.to_canonical(), network })
    }

    /// Counts a connection that is turned away and, at intervals, logs it.
    pub(crate) fn turn_away(&self, reason: TurnedAway, now: Instant) {
        self.metrics.connection_turned_away(self.listener, reason);
        let mut table = self.table();
        let (connections, networks) = (table.connections, table.networks.len());
        let due = table.notice.due(BETWEEN_LINES, now);
        drop(table);
        if let Some(count) = due {
            tracing::warn!(
                event = "listener.turned_away",
                listener = self.listener,
                reason = reason.as_str(),
                count,
                connections,
                networks,
                "connections were turned away since the last such line"
            );
        }
    }

    /// Counts a request from this network, with a body of this length; returns how long it has to wait before anything is done for it.
    ///
    /// # Errors
    /// The seconds after which to try again, if it would have to wait too long.
    pub(crate) fn request(&self, network: Network, body: usize, now: Instant) -> Result<Duration, u32> {
        let Some(rate) = self.shares.load().requests_of_network else { return Ok(Duration::ZERO) };
        // A panic could at most leave a count that is off by one.
        let mut table = self.pacing.lock().unwrap_or_else(PoisonError::into_inner);
        let paced = table.request(network, pacing::weight(body), &rate, now);
        drop(table);
        if paced != Ok(Duration::ZERO) {
            self.metrics.request_delayed(self.listener);
        }
        paced.map_err(retry_seconds)
    }

    /// Reserves room for a body of this many bytes, before its first byte is kept. If there is none left, bodies that are still being read
    /// make room: those of the network, or site, that holds the most, as long as that holds more than this one.
    ///
    /// # Errors
    /// [`TurnedAway`], which is counted.
    pub fn body(self: &Arc<Self>, network: Network, bytes: usize) -> Result<BodyPermit, TurnedAway> {
        let shares = **self.shares.load();
        let mut table = self.table();
        if let Err(reason) = table.reserve(network, bytes, &shares) {
            drop(table);
            self.metrics.body_turned_away(self.listener, reason);
            return Err(reason);
        }
        let (number, displaced) = (table.next, Arc::<Notify>::default());
        table.next += 1;
        table.reading.insert(number, Reading { network, bytes, displaced: Arc::clone(&displaced) });
        self.metrics.body_bytes(self.listener, table.bodies);
        let (admission, since, kept) = (Arc::clone(self), Instant::now(), AtomicBool::new(false));
        Ok(BodyPermit { admission, network, bytes, since, number, displaced, kept })
    }

    /// Seconds in which room for a body should become free: as long as it was held lately.
    pub(crate) fn body_retry_after(&self) -> u32 {
        retry_seconds(self.table().held.get())
    }

    /// Open connections, including those in a TLS handshake.
    #[must_use]
    pub fn held(&self) -> usize {
        self.table().connections
    }

    /// As if the networks had waited: they may open connections.
    #[cfg(test)]
    pub(crate) fn forget_opened(&self) {
        self.table().networks.values_mut().for_each(|usage| usage.opened = 0.0);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic could at most leave a count that is off by one.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn reserve(&mut self, network: Network, bytes: usize, shares: &Shares) -> Result<(), TurnedAway> {
        let of_network = self.networks.get(&network).map_or(0, |usage| usage.bodies).saturating_add(bytes);
        let of_site = self.held_by(network.site()).bodies.saturating_add(bytes);
        if of_network > shares.bodies_of_network || of_site > shares.bodies_of_site() {
            return Err(TurnedAway::Address);
        }
        while self.bodies.saturating_add(bytes) > shares.bodies {
            self.displace_for(network, bytes).ok_or(TurnedAway::Full)?;
        }
        let usage = self.networks.entry(network).or_insert_with(|| Usage::new(Instant::now()));
        usage.bodies = of_network;
        self.bodies = self.bodies.saturating_add(bytes);
        if let Some(site) = network.site() {
            self.sites.entry(site).or_default().bodies = of_site;
        }
        Ok(())
    }

    /// Takes its room from the newest body that is being read, of those who hold the most.
    fn displace_for(&mut self, network: Network, bytes: usize) -> Option<()> {
        let held = |of: Network| self.networks.get(&of).map_or(0, |usage| usage.bodies);
        let of_group = |of: Network| of.site().map_or_else(|| held(of), |_| self.held_by(of.site()).bodies);
        let size = |of: Network| (of_group(of), held(of));
        let (number, reading) =
            self.reading.iter().max_by_key(|(number, reading)| (size(reading.network), **number))?;
        let (number, other) = (*number, reading.network);
        let is_more = match other.group() == network.group() {
            true => held(other) > held(network).saturating_add(bytes),
            false => of_group(other) > of_group(network).saturating_add(bytes),
        };
        if !is_more {
            return None;
        }
        let reading = self.reading.remove(&number)?;
        self.release(reading.network, 0, reading.bytes);
        // Its reader drops what it has read so far.
        reading.displaced.notify_one();
        Some(())
    }

    fn connect(&mut self, network: Network, shares: &Shares, now: Instant) -> Result<(), TurnedAway> {
        if self.connections >= shares.connections || !self.has_room_for(network, shares, now) {
            return Err(TurnedAway::Full);
        }
        let of_site = self.held_by(network.site()).connections;
        if of_site >= shares.connections_of_site() {
            return Err(TurnedAway::Address);
        }
        let usage = self.networks.entry(network).or_insert_with(|| Usage::new(now));
        if usage.connections >= shares.connections_of_network {
            return Err(TurnedAway::Address);
        }
        usage.make_up(shares, now);
        if usage.opened + 1.0 > shares.burst() {
            return Err(TurnedAway::Rate);
        }
        usage.connections += 1;
        usage.opened += 1.0;
        self.connections += 1;
        if let Some(site) = network.site() {
            self.sites.entry(site).or_default().connections = of_site + 1;
        }
        Ok(())
    }

    fn held_by(&self, site: Option<Site>) -> Held {
        site.and_then(|site| self.sites.get(&site)).copied().unwrap_or_default()
    }

    /// Whether the network has an entry or can get one. Short connections can fill the table; entries of idle
    /// networks are dropped when another network needs one.
    fn has_room_for(&mut self, network: Network, shares: &Shares, now: Instant) -> bool {
        let room =
            |table: &Self| table.networks.len() < MAX_NETWORKS || table.networks.contains_key(&network);
        room(self) || {
            self.forget_idle(BETWEEN_SWEEPS, now, shares);
            room(self)
        }
    }

    /// Drops networks without connections and bodies that opened nothing recently, unless that was done less
    /// than `pause` ago.
    fn forget_idle(&mut self, pause: Duration, now: Instant, shares: &Shares) {
        if self.looked_at.is_some_and(|at| now.saturating_duration_since(at) < pause) {
            return;
        }
        self.looked_at = Some(now);
        self.networks.retain(|_, usage| {
            usage.make_up(shares, now);
            usage.connections > 0 || usage.bodies > 0 || usage.opened > 0.0
        });
    }

    fn release(&mut self, network: Network, connections: usize, bytes: usize) {
        self.connections = self.connections.saturating_sub(connections);
        self.bodies = self.bodies.saturating_sub(bytes);
        if let Some(usage) = self.networks.get_mut(&network) {
            usage.connections = usage.connections.saturating_sub(connections);
            usage.bodies = usage.bodies.saturating_sub(bytes);
        }
        let Some(site) = network.site() else { return };
        if let Some(held) = self.sites.get_mut(&site) {
            held.connections = held.connections.saturating_sub(connections);
            held.bodies = held.bodies.saturating_sub(bytes);
            if held.connections == 0 && held.bodies == 0 {
                self.sites.remove(&site);
            }
        }
    }
}

impl Usage {
    const fn new(now: Instant) -> Self {
        Self { connections: 0, bodies: 0, opened: 0.0, at: now }
    }

    /// Earns back opened connections for the time that has passed.
    fn make_up(&mut self, shares: &Shares, now: Instant) {
        let minutes = now.saturating_duration_since(self.at).as_secs_f64() / MINUTE.as_secs_f64();
        self.opened = minutes.mul_add(-f64::from(shares.opened_by_network), self.opened).max(0.0);
        self.at = now;
    }
}

impl ConnectionPermit {
    /// The client's address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut table = self.admission.table();
        table.release(self.network, 1, 0);
        self.admission.metrics.connections(self.admission.listener, table.connections);
    }
}

impl BodyPermit {
    /// Returns once another body has this room: what was read has to be dropped.
    pub(crate) async fn displaced(&self) {
        self.displaced.notified().await;
    }

    /// The body has been read as a whole: from here on it keeps its room. `false` if another one has got it by now.
    pub(crate) fn keep(&self) -> bool {
        let keeps = self.admission.table().reading.remove(&self.number).is_some();
        self.kept.store(keeps, Ordering::Relaxed);
        keeps
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        let mut table = self.admission.table();
        table.held.add(self.since.elapsed());
        // Otherwise it was displaced, and its room is that of another body.
        if table.reading.remove(&self.number).is_some() || self.kept.load(Ordering::Relaxed) {
            table.release(self.network, 0, self.bytes);
        }
        self.admission.metrics.body_bytes(self.admission.listener, table.bodies);
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// Networks with an entry; each takes about 50 bytes.
const MAX_NETWORKS: usize = 65_536;
/// How often a full table of networks is swept.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);
/// The least time between two log lines about connections turned away.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
