//! Tests of reference values: images that the tests build; crate `attestation` compares them with real logs.

mod boot_log;
mod grub;
mod guided;
mod image;
mod unified;
