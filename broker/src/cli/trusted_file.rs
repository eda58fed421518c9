//! Files that decide where a token goes: of the user or of root, and out of reach of everybody else.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::Failure;

/// Reads a file with a token, which nobody but its owner may read. Looks at the file that was opened, not at its name.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::file(path, error);
    let mut file = File::open(path).map_err(failed)?;
    check(path, &file, 0o077)?;
    let mut text = Zeroizing::new(String::with_capacity(LARGEST));
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    file.by_ref().take(limit).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// That nobody but its owner may change a file.
pub(super) fn check_unwritable(path: &Path) -> Result<(), Failure> {
    let file = File::open(path).map_err(|error| Failure::file(path, error))?;
    check(path, &file, 0o022)
}

fn check(path: &Path, file: &File, forbidden: u32) -> Result<(), Failure> {
    let metadata = file.metadata().map_err(|error| Failure::file(path, error))?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if ![0, rustix::process::geteuid().as_raw()].contains(&owner) {
        return Err(Failure::file(path, format!("belongs to user id {owner}: it must be yours or root's")));
    }
    if mode & forbidden != 0 {
        let wanted = mode & !forbidden;
        return Err(Failure::file(path, format!("has mode {mode:03o}: chmod {wanted:03o} it")));
    }
    Ok(())
}

/// No token or operator file is larger.
const LARGEST: usize = 64 * 1024;
