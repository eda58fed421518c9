//! Why a private file could not be written.

use std::io;
use std::path::PathBuf;

/// Why a private file could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The path ends in `/`, `.` or `..`.
    #[error("{} names no file", path.display())]
    NoName {
        /// As given.
        path: PathBuf,
    },
    /// A directory on the way can be changed by another user.
    #[error(
        "{}: others may change this folder (owner {user}, mode {mode:04o}); use one that only root or the file's owner may write",
        path.display()
    )]
    SharedDirectory {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        user: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link on the way that another user could have made.
    #[error("{}: a symbolic link that user {user} could have made", path.display())]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// The user that controls it.
        user: u32,
    },
    /// The name exists as a symbolic link.
    #[error("{} is a symbolic link; name the file itself", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The name exists as a directory, pipe, socket or device.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The existing file.
        path: PathBuf,
    },
    /// The name exists as a file of another user.
    #[error("{} belongs to user {user}; remove it, or name that user as the owner", path.display())]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        user: u32,
    },
    /// Only root can give files to another user.
    #[error("{}: only root may make files for another user or group", path.display())]
    NotAllowed {
        /// The file.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file, or a directory on the way to it.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
}
