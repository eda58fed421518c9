//! The roots that claims name.

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
