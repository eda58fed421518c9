//! Whether each broker is reachable, uses an accepted identity, and agrees with this machine's clock.

use vouchsafe_protocol::succession::{Succeeded, days};
use vouchsafe_protocol::{BrokerIdentity, UnixTime};

use super::diagnosis::Diagnosis;
use super::finding::{Finding, Status};
use crate::client::accepted::{SUCCESSION_ROUTE, accepted};
use crate::client::{AttemptError, CHALLENGE_ROUTE, read_challenge};
use crate::config::{BrokerUrl, ClientConfig, GuestConfig};
use crate::transport::{Https, Transport};

impl Diagnosis {
    /// Adds the result for the CAs, and for each broker of `config`, which is asked for a challenge. `now` is
    /// this machine's time.
    pub fn ask_brokers(&mut self, config: &GuestConfig, now: impl Fn() -> UnixTime) {
        match Https::new(&config.https) {
            Ok(mut https) => {
                self.findings.push(Finding::ok("ca", config.https.ca.display().to_string()));
                self.ask_through(&mut https, &config.client, now);
            }
            Err(error) => {
                let fix = "`ca` names a PEM file with the CA of the broker's TLS certificate (`vouchsafe init` writes ca.pem).";
                self.findings.push(Finding::new("ca", Status::Missing, error.to_string(), fix));
            }
        }
    }

    pub(super) fn ask_through(
        &mut self,
        transport: &mut dyn Transport,
        config: &ClientConfig,
        now: impl Fn() -> UnixTime,
    ) {
        for url in &config.brokers {
            self.findings.extend(ask(transport, config, url, &now));
        }
    }
}

fn ask(
    transport: &mut dyn Transport,
    config: &ClientConfig,
    url: &BrokerUrl,
    now: impl Fn() -> UnixTime,
) -> Vec<Finding> {
    let route = url.route(CHALLENGE_ROUTE);
    let response = transport.post(&route, b"", config.limits.request).map_err(AttemptError::Transport);
    let answer = match response.and_then(|response| read_challenge(route, &response)) {
        Ok(answer) => answer,
        Err(error) => return vec![unusable(url, &error)],
    };
    let clock = clock(now(), answer.challenge.issued_at);
    let identity = identity(transport, config, url, answer.identity, now());
    vec![Finding::ok("broker", url.to_string()), identity, clock]
}

/// Whether the identity that the broker signs as is pinned or the successor of one that is, and whether one that it succeeded is
/// pinned still.
fn identity(
    transport: &mut dyn Transport,
    config: &ClientConfig,
    url: &BrokerUrl,
    identity: BrokerIdentity,
    now: UnixTime,
) -> Finding {
    let is_pinned = config.identities.contains(&identity);
    let others: Vec<_> = config.identities.iter().copied().filter(|pinned| *pinned != identity).collect();
    if others.is_empty() {
        return Finding::ok("identity", format!("{identity}, pinned"));
    }
    let response = transport.get(&url.route(SUCCESSION_ROUTE), config.limits.request);
    let succeeded = response
        .map_err(AttemptError::Transport)
        .and_then(|response| accepted(&response, &others, identity, now));
    match succeeded {
        Ok(Succeeded { pinned, .. }) if is_pinned => {
            let what = format!("{identity}, pinned; so is {pinned}, which it succeeded");
            Finding::new("identity", Status::Warning, what, SUCCEEDED)
        }
        Ok(Succeeded { pinned, remaining, .. }) => {
            let what = format!(
                "{identity}; the pinned {pinned} named it its successor, which is accepted for another {}",
                days(remaining)
            );
            Finding::new("identity", Status::Warning, what, NEW_PIN)
        }
        Err(_) if is_pinned => Finding::ok("identity", format!("{identity}, pinned")),
        Err(error) => {
            let fix = error.advice().unwrap_or(UNREACHABLE);
            Finding::new("identity", Status::Missing, error.to_string(), fix)
        }
    }
}

fn unusable(url: &BrokerUrl, error: &AttemptError) -> Finding {
    let what = match error {
        // The error already contains the URL.
        AttemptError::Transport(_) | AttemptError::NotABroker { .. } => error.to_string(),
        other => format!("{url}: {other}"),
    };
    Finding::new("broker", Status::Missing, what, error.advice().unwrap_or(UNREACHABLE))
}

/// The broker's time comes from its challenge, authenticated only by TLS: sufficient for a warning.
fn clock(own: UnixTime, brokers: UnixTime) -> Finding {
    let fix = "Set the clock (chrony, systemd-timesyncd): TLS certificates and tokens are judged by it.";
    let (ahead, behind) = (own.since(brokers), brokers.since(own));
    match (ahead, behind) {
        (seconds @ 0..=TOLERANCE, 0) | (0, seconds @ 0..=TOLERANCE) => {
            Finding::ok("clock", format!("within {} s of the broker's", seconds + 1))
        }
        (0, seconds) => {
            Finding::new("clock", Status::Warning, format!("{seconds} s behind the broker's"), fix)
        }
        (seconds, _) => {
            Finding::new("clock", Status::Warning, format!("{seconds} s ahead of the broker's"), fix)
        }
    }
}

/// Seconds; tokens and challenges live for at least a minute.
const TOLERANCE: u64 = 30;

const NEW_PIN: &str = "Compare it with what `vouchsafe identity status` shows on the broker, and put that into `identities` within \
                       that time: whoever has the key of the pinned one can name any. Remove the pinned one when every broker has \
                       the new one.";
const SUCCEEDED: &str = "Remove the earlier one from `identities` when every broker has the new one: this VM trusts the holder of \
                         its key.";
const UNREACHABLE: &str = "Check network, firewall and name resolution, and that the broker is running.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_right_within_half_a_minute() {
        let at = |own, brokers| clock(UnixTime(own), UnixTime(brokers));
        for (own, brokers) in [(1000, 1000), (1000, 1030), (1030, 1000)] {
            assert_eq!(at(own, brokers).status, Status::Ok, "{own} {brokers}");
        }
        let found = |own, brokers| (at(own, brokers).status, at(own, brokers).what);
        assert_eq!(found(1000, 1031), (Status::Warning, "31 s behind the broker's".to_owned()));
        assert_eq!(found(1_000_000, 1000), (Status::Warning, "999000 s ahead of the broker's".to_owned()));
    }
}
