//! Brokers, pinned identities, and the connection to a broker.

use std::path::PathBuf;
use std::time::Duration;

use vouchsafe_protocol::{BrokerIdentity, Suite};

use super::broker_url::BrokerUrl;
use super::error::ConfigError;
use super::limits::Limits;

/// Which brokers to ask and which identities to trust.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Brokers, in the order in which they are tried.
    pub brokers: Vec<BrokerUrl>,
    /// Identities whose answers are accepted; more than one during a rotation.
    pub identities: Vec<BrokerIdentity>,
    /// HPKE suite for wrapped secrets. The client never falls back to another.
    pub suite: Suite,
    /// Limits on time and attempts.
    pub limits: Limits,
}

/// The connection to a broker.
#[derive(Clone, Debug)]
pub struct HttpsConfig {
    /// PEM file with the CAs that the brokers' TLS certificates chain to.
    pub ca: PathBuf,
    /// Time limit for establishing a connection.
    pub connect: Duration,
}

/// Requires a broker and an identity, and rejects identities that anyone can sign for.
pub(super) fn check(brokers: &[BrokerUrl], identities: &[BrokerIdentity]) -> Result<(), ConfigError> {
    if brokers.is_empty() {
        return Err(ConfigError::NoBroker);
    }
    if identities.is_empty() {
        return Err(ConfigError::NoIdentity);
    }
    match identities.iter().copied().find(BrokerIdentity::is_weak) {
        Some(identity) => Err(ConfigError::WeakIdentity { identity }),
        None => Ok(()),
    }
}
