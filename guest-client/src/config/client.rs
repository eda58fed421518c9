//! Whom to ask, whom to believe, and how brokers are reached.

use std::path::PathBuf;
use std::time::Duration;

use vouchsafe_protocol::{BrokerIdentity, Suite};

use super::broker_url::BrokerUrl;
use super::error::ConfigError;
use super::limits::Limits;

/// Whom to ask, whom to believe, and how long.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Brokers, in the order in which they are asked.
    pub brokers: Vec<BrokerUrl>,
    /// Identities whose answers are taken; more than one during a rotation.
    pub identities: Vec<BrokerIdentity>,
    /// How secrets are wrapped. There is no fallback.
    pub suite: Suite,
    /// How long and how often.
    pub limits: Limits,
}

/// How brokers are reached.
#[derive(Clone, Debug)]
pub struct HttpsConfig {
    /// PEM file with the CAs that the brokers' TLS certificates chain to.
    pub ca: PathBuf,
    /// How long one connection may take to be made.
    pub connect: Duration,
}

/// There is somebody to ask, and somebody to believe whom not everybody can be.
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
