//! Baselines: closed sets of what may be part of a boot.
//!
//! A VM is a member if every measured event of PCR 4, 8, 9 and 11, every EFI application and driver of PCR 2,
//! and everything in PCR 12 and 13 is listed, and each required component occurs exactly once and in the
//! right order. Events are identified only by PCR and digest: types and file names are asserted by whoever
//! wrote the log (T22, T49).
//!
//! What was started or loaded earlier (by a boot option that returned, or a GRUB entry whose kernel did not
//! start) has its own lists, `other_…`. That it failed is not measured, so listing a kernel there allows it
//! to run.
//!
//! A baseline is for the vTPM's log or for CCEL. In CCEL, register 2 corresponds to PCR 2 to 6 and register 3
//! to PCR 8 to 15, every event of both must be listed, and the firmware that measured them must be known:
//! endorsed by Google or listed here.
//!
//! It does not restrict what the listed files do. PCR 0, 1, 3, 5, 7 and 14 are not compared: policies have
//! claims for those.

mod capture;
mod component;
mod composed;
mod digest;
mod document;
mod entries;
mod expiring;
mod log;
mod membership;
mod mismatch;
mod named;
mod parse;
mod places;
mod proposal;
#[cfg(test)]
mod tests;
mod text;
mod update;

pub use capture::CaptureError;
pub use component::Component;
pub use composed::ComposedInitrdError;
pub use digest::{BaselineLog, LogDigest, LogDigestError};
pub use document::{Baseline, ComposedInitrd, FirmwareSet};
pub use entries::ExpiringEntries;
pub use mismatch::{BaselineMismatch, EventName};
pub use named::NamedBaseline;
pub use parse::{BaselineError, MAX_BASELINE};
pub use proposal::{KeepOld, ProposedUpdate};
pub use update::UpdateError;
