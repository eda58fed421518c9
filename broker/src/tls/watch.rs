//! Watches for the end of the listeners' certificates: without one no guest gets a secret.
//!
//! At start and every ten minutes: renews certificates of the broker's own CA and sets the metric, which a reload sets too. From 30
//! days before the end it warns in the log at start, at a reload and once a day.

use std::sync::{Arc, Weak};
use std::time::Duration;

use vouchsafe_protocol::UnixTime;

use super::own;
use crate::broker::Broker;
use crate::clock;
use crate::config::{BrokerConfig, Listener};
use crate::metrics::LISTENERS;
use crate::server::Certificates;

/// Watches until the broker is dropped.
pub(crate) fn watch(broker: &Arc<Broker>, certificates: Certificates) {
    let broker = Arc::downgrade(broker);
    tokio::spawn(async move {
        let mut rounds = (0..ROUNDS_PER_DAY).cycle();
        while let Some(round) = rounds.next()
            && look(&broker, &certificates, round == 0)
        {
            tokio::time::sleep(ROUND).await;
        }
    });
}

/// One check; false when the broker no longer exists.
fn look(broker: &Weak<Broker>, certificates: &Certificates, warn: bool) -> bool {
    let Some(broker) = broker.upgrade() else { return false };
    let config = broker.config();
    if renew(&config, clock::now())
        && let Err(error) = certificates.reload(&config)
    {
        tracing::error!(event = "tls.not_reloaded", %error, "a renewed certificate is not in use: correct the file that the error names, then send SIGHUP");
    }
    observe(&broker, certificates, warn);
    true
}

/// Sets the metrics from the certificates in use.
pub(crate) fn observe(broker: &Broker, certificates: &Certificates, warn: bool) {
    let now = clock::now();
    for (listener, ends_at) in LISTENERS.into_iter().zip(certificates.ends()) {
        broker.metrics.tls.observe(listener, ends_at, now);
        let Some(ends_at) = ends_at.filter(|end| warn && now.plus(WARN_BEFORE) >= *end) else { continue };
        let (ends, ended) = (clock::human(ends_at), now > ends_at);
        tracing::warn!(
            event = "tls.certificate_ends",
            ended,
            listener,
            ends_at = ends,
            "clients refuse it afterwards: put a new certificate in its place and send SIGHUP"
        );
    }
}

/// Renews the certificates of the broker's own CA that are due; true if there is a new one.
pub(crate) fn renew(config: &BrokerConfig, now: UnixTime) -> bool {
    let mut renewed = false;
    for Listener { certificate, key, .. } in [&config.guests, &config.operators] {
        match own::renew(certificate, key, now) {
            Ok(false) => {}
            Ok(true) => {
                renewed = true;
                tracing::info!(event = "tls.renewed", certificate = %certificate.display());
            }
            Err(error) => tracing::warn!(
                event = "tls.not_renewed",
                certificate = %certificate.display(),
                %error,
                "the certificate stays as it is"
            ),
        }
    }
    renewed
}

const ROUND: Duration = Duration::from_secs(600);
const ROUNDS_PER_DAY: u32 = 144;
/// Seconds.
const WARN_BEFORE: u64 = 30 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use crate::testing::lines::Lines;
    use crate::tls::SelfSigned;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_of_a_certificate_is_a_metric_and_a_warning_from_30_days_before() {
        let fixture = Fixture::new().await;
        let config = fixture.broker.config();
        let certificates = fixture.listeners().certificates;
        let day = 86_400;
        // Issued so long ago that this many days are left, within the day that midnight takes.
        for (left, warned) in [(365, false), (32, false), (29, true), (1, true), (0, true)] {
            let issued = UnixTime(clock::now().0 - (365 - left) * day);
            let made = SelfSigned::generate(&["localhost".to_owned()], issued).expect("a certificate");
            std::fs::write(&config.guests.certificate, &made.certificate).expect("written");
            std::fs::write(&config.guests.key, made.key.as_bytes()).expect("written");
            certificates.reload(&config).expect("a pair");
            let (lines, _guard) = Lines::of_this_thread();
            observe(&fixture.broker, &certificates, false);
            assert_eq!(lines.text(), "");
            observe(&fixture.broker, &certificates, true);
            // Both listeners have it.
            let expected = if warned { 2 } else { 0 };
            assert_eq!(
                lines.text().matches("tls.certificate_ends").count(),
                expected,
                "{left}: {}",
                lines.text()
            );
            let metrics = fixture.broker.metrics.text().expect("text");
            let metrics = String::from_utf8(metrics).expect("UTF-8");
            for listener in LISTENERS {
                let name = format!("vouchsafe_tls_certificate_expiry_seconds{{listener=\"{listener}\"}} ");
                let value = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("a value");
                let days = value.parse::<i64>().expect("a number").div_euclid(86_400);
                let left = i64::try_from(left).expect("small");
                assert!((left - 1..=left).contains(&days), "{left}: {days}");
            }
        }
    }
}
