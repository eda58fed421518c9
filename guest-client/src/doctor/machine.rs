//! The machine under examination: its files, its processor and its TPM.

use std::path::{Path, PathBuf};

use crate::config::VtpmConfig;
use crate::vtpm::{AkAlgorithm, VtpmError};

/// Creates the AK and reads its certificate.
pub(super) type KeyReader = fn(&VtpmConfig) -> Result<AkAlgorithm, VtpmError>;

/// The files of a machine, and the answers of its processor and TPM.
pub(super) struct Machine {
    pub(super) root: PathBuf,
    pub(super) tdx: bool,
    pub(super) read_key: KeyReader,
}

impl Machine {
    /// The path on this machine of that machine's `path`.
    pub(super) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        Self::below(&self.root, path)
    }

    /// The path of `path` below another root.
    pub(super) fn below(root: &Path, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub(super) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.at(path).exists()
    }

    /// A small text file, trimmed.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        Some(std::fs::read_to_string(self.at(path)).ok()?.trim().to_owned())
    }

    pub(super) fn may(&self, path: impl AsRef<Path>, access: rustix::fs::Access) -> bool {
        rustix::fs::access(self.at(path), access).is_ok()
    }

    /// Whether a file system of this kind is mounted at `path`.
    pub(super) fn mounted(&self, path: &str, kind: &str) -> bool {
        let mounts = self.text("/proc/mounts").unwrap_or_default();
        mounts.lines().any(|line| {
            let mut fields = line.split(' ').skip(1);
            fields.next() == Some(path) && fields.next() == Some(kind)
        })
    }
}
