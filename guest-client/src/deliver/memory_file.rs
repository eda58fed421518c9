//! Secrets in sealed memfds.

use std::os::fd::OwnedFd;

use rustix::fs::{
    Gid, MemfdFlags, Mode, SealFlags, SeekFrom, Uid, fchmod, fchown, fcntl_add_seals, memfd_create, seek,
};
use rustix::io::Errno;
use vouchsafe_protocol::PlaintextSecret;

use super::private_file::Owner;

/// A sealed memfd with the secret. The command inherits it; only the file's owner, by default the caller, may
/// read it.
pub(crate) fn memory_file(secret: &PlaintextSecret, owner: Option<Owner>) -> Result<OwnedFd, Errno> {
    let file = memfd_create("vouchsafe", MemfdFlags::ALLOW_SEALING)?;
    fchmod(&file, Mode::RUSR)?;
    if let Some(Owner { user, group }) = owner {
        fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    }
    let mut rest = secret.expose();
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    seek(&file, SeekFrom::Start(0))?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, read};
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn t34_a_memory_file_is_sealed_and_only_its_owner_may_read_it() {
        let secret = PlaintextSecret::new(b"k\0ey".to_vec()).unwrap();
        let file = memory_file(&secret, None).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert_eq!(read(&path).unwrap(), b"k\0ey");
        let mut file = File::from(file);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o400);
        assert_eq!(rustix::io::write(&file, b"x").unwrap_err(), Errno::PERM);
        let mut inherited = Vec::new();
        file.read_to_end(&mut inherited).unwrap();
        assert_eq!(inherited, b"k\0ey");
    }
}
