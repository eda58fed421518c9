//! Why a configuration was refused.

use std::path::PathBuf;

use vouchsafe_protocol::BrokerIdentity;
use vouchsafe_protocol::limits::MAX_PATHS;
use vouchsafe_system::trusted_file::TrustedFileError;

use super::place::Place;
use super::stage::Stage;

/// Why a configuration was rejected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read, or other users may change it.
    #[error(transparent)]
    File(#[from] TrustedFileError),
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
    /// A volume has a name that it cannot have.
    #[error("`volumes` has the name \"{name}\": {fault}")]
    VolumeName {
        /// The name.
        name: String,
        /// The fault.
        fault: NameFault,
    },
    /// A device that depends on the working directory.
    #[error("`volumes.{volume}` has the device {}: name it by its full path", device.display())]
    RelativeDevice {
        /// The volume.
        volume: String,
        /// Its device.
        device: PathBuf,
    },
    /// A header to register, and no device that has it.
    #[error("`volumes.{volume}` has `register`, but no `device`")]
    RegisterWithoutDevice {
        /// The volume.
        volume: String,
    },
    /// A unit has a name that it cannot have.
    #[error("`services` has the unit \"{name}\": {fault}")]
    UnitName {
        /// The name.
        name: String,
        /// The fault.
        fault: NameFault,
    },
    /// A credential has a name that it cannot have.
    #[error("`services.\"{unit}\"` has the credential \"{name}\": {fault}")]
    CredentialName {
        /// Its unit.
        unit: String,
        /// The name.
        name: String,
        /// The fault.
        fault: NameFault,
    },
    /// More volumes of one stage than one request is for.
    #[error("{count} volumes are of the stage `{stage}`: one request is for at most {MAX_PATHS}")]
    TooManyVolumes {
        /// The stage.
        stage: Stage,
        /// Their number.
        count: usize,
    },
}

/// Why systemd could not ask for a volume or a credential of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// No name.
    #[error("it is empty")]
    Empty,
    /// A unit without a type.
    #[error("its suffix is missing, as in app.service")]
    NoSuffix,
    /// A slash, a space, or a character outside ASCII.
    #[error("character '{character}' is not allowed")]
    Character {
        /// The first one.
        character: char,
    },
    /// The name of a socket has no room for it.
    #[error("it is too long: systemd has room for {limit} bytes here, not {length}")]
    TooLong {
        /// Length of the names in bytes.
        length: usize,
        /// The limit.
        limit: usize,
    },
}
