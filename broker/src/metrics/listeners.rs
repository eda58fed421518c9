//! Metrics of connections and bodies.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::registry::registered;
use crate::admission::shares::TurnedAway;

/// Counters of connections and bodies, by listener.
#[derive(Clone, Debug)]
pub struct ListenerMetrics {
    connections: IntGaugeVec,
    connections_turned_away: IntCounterVec,
    requests_delayed: IntCounterVec,
    body_bytes: IntGaugeVec,
    bodies_turned_away: IntCounterVec,
}

impl ListenerMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge =
            |name, help| registered(registry, IntGaugeVec::new(Opts::new(name, help), &["listener"])?);
        let counter = |name, help| {
            let counters =
                registered(registry, IntCounterVec::new(Opts::new(name, help), &["listener", "reason"])?)?;
            for (listener, reason) in
                LISTENERS.into_iter().flat_map(|it| TurnedAway::ALL.map(|why| (it, why)))
            {
                counters.with_label_values(&[listener, reason.as_str()]);
            }
            prometheus::Result::Ok(counters)
        };
        let delayed = Opts::new(
            "vouchsafe_requests_delayed_total",
            "Requests that had to wait, or were turned away, since their address sends too many",
        );
        let requests_delayed = registered(registry, IntCounterVec::new(delayed, &["listener"])?)?;
        requests_delayed.with_label_values(&["guests"]);
        Ok(Self {
            requests_delayed,
            connections: gauge("vouchsafe_connections", "Connections, TLS handshakes included")?,
            connections_turned_away: counter(
                "vouchsafe_connections_turned_away_total",
                "Connections that were closed before TLS: the listener is full, or the address has used up its share",
            )?,
            body_bytes: gauge("vouchsafe_body_bytes", "Bytes that are set aside for bodies of requests")?,
            bodies_turned_away: counter(
                "vouchsafe_bodies_turned_away_total",
                "Requests whose body was not taken in: no room, or the address has used up its share",
            )?,
        })
    }

    pub(crate) fn connections(&self, listener: &str, count: usize) {
        self.connections.with_label_values(&[listener]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn connection_turned_away(&self, listener: &str, reason: TurnedAway) {
        self.connections_turned_away.with_label_values(&[listener, reason.as_str()]).inc();
    }

    pub(crate) fn request_delayed(&self, listener: &str) {
        self.requests_delayed.with_label_values(&[listener]).inc();
    }

    pub(crate) fn body_bytes(&self, listener: &str, bytes: usize) {
        self.body_bytes.with_label_values(&[listener]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn body_turned_away(&self, listener: &str, reason: TurnedAway) {
        self.bodies_turned_away.with_label_values(&[listener, reason.as_str()]).inc();
    }
}

/// The listeners, as metrics and the log name them.
pub(crate) const LISTENERS: [&str; 2] = ["guests", "operators"];
