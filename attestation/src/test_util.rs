//! Builders of evidence signed by throw-away roots.
//!
//! They only add: no check of the verifier knows of them, and the roots they sign with have to be
//! given as extra anchors, which only ever give the root `extra`.

pub mod ca;
pub mod efi;
pub mod event_log;
pub mod google_token;
pub mod launch;
pub mod snp;
pub mod tdx;
pub mod vm;
pub mod vtpm;
