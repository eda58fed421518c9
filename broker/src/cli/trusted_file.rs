//! Files that determine where a token is sent, and folders that receive keys: they must belong to the user or
//! root, and other users must not be able to change them.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use vouchsafe_system::trusted_file::{Others, examine, open};
use zeroize::Zeroizing;

use super::failure::Failure;

/// Reads a file with a token or a key, which only its owner may read. Permissions are checked on the open file, not on
/// its name.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::file(path, error);
    let mut file = open(path, Others::MayNothing)?;
    // With room for all of it, so that no copy of the secret stays behind.
    let length = file.metadata().map_err(failed)?.len();
    if length > LARGEST {
        return Err(Failure::file(path, format!("more than {LARGEST} bytes")));
    }
    let room = usize::try_from(length).unwrap_or_default().saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.by_ref().take(length).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Refuses to open a broker's data as another user than its owner, root included: files that are made then would be out of
/// the broker's reach. Files that are out of its reach already are named.
pub(super) fn require_owner(folder: &Path) -> Result<(), Failure> {
    let foreign_owner = |path: &Path| {
        let uid = std::fs::metadata(path).ok()?.uid();
        (uid != rustix::process::geteuid().as_raw()).then_some(uid)
    };
    if let Some(uid) = foreign_owner(folder) {
        let detail = format!(
            "belongs to user id {uid}: run this as that user, such as with `runuser -u USER -- vouchsafe …`"
        );
        return Err(Failure::file(folder, detail));
    }
    for file in DATABASE.map(|name| folder.join(name)) {
        if let Some(uid) = foreign_owner(&file) {
            let detail = format!(
                "belongs to user id {uid}, and not to the owner of its folder: `chown --reference={} {}`",
                folder.display(),
                file.display()
            );
            return Err(Failure::file(&file, detail));
        }
    }
    Ok(())
}

/// Reads a file that only its owner may change. Permissions are checked on the open file, not on its name.
pub(super) fn read_unwritable(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = open(path, Others::MayRead)?.take(LARGEST_CA + 1).read_to_end(&mut bytes);
    match read.map_err(|error| Failure::file(path, error))? {
        length if u64::try_from(length).is_ok_and(|length| length <= LARGEST_CA) => Ok(bytes),
        _ => Err(Failure::file(path, format!("more than {LARGEST_CA} bytes"))),
    }
}

/// Checks that only the owner can look into a folder, and create files there.
pub(super) fn check_folder(path: &Path) -> Result<(), Failure> {
    Ok(examine(path, Others::MayNothing)?)
}

/// The files of the keystore in its folder.
const DATABASE: [&str; 5] =
    ["keystore.db", "keystore.db-wal", "keystore.db-shm", "keystore.db.lock", "keystore.head"];

/// More than any operator file has, with the CAs in it.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Upper limit of the size of a file of CAs; all public CAs together take a quarter of it.
const LARGEST_CA: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    #[test]
    fn a_large_operator_file_is_read_whole_or_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let largest = usize::try_from(LARGEST).unwrap();
        fs::write(file.path(), vec![b'a'; largest]).unwrap();
        assert_eq!(read_private(file.path()).unwrap().len(), largest);
        fs::write(file.path(), vec![b'a'; largest + 1]).unwrap();
        let refused = read_private(file.path()).unwrap_err().to_string();
        assert!(refused.ends_with("more than 4194304 bytes"), "{refused}");
    }

    #[test]
    fn t55_a_large_ca_file_is_refused_and_not_cut_off() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let largest = usize::try_from(LARGEST_CA).unwrap();
        fs::write(file.path(), vec![b'a'; largest]).unwrap();
        assert_eq!(read_unwritable(file.path()).unwrap().len(), largest);
        fs::write(file.path(), vec![b'a'; largest + 1]).unwrap();
        let refused = read_unwritable(file.path()).unwrap_err().to_string();
        assert!(refused.ends_with(": more than 1048576 bytes"), "{refused}");
    }

    #[test]
    fn a_folder_that_others_may_look_into_or_own_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let said = || check_folder(folder.path()).unwrap_err().to_string();
        for mode in [0o770, 0o702, 0o755, 0o710, 0o1777] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let (mode, name) = (mode & 0o777, folder.path().display());
            let expected = format!(
                "{name}: has mode {mode:03o}, so other users may read or change it: chmod 700 {name}"
            );
            assert_eq!(said(), expected);
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        check_folder(folder.path()).unwrap();
        // Only root can change the owner.
        if chown(folder.path(), Some(65_534), None).is_ok() {
            assert!(said().contains("belongs to user id 65534: it must be yours or root's"));
        }
    }
}
