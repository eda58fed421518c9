//! Tests of reference values: images that the tests build, texts and digests of real logs.

mod grub;
mod image;
mod logs;
mod unified;
