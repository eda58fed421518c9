//! The broker's configuration: TOML, unknown keys rejected, read as a whole before anything is opened.
//!
//! Relative paths are relative to the folder of the configuration file. No environment variable changes
//! anything. `config/broker.toml` in the source tree shows every key.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub(crate) mod collateral;
pub mod kms;
mod proxies;
pub mod reload;
mod seconds;
mod traces;
mod url;

pub use collateral::CollateralConfig;
use kms::KmsConfig;
pub use proxies::{ProxyNetwork, ProxyNetworkError};
use seconds::seconds;
pub use traces::TracesConfig;
use url::is_url;

use crate::foreign;
use crate::keyring_home::KeyringHome;

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// Folder of the database and of everything else that the broker stores.
    pub data: PathBuf,
    /// Where the root keyring is; default: `keyring.json` in `data`.
    pub keyring: Option<KeyringHome>,
    /// Files with trust anchors in addition to the built-in ones. They give the root `extra` and no other.
    #[serde(default)]
    pub extra_trust_anchors: Vec<PathBuf>,
    /// URLs of the guests' listener, as guests use them: the audience of a Google token must be one of them.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Lifetime of a challenge.
    #[serde(default = "challenge_ttl", deserialize_with = "seconds")]
    pub challenge_ttl: Duration,
    /// How long running requests may take when the broker is told to stop.
    #[serde(default = "stop_timeout", deserialize_with = "seconds")]
    pub stop_timeout: Duration,
    /// The listener for VMs.
    pub guests: Listener,
    /// The listener for operators.
    pub operators: Listener,
    /// Sizes and times.
    #[serde(default)]
    pub limits: Limits,
    /// What to fetch from vendors.
    #[serde(default)]
    pub collateral: CollateralConfig,
    /// How Cloud KMS is reached, if it wraps the keyring.
    #[serde(default)]
    pub kms: KmsConfig,
    /// What to log, and how.
    #[serde(default)]
    pub log: LogConfig,
    /// Where traces are sent, if anywhere.
    pub traces: Option<TracesConfig>,
}

/// `[guests]` and `[operators]`: an address and its TLS certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port; port 0 picks a free one.
    pub listen: SocketAddr,
    /// TLS certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM; readable by the broker's user only.
    pub key: PathBuf,
    /// Addresses of proxies in front. Their connections, and no others, begin with a header of the PROXY protocol.
    #[serde(default)]
    pub proxies: Vec<ProxyNetwork>,
}

/// `[limits]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Threads that verify evidence; default: the number of processors.
    pub verifiers: Option<usize>,
    /// Releases that may wait for a verifier.
    pub queue: usize,
    /// Releases running or waiting; above this limit no challenge is issued.
    pub releases: usize,
    /// Of the releases that are running or waiting, and of the queue, those of one address; of one /64 for IPv6.
    pub releases_per_address: usize,
    /// Releases that one instance may request per minute.
    pub releases_per_instance: u32,
    /// Releases per minute for all VMs together whose evidence names no instance.
    pub releases_without_instance: u32,
    /// A TLS handshake.
    #[serde(deserialize_with = "seconds")]
    pub handshake: Duration,
    /// Timeout for the head of a request.
    #[serde(deserialize_with = "seconds")]
    pub head: Duration,
    /// Timeout for the body of a request, from its first byte to its last.
    #[serde(deserialize_with = "seconds")]
    pub body: Duration,
    /// Timeout of a connection without a request.
    #[serde(deserialize_with = "seconds")]
    pub idle: Duration,
    /// Connections at the same time, on each listener.
    pub connections: usize,
    /// Of these, connections of one address; of one /64 for IPv6.
    pub connections_per_address: usize,
    /// Connections that one address may open per minute.
    pub connections_per_minute: u32,
    /// Lifetime of a connection; after it, the next answer is the last one.
    #[serde(deserialize_with = "seconds")]
    pub connection: Duration,
    /// Requests on one connection.
    pub requests: u32,
    /// Requests that one address may send per minute on the guests' listener; what exceeds that waits.
    pub requests_per_minute: u32,
    /// MiB of request bodies held at the same time, on each listener.
    pub bodies: usize,
    /// Of these, MiB of one address, on the guests' listener.
    pub bodies_per_address: usize,
    /// Time between two probes of readiness.
    #[serde(deserialize_with = "seconds")]
    pub probe: Duration,
    /// Refusals of strangers kept in memory for `explain`: this many each of unreadable requests, of evidence
    /// that did not verify, and of verified VMs.
    pub remembered_refusals: usize,
    /// MiB of memory for them: a third for each of these kinds.
    pub remembered_memory: usize,
    /// Free space in MiB below which the broker is not ready.
    pub free_disk: u64,
}

/// `[log]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// One JSON object per line, or text for people.
    pub format: LogFormat,
    /// The least severe level that is logged.
    pub level: LogLevel,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Text for people.
    Human,
}

/// A log level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Bugs and lost data.
    Error,
    /// Something that an operator should look at.
    Warn,
    /// Each decision.
    #[default]
    Info,
    /// More detail.
    Debug,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}{}", path.display(), foreign::advice(source.kind()))]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The position and the fault.
        source: Box<toml::de::Error>,
    },
    /// A value out of range.
    #[error("{}: {key} must be {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Name of the key.
        key: &'static str,
        /// The valid values.
        expected: &'static str,
    },
}

impl BrokerConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, the position and the valid values.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Parses the text of the file `path`.
    ///
    /// # Errors
    /// As [`BrokerConfig::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        config.check(path)?;
        Ok(config.resolved(path.parent().unwrap_or(Path::new(""))))
    }

    /// Where the root keyring is.
    #[must_use]
    pub fn keyring(&self) -> KeyringHome {
        self.keyring.clone().unwrap_or_else(|| KeyringHome::File(self.data.join("keyring.json")))
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data.join("keystore.db")
    }

    /// Where collateral is kept.
    #[must_use]
    pub fn collateral_folder(&self) -> PathBuf {
        self.data.join("collateral")
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let limits = &self.limits;
        let ttl = self.challenge_ttl.as_secs();
        let checks = [
            ("challenge_ttl", (5..=600).contains(&ttl), "5 to 600 seconds"),
            ("operators.listen", !self.shares_address(), "at another port than guests.listen"),
            ("limits.verifiers", limits.verifiers.is_none_or(|n| (1..=1024).contains(&n)), "1 to 1024"),
            ("urls", self.urls.iter().all(|url| is_url(url)), "https:// addresses without a path"),
            ("limits.queue", (1..=1 << 20).contains(&limits.queue), "1 to 1048576"),
            ("limits.releases", (1..=1 << 20).contains(&limits.releases), "1 to 1048576"),
            ("limits.releases_per_address", limits.releases_per_address > 0, "at least 1"),
            ("limits.releases_per_instance", limits.releases_per_instance > 0, "at least 1"),
            ("limits.releases_without_instance", limits.releases_without_instance > 0, "at least 1"),
            ("limits.connections", limits.connections > 0, "at least 1"),
            ("limits.connections_per_address", limits.connections_per_address > 0, "at least 1"),
            ("limits.connections_per_minute", limits.connections_per_minute > 0, "at least 1"),
            ("limits.connection", !limits.connection.is_zero(), "at least 1 second"),
            ("limits.requests_per_minute", limits.requests_per_minute > 0, "at least 1"),
            ("limits.requests", limits.requests > 0, "at least 1"),
            ("limits.bodies", limits.bodies >= LEAST_BODIES, "at least 32 MiB, for a bundle of collateral"),
            ("limits.bodies_per_address", limits.bodies_per_address >= 2, "at least 2 MiB, for one request"),
            ("limits.probe", !limits.probe.is_zero(), "at least 1 second"),
            ("limits.handshake", !limits.handshake.is_zero(), "at least 1 second"),
            ("limits.head", !limits.head.is_zero(), "at least 1 second"),
            ("limits.body", !limits.body.is_zero(), "at least 1 second"),
            ("limits.remembered_refusals", limits.remembered_refusals <= 1 << 20, "at most 1048576"),
            ("limits.remembered_memory", limits.remembered_memory <= 1 << 20, "at most 1048576 MiB"),
        ];
        let flaw = checks.into_iter().find(|(_, holds, _)| !holds).map(|(key, _, expected)| (key, expected));
        let traces = || self.traces.as_ref().and_then(TracesConfig::flaw);
        match flaw.or_else(|| self.collateral.flaw()).or_else(|| self.kms.flaw()).or_else(traces) {
            Some((key, expected)) => Err(ConfigError::Value { path: path.to_owned(), key, expected }),
            None => Ok(()),
        }
    }

    /// Whether both listeners would use one address: the system finds out only when the second one listens.
    fn shares_address(&self) -> bool {
        let (guests, operators) = (self.guests.listen, self.operators.listen);
        let covers = |one: IpAddr, other: IpAddr| match one {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => true,
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => other.is_ipv4(),
            one => one == other,
        };
        guests.port() != 0
            && guests.port() == operators.port()
            && (covers(guests.ip(), operators.ip()) || covers(operators.ip(), guests.ip()))
    }

    fn resolved(mut self, folder: &Path) -> Self {
        let listeners = [&mut self.guests, &mut self.operators];
        let files = listeners.into_iter().flat_map(|listener| [&mut listener.certificate, &mut listener.key]);
        let keyring = self.keyring.as_mut().and_then(KeyringHome::file_mut);
        let ca = self.traces.as_mut().and_then(|traces| traces.ca.as_mut());
        let named =
            files.chain(keyring).chain(&mut self.extra_trust_anchors).chain(ca).chain(self.kms.files_mut());
        for file in named.chain(std::iter::once(&mut self.data)) {
            *file = folder.join(&*file);
        }
        self
    }
}

impl Limits {
    /// How many threads verify.
    #[must_use]
    pub fn verifiers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.verifiers.unwrap_or_else(processors)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            verifiers: None,
            queue: 1024,
            releases: 512,
            releases_per_address: 128,
            releases_per_instance: 60,
            releases_without_instance: 600,
            handshake: Duration::from_secs(3),
            head: Duration::from_secs(5),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            connections: 8192,
            connections_per_address: 256,
            connections_per_minute: 3000,
            connection: Duration::from_secs(300),
            requests: 20,
            requests_per_minute: 6000,
            bodies: 256,
            bodies_per_address: 32,
            probe: Duration::from_secs(10),
            remembered_refusals: 4096,
            remembered_memory: 24,
            free_disk: 256,
        }
    }
}

const fn challenge_ttl() -> Duration {
    Duration::from_secs(60)
}

const fn stop_timeout() -> Duration {
    Duration::from_secs(20)
}

/// The largest body that an operator sends.
const LEAST_BODIES: usize = vouchsafe_protocol::bundle::MAX_BUNDLE / (1024 * 1024);

#[cfg(test)]
mod tests;
