//! Encrypted volumes, made without a device mapper: cryptsetup writes the LUKS2 header around a volume key that
//! is given to it, and the content is encrypted here.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::debian::Debian;
use super::xts;
use crate::disk::Lab;

/// Makes a small system with this first program: its file system.
pub(super) fn system(lab: &Lab, debian: &Debian, marker: &str, init: &str) -> anyhow::Result<Vec<u8>> {
    let content = content(debian)?;
    fill(lab, debian, &content, marker, init)?;
    file_system(debian, SIZE)
}

/// The empty folder that [`file_system`] takes.
pub(super) fn content(debian: &Debian) -> anyhow::Result<PathBuf> {
    let content = debian.path("srv/content");
    if content.exists() {
        fs::remove_dir_all(&content)?;
    }
    fs::create_dir_all(&content)?;
    Ok(content)
}

/// A file system with all that is in the folder.
pub(super) fn file_system(debian: &Debian, size: &str) -> anyhow::Result<Vec<u8>> {
    debian.run(["mke2fs", "-q", "-t", "ext4", "-F", "-d", "/srv/content", "/srv/plain", size])?;
    let plain = debian.path("srv/plain");
    let system = fs::read(&plain)?;
    fs::remove_file(plain)?;
    Ok(system)
}

/// Makes a LUKS2 volume with a key slot for this passphrase, and with this content, which is a multiple of 512 bytes. `change` may
/// then change its header, at [`VOLUME`] in the system; the passphrase is in [`KEY`]. The header before that is kept in [`before`].
pub(super) fn encrypted(
    lab: &Lab,
    debian: &Debian,
    uuid: &str,
    passphrase: &[u8],
    change: impl FnOnce() -> anyhow::Result<()>,
    mut content: Vec<u8>,
) -> anyhow::Result<PathBuf> {
    let mut volume_key = [0; 64];
    aws_lc_rs::rand::fill(&mut volume_key)?;
    xts::encrypt(&mut content, &volume_key);

    let volume = debian.path(VOLUME);
    fs::File::create(&volume)?.set_len(DATA_OFFSET + u64::try_from(content.len())?)?;
    fs::write(debian.path(KEY), passphrase)?;
    fs::write(debian.path("srv/volume-key"), volume_key)?;
    let uuid_option = ["--uuid", uuid];
    debian.run(FORMAT.iter().chain(&uuid_option))?;
    let file = lab.work.join(uuid);
    let mut header = vec![0; usize::try_from(DATA_OFFSET)?];
    fs::File::open(&volume)?.read_exact(&mut header)?;
    fs::write(before(&file), header)?;
    change()?;
    for secret in [KEY, "srv/volume-key"] {
        fs::remove_file(debian.path(secret))?;
    }
    fs::copy(&volume, &file)?;
    fs::remove_file(volume)?;
    fs::File::options().write(true).open(&file)?.write_all_at(&content, DATA_OFFSET)?;
    Ok(file)
}

/// The header of a volume before its last change.
pub(super) fn before(volume: &Path) -> PathBuf {
    volume.with_extension("before")
}

/// A change of the header: a key slot for a recovery code, as `vouchsafe-guest luks enroll --recovery` makes it.
pub(super) fn with_recovery(debian: &Debian, code: &str) -> anyhow::Result<()> {
    fs::write(debian.path("srv/code"), code)?;
    debian.run(ADD)?;
    Ok(fs::remove_file(debian.path("srv/code"))?)
}

/// The files of the small system.
pub(super) fn fill(
    lab: &Lab,
    debian: &Debian,
    content: &Path,
    marker: &str,
    init: &str,
) -> anyhow::Result<()> {
    for folder in ["bin", "sbin", "dev", "proc", "run", "sys", "tmp", "etc", "root"] {
        fs::create_dir_all(content.join(folder))?;
    }
    for file in debian.guest_files()? {
        copy(&debian.path(&file), &content.join(&file))?;
    }
    for file in fs::read_dir(debian.path("etc/vouchsafe"))? {
        let file = file?;
        copy(&file.path(), &content.join("etc/vouchsafe").join(file.file_name()))?;
    }
    copy(&lab.file("bin/busybox"), &content.join("bin/busybox"))?;
    for applet in ["sh", "cat", "dmesg", "grep", "ip", "mount", "poweroff", "tail", "tr", "wc"] {
        symlink("busybox", content.join("bin").join(applet))?;
    }
    fs::write(content.join("etc/marker"), marker)?;
    fs::write(content.join("sbin/init"), init)?;
    Ok(fs::set_permissions(content.join("sbin/init"), fs::Permissions::from_mode(0o755))?)
}

pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to.parent().context("a folder")?)?;
    fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
    Ok(())
}

/// Reports what it is, and then asks for the key again.
pub(super) const INIT: &str = include_str!("init.sh");
/// Size of the small file system.
const SIZE: &str = "48M";
/// Where the encrypted data begins: cryptsetup's default for LUKS2.
pub(super) const DATA_OFFSET: u64 = 16 << 20;
/// Where a volume is made, and its first passphrase: paths in the system.
pub(super) const VOLUME: &str = "srv/volume";
pub(super) const KEY: &str = "srv/key";
/// The costs of a recovery code's slot.
const ADD: [&str; 14] = [
    "cryptsetup",
    "luksAddKey",
    "--batch-mode",
    "--pbkdf",
    "argon2id",
    "--pbkdf-memory",
    "65536",
    "--pbkdf-parallel",
    "1",
    "--pbkdf-force-iterations=4",
    "--key-file",
    "/srv/key",
    "/srv/volume",
    "/srv/code",
];
/// A random key of 32 bytes gains nothing from a slow derivation.
const FORMAT: [&str; 20] = [
    "cryptsetup",
    "luksFormat",
    "--batch-mode",
    "--type",
    "luks2",
    "--cipher",
    "aes-xts-plain64",
    "--key-size",
    "512",
    "--sector-size",
    "512",
    "--pbkdf",
    "pbkdf2",
    "--pbkdf-force-iterations",
    "1000",
    "--volume-key-file",
    "/srv/volume-key",
    "--key-file",
    "/srv/key",
    "/srv/volume",
];
