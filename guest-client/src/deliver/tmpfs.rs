//! A tmpfs that is visible only to the command and its children.
//!
//! It is mounted at `/run/vouchsafe/RANDOM` in a separate mount namespace: other processes do not see the
//! directory, and the kernel unmounts it with the last process of the namespace, however that one ends. Later
//! mounts by the system also appear in the namespace; mounts by the command stay in it.

use std::ffi::CString;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;
use vouchsafe_protocol::PlaintextSecret;
use vouchsafe_protocol::limits::{MAX_PATHS, MAX_SECRET};

use super::private_file::{FileError, Owner, open_directory};

/// The mounted directory and its path.
pub(crate) struct PrivateTmpfs {
    directory: OwnedFd,
    path: PathBuf,
    owner: Owner,
}

/// Why no private tmpfs could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TmpfsError {
    #[error("a private tmpfs needs root (CAP_SYS_ADMIN); --file needs no privilege")]
    NotAllowed,
    #[error("private tmpfs: {0}")]
    Base(#[from] FileError),
    #[error("private tmpfs, {step}: {source}")]
    Kernel { step: &'static str, source: Errno },
    #[error("private tmpfs, writing {name}: {source}")]
    Write { name: String, source: std::io::Error },
}

impl PrivateTmpfs {
    /// Moves this process to a new mount namespace and mounts the tmpfs there, for `owner`, by default the
    /// caller.
    pub(super) fn mount(owner: Option<Owner>) -> Result<Self, TmpfsError> {
        let caller = Owner { user: geteuid().as_raw(), group: getegid().as_raw() };
        let owner = owner.unwrap_or(caller);
        leave_namespace()?;
        let base = base()?;
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).expect("the operating system has randomness");
        let name = hex::encode(random);
        mkdirat(&base, &name, Mode::RWXU).map_err(kernel("making its directory"))?;
        let place = directory(&base, &name)?;
        let options = format!("mode=0700,uid={},gid={},size={SIZE},nr_inodes=64", owner.user, owner.group);
        mount_tmpfs(&place, &options)?;
        // The old descriptor refers to the directory underneath the mount.
        let directory = directory(&base, &name)?;
        Ok(Self { directory, path: Path::new(BASE).join(name), owner })
    }

    /// Writes a secret to a new file `name`, readable by the owner, and returns its path.
    pub(super) fn write(&self, name: &str, secret: &PlaintextSecret) -> Result<PathBuf, TmpfsError> {
        let failed = |source| TmpfsError::Write { name: name.to_owned(), source };
        let kernel = |errno: Errno| failed(errno.into());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.directory, name, flags, Mode::RUSR).map_err(kernel)?;
        fchmod(&file, Mode::RUSR).map_err(kernel)?;
        let Owner { user, group } = self.owner;
        fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group))).map_err(kernel)?;
        std::fs::File::from(file).write_all(secret.expose()).map_err(failed)?;
        Ok(self.path.join(name))
    }
}

/// Moves this process to a new mount namespace. Its mounts do not propagate to the system; later mounts by
/// the system still propagate to it.
#[expect(unsafe_code, reason = "rustix has no safe call for it")]
fn leave_namespace() -> Result<(), TmpfsError> {
    // SAFETY: unsharing the table of descriptors would be unsafe; this only unshares mounts.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.map_err(|errno| match errno {
        Errno::PERM => TmpfsError::NotAllowed,
        source => TmpfsError::Kernel { step: "leaving the mount namespace", source },
    })?;
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", flags).map_err(kernel("keeping mounts private"))
}

/// The parent directory of all private tmpfs: a small tmpfs in this namespace, so that nothing is left in
/// `/run`. A nested `exec` uses the existing one.
fn base() -> Result<OwnedFd, TmpfsError> {
    match mkdirat(CWD, BASE, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(kernel("making /run/vouchsafe")(errno)),
    }
    let base = open_directory(Path::new(BASE), None)?;
    let run = open_directory(Path::new("/run"), None)?;
    let device = |fd: &OwnedFd| fstat(fd).map(|status| status.st_dev).map_err(kernel("looking at /run"));
    if device(&base)? != device(&run)? {
        return Ok(base);
    }
    mount_tmpfs(&base, "mode=0711,size=64k,nr_inodes=256")?;
    Ok(open_directory(Path::new(BASE), None)?)
}

fn directory(base: &OwnedFd, name: &str) -> Result<OwnedFd, TmpfsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(base, name, flags, Mode::empty()).map_err(kernel("opening its directory"))
}

/// Mounts a tmpfs on an open directory, if possible with `noswap` (Linux 6.4).
fn mount_tmpfs(place: impl AsFd, options: &str) -> Result<(), TmpfsError> {
    let target = format!("/proc/self/fd/{}", place.as_fd().as_raw_fd());
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    let attempt = |options: String| {
        let options = CString::new(options).expect("numbers and words only");
        mount("vouchsafe", &target, "tmpfs", flags, options.as_c_str())
    };
    match attempt(format!("{options},noswap")) {
        Err(Errno::INVAL) => attempt(options.to_owned()),
        outcome => outcome,
    }
    .map_err(|errno| match errno {
        Errno::PERM => TmpfsError::NotAllowed,
        source => TmpfsError::Kernel { step: "mounting it", source },
    })
}

fn kernel(step: &'static str) -> impl Fn(Errno) -> TmpfsError {
    move |source| TmpfsError::Kernel { step, source }
}

const BASE: &str = vouchsafe_guest_client::boot::RUNTIME_FOLDER;
/// Twice the size of the largest release, since each secret is rounded up to whole pages.
const SIZE: usize = 2 * MAX_PATHS * MAX_SECRET;
