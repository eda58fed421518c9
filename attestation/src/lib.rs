//! Placeholder.

pub mod anchors;
pub mod chain;
pub mod event_log;
pub mod snp;
#[cfg(feature = "test-util")]
pub mod test_util;
