//! What a secret, and the policy that guards it, is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a secret is for; its policy must be for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Opens a disk in the initrd.
    Disk,
    /// Anything else.
    App,
}

impl Purpose {
    /// As written in policies, in the database and on the command line.
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

/// The text is not the name of a purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a purpose is disk or app")]
pub struct UnknownPurpose;

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        [Self::Disk, Self::App].into_iter().find(|purpose| purpose.as_str() == text).ok_or(UnknownPurpose)
    }
}
