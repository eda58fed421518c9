//! What `init` has made so far. Unless it is kept, all of it is removed again, and nothing else is.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::super::Failure;

/// Files and folders, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Created {
    made: Vec<Made>,
    keep: bool,
}

#[derive(Debug)]
enum Made {
    File(PathBuf),
    Folder(PathBuf),
}

impl Created {
    /// Makes a folder that is private, and those above it that are missing. One that exists stays as it is, whosever it is.
    pub(super) fn folder(&mut self, path: &Path) -> Result<(), Failure> {
        let above = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let missing: Vec<_> = above.collect();
        for folder in missing.into_iter().rev() {
            let made = DirBuilder::new().mode(0o700).create(folder);
            made.map_err(|error| Failure::file(folder, error))?;
            self.made.push(Made::Folder(folder.to_owned()));
        }
        Ok(())
    }

    /// Writes a new file that only its owner reads.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let write = |created: &mut Self| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            created.file(path);
            file.write_all(bytes)?;
            file.sync_all()
        };
        write(self).map_err(|error: io::Error| Failure::file(path, error))
    }

    /// Takes note of a file that somebody else made, or is about to make.
    pub(super) fn file(&mut self, path: &Path) {
        self.made.push(Made::File(path.to_owned()));
    }

    /// Everything stays.
    pub(super) fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for made in self.made.iter().rev() {
            // A file that was not made after all is no loss, and a folder that somebody else uses stays.
            let _absent = match made {
                Made::File(path) => fs::remove_file(path),
                Made::Folder(path) => fs::remove_dir(path),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_removed_and_what_was_there_stays() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("old")).unwrap();
        fs::write(at("old/file"), b"theirs").unwrap();
        let mut created = Created::default();
        created.folder(&at("new/a/b")).unwrap();
        created.folder(&at("old")).unwrap();
        created.write(&at("new/a/b/file"), b"ours").unwrap();
        created.write(&at("old/ours"), b"ours").unwrap();
        assert!(created.write(&at("old/file"), b"ours").is_err());
        drop(created);
        assert!(!at("new").exists() && !at("old/ours").exists());
        assert_eq!(fs::read(at("old/file")).unwrap(), b"theirs");
    }

    #[test]
    fn a_folder_with_files_of_others_stays() {
        let root = tempfile::tempdir().unwrap();
        let mut created = Created::default();
        created.folder(&root.path().join("new")).unwrap();
        fs::write(root.path().join("new/theirs"), b"").unwrap();
        drop(created);
        assert!(root.path().join("new/theirs").exists());
    }

    #[test]
    fn what_is_kept_stays() {
        let root = tempfile::tempdir().unwrap();
        let mut created = Created::default();
        created.write(&root.path().join("file"), b"").unwrap();
        created.keep();
        assert!(root.path().join("file").exists());
    }
}
