//! How a command fails: one line for people, one exit code for programs.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use vouchsafe_guest_client::FetchError;
use vouchsafe_guest_client::boot::ShellRisk;
use vouchsafe_guest_client::clevis::JweError;
use vouchsafe_guest_client::client::AttemptError;
use vouchsafe_guest_client::config::{ConfigError, KeyError};
use vouchsafe_guest_client::evidence::CollectError;
use vouchsafe_guest_client::latch::LatchError;
use vouchsafe_guest_client::luks::{CopyError, RecoveryCodeError};
use vouchsafe_guest_client::transport::CaError;
#[cfg(feature = "updates")]
use vouchsafe_guest_client::update::UpdateError;
#[cfg(feature = "updates")]
use vouchsafe_guest_client::vtpm::VtpmError;
#[cfg(feature = "updates")]
use vouchsafe_protocol::request::ProposedEventsError;
use vouchsafe_protocol::request::{HeadersError, ReleasePathsError};
use vouchsafe_system::trusted_file::TrustedFileError;

use crate::cryptsetup::CryptsetupError;
use crate::deliver::account::AccountError;
use crate::deliver::command::CommandError;
use crate::deliver::descriptor::SinkError;
use crate::deliver::key_socket::SocketError;
use crate::deliver::private_file::FileError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    #[error("configuration: {0}")]
    Ca(#[from] CaError),
    #[error(transparent)]
    Paths(#[from] ReleasePathsError),
    #[error("configuration: {0}; each volume needs a secret of its own")]
    Headers(#[from] HeadersError),
    #[error("several secrets are written with --json, or each to its own --output")]
    SeveralNeedJson,
    #[error("refusing to write a secret to a terminal (--force does it)")]
    Terminal,
    #[error("the key of a volume is for a program, not for a terminal")]
    KeyToTerminal,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("Clevis: {0}")]
    Jwe(#[from] JweError),
    #[error("standard input: {0}")]
    Input(io::Error),
    #[error("the key of a volume, {}: {source}", path.display())]
    KeyFile { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Shell(#[from] ShellRisk),
    #[error("/proc/cmdline: {0}")]
    CommandLine(io::Error),
    #[error("{}: {source}", path.display())]
    Attempt { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Latch(LatchError),
    #[error("powering off: {0}")]
    Halt(Errno),
    #[error(transparent)]
    Header(#[from] CopyError),
    #[error("there is no checked copy of its header: {0}")]
    NoCopy(CopyError),
    #[error("{}: the header was changed meanwhile; try again", .0.display())]
    HeaderChanged(PathBuf),
    #[error("{}: not empty; --erase formats it all the same, and everything on it is lost", .0.display())]
    NotBlank(PathBuf),
    #[error("it opens no key slot of the volume")]
    NoSlot,
    #[error(transparent)]
    RecoveryCode(#[from] RecoveryCodeError),
    #[error(transparent)]
    Cryptsetup(#[from] CryptsetupError),
    #[error("standard input or file: {0}")]
    SecretInput(io::Error),
    #[error("a key or passphrase is needed, and there is none")]
    NoInput,
    #[error("core dumps cannot be turned off: {0}")]
    Protect(Errno),
    #[error("no evidence: {0}")]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("--output is given {given} times, {expected} needed: one for each path, or one with --json")]
    OutputCount { expected: usize, given: usize },
    #[error("{}: named by two outputs", .0.display())]
    OutputTwice(PathBuf),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[cfg(feature = "updates")]
    #[error(transparent)]
    EventLog(VtpmError),
    #[cfg(feature = "updates")]
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[cfg(feature = "updates")]
    #[error(transparent)]
    Proposed(#[from] ProposedEventsError),
    #[cfg(feature = "updates")]
    #[error("configuration: there is no [updates] with the baseline that this VM's policies demand")]
    NoUpdates,
}

impl Failure {
    /// Documented in `main.rs`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Ca(_)
            | Self::Paths(_)
            | Self::Headers(_)
            | Self::SeveralNeedJson
            | Self::OutputCount { .. }
            | Self::OutputTwice(_)
            | Self::Account(_)
            | Self::KeyToTerminal
            | Self::Key(_)
            | Self::Jwe(_)
            | Self::Input(_)
            | Self::KeyFile { .. }
            | Self::NotBlank(_)
            | Self::NoInput
            | Self::Terminal => 2,
            Self::Collect(_) | Self::Fetch(FetchError::Collect(_) | FetchError::RequestTooLarge { .. }) => 12,
            Self::Fetch(FetchError::Refused { .. }) => 10,
            Self::Fetch(FetchError::GaveUp { .. } | FetchError::NoBroker) => 11,
            Self::Fetch(FetchError::Answer { .. }) => 13,
            Self::Fetch(FetchError::Unusable { .. }) => 15,
            Self::Shell(_) | Self::CommandLine(_) => 16,
            Self::Latch(_) | Self::Halt(_) => 17,
            Self::Header(_) | Self::NoCopy(_) | Self::HeaderChanged(_) => 18,
            Self::NoSlot | Self::RecoveryCode(_) => 19,
            Self::Cryptsetup(_) | Self::SecretInput(_) => 14,
            Self::Protect(_) | Self::Attempt { .. } | Self::Sink(_) | Self::Socket(_) | Self::File(_) => 14,
            Self::Command(error) => command_exit_code(error),
            #[cfg(feature = "updates")]
            Self::EventLog(_) | Self::Update(_) | Self::Proposed(_) => 22,
            #[cfg(feature = "updates")]
            Self::NoUpdates => 2,
        }
    }

    /// Everything in one line.
    pub(crate) fn line(&self) -> String {
        match self.advice() {
            Some(advice) => format!("{self}; {advice}"),
            None => self.to_string(),
        }
    }

    /// What to do next, if that is not obvious.
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::Fetch(FetchError::Refused { decision, .. }) => {
                Some(format!("the broker's operator sees why with `vouchsafe explain {decision}`"))
            }
            Self::Fetch(FetchError::Unusable { fault: error } | FetchError::GaveUp { last: error, .. }) => {
                let unreachable = matches!(**error, AttemptError::Transport(_))
                    .then_some("`vouchsafe-guest doctor` checks the brokers of the configuration");
                error.advice().or(unreachable).map(ToOwned::to_owned)
            }
            Self::Config(ConfigError::File(TrustedFileError::Io { .. })) => Some(
                "the configuration belongs into /etc/vouchsafe/guest.toml, or name it with --config"
                    .to_owned(),
            ),
            Self::Collect(_) | Self::Fetch(FetchError::Collect(_)) => {
                Some("`vouchsafe-guest doctor` says what is missing".to_owned())
            }
            Self::NoCopy(_) => Some("`vouchsafe-guest luks header` makes one".to_owned()),
            Self::Latch(_) | Self::Halt(_) => {
                Some("the latch is open, and the keys of the initrd could be requested again".to_owned())
            }
            _ => None,
        }
    }
}

/// As a shell does where the command cannot be run.
fn command_exit_code(error: &CommandError) -> u8 {
    match error {
        CommandError::NothingToHandOn | CommandError::VariableTwice(_) | CommandError::Paths(_) => 2,
        CommandError::Tmpfs(_)
        | CommandError::User(_)
        | CommandError::MemoryFile(_)
        | CommandError::ZeroByte(_) => 14,
        CommandError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
        CommandError::Start { .. } => 126,
    }
}
