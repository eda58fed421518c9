//! Credentials that the service manager hands to a service: files in a folder of its own (`LoadCredential=` and
//! `LoadCredentialEncrypted=`, systemd.exec(5)).
//!
//! The folder's place is in an environment variable. It is read only to find a credential that the configuration names, and
//! [`open`] accepts a file there only with the owner and the permissions that systemd gives: readable by this process's user
//! and root, writable by nobody.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{Mode, OFlags, fgetxattr, openat};
use rustix::io::Errno;

use crate::trusted_file::{self, Others, TrustedFileError};

/// Name of a credential: letters, digits, `.`, `_` and `-`, not starting with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialName(String);

impl FromStr for CredentialName {
    type Err = CredentialNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_name = (1..=255).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(is_plain);
        if is_name { Ok(Self(text.to_owned())) } else { Err(CredentialNameError) }
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a [`CredentialName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a credential has 1 to 255 letters, digits, dots, underscores and hyphens, and does not start with a dot"
)]
pub struct CredentialNameError;

/// Why a credential is not used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The process has no credentials.
    #[error(
        "credential {name}: this process was started without credentials: add LoadCredentialEncrypted={name}:FILE to its \
         unit, or run it with `systemd-run --pipe --wait -p LoadCredentialEncrypted={name}:FILE …` (docs/operations.md)"
    )]
    NoFolder {
        /// The credential that was wanted.
        name: CredentialName,
    },
    /// There are others, but not this one.
    #[error("credential {name} is not in {}: add LoadCredentialEncrypted={name}:FILE to the unit of this process", folder.display())]
    Missing {
        /// The credential that was wanted.
        name: CredentialName,
        /// The folder of this process's credentials.
        folder: PathBuf,
    },
    /// The folder is not one that the service manager made.
    #[error("credentials: {0}")]
    Folder(#[from] TrustedFileError),
    /// The system's error.
    #[error("credential {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A folder, a device or a symbolic link.
    #[error("credential {} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Its owner or mode are not those of a credential.
    #[error(
        "credential {} belongs to user id {user} and has mode {mode:03o}, which is not what systemd gives a credential: mode \
         400 and this process's user, or root with an access control list that lets only this user read", path.display()
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its owner.
        user: u32,
        /// Its permission bits.
        mode: u32,
    },
}

/// Opens a credential of this process.
///
/// # Errors
/// [`CredentialError`] says what to do about it.
pub fn open(name: &CredentialName) -> Result<(PathBuf, File), CredentialError> {
    open_in(std::env::var_os(FOLDER), name)
}

fn open_in(folder: Option<OsString>, name: &CredentialName) -> Result<(PathBuf, File), CredentialError> {
    let folder = folder.map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = folder.ok_or_else(|| CredentialError::NoFolder { name: name.clone() })?;
    let opened = trusted_file::open(&folder, Others::MayRead)?;
    let path = folder.join(&name.0);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(&opened, name.0.as_str(), flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Err(CredentialError::Missing { name: name.clone(), folder }),
        Err(Errno::LOOP) => return Err(CredentialError::NotAFile { path }),
        Err(error) => return Err(CredentialError::Io { path, source: error.into() }),
    };
    check(&path, &file)?;
    Ok((path, file))
}

/// systemd either gives the file to the service's user, or, on a file system that has access control lists, lets it belong to
/// root and adds that user to its list.
fn check(path: &Path, file: &File) -> Result<(), CredentialError> {
    let failed = |source| CredentialError::Io { path: path.to_owned(), source };
    let metadata: Metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(CredentialError::NotAFile { path: path.to_owned() });
    }
    let (user, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let me = rustix::process::geteuid().as_raw();
    let is_private = match mode {
        0o400 => user == me,
        // The group bits of a file with a list are the list's mask.
        0o440 => {
            user == 0 && access_list(file).map_err(|error| failed(error.into()))? == Some(read_only_for(me))
        }
        _ => false,
    };
    if is_private { Ok(()) } else { Err(CredentialError::NotPrivate { path: path.to_owned(), user, mode }) }
}

/// An entry of an access control list: tag, permissions, user or group.
type Entry = (u16, u16, u32);

/// The list of a file that its owner and `user` may read, and nobody else.
fn read_only_for(user: u32) -> Vec<Entry> {
    vec![
        (OWNER, READ, NOBODY),
        (USER, READ, user),
        (GROUP, 0, NOBODY),
        (MASK, READ, NOBODY),
        (OTHER, 0, NOBODY),
    ]
}

/// The file's access control list, if it has one: a version, then entries of 8 bytes, in the order of their tags
/// (`linux/posix_acl_xattr.h`).
fn access_list(file: &File) -> Result<Option<Vec<Entry>>, Errno> {
    let mut buffer = [0; 4 + 8 * 16];
    let length = match fgetxattr(file, "system.posix_acl_access", &mut buffer) {
        Ok(length) => length,
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => return Ok(None),
        Err(error) => return Err(error),
    };
    let list = buffer.get(..length).and_then(|list| list.strip_prefix(&VERSION.to_le_bytes()));
    let entries = list.map(|list| list.as_chunks::<8>().0.iter().map(entry).collect());
    Ok(entries)
}

fn entry(&[t0, t1, p0, p1, u0, u1, u2, u3]: &[u8; 8]) -> Entry {
    (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([p0, p1]), u32::from_le_bytes([u0, u1, u2, u3]))
}

/// The variable with the folder of this process's credentials.
const FOLDER: &str = "CREDENTIALS_DIRECTORY";
// linux/posix_acl.h and linux/posix_acl_xattr.h.
const VERSION: u32 = 2;
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const READ: u16 = 4;
const NOBODY: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use rustix::fs::{XattrFlags, setxattr};
    use tempfile::TempDir;

    use super::*;

    const NAME: &str = "keyring";

    fn name() -> CredentialName {
        NAME.parse().unwrap()
    }

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// A folder as systemd makes it, with one credential.
    fn folder() -> TempDir {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(NAME), b"value").unwrap();
        set(&folder, 0o400);
        folder
    }

    fn set(folder: &TempDir, mode: u32) {
        fs::set_permissions(folder.path().join(NAME), Permissions::from_mode(mode)).unwrap();
    }

    fn opened(folder: &TempDir) -> Result<Vec<u8>, CredentialError> {
        let (_, mut file) = open_in(Some(folder.path().into()), &name())?;
        let mut value = Vec::new();
        file.read_to_end(&mut value).unwrap();
        Ok(value)
    }

    fn set_list(folder: &TempDir, list: &[Entry]) {
        let mut value = VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in list {
            value.extend(
                tag.to_le_bytes().into_iter().chain(permissions.to_le_bytes()).chain(id.to_le_bytes()),
            );
        }
        let path = folder.path().join(NAME);
        setxattr(&path, "system.posix_acl_access", &value, XattrFlags::empty())
            .expect("a file system with lists");
    }

    #[test]
    fn a_credential_of_this_user_is_opened() {
        assert_eq!(opened(&folder()).unwrap(), b"value");
    }

    #[test]
    fn t34_any_other_mode_or_owner_is_refused() {
        let folder = folder();
        for mode in [0o600, 0o440, 0o404, 0o444, 0o640, 0o500, 0o4400] {
            set(&folder, mode);
            let refused = opened(&folder).unwrap_err();
            let CredentialError::NotPrivate { mode: found, user, .. } = refused else {
                panic!("{mode:o}: {refused}")
            };
            assert_eq!((found, user), (mode, me()));
        }
        set(&folder, 0o400);
        // Only root can change the owner.
        if chown(folder.path().join(NAME), Some(65_534), None).is_ok() {
            let refused = opened(&folder).unwrap_err();
            assert!(
                matches!(refused, CredentialError::NotPrivate { user: 65_534, mode: 0o400, .. }),
                "{refused}"
            );
        }
    }

    /// As root, the only user who can set this up.
    #[test]
    fn a_list_lets_only_this_user_read() {
        if me() != 0 {
            return;
        }
        let folder = folder();
        set_list(&folder, &read_only_for(me()));
        assert_eq!(fs::metadata(folder.path().join(NAME)).unwrap().mode() & 0o777, 0o440);
        assert_eq!(opened(&folder).unwrap(), b"value");
        let with = |change: fn(&mut Vec<Entry>)| {
            let mut list = read_only_for(me());
            change(&mut list);
            set_list(&folder, &list);
            opened(&folder).unwrap_err().to_string()
        };
        let lists: [fn(&mut Vec<Entry>); 5] = [
            |list| list[1].2 = 65_534,
            |list| list.insert(2, (USER, READ, 65_534)),
            |list| list[2].1 = READ,
            |list| list[4].1 = READ,
            |list| list[1].1 = READ | 2,
        ];
        for change in lists {
            let said = with(change);
            assert!(said.contains("which is not what systemd gives a credential"), "{said}");
        }
    }

    #[test]
    fn what_is_not_there_or_no_file_is_named() {
        let folder = folder();
        let at = |folder: Option<&str>, name: &str| {
            open_in(folder.map(Into::into), &name.parse().unwrap()).unwrap_err().to_string()
        };
        for none in [None, Some(""), Some("credentials")] {
            let said = at(none, NAME);
            assert!(
                said.starts_with("credential keyring: this process was started without credentials"),
                "{said}"
            );
        }
        let place = folder.path().to_str();
        let said = at(place, "other");
        assert!(
            said.starts_with("credential other is not in ")
                && said.contains("LoadCredentialEncrypted=other:FILE")
        );
        symlink(folder.path().join(NAME), folder.path().join("link")).unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        for not_a_file in ["link", "folder"] {
            assert!(at(place, not_a_file).ends_with(" is not a regular file"));
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(at(place, NAME).contains("so other users may change it"));
    }

    #[test]
    fn names_are_plain() {
        for text in ["keyring", "a", "vouchsafe.keyring_2-x"] {
            assert_eq!(text.parse::<CredentialName>().unwrap().to_string(), text);
        }
        for text in ["", ".", "..", ".hidden", "a/b", "../keyring", "a b", "ä", "a:b", &"a".repeat(256)] {
            assert_eq!(text.parse::<CredentialName>(), Err(CredentialNameError), "{text}");
        }
    }
}
