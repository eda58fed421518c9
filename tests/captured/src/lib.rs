//! Captured evidence for the tests of all crates: read from `../shared/evidence`, next to the checkout, and
//! never copied into the repository.
//!
//! If that folder is missing, the tests that need it are skipped, and each test program prints one line that
//! says so. With `VOUCHSAFE_EVIDENCE=required` in the environment a missing folder is a failure. The variable
//! `CI` alone changes nothing: the evidence does not come with a clone.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

/// The folder of captured evidence; `None` if it is missing and the test should be skipped.
///
/// # Panics
/// If it is missing and `VOUCHSAFE_EVIDENCE` is `required`.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/evidence");
    let required = std::env::var_os(VARIABLE).is_some_and(|value| value == OsStr::new("required"));
    let folder = folder_at(&path, required);
    if folder.is_none() {
        SAID.call_once(|| {
            // Not with a macro: the test harness would capture it. A line that cannot be printed does not
            // matter.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: tests on captured evidence, which is not at {}",
                path.display()
            );
        });
    }
    folder
}

/// A captured file; `None` if there is no captured evidence.
///
/// # Panics
/// Like [`folder`], and if the folder lacks the file.
#[must_use]
pub fn read(name: &str) -> Option<Vec<u8>> {
    folder().map(|folder| read_from(&folder, name))
}

/// A file of the folder.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn read_from(folder: &Path, name: &str) -> Vec<u8> {
    let bytes = fs::read(folder.join(name));
    #[expect(clippy::panic, reason = "tests call this")]
    bytes.unwrap_or_else(|error| panic!("captured evidence lacks {name}: {error}"))
}

fn folder_at(path: &Path, required: bool) -> Option<PathBuf> {
    let folder = path.canonicalize().ok().filter(|folder| folder.is_dir());
    assert!(folder.is_some() || !required, "{VARIABLE}=required, and there is no {}", path.display());
    folder
}

const VARIABLE: &str = "VOUCHSAFE_EVIDENCE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_there_is_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("quote"), b"evidence").unwrap();
        for required in [false, true] {
            assert_eq!(folder_at(folder.path(), required), folder.path().canonicalize().ok());
        }
        assert_eq!(read_from(folder.path(), "quote"), b"evidence");
    }

    #[test]
    fn a_missing_folder_is_a_skip() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(folder_at(&folder.path().join("missing"), false), None);
    }

    #[test]
    #[should_panic(expected = "VOUCHSAFE_EVIDENCE=required")]
    fn a_missing_folder_that_is_required_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let _ = folder_at(&folder.path().join("missing"), true);
    }

    #[test]
    #[should_panic(expected = "captured evidence lacks quote")]
    fn a_missing_file_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let _ = read_from(folder.path(), "quote");
    }
}
