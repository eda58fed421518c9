//! Purposes of secrets and of the policies that guard them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{ObjectName, SecretPath};

/// The purpose of a secret; its policy must have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A disk key, used in the initrd.
    Disk,
    /// Anything else.
    App,
}

impl Purpose {
    /// The name in policies, in the database and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::App => "app",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The purposes of a secret and of its intended policy differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} is a secret for {secret}, but policy {policy} is for {}", found.map_or("neither", Purpose::as_str))]
pub struct PurposeMismatch {
    /// The secret.
    pub path: SecretPath,
    /// The secret's purpose.
    pub secret: Purpose,
    /// The policy.
    pub policy: ObjectName,
    /// The policy's purpose, from its `@for`.
    pub found: Option<Purpose>,
}

impl Purpose {
    /// Whether a policy with the purpose `found` may guard a secret with this purpose.
    ///
    /// # Errors
    /// [`PurposeMismatch`] unless both are the same.
    pub fn check_policy(
        self,
        path: &SecretPath,
        policy: &ObjectName,
        found: Option<Self>,
    ) -> Result<(), PurposeMismatch> {
        if found == Some(self) {
            return Ok(());
        }
        Err(PurposeMismatch { path: path.clone(), secret: self, policy: policy.clone(), found })
    }
}

/// The text is not a purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a purpose is disk or app")]
pub struct UnknownPurpose;

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        [Self::Disk, Self::App].into_iter().find(|purpose| purpose.as_str() == text).ok_or(UnknownPurpose)
    }
}
