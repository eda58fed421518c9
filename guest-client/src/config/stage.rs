//! The stages of a boot.

use std::fmt;

use serde::Deserialize;

/// The two parts of a boot, before and after switch-root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The initrd runs, and the latch is open.
    #[default]
    Initrd,
    /// The system runs, and the latch is closed.
    System,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initrd => "initrd",
            Self::System => "system",
        })
    }
}
