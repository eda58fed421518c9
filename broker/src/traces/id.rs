//! The id of a trace.

use std::fmt;

use crate::random;

/// The id of a trace; displayed as collectors show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(pub(super) [u8; 16]);

impl TraceId {
    /// `None` without randomness: then nothing is traced.
    pub(super) fn random() -> Option<Self> {
        random::bytes().ok().map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
