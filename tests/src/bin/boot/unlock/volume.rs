//! The encrypted root file system, made without a device mapper: cryptsetup writes the LUKS2 header around a
//! volume key that is given to it, and the file system is encrypted here.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::debian::Debian;
use super::xts;
use crate::disk::Lab;

/// Makes the volume: a small system whose init reports what it is, and then asks for the key again.
pub(super) fn make(lab: &Lab, debian: &Debian, key: &[u8; 32], marker: &str) -> anyhow::Result<PathBuf> {
    let content = debian.path("srv/content");
    if content.exists() {
        fs::remove_dir_all(&content)?;
    }
    system(lab, debian, &content, marker)?;
    debian.run(["mke2fs", "-q", "-t", "ext4", "-F", "-d", "/srv/content", "/srv/plain", SIZE])?;
    let mut system = fs::read(debian.path("srv/plain"))?;
    let mut volume_key = [0; 64];
    aws_lc_rs::rand::fill(&mut volume_key)?;
    xts::encrypt(&mut system, &volume_key);

    let volume = debian.path("srv/volume");
    let size = DATA_OFFSET + u64::try_from(system.len())?;
    fs::File::create(&volume)?.set_len(size)?;
    fs::write(debian.path("srv/key"), key)?;
    fs::write(debian.path("srv/volume-key"), volume_key)?;
    debian.run(FORMAT)?;
    for secret in ["srv/key", "srv/volume-key", "srv/plain"] {
        fs::remove_file(debian.path(secret))?;
    }
    let header = fs::read(&volume)?.into_iter().take(usize::try_from(DATA_OFFSET)?);
    lab.write("volume", &header.chain(system).collect::<Vec<_>>())
}

/// The files of the system.
fn system(lab: &Lab, debian: &Debian, content: &Path, marker: &str) -> anyhow::Result<()> {
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
    for applet in ["sh", "cat", "grep", "ip", "poweroff", "tail", "tr", "wc"] {
        symlink("busybox", content.join("bin").join(applet))?;
    }
    fs::write(content.join("etc/marker"), marker)?;
    fs::write(content.join("sbin/init"), INIT)?;
    Ok(fs::set_permissions(content.join("sbin/init"), fs::Permissions::from_mode(0o755))?)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to.parent().context("a folder")?)?;
    fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
    Ok(())
}

/// The first program of the encrypted system.
const INIT: &str = include_str!("init.sh");
/// Size of the file system.
const SIZE: &str = "48M";
/// Where the encrypted data begins: cryptsetup's default for LUKS2.
const DATA_OFFSET: u64 = 16 << 20;
/// A random key of 32 bytes gains nothing from a slow derivation.
const FORMAT: [&str; 22] = [
    "cryptsetup",
    "luksFormat",
    "--batch-mode",
    "--type",
    "luks2",
    "--uuid",
    super::UUID,
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
