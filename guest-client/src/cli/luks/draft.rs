//! A header in a private file, which cryptsetup edits. The device is written once, when the header is complete and has passed the check.
//! A program that is interrupted before leaves the old header; the write itself is not atomic (docs/boot.md).

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vouchsafe_guest_client::luks::{CopyError, HeaderCopy, copy_path};

use crate::cli::failure::Failure;
use crate::deliver::private_file::{Destination, FileError, Folder, Permissions};

/// The file; it is removed when this is dropped.
pub(super) struct Draft {
    path: String,
    size: u64,
}

impl Draft {
    /// A draft of a volume with these bytes.
    pub(super) fn new(volume: &str, bytes: &[u8]) -> Result<Self, Failure> {
        let path = copy_path(volume).with_extension("draft");
        write_private(&path, bytes)?;
        Ok(Self { path: path.to_string_lossy().into_owned(), size: bytes.len() as u64 })
    }

    /// A draft for a header of cryptsetup's default size. cryptsetup formats only what has room for data, too.
    pub(super) fn empty(volume: &str) -> Result<Self, Failure> {
        let mut draft = Self::new(volume, &[])?;
        draft.size = NEW_HEADER;
        draft.set_length(NEW_HEADER + (1 << 20))?;
        Ok(draft)
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Bytes of the header: where the data begins.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The finished header.
    pub(super) fn finish(&self) -> Result<HeaderCopy, Failure> {
        self.set_length(self.size)?;
        Ok(HeaderCopy::reopen(Path::new(&self.path))?)
    }

    fn set_length(&self, length: u64) -> Result<(), Failure> {
        let set = || OpenOptions::new().write(true).open(&self.path)?.set_len(length);
        Ok(set().map_err(|source| FileError::Io { path: PathBuf::from(&self.path), source })?)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A failure cannot be reported any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Writes a file that root alone may read, in a folder that root alone may enter if it is new.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| FileError::Io { path: folder.to_owned(), source })?;
    Destination::open(path, Permissions::OWNER, None, Folder::Trusted)?.write(bytes)
}

/// Writes a header to its device. `before` is the header that the new one was made from.
pub(super) fn write_device(
    device: &Path,
    before: Option<&HeaderCopy>,
    header: &HeaderCopy,
) -> Result<(), Failure> {
    if let Some(before) = before
        && HeaderCopy::read(device)?.digest() != before.digest()
    {
        return Err(Failure::HeaderChanged(device.to_owned()));
    }
    let write = || {
        let mut file = OpenOptions::new().write(true).open(device)?;
        file.write_all(header.bytes())?;
        file.sync_all()
    };
    Ok(write().map_err(|source| CopyError::Io { path: device.to_owned(), source })?)
}

/// The place of a new volume.
pub(super) struct Place {
    /// Whether the place of the header has zeros only.
    pub(super) blank: bool,
    /// The largest sectors that the device has room for.
    pub(super) sector_size: u32,
}

impl Place {
    /// Looks at a device that nothing uses.
    pub(super) fn open(device: &Path) -> Result<Self, CopyError> {
        let failed = |source| CopyError::Io { path: device.to_owned(), source };
        let kind = std::fs::metadata(device).map_err(failed)?.file_type();
        if !kind.is_block_device() && !kind.is_file() {
            return Err(CopyError::NotADevice(device.to_owned()));
        }
        // For a block device: not mounted, and not part of another device.
        let exclusive = if kind.is_block_device() { OFlags::EXCL.bits().cast_signed() } else { 0 };
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(exclusive).open(device).map_err(failed)?;
        Self::of(file).map_err(failed)
    }

    fn of(mut file: File) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        if length < NEW_HEADER + 4096 {
            return Err(io::Error::other("too small for a LUKS2 header of 16 MiB and data"));
        }
        file.rewind()?;
        let (zeros, mut bytes) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        let mut blank = true;
        for _ in 0..NEW_HEADER >> 20 {
            file.read_exact(&mut bytes)?;
            blank &= bytes == zeros;
        }
        Ok(Self { blank, sector_size: if length % 4096 == 0 { 4096 } else { 512 } })
    }
}

/// As cryptsetup chooses.
const NEW_HEADER: u64 = 16 << 20;
