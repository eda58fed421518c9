//! Tests of reference values: images that the tests build; crate `attestation` compares them with real logs.

mod grub;
mod image;
mod unified;
