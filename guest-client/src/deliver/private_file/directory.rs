//! Opens a directory that no other user can replace or redirect.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{FileError, Owner};

/// Who may change the folder of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    /// Only root, the caller and the owner of the file, so no other user can replace the file.
    Trusted,
    /// Anybody. Only for a file that nothing relies on when it is read again.
    Any,
}

/// Opens `path` component by component. Each directory on the way must belong to root, the caller or `owner`,
/// and may be writable for others only if it is root's or the caller's and sticky, as `/tmp`; links on the
/// way must be root's or the caller's.
///
/// # Errors
/// [`FileError::SharedDirectory`], [`FileError::ForeignLink`], or the kernel's error.
pub(crate) fn open_directory(path: &Path, owner: Option<Owner>) -> Result<OwnedFd, FileError> {
    open_folder(path, owner, Folder::Trusted)
}

/// Like `open_directory`, but [`Folder::Any`] accepts directories of other users. Their links are not
/// followed either.
pub(super) fn open_folder(path: &Path, owner: Option<Owner>, folder: Folder) -> Result<OwnedFd, FileError> {
    let absolute =
        std::path::absolute(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
    let mut walk = Walk::start(owner, folder)?;
    let mut rest = parts(&absolute);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match walk.enter(&part)? {
            None => {}
            Some(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io(&walk.shown, Errno::LOOP));
                }
                if target.is_absolute() {
                    walk = Walk::start(owner, folder)?;
                }
                rest.extend(parts(&target));
            }
        }
    }
    // Opened again: the descriptor of the walk cannot be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(&walk.current, ".", flags, Mode::empty()).map_err(|errno| io(&walk.shown, errno))
}

/// Whether a user could read or replace the file anyway: root, the caller, and its owner.
pub(super) fn trusts(user: u32, owner: Option<Owner>) -> bool {
    trusts_fully(user) || owner.is_some_and(|owner| owner.user == user)
}

fn trusts_fully(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// A position in the directory tree, and the path to it.
struct Walk {
    owner: Option<Owner>,
    folder: Folder,
    current: OwnedFd,
    status: Stat,
    shown: PathBuf,
}

impl Walk {
    fn start(owner: Option<Owner>, folder: Folder) -> Result<Self, FileError> {
        let shown = PathBuf::from("/");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let current = openat(CWD, "/", flags, Mode::empty()).map_err(|errno| io(&shown, errno))?;
        let status = fstat(&current).map_err(|errno| io(&shown, errno))?;
        let walk = Self { owner, folder, current, status, shown };
        walk.check()?;
        Ok(walk)
    }

    /// Enters the directory `part`, or returns the target if it is a link.
    fn enter(&mut self, part: &OsString) -> Result<Option<PathBuf>, FileError> {
        let shown = self.shown.join(part);
        let failed = |errno| io(&shown, errno);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = openat(&self.current, part, flags, Mode::empty()).map_err(failed)?;
        let status = fstat(&next).map_err(failed)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Symlink => {
                // A user who can change the folder can put any link there, and rename one of root's into it.
                if !trusts_fully(self.status.st_uid) || self.is_shared() {
                    return Err(FileError::ForeignLink { path: shown, user: self.status.st_uid });
                }
                if !trusts_fully(status.st_uid) {
                    return Err(FileError::ForeignLink { path: shown, user: status.st_uid });
                }
                let target = readlinkat(&next, "", vec![]).map_err(failed)?;
                Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes()))))
            }
            FileType::Directory => {
                (self.current, self.status, self.shown) = (next, status, shown);
                self.check()?;
                Ok(None)
            }
            _ => Err(failed(Errno::NOTDIR)),
        }
    }

    fn check(&self) -> Result<(), FileError> {
        let Stat { st_uid: user, st_mode: mode, .. } = self.status;
        let trusted = trusts(user, self.owner) && !self.is_shared();
        if trusted || self.folder == Folder::Any {
            return Ok(());
        }
        Err(FileError::SharedDirectory { path: self.shown.clone(), user, mode: mode & 0o7777 })
    }

    /// Whether users other than its owner can replace its entries.
    fn is_shared(&self) -> bool {
        let Stat { st_uid: user, st_mode: mode, .. } = self.status;
        let sticky = mode & 0o1000 != 0 && trusts_fully(user);
        mode & 0o022 != 0 && !sticky
    }
}

/// The components of `path`, last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    names.reverse();
    names
}

fn io(path: &Path, errno: Errno) -> FileError {
    FileError::Io { path: path.to_owned(), source: errno.into() }
}

/// The kernel's limit, `path_resolution(7)`.
const MAX_LINKS: u32 = 40;
