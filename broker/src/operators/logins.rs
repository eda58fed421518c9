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
use crate::bucket::{Allowance, Bucket};
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
    /// Lines about networks, over all of them.
    lines: Option<Bucket>,
    /// For networks without a line of their own: there were too many lines, or the table is full.
    others: Notice,
}

#[derive(Debug)]
struct Failures {
    count: Bucket,
    notice: Notice,
}

/// A line that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// About the network, with the number of its refusals.
    Network(u64),
    /// About all networks without a line of their own.
    Others(u64),
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
            failures.and_then(|failures| failures.count.wait(&FAILURES, now))
        };
        match limited {
            Some(wait) => {
                self.refused(client, LoginRefusal::Rate, now);
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Err(Limited { seconds: u32::try_from(seconds).unwrap_or(u32::MAX) })
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

    /// The database does not know this token, or not any more: it counts against the network.
    pub(crate) fn unknown(&self, client: Client, token: &Digest32, now: Instant) {
        self.table().accepted.remove(token);
        self.refused(client, LoginRefusal::Unknown, now);
    }

    /// The token has ended: it counts against the network, too.
    pub(crate) fn expired(&self, client: Client, token: &Digest32, now: Instant) {
        self.table().accepted.remove(token);
        self.refused(client, LoginRefusal::Expired, now);
    }

    /// The request has no token. That costs no look at the database and is not limited.
    pub(crate) fn missing(&self, client: Client, now: Instant) {
        self.refused(client, LoginRefusal::Missing, now);
    }

    fn refused(&self, client: Client, reason: LoginRefusal, now: Instant) {
        self.metrics.refused(reason);
        let line = self.table().refused(client.network, reason, now);
        let (count, peer, text) = match line {
            Some(Line::Network(count)) => {
                (count, client.peer, "logins from this address were refused since the last such line")
            }
            Some(Line::Others(count)) => (
                count,
                None,
                "logins from addresses without a line of their own were refused since the last such line",
            ),
            None => return,
        };
        let (reason, peer) = (reason.as_str(), peer.map(tracing::field::display));
        tracing::warn!(event = "operator.login_refused", reason, peer, count, "{text}");
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic could at most leave a count that is off by one.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Counts a refusal; returns the line that is due.
    fn refused(&mut self, network: Network, reason: LoginRefusal, now: Instant) -> Option<Line> {
        if !self.has_room_for(network, now) {
            // Better some unlimited networks than operators who cannot log in.
            return self.others.due(BETWEEN_LINES, now).map(Line::Others);
        }
        let failures = self.networks.entry(network).or_insert_with(|| Failures::new(now));
        if matches!(reason, LoginRefusal::Unknown | LoginRefusal::Expired) {
            failures.count.add(&FAILURES, now);
        }
        let count = failures.notice.due(BETWEEN_LINES, now)?;
        let lines = self.lines.get_or_insert_with(|| Bucket::new(now));
        if lines.wait(&LINES, now).is_none() {
            lines.add(&LINES, now);
            return Some(Line::Network(count));
        }
        self.others.due_for(count, BETWEEN_LINES, now).map(Line::Others)
    }

    fn has_room_for(&mut self, network: Network, now: Instant) -> bool {
        if self.networks.len() < MAX_NETWORKS || self.networks.contains_key(&network) {
            return true;
        }
        let may_sweep = self.swept.is_none_or(|at| now.saturating_duration_since(at) >= BETWEEN_SWEEPS);
        if may_sweep {
            self.swept = Some(now);
            self.networks.retain(|_, failures| !failures.count.is_empty(&FAILURES, now));
        }
        self.networks.len() < MAX_NETWORKS
    }
}

impl Failures {
    fn new(now: Instant) -> Self {
        Self { count: Bucket::new(now), notice: Notice::default() }
    }
}

/// Failed logins of a network: after the burst one in six seconds.
const FAILURES: Allowance = Allowance { burst: 20.0, per_second: 1.0 / 6.0 };
/// Lines about networks: after the burst one in three seconds.
const LINES: Allowance = Allowance { burst: 20.0, per_second: 1.0 / 3.0 };
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
    fn t41_a_token_that_has_ended_is_not_recognised_any_more() {
        let (logins, metrics) = logins();
        let now = Instant::now();
        logins.accepted(token(7));
        for _ in 0..20 {
            logins.unknown(client(1), &token(1), now);
        }
        assert_eq!(logins.admit(client(1), &token(7), now), Ok(()));
        logins.expired(client(1), &token(7), now);
        assert_eq!(logins.admit(client(1), &token(7), now), Err(Limited { seconds: 6 }));
        // It counts like a wrong one.
        for _ in 0..20 {
            assert_eq!(logins.admit(client(2), &token(7), now), Ok(()));
            logins.expired(client(2), &token(7), now);
        }
        assert_eq!(logins.admit(client(2), &token(8), now), Err(Limited { seconds: 6 }));
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(text.contains("vouchsafe_logins_refused_total{reason=\"expired\"} 21\n"), "{text}");
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
    fn t41_failed_logins_from_many_addresses_have_few_lines() {
        let (logins, _) = logins();
        let (lines, _guard) = Lines::of_this_thread();
        let start = Instant::now();
        for network in 0..1000 {
            logins.unknown(client(network), &token(1), start);
            logins.unknown(client(network), &token(1), start);
        }
        let written = lines.with("operator.login_refused");
        assert_eq!(written.len(), 21, "{written:?}");
        assert!(written[19].contains("peer=0.0.0.19") && written[19].contains("count=1"), "{}", written[19]);
        assert!(
            !written[20].contains("peer=") && written[20].contains("addresses without a line"),
            "{}",
            written[20]
        );
        // Time makes up for a line, and nothing is left out of the counts.
        logins.unknown(client(5), &token(1), start + BETWEEN_LINES);
        logins.unknown(client(2000), &token(1), start + BETWEEN_LINES);
        for network in 3000..3030 {
            logins.unknown(client(network), &token(1), start + BETWEEN_LINES);
        }
        let written = lines.with("operator.login_refused");
        assert!(written[21].contains("peer=0.0.0.5") && written[21].contains("count=2"), "{}", written[21]);
        assert!(written[22].contains("peer=0.0.7.208"), "{}", written[22]);
        let others = written.iter().filter(|line| !line.contains("peer=")).collect::<Vec<_>>();
        assert!(others.len() == 2 && others[1].contains("count=980"), "{others:?}");
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
