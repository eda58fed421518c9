//! LUKS2 volumes: the strict check of a header before anything is opened with it (T32), and recovery codes.
//!
//! Nothing authenticates the header of an encrypted disk, and the host can replace it: by one with a null cipher, for example, and the
//! kernel would then mount the host's own plaintext. So a header is copied to memory once, checked, and only that copy is used.
//!
//! The check accepts what `cryptsetup luksFormat` makes today, and nothing that is rare: one segment, `aes-xts-plain64`, no integrity, no
//! re-encryption. It is an allow-list: an unknown member of the metadata is an error. It does not prove who made the header. That is
//! the broker's part, which knows its digest.

mod binary;
mod copy;
mod error;
#[cfg(any(test, feature = "test-util"))]
pub mod fake;
mod header;
mod json;
mod keyslot;
mod members;
mod metadata;
mod recovery;

use std::path::{Path, PathBuf};

use crate::boot::RUNTIME_FOLDER;

pub use copy::{CopyError, HeaderCopy};
pub use error::{Copy, HeaderError};
pub use header::{Header, MAX_HEADER, metadata_length};
pub use keyslot::{Kdf, Keyslot};
pub use metadata::CIPHER;
pub use recovery::{RecoveryCode, RecoveryCodeError};

/// Where the copy of a volume's header is.
#[must_use]
pub fn copy_path(volume: &str) -> PathBuf {
    Path::new(RUNTIME_FOLDER).join(format!("{volume}.header"))
}

#[cfg(test)]
mod tests;
