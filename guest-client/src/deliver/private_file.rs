//! Writes files that only their owner may read, completely or not at all.
//!
//! Guaranteed: a file appears under its name with all of its content, synced to disk, or the previous file
//! stays. It has the requested permissions whatever the umask, and never wider ones in between. No symbolic
//! link that another user could have made is followed. In a [`Folder::Trusted`] no other user can replace the
//! file. Not guaranteed: anything on file systems without owners and permissions, such as FAT.

mod directory;
mod error;

use std::ffi::OsString;
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub(crate) use directory::{Folder, open_directory};
use directory::{open_folder, trusts};
pub(crate) use error::FileError;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, fsync, linkat, openat, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;

/// Permission bits of a file: reading and writing by owner and group, none for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permissions(u32);

/// The text is not a set of permissions that a private file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected octal permissions that give others nothing, such as 0400, 0600 or 0640")]
pub(crate) struct PermissionsError;

/// The owner of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Numeric user id.
    pub(crate) user: u32,
    /// Numeric group id.
    pub(crate) group: u32,
}

/// A path for a private file.
#[derive(Debug)]
pub(crate) struct Destination {
    path: PathBuf,
    directory: OwnedFd,
    name: OsString,
    permissions: Permissions,
    owner: Option<Owner>,
    folder: Folder,
}

impl Permissions {
    /// 0600.
    pub(crate) const OWNER: Self = Self(0o600);

    fn mode(self) -> Mode {
        Mode::from_raw_mode(self.0)
    }
}

impl FromStr for Permissions {
    type Err = PermissionsError;

    fn from_str(text: &str) -> Result<Self, PermissionsError> {
        let octal = text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && mode & !0o660 == 0);
        // Without this bit its owner could not read it.
        mode.filter(|mode| mode & 0o400 != 0).map(Self).ok_or(PermissionsError)
    }
}

impl Destination {
    /// Checks everything that can be checked before writing: the folder, an existing file with the name, and
    /// that a file with these permissions and this owner can be made. `owner` is the owner of the new file,
    /// by default the caller.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn open(
        path: &Path,
        permissions: Permissions,
        owner: Option<Owner>,
        folder: Folder,
    ) -> Result<Self, FileError> {
        let no_name = || FileError::NoName { path: path.to_owned() };
        let name = path.file_name().filter(|_| !path.as_os_str().as_bytes().ends_with(b"/"));
        let name = name.ok_or_else(no_name)?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = open_folder(parent.unwrap_or(Path::new(".")), owner, folder)?;
        let destination = Self { path: path.to_owned(), directory, name, permissions, owner, folder };
        destination.check_present()?;
        drop(destination.create()?);
        Ok(destination)
    }

    /// The path as given.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are the same name in the same directory, however they are written.
    #[must_use]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let place = |one: &Self| fstat(&one.directory).ok().map(|status| (status.st_dev, status.st_ino));
        self.name == other.name && place(self) == place(other)
    }

    /// Writes `bytes` to a file without a name, or with a temporary one if the file system requires names.
    ///
    /// # Errors
    /// [`FileError::Io`]; nothing is left behind then.
    pub(crate) fn stage(&self, bytes: &[u8]) -> Result<Staged<'_>, FileError> {
        let staged = self.create()?;
        std::fs::File::from(staged.file.try_clone().map_err(|source| self.failed(source))?)
            .write_all(bytes)
            .map_err(|source| self.failed(source))?;
        fsync(&staged.file).map_err(|errno| self.failed(errno.into()))?;
        Ok(staged)
    }

    /// Writes the whole file: [`Self::stage`] and [`Staged::commit`].
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), FileError> {
        self.stage(bytes)?.commit()
    }

    /// A new file with the final owner and permissions.
    fn create(&self) -> Result<Staged<'_>, FileError> {
        let failed = |errno: Errno| self.failed(errno.into());
        let staged = match self.create_unnamed() {
            // File systems without O_TMPFILE, and older kernels.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => self.create_named(),
            outcome => outcome,
        }
        .map_err(failed)?;
        if let Some(Owner { user, group }) = self.owner {
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            fchown(&staged.file, Some(user), Some(group)).map_err(|errno| match errno {
                Errno::PERM => FileError::NotAllowed { path: self.path.clone() },
                other => failed(other),
            })?;
        }
        fchmod(&staged.file, self.permissions.mode()).map_err(failed)?;
        Ok(staged)
    }

    /// Disappears with its descriptor, even if the program is killed.
    fn create_unnamed(&self) -> Result<Staged<'_>, Errno> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&self.directory, ".", flags, Permissions::OWNER.mode())?;
        Ok(Staged { destination: self, file, temporary: None })
    }

    fn create_named(&self) -> Result<Staged<'_>, Errno> {
        let temporary = temporary_name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.directory, &temporary, flags, Permissions::OWNER.mode())?;
        Ok(Staged { destination: self, file, temporary: Some(temporary) })
    }

    /// Checks that an existing file may be replaced: a regular file, in a trusted folder one of a trusted
    /// user.
    fn check_present(&self) -> Result<(), FileError> {
        let path = || self.path.clone();
        let status = match statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => status,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(self.failed(errno.into())),
        };
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Symlink => Err(FileError::Link { path: path() }),
            FileType::RegularFile if trusts(status.st_uid, self.owner) || self.folder == Folder::Any => {
                Ok(())
            }
            FileType::RegularFile => Err(FileError::ForeignOwner { path: path(), user: status.st_uid }),
            _ => Err(FileError::NotRegular { path: path() }),
        }
    }

    fn failed(&self, source: std::io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), source }
    }
}

/// A file that does not have its name yet. If dropped, it is removed.
#[derive(Debug)]
#[must_use]
pub(crate) struct Staged<'d> {
    destination: &'d Destination,
    file: OwnedFd,
    temporary: Option<String>,
}

impl Staged<'_> {
    /// Gives the file its name, replacing an existing one.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn commit(mut self) -> Result<(), FileError> {
        self.destination.check_present()?;
        self.rename().map_err(|errno| self.destination.failed(errno.into()))
    }

    fn rename(&mut self) -> Result<(), Errno> {
        let Destination { directory, name, .. } = self.destination;
        let temporary = match &self.temporary {
            Some(temporary) => temporary.clone(),
            None => {
                // A link cannot replace a file; renaming can.
                let temporary = temporary_name();
                let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                linkat(CWD, file.as_str(), directory, temporary.as_str(), AtFlags::SYMLINK_FOLLOW)?;
                self.temporary.insert(temporary).clone()
            }
        };
        renameat(directory, temporary, directory, name)?;
        self.temporary = None;
        fsync(directory)
    }
}

/// An unpredictable name, which no other user can have made before.
fn temporary_name() -> String {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).expect("the operating system has randomness");
    format!(".vouchsafe-{}", hex::encode(random))
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // The error cannot be reported any more.
            let _ = unlinkat(self.destination.directory.as_fd(), temporary, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
