//! The few file operations that configfs-tsm needs, so that a test can replace the kernel.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Operations on files below configfs-tsm.
pub trait TsmFs: Send {
    /// `mkdir`.
    ///
    /// # Errors
    /// The kernel's.
    fn make_dir(&self, directory: &Path) -> io::Result<()>;

    /// `rmdir`.
    ///
    /// # Errors
    /// The kernel's.
    fn remove_dir(&self, directory: &Path) -> io::Result<()>;

    /// Opens a file for reading from its start.
    ///
    /// # Errors
    /// The kernel's.
    fn open(&self, file: &Path) -> io::Result<Box<dyn Read + '_>>;

    /// Opens a file, writes `bytes` with a single call, closes it, and returns how many bytes were written.
    ///
    /// # Errors
    /// The kernel's.
    fn write_once(&self, file: &Path, bytes: &[u8]) -> io::Result<usize>;
}

/// The kernel's own.
#[derive(Clone, Copy, Debug)]
pub struct OsFs;

impl TsmFs for OsFs {
    fn make_dir(&self, directory: &Path) -> io::Result<()> {
        std::fs::create_dir(directory)
    }

    fn remove_dir(&self, directory: &Path) -> io::Result<()> {
        std::fs::remove_dir(directory)
    }

    fn open(&self, file: &Path) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(file)?))
    }

    fn write_once(&self, file: &Path, bytes: &[u8]) -> io::Result<usize> {
        OpenOptions::new().write(true).open(file)?.write(bytes)
    }
}
