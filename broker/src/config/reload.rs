//! Changes of the configuration that a running broker applies.

use super::{BrokerConfig, Limits};

/// The result of comparing a new configuration with the one in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// The configuration to use from now on.
    pub config: BrokerConfig,
    /// Keys whose new value is in force.
    pub changed: Vec<&'static str>,
    /// Keys whose new value needs a restart; until then the old value is in force.
    pub restart: Vec<&'static str>,
}

impl BrokerConfig {
    /// Applies the settings of `new` that a running broker can change.
    #[must_use]
    pub fn reloaded(&self, new: Self) -> Reloaded {
        let mut to = Reloaded { config: self.clone(), changed: Vec::new(), restart: Vec::new() };
        // Every key is named here, so that the compiler rejects a forgotten one.
        let Self { data, keyring, extra_trust_anchors, urls, challenge_ttl, stop_timeout, .. } = new;
        let Self { guests, operators, limits, collateral, kms, log, traces, .. } = new;
        to.keep("data", self.data == data);
        to.keep("keyring", self.keyring == keyring);
        to.keep("extra_trust_anchors", self.extra_trust_anchors == extra_trust_anchors);
        to.keep("stop_timeout", self.stop_timeout == stop_timeout);
        to.keep("collateral", self.collateral == collateral);
        to.keep("kms", self.kms == kms);
        to.keep("log", self.log == log);
        to.keep("traces", self.traces == traces);
        to.take("urls", |config| &mut config.urls, urls);
        to.take("challenge_ttl", |config| &mut config.challenge_ttl, challenge_ttl);
        let [listener, other] = [guests, operators];
        to.keep("guests.listen", self.guests.listen == listener.listen);
        to.take("guests.certificate", |config| &mut config.guests.certificate, listener.certificate);
        to.take("guests.key", |config| &mut config.guests.key, listener.key);
        to.take("guests.proxies", |config| &mut config.guests.proxies, listener.proxies);
        to.keep("operators.listen", self.operators.listen == other.listen);
        to.take("operators.certificate", |config| &mut config.operators.certificate, other.certificate);
        to.take("operators.key", |config| &mut config.operators.key, other.key);
        to.take("operators.proxies", |config| &mut config.operators.proxies, other.proxies);
        to.limits(&self.limits, limits);
        to
    }
}

impl Reloaded {
    fn limits(&mut self, old: &Limits, new: Limits) {
        let Limits { verifiers, queue, releases, releases_per_instance, releases_without_instance, .. } = new;
        let Limits { handshake, head, body, idle, remembered_refusals, remembered_memory, .. } = new;
        let Limits { free_disk, probe, releases_per_address, .. } = new;
        let Limits { connections, connections_per_address, connections_per_minute, connection, .. } = new;
        let Limits { requests, requests_per_minute, bodies, bodies_per_address, .. } = new;
        self.keep("limits.verifiers", old.verifiers == verifiers);
        self.keep("limits.queue", old.queue == queue);
        self.keep("limits.head", old.head == head);
        self.keep("limits.idle", old.idle == idle);
        self.keep("limits.remembered_refusals", old.remembered_refusals == remembered_refusals);
        self.keep("limits.remembered_memory", old.remembered_memory == remembered_memory);
        let share = "limits.releases_per_address";
        self.take(share, |config| &mut config.limits.releases_per_address, releases_per_address);
        let each = "limits.releases_per_instance";
        self.take("limits.releases", |config| &mut config.limits.releases, releases);
        self.take(each, |config| &mut config.limits.releases_per_instance, releases_per_instance);
        let nameless = "limits.releases_without_instance";
        self.take(nameless, |config| &mut config.limits.releases_without_instance, releases_without_instance);
        self.take("limits.handshake", |config| &mut config.limits.handshake, handshake);
        self.take("limits.body", |config| &mut config.limits.body, body);
        self.take("limits.free_disk", |config| &mut config.limits.free_disk, free_disk);
        self.take("limits.probe", |config| &mut config.limits.probe, probe);
        self.take("limits.connections", |config| &mut config.limits.connections, connections);
        let share = "limits.connections_per_address";
        self.take(share, |config| &mut config.limits.connections_per_address, connections_per_address);
        let rate = "limits.connections_per_minute";
        self.take(rate, |config| &mut config.limits.connections_per_minute, connections_per_minute);
        self.take("limits.connection", |config| &mut config.limits.connection, connection);
        self.take("limits.requests", |config| &mut config.limits.requests, requests);
        let rate = "limits.requests_per_minute";
        self.take(rate, |config| &mut config.limits.requests_per_minute, requests_per_minute);
        self.take("limits.bodies", |config| &mut config.limits.bodies, bodies);
        let share = "limits.bodies_per_address";
        self.take(share, |config| &mut config.limits.bodies_per_address, bodies_per_address);
    }

    fn take<T: PartialEq>(&mut self, key: &'static str, at: fn(&mut BrokerConfig) -> &mut T, new: T) {
        let old = at(&mut self.config);
        if *old != new {
            *old = new;
            self.changed.push(key);
        }
    }

    fn keep(&mut self, key: &'static str, same: bool) {
        if !same {
            self.restart.push(key);
        }
    }
}
