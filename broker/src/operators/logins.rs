//! Failed logins: counted, logged at intervals, and limited for each network.
//!
//! A token has 256 random bits, so the limit is not what keeps guesses out: it keeps them from the database and from the
//! log. A network that has used up its failures is answered 429 before the database is asked. A token that was
//! valid before, in this process, is recognised by its digest and still goes to the database, which alone decides:
//! an operator who shares an address with a stranger keeps working. A token that is first used while its network
//! is limited competes with the guesses for one look at the database every few seconds.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vouchsafe_protocol::Digest32;

use crate::admission::Network;
use crate::log::sampled::Notice;
use crate::metrics::{LoginMetrics, LoginRefusal};
use crate::server::client::Client;

/// The network has used up its failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed logins from this address: retry in {seconds} s")]
pub(crate) struct Limited {
    /// Seconds until the next attempt is looked at.
    pub(crate) seconds: u32,
}

/// Failed logins of each network, and the tokens that were valid.
#[derive(Debug)]
pub(crate) struct Logins {
    table: Mutex<Table>,
    metrics: LoginMetrics,
}

#[derive(Debug, Default)]
struct Table {
    networks: HashMap<Network, Failures>,
    /// SHA-256 of tokens that the database accepted.
    accepted: HashSet<Digest32>,
    swept: Option<Instant>,
    /// For networks without an entry: the table is full.
    others: Notice,
}

#[derive(Debug)]
struct Failures {
    /// Failures, minus those that have been made up for by waiting.
    count: f64,
    /// The time that `count` refers to.
    at: Instant,
    notice: Notice,
}

impl Logins {
    pub(crate) fn new(metrics: LoginMetrics) -> Self {
        Self { table: Mutex::default(), metrics }
    }

    /// Whether the database may be asked for this token, given by its SHA-256.
    ///
    /// # Errors
    /// [`Limited`], which is counted.
    pub(crate) fn admit(&self, client: Client, token: &Digest32, now: Instant) -> Result<(), Limited> {
        let limited = {
            let table = self.table();
            let failures = table.networks.get(&client.network).filter(|_| !table.accepted.contains(token));
            failures.and_then(|failures| failures.limited(now))
        };
        match limited {
            Some(limited) => {
                self.refused(client, LoginRefusal::Rate, now);
                Err(limited)
            }
            None => Ok(()),
        }
    }

    /// The database knows this token.
    pub(crate) fn accepted(&self, token: Digest32) {
        let mut table = self.table();
        if table.accepted.len() >= MAX_TOKENS && !table.accepted.contains(&token) {
            // Those in use return with their next request.
            table.accepted = HashSet::new();
        }
        table.accepted.insert(token);
    }

    /// The database does not know this token: it counts against the network.
    pub(crate) fn unknown(&self, client: Client, token: &Digest32, now: Instant) {
        self.table().accepted.remove(token);
        self.refused(client, LoginRefusal::Unknown, now);
    }

    /// The request has no token. That costs no look at the database and is not limited.
    pub(crate) fn missing(&self, client: Client, now: Instant) {
        self.refused(client, LoginRefusal::Missing, now);
    }

    fn refused(&self, client: Client, reason: LoginRefusal, now: Instant) {
        self.metrics.refused(reason);
        let count = self.table().refused(client.network, reason, now);
        if let Some(count) = count {
            tracing::warn!(
                event = "operator.login_refused",
                reason = reason.as_str(),
                peer = client.peer.map(tracing::field::display),
                count,
                "logins from this address were refused since the last such line"
            );
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic could at most leave a count that is off by one.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Counts a refusal; returns the count when a line is due.
    fn refused(&mut self, network: Network, reason: LoginRefusal, now: Instant) -> Option<u64> {
        if !self.has_room_for(network, now) {
            // Better some unlimited networks than operators who cannot log in.
            return self.others.due(BETWEEN_LINES, now);
        }
        let failures = self.networks.entry(network).or_insert_with(|| Failures::new(now));
        if reason == LoginRefusal::Unknown {
            failures.count = (failures.left(now) + 1.0).min(BURST);
            failures.at = now;
        }
        failures.notice.due(BETWEEN_LINES, now)
    }

    fn has_room_for(&mut self, network: Network, now: Instant) -> bool {
        if self.networks.len() < MAX_NETWORKS || self.networks.contains_key(&network) {
            return true;
        }
        let may_sweep = self.swept.is_none_or(|at| now.saturating_duration_since(at) >= BETWEEN_SWEEPS);
        if may_sweep {
            self.swept = Some(now);
            self.networks.retain(|_, failures| failures.left(now) > 0.0);
        }
        self.networks.len() < MAX_NETWORKS
    }
}

impl Failures {
    fn new(now: Instant) -> Self {
        Self { count: 0.0, at: now, notice: Notice::default() }
    }

    /// The failures that are not made up for yet.
    fn left(&self, now: Instant) -> f64 {
        let waited = now.saturating_duration_since(self.at).as_secs_f64();
        waited.mul_add(-MADE_UP_PER_SECOND, self.count).max(0.0)
    }

    fn limited(&self, now: Instant) -> Option<Limited> {
        let excess = self.left(now) + 1.0 - BURST;
        if excess <= 0.0 {
            return None;
        }
        let wait = Duration::from_secs_f64(excess / MADE_UP_PER_SECOND);
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Some(Limited { seconds: u32::try_from(seconds).unwrap_or(u32::MAX) })
    }
}

/// Failed logins that a network has at once.
const BURST: f64 = 20.0;
/// One in six seconds.
const MADE_UP_PER_SECOND: f64 = 1.0 / 6.0;
/// Networks with an entry; each takes about 100 bytes.
const MAX_NETWORKS: usize = 16_384;
/// How often a full table of networks is swept.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);
/// Tokens that are recognised.
const MAX_TOKENS: usize = 4096;
/// The least time between two log lines about one network.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::metrics::Metrics;
    use crate::testing::lines::Lines;

    fn client(number: u32) -> Client {
        Client::from(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn token(number: u8) -> Digest32 {
        Digest32([number; 32])
    }

    fn logins() -> (Logins, Metrics) {
        let metrics = Metrics::new().unwrap();
        (Logins::new(metrics.logins.clone()), metrics)
    }

    #[test]
    fn t41_a_network_with_too_many_failed_logins_is_told_when_to_come_back() {
        let (logins, metrics) = logins();
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(logins.admit(client(1), &token(1), start), Ok(()));
            logins.unknown(client(1), &token(1), start);
        }
        assert_eq!(logins.admit(client(1), &token(2), start), Err(Limited { seconds: 6 }));
        // Attempts that were not looked at prolong nothing.
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(logins.admit(client(1), &token(2), later(5)), Err(Limited { seconds: 1 }));
        assert_eq!(logins.admit(client(1), &token(2), later(6)), Ok(()));
        logins.unknown(client(1), &token(2), later(6));
        assert_eq!(logins.admit(client(1), &token(2), later(6)), Err(Limited { seconds: 6 }));
        assert_eq!(logins.admit(client(2), &token(2), later(6)), Ok(()));
        // Requests without a token are not attempts.
        for _ in 0..100 {
            logins.missing(client(3), start);
        }
        assert_eq!(logins.admit(client(3), &token(2), start), Ok(()));
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for (reason, count) in [("invalid", 21), ("rate", 3), ("missing", 100)] {
            let line = format!("vouchsafe_logins_refused_total{{reason=\"{reason}\"}} {count}\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn t41_a_token_that_was_valid_gets_past_the_limit_of_its_network() {
        let (logins, _) = logins();
        let now = Instant::now();
        logins.accepted(token(7));
        for _ in 0..20 {
            logins.unknown(client(1), &token(1), now);
        }
        assert_eq!(logins.admit(client(1), &token(7), now), Ok(()));
        assert_eq!(logins.admit(client(1), &token(8), now), Err(Limited { seconds: 6 }));
        // Until the database does not know it any more.
        logins.unknown(client(2), &token(7), now);
        assert_eq!(logins.admit(client(1), &token(7), now), Err(Limited { seconds: 6 }));
    }

    #[test]
    fn t41_failed_logins_have_one_line_per_address_and_interval() {
        let (logins, _) = logins();
        let (lines, _guard) = Lines::of_this_thread();
        let start = Instant::now();
        for _ in 0..15 {
            logins.unknown(client(1), &token(1), start);
        }
        logins.unknown(client(2), &token(1), start);
        logins.unknown(client(1), &token(1), start + BETWEEN_LINES);
        let written = lines.with("operator.login_refused");
        let counts = [("0.0.0.1", 1), ("0.0.0.2", 1), ("0.0.0.1", 15)];
        assert_eq!(written.len(), counts.len(), "{written:?}");
        for (line, (peer, count)) in written.iter().zip(counts) {
            assert!(line.contains(peer) && line.contains(&format!("count={count}")), "{line}");
        }
    }

    #[test]
    fn t41_strangers_in_many_networks_take_bounded_memory() {
        let (logins, _) = logins();
        let now = Instant::now();
        for network in 0..u32::try_from(MAX_NETWORKS).unwrap() + 100 {
            logins.unknown(client(network), &token(1), now);
        }
        assert_eq!(logins.table().networks.len(), MAX_NETWORKS);
        logins.unknown(client(u32::MAX), &token(1), now + Duration::from_secs(60));
        assert_eq!(logins.table().networks.len(), 1);
        for number in 0..=MAX_TOKENS {
            logins.accepted(Digest32::of(&number.to_be_bytes()));
        }
        assert_eq!(logins.table().accepted.len(), 1);
    }
}
