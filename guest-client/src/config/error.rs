//! Why a configuration was refused.

use std::io;
use std::path::PathBuf;

use vouchsafe_protocol::BrokerIdentity;

use super::place::Place;

/// Why a configuration was rejected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// A file has an invalid setting.
    #[error("{}, {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: Box<Self>,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{place}: {message}")]
    Parse {
        /// Where.
        place: Place,
        /// The parser's message.
        message: String,
    },
    /// No broker is named.
    #[error("`brokers` names none")]
    NoBroker,
    /// No identity is pinned.
    #[error("`identities` is empty: `vouchsafe init` prints the broker's identity")]
    NoIdentity,
    /// Anyone can sign for this identity: it is all zeros, or another point of small order.
    #[error("anyone can sign as {identity}: pin the identity that `vouchsafe init` printed")]
    WeakIdentity {
        /// The key.
        identity: BrokerIdentity,
    },
    /// Both kinds of hardware evidence are configured, but a VM has only one processor vendor.
    #[error("`evidence` has both \"sev-snp\" and \"tdx\": no VM has both")]
    TwoProcessors,
    /// A limit of zero.
    #[error("`{name}` is zero")]
    ZeroLimit {
        /// The key.
        name: &'static str,
    },
}
