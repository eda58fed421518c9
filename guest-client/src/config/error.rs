//! Why a configuration was refused.

use std::io;
use std::path::PathBuf;

use vouchsafe_protocol::BrokerIdentity;

use super::place::Place;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something in a file is wrong.
    #[error("{}, {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Self>,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{place}: {message}")]
    Parse {
        /// Where.
        place: Place,
        /// What is wrong there.
        message: String,
    },
    /// No broker is named.
    #[error("`brokers` names none")]
    NoBroker,
    /// No identity is pinned.
    #[error("`identities` pins none: `vouchsafe init` prints the broker's")]
    NoIdentity,
    /// Anyone can sign for this identity: it is all zeros, or another point of small order.
    #[error("anybody can sign as {identity}: pin what `vouchsafe init` printed")]
    WeakIdentity {
        /// Which one.
        identity: BrokerIdentity,
    },
    /// Some evidence is asked for twice over: a VM has one processor.
    #[error("`evidence` names both \"sev-snp\" and \"tdx\"; no VM has both")]
    TwoProcessors,
    /// A limit of zero.
    #[error("`{name}` is zero")]
    ZeroLimit {
        /// Which one.
        name: &'static str,
    },
}
