//! Placeholder.

pub mod anchors;
pub mod chain;
pub mod snp;
#[cfg(feature = "test-util")]
pub mod test_util;
