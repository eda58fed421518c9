//! What tests of predictions are made of: small EFI images, and logs of boots.

mod image;
mod log;

pub use image::{CHECKSUM, DIRECTORY, ImageBuilder};
pub use log::LogBuilder;
