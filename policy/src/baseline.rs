//! Baselines: closed sets of what a boot may consist of.
//!
//! A VM is a member when every measured event of PCR 4, 8, 9 and 11, every EFI application and driver of
//! PCR 2, and whatever is in PCR 12 and 13 is listed, each required component occurs exactly once, and in
//! its place. Events are recognised by PCR and digest alone: types and file names are the word of whoever
//! wrote the log (T22, T49).
//!
//! What was started or loaded before that (a boot option that returned, an entry of GRUB whose kernel did not start) has lists
//! of its own, `other_…`. That it failed is not measured: whoever lists a kernel there allows it to run.
//!
//! A baseline is of the vTPM's log or of CCEL. There, register 2 stands for PCR 2 to 6 and register 3 for PCR 8 to 15, every
//! event of both is listed, and the firmware that measured them is known: endorsed by Google or listed here.
//!
//! Does not say what the listed files do. PCR 0, 1, 3, 5, 7 and 14 are not looked at: policies have claims for those.

mod capture;
mod component;
mod composed;
mod digest;
mod document;
mod log;
mod membership;
mod mismatch;
mod named;
mod parse;
mod places;
#[cfg(test)]
mod tests;
mod text;
mod update;

pub use capture::CaptureError;
pub use component::Component;
pub use composed::ComposedInitrdError;
pub use digest::{BaselineLog, LogDigest, LogDigestError};
pub use document::{Baseline, ComposedInitrd, FirmwareSet};
pub use mismatch::{BaselineMismatch, EventName};
pub use named::NamedBaseline;
pub use parse::{BaselineError, MAX_BASELINE};
pub use update::UpdateError;
