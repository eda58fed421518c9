//! The copy of a header in memory, which a volume is opened with.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vouchsafe_protocol::Digest32;

use super::error::HeaderError;
use super::header::{Header, metadata_length};

/// The bytes of a device up to its data, checked. Whatever happens to the device later, they stay as they are.
#[derive(Debug)]
pub struct HeaderCopy {
    bytes: Vec<u8>,
    header: Header,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The device or file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The device.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// Something that has no content of its own.
    #[error("{}: neither a block device nor a file", .0.display())]
    NotADevice(PathBuf),
    /// The header is not accepted.
    #[error("{}: LUKS header refused ({}): {fault}", path.display(), fault.name())]
    Refused {
        /// The device.
        path: PathBuf,
        /// What is wrong with it.
        fault: HeaderError,
    },
}

impl HeaderCopy {
    /// Reads the header of a device or of an image.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn read(path: &Path) -> Result<Self, CopyError> {
        let mut device = open(path)?;
        let failed = |source| CopyError::Io { path: path.to_owned(), source };
        let refused = |fault| CopyError::Refused { path: path.to_owned(), fault };
        let mut bytes = Vec::new();
        read_up_to(&mut device, &mut bytes, 4096).map_err(failed)?;
        let metadata = metadata_length(&bytes).map_err(refused)?;
        read_up_to(&mut device, &mut bytes, metadata as u64).map_err(failed)?;
        let header = Header::parse(&bytes).map_err(refused)?;
        read_up_to(&mut device, &mut bytes, header.data_offset()).map_err(failed)?;
        let (needed, found) = (header.data_offset(), bytes.len() as u64);
        if found != needed {
            return Err(refused(HeaderError::Truncated { needed, found }));
        }
        Ok(Self { bytes, header })
    }

    /// Reads a copy that was written to a file, which has nothing else.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn reopen(path: &Path) -> Result<Self, CopyError> {
        let copy = Self::read(path)?;
        let found =
            std::fs::metadata(path).map_err(|source| CopyError::Io { path: path.to_owned(), source })?.len();
        let needed = copy.header.data_offset();
        if found != needed {
            let fault = HeaderError::Trailing { needed, found };
            return Err(CopyError::Refused { path: path.to_owned(), fault });
        }
        Ok(copy)
    }

    /// What the header says.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The header itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The header digest, by which the broker knows it.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        Digest32::of(&self.bytes)
    }
}

/// Opens a device without waiting for anything, such as the writer of a pipe.
fn open(path: &Path) -> Result<File, CopyError> {
    let failed = |source| CopyError::Io { path: path.to_owned(), source };
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let device = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let kind = device.metadata().map_err(failed)?.file_type();
    if !kind.is_block_device() && !kind.is_file() {
        return Err(CopyError::NotADevice(path.to_owned()));
    }
    Ok(device)
}

/// Reads on until there are `length` bytes, or no more.
fn read_up_to(device: &mut File, bytes: &mut Vec<u8>, length: u64) -> io::Result<()> {
    let missing = length.saturating_sub(bytes.len() as u64);
    device.by_ref().take(missing).read_to_end(bytes).map(drop)
}
