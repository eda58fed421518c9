//! One report directory, removed when it goes out of scope.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{TsmError, TsmStep};
use super::fs::TsmFs;

/// Numbers and names are short.
const MAX_TEXT: usize = 64;

pub(super) struct Directory<'f, F: TsmFs> {
    fs: &'f F,
    path: PathBuf,
    removed: bool,
}

impl<'f, F: TsmFs> Directory<'f, F> {
    /// Makes a directory with a unique name.
    pub(super) fn make(fs: &'f F, root: &Path) -> Result<Self, TsmError> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).expect("the operating system has randomness");
        let name = format!("vouchsafe-{}-{}", std::process::id(), hex::encode(random));
        let path = root.join(name);
        fs.make_dir(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => TsmError::NoRoot { root: root.to_owned() },
            // No provider is registered: ENXIO, on some kernels ENOTTY.
            _ if matches!(source.raw_os_error(), Some(ENXIO | ENOTTY)) => {
                TsmError::NoProvider { root: root.to_owned() }
            }
            _ => TsmError::Io { step: TsmStep::Make, path: path.clone(), source },
        })?;
        Ok(Self { fs, path, removed: false })
    }

    /// Reads a whole file of at most `limit` bytes, however it is split.
    pub(super) fn read(&self, file: &str, limit: usize) -> Result<Vec<u8>, TsmError> {
        let path = self.path.join(file);
        let failed = |source| TsmError::Io { step: TsmStep::Read, path: path.clone(), source };
        let mut bytes = Vec::new();
        let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let reader = self.fs.open(&path).map_err(failed)?;
        reader.take(bound).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > limit {
            return Err(TsmError::TooLong { path, limit });
        }
        Ok(bytes)
    }

    /// Like [`Self::read`]; `None` if the file does not exist.
    pub(super) fn optional(&self, file: &str, limit: usize) -> Result<Option<Vec<u8>>, TsmError> {
        match self.read(file, limit) {
            Err(TsmError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    pub(super) fn text(&self, file: &str) -> Result<String, TsmError> {
        self.as_text(file, self.read(file, MAX_TEXT)?)
    }

    pub(super) fn number(&self, file: &str) -> Result<u64, TsmError> {
        self.as_number(file, self.read(file, MAX_TEXT)?)
    }

    pub(super) fn optional_number(&self, file: &str) -> Result<Option<u64>, TsmError> {
        let bytes = self.optional(file, MAX_TEXT)?;
        bytes.map(|bytes| self.as_number(file, bytes)).transpose()
    }

    pub(super) fn expect_generation(&self, expected: u64) -> Result<(), TsmError> {
        let found = self.number("generation")?;
        if found == expected { Ok(()) } else { Err(TsmError::Generation { expected, found }) }
    }

    pub(super) fn write(&self, file: &str, bytes: &[u8]) -> Result<(), TsmError> {
        let path = self.path.join(file);
        match self.fs.write_once(&path, bytes) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(written) => Err(TsmError::ShortWrite { path, written, length: bytes.len() }),
            Err(source) => Err(TsmError::Io { step: TsmStep::Write, path, source }),
        }
    }

    /// Removes the directory and returns errors; dropping it ignores them.
    pub(super) fn remove(mut self) -> Result<(), TsmError> {
        self.removed = true;
        let outcome = self.fs.remove_dir(&self.path);
        outcome.map_err(|source| TsmError::Io { step: TsmStep::Remove, path: self.path.clone(), source })
    }

    fn as_text(&self, file: &str, bytes: Vec<u8>) -> Result<String, TsmError> {
        let malformed = || TsmError::Malformed { path: self.path.join(file) };
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        Ok(text.trim_end_matches(['\n', '\0']).to_owned())
    }

    fn as_number(&self, file: &str, bytes: Vec<u8>) -> Result<u64, TsmError> {
        let malformed = || TsmError::Malformed { path: self.path.join(file) };
        self.as_text(file, bytes)?.parse().map_err(|_| malformed())
    }
}

impl<F: TsmFs> Drop for Directory<'_, F> {
    fn drop(&mut self) {
        if !self.removed {
            // An earlier error is already being returned; a directory that is left behind only costs its
            // memory.
            let _ = self.fs.remove_dir(&self.path);
        }
    }
}

const ENXIO: i32 = rustix::io::Errno::NXIO.raw_os_error();
const ENOTTY: i32 = rustix::io::Errno::NOTTY.raw_os_error();
