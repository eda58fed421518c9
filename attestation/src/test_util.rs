//! Builders of evidence signed by throw-away roots.
//!
//! They add no special case to the verifier. Their roots must be configured as extra anchors, which only ever
//! give the root `extra`.

pub mod ca;
pub mod event_log;
pub mod google_token;
pub mod launch;
pub mod snp;
pub mod tdx;
pub mod vm;
pub mod vtpm;
