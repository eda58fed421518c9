//! `[limits]`: how long and how often.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::error::ConfigError;

/// How long and how often requests to brokers are retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts before giving up: each challenge, and each repeated request under the same one, counts.
    pub attempts: u32,
    /// Timeout of the whole operation.
    pub deadline: Duration,
    /// Timeout of one request, including the connection.
    pub request: Duration,
}

/// `[limits]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsTable {
    attempts: u32,
    #[serde(deserialize_with = "seconds")]
    deadline: Duration,
    /// Timeout of one connection.
    #[serde(deserialize_with = "seconds")]
    connect: Duration,
    #[serde(deserialize_with = "seconds")]
    request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let LimitsTable { attempts, deadline, connect: _, request } = LimitsTable::default();
        Self { attempts, deadline, request }
    }
}

impl Default for LimitsTable {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { attempts: 10, deadline: seconds(120), connect: seconds(5), request: seconds(20) }
    }
}

impl LimitsTable {
    /// The client's limits, and that of a connection. None is zero.
    pub(super) fn checked(self) -> Result<(Limits, Duration), ConfigError> {
        let Self { attempts, deadline, connect, request } = self;
        let zero = [
            ("limits.attempts", attempts == 0),
            ("limits.deadline", deadline.is_zero()),
            ("limits.connect", connect.is_zero()),
            ("limits.request", request.is_zero()),
        ];
        match zero.into_iter().find(|(_, zero)| *zero) {
            Some((name, _)) => Err(ConfigError::ZeroLimit { name }),
            None => Ok((Limits { attempts, deadline, request }, connect)),
        }
    }
}

/// A whole number of seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}
