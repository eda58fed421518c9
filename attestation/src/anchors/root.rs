//! The roots that claims name.

use std::fmt;

use serde::Serialize;

/// The root that a claim's signature chains to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// AMD's key hierarchy.
    Amd,
    /// Intel's key hierarchy.
    Intel,
    /// Google's key hierarchies.
    Google,
    /// An anchor from a file.
    Extra,
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd => "amd",
            Self::Intel => "intel",
            Self::Google => "google",
            Self::Extra => "extra",
        })
    }
}
