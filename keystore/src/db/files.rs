//! Names of files beside a database.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The file's path with `end` appended to its name.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Removes a database that this program made, with what SQLite may have put beside it.
pub(crate) fn remove_database(path: &Path) {
    for end in ["", "-journal", "-wal", "-shm"] {
        // Most of them do not exist.
        let _absent = fs::remove_file(beside(path, end));
    }
}

/// Makes new, renamed and removed names in the folder of this file durable.
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
