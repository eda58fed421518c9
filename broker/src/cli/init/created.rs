//! Files and folders that `init` has created so far. Unless they are kept, exactly these are removed again.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::super::failure::Failure;

/// Files and folders, in the order of creation.
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
    /// Creates a private folder and its missing parents. An existing folder is left as it is.
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

    /// Writes a new file that only its owner can read.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let write = |created: &mut Self| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            created.file(path);
            file.write_all(bytes)?;
            file.sync_all()
        };
        write(self).map_err(|error: io::Error| Failure::new_file(path, &error))
    }

    /// Registers a file that another function created or is about to create.
    pub(super) fn file(&mut self, path: &Path) {
        self.made.push(Made::File(path.to_owned()));
    }

    /// Keeps all files.
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
            // A file that was not created does not matter, and a folder with other files in it stays.
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
    fn only_what_init_created_is_removed() {
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
    fn a_folder_with_other_files_stays() {
        let root = tempfile::tempdir().unwrap();
        let mut created = Created::default();
        created.folder(&root.path().join("new")).unwrap();
        fs::write(root.path().join("new/theirs"), b"").unwrap();
        drop(created);
        assert!(root.path().join("new/theirs").exists());
    }

    #[test]
    fn kept_files_stay() {
        let root = tempfile::tempdir().unwrap();
        let mut created = Created::default();
        created.write(&root.path().join("file"), b"").unwrap();
        created.keep();
        assert!(root.path().join("file").exists());
    }
}
