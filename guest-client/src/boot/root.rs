//! Whether the root file system that is about to run was unlocked by attestation.
//!
//! A recovery passphrase opens whatever volume it fits, also one that the host has put in the place of the VM's own, and a root file
//! system that is found by its label may be on no encrypted volume at all. The boot chain measures neither.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor, stat};

/// Why the root file system does not count as unlocked by attestation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUnlocked {
    /// A recovery passphrase was asked for, so a volume may have been opened with it.
    #[error("a recovery passphrase was asked for")]
    Recovery,
    /// No file system is mounted there.
    #[error("no file system is mounted at {}", .0.display())]
    NotMounted(PathBuf),
    /// It is on a device that is no volume of the initrd.
    #[error("the root file system is on {device}, which is no volume of the stage `initrd` in guest.toml")]
    Elsewhere {
        /// Name of the device.
        device: String,
    },
}

/// Checks the file system that is mounted at `mount`, and that nobody was asked for a passphrase. `volumes` are those of the initrd.
/// Files of the kernel are read below `root`, normally `/`.
///
/// # Errors
/// [`NotUnlocked`], also where the kernel does not say what is below the file system.
pub fn check_root(root: &Path, mount: &Path, volumes: &[&str]) -> Result<(), NotUnlocked> {
    if root.join(RUNTIME_FOLDER.trim_start_matches('/')).join(RECOVERY_MARK).exists() {
        return Err(NotUnlocked::Recovery);
    }
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    let device = mounts.lines().filter_map(|line| mounted(line, mount)).next_back();
    let device = device.ok_or_else(|| NotUnlocked::NotMounted(mount.to_owned()))?;
    check_device(&root.join("sys/dev/block").join(device), volumes, DEPTH)
}

/// The number of the device of a line of mountinfo (proc(5)), if it is about this place. File systems with several devices, such as
/// btrfs, have a number of their own, but name a device.
fn mounted(line: &str, mount: &Path) -> Option<String> {
    let (fields, source) = line.split_once(" - ")?;
    let mut fields = fields.split(' ').skip(2);
    let (number, place) = (fields.next()?, fields.nth(1)?);
    if Path::new(place) != mount {
        return None;
    }
    if !number.starts_with("0:") {
        return Some(number.to_owned());
    }
    let device = stat(source.split(' ').nth(1)?).ok()?.st_rdev;
    Some(format!("{}:{}", major(device), minor(device)))
}

/// A volume, or something that consists of volumes alone, such as a logical volume.
fn check_device(device: &Path, volumes: &[&str], depth: usize) -> Result<(), NotUnlocked> {
    let text = |file: &str| Some(fs::read_to_string(device.join(file)).ok()?.trim().to_owned());
    let name = text("dm/name");
    let elsewhere = || {
        let number = device.file_name().map(|name| name.to_string_lossy().into_owned());
        NotUnlocked::Elsewhere { device: name.clone().or(number).unwrap_or_default() }
    };
    if text("dm/uuid").is_some_and(|uuid| uuid.starts_with("CRYPT-LUKS2-")) {
        let is_ours = name.as_deref().is_some_and(|name| volumes.contains(&name));
        return if is_ours { Ok(()) } else { Err(elsewhere()) };
    }
    let parts: Vec<_> = fs::read_dir(device.join("slaves")).into_iter().flatten().flatten().collect();
    if parts.is_empty() || depth == 0 {
        return Err(elsewhere());
    }
    parts.iter().try_for_each(|part| check_device(&part.path(), volumes, depth - 1))
}

/// What the guest keeps between its commands of one boot. Nobody but root may change anything in it.
pub const RUNTIME_FOLDER: &str = "/run/vouchsafe";
/// A file of this folder that exists once somebody was asked for a recovery passphrase in this initrd. Written by the keyscript of
/// initramfs-tools, and by `serve-keys` when it refuses a volume's key.
pub const RECOVERY_MARK: &str = "recovery";
/// Layers of devices above a volume.
const DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A machine on whose volume `root` a file system is mounted at /root.
    fn unlocked() -> TempDir {
        let root = TempDir::new().unwrap();
        write(
            &root,
            "proc/self/mountinfo",
            "22 1 0:21 / /run rw - tmpfs run rw\n30 1 254:0 / /root ro,relatime - ext4 /dev/mapper/root ro\n",
        );
        write(&root, "sys/dev/block/254:0/dm/uuid", "CRYPT-LUKS2-7c1f3c1e7d7f4ad09c3c2f1d0a6b9e01-root\n");
        write(&root, "sys/dev/block/254:0/dm/name", "root\n");
        write(&root, "sys/dev/block/254:0/slaves/vda2/partition", "2\n");
        root
    }

    fn write(root: &TempDir, path: &str, text: &str) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn check(root: &TempDir) -> Result<(), NotUnlocked> {
        check_root(root.path(), Path::new("/root"), &["root", "var"])
    }

    fn elsewhere(device: &str) -> Result<(), NotUnlocked> {
        Err(NotUnlocked::Elsewhere { device: device.to_owned() })
    }

    #[test]
    fn t31_a_root_on_an_unlocked_volume_counts() {
        let root = unlocked();
        assert_eq!(check(&root), Ok(()));
        // Logical volumes on it, too.
        write(&root, "proc/self/mountinfo", "30 1 254:2 / /root ro - ext4 /dev/mapper/vg-root ro\n");
        write(&root, "sys/dev/block/254:2/dm/uuid", "LVM-abc\n");
        write(&root, "sys/dev/block/254:2/dm/name", "vg-root\n");
        fs::create_dir(root.path().join("sys/dev/block/254:2/slaves")).unwrap();
        symlink("../../254:0", root.path().join("sys/dev/block/254:2/slaves/dm-0")).unwrap();
        assert_eq!(check(&root), Ok(()));
        // But not if they are partly elsewhere.
        write(&root, "sys/dev/block/254:2/slaves/vdb/size", "1\n");
        assert_eq!(check(&root), elsewhere("vdb"));
    }

    #[test]
    fn t31_a_passphrase_that_was_asked_for_is_a_recovery() {
        let root = unlocked();
        write(&root, "run/vouchsafe/recovery", "");
        assert_eq!(check(&root), Err(NotUnlocked::Recovery));
    }

    #[test]
    fn t31_a_root_without_encryption_is_the_hosts() {
        let root = unlocked();
        // Also one that is mounted over the right one.
        let mounts = root.path().join("proc/self/mountinfo");
        let more = fs::read_to_string(&mounts).unwrap() + "31 30 252:1 / /root ro - ext4 /dev/vdb1 ro\n";
        fs::write(&mounts, more).unwrap();
        write(&root, "sys/dev/block/252:1/partition", "1\n");
        assert_eq!(check(&root), elsewhere("252:1"));
    }

    #[test]
    fn t31_other_volumes_do_not_count() {
        for (file, text, device) in [
            ("dm/name", "other", "other"),
            ("dm/uuid", "CRYPT-PLAIN-root", "vda2"),
            ("dm/uuid", "CRYPT-LUKS1-7c1f3c1e7d7f4ad09c3c2f1d0a6b9e01-root", "vda2"),
        ] {
            let root = unlocked();
            write(&root, &format!("sys/dev/block/254:0/{file}"), text);
            assert_eq!(check(&root), elsewhere(device), "{text}");
        }
    }

    #[test]
    fn t31_without_a_root_nothing_is_unlocked() {
        let root = unlocked();
        write(&root, "proc/self/mountinfo", "22 1 0:21 / /run rw - tmpfs run rw\n");
        assert_eq!(check(&root), Err(NotUnlocked::NotMounted("/root".into())));
        fs::remove_dir_all(root.path().join("proc")).unwrap();
        assert_eq!(check(&root), Err(NotUnlocked::NotMounted("/root".into())));
    }
}
