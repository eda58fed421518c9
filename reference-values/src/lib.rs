//! Predicts what a boot will measure from the files that it will consist of.
//!
//! [`UnifiedBoot`] is a unified kernel image that the firmware starts, [`GrubBoot`] is shim, GRUB and a
//! kernel. Both return [`ReferenceValues`](vouchsafe_protocol::reference_values::ReferenceValues): the events
//! that are certain, the final PCR values that follow from them, and a description of what cannot be
//! predicted. None of this is evidence, and no decision is based on it: it helps an operator to allow the
//! digests of an update before the VM boots it.
//!
//! Pure: files are passed as bytes; digests are of the SHA-256 bank.

mod boot_log;
mod grub;
mod image;
mod record;
mod script;
#[cfg(feature = "test-util")]
pub mod test_util;
#[cfg(test)]
mod tests;
mod unified;

pub use boot_log::{BootLog, BootLogError, EV_EVENT_TAG, LoggedEvent};
pub use grub::{DefaultEntry, EarlierBoot, GrubBoot};
pub use image::EfiImage;
pub use image::ImageError;
pub use script::ScriptError;
pub use unified::UnifiedBoot;
pub use unified::UnifiedError;
