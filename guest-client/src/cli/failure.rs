//! How a command fails: one line for people, one exit code for programs.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use vouchsafe_guest_client::FetchError;
use vouchsafe_guest_client::account::AccountError;
use vouchsafe_guest_client::client::AttemptError;
use vouchsafe_guest_client::config::ConfigError;
use vouchsafe_guest_client::evidence::CollectError;
use vouchsafe_guest_client::private_file::FileError;
use vouchsafe_guest_client::transport::CaError;
use vouchsafe_protocol::request::ReleasePathsError;

use super::exec::{TmpfsError, UserError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    #[error("configuration: {0}")]
    Ca(#[from] CaError),
    #[error(transparent)]
    Paths(#[from] ReleasePathsError),
    #[error("several secrets are written with --json, or each to its own --output")]
    SeveralNeedJson,
    #[error("refusing to write a secret to a terminal (--force does it)")]
    Terminal,
    #[error("the variable {0} is set twice")]
    VariableTwice(String),
    #[error("nothing to hand on: give --file, --tmpfs or --env")]
    NothingToHandOn,
    #[error("core dumps cannot be turned off: {0}")]
    Protect(Errno),
    #[error("no evidence: {0}")]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("file descriptor {fd}: {source}")]
    Descriptor { fd: u32, source: io::Error },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("--output is given {given} times, {expected} needed: one for each path, or one with --json")]
    OutputCount { expected: usize, given: usize },
    #[error("{}: named by two outputs", .0.display())]
    OutputTwice(PathBuf),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Tmpfs(#[from] TmpfsError),
    #[error(transparent)]
    User(#[from] UserError),
    #[error("output: {0}")]
    Output(io::Error),
    #[error("the secret for {0} has a zero byte, which no environment variable can hold; use --file")]
    ZeroByte(String),
    #[error("{}: {source}", command.display())]
    Command { command: PathBuf, source: io::Error },
}

impl Failure {
    /// Documented in `main.rs`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Ca(_)
            | Self::Paths(_)
            | Self::SeveralNeedJson
            | Self::OutputCount { .. }
            | Self::OutputTwice(_)
            | Self::Account(_)
            | Self::Terminal
            | Self::VariableTwice(_)
            | Self::NothingToHandOn => 2,
            Self::Collect(_) | Self::Fetch(FetchError::Collect(_) | FetchError::RequestTooLarge { .. }) => 12,
            Self::Fetch(FetchError::Refused { .. }) => 10,
            Self::Fetch(FetchError::GaveUp { .. } | FetchError::NoBroker) => 11,
            Self::Fetch(FetchError::Answer { .. }) => 13,
            Self::Fetch(FetchError::Unusable { .. }) => 15,
            Self::Protect(_)
            | Self::Descriptor { .. }
            | Self::File(_)
            | Self::Tmpfs(_)
            | Self::User(_)
            | Self::Output(_)
            | Self::ZeroByte(_) => 14,
            Self::Command { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Command { .. } => 126,
        }
    }

    /// What to do next, where that is not plain.
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
            Self::Config(ConfigError::Read { .. }) => Some(
                "the configuration belongs into /etc/vouchsafe/guest.toml, or name it with --config"
                    .to_owned(),
            ),
            Self::Collect(_) | Self::Fetch(FetchError::Collect(_)) => {
                Some("`vouchsafe-guest doctor` says what is missing".to_owned())
            }
            _ => None,
        }
    }
}
