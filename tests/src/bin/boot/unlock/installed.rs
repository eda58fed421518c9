//! An encrypted system that is a whole Debian 13: systemd in the initrd, made by dracut, and after it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::debian::Debian;
use super::volume;
use crate::disk::{Lab, run};

/// What is on its disks, and what only its secrets open.
pub(super) struct Secrets<'a> {
    /// A text in the root file system.
    pub(super) marker: &'a str,
    /// A text at the start of the data volume.
    pub(super) data_marker: &'a str,
    pub(super) key: &'a [u8; 32],
    pub(super) data_key: &'a [u8; 32],
    pub(super) recovery: &'a str,
}

/// Makes the volumes of the root file system and of the data.
pub(super) fn volumes(lab: &Lab, debian: &Debian, secrets: &Secrets<'_>) -> anyhow::Result<Vec<PathBuf>> {
    let content = volume::content(debian)?;
    copy_system(debian, &content)?;
    for (file, text) in FILES {
        let file = content.join(file);
        fs::create_dir_all(file.parent().context("a folder")?)?;
        fs::write(file, text)?;
    }
    fs::write(content.join("etc/marker"), secrets.marker)?;
    fs::write(content.join("etc/crypttab"), format!("{}{}", crypttab(), data_crypttab()))?;
    let enable = [
        "systemd-networkd.service",
        "remote-cryptsetup.target",
        "vouchsafe-serve-keys.socket",
        "vouchsafe-header@data.service",
        "report.service",
    ];
    debian.run(["systemctl", "--quiet", "--root=/srv/content", "enable"].iter().chain(&enable))?;
    // A prompt for a login would come between the lines of the report.
    debian.run(["systemctl", "--quiet", "--root=/srv/content", "mask", "serial-getty@ttyS0.service"])?;
    let system = volume::file_system(debian, SIZE)?;
    let recovery = || volume::with_recovery(debian, secrets.recovery);
    let root = volume::encrypted(lab, debian, super::UUID, secrets.key, recovery, system)?;
    let mut data = vec![0; 1 << 20];
    data.splice(..secrets.data_marker.len(), secrets.data_marker.bytes());
    let data = volume::encrypted(lab, debian, DATA_UUID, secrets.data_key, recovery, data)?;
    Ok(vec![root, data])
}

/// The line for the initrd. Emulated disks take long to appear.
pub(super) fn crypttab() -> String {
    let options = "luks,x-initrd.attach,header=/run/vouchsafe/root.header,x-systemd.device-timeout=180";
    format!("root UUID={} /run/vouchsafe/keys.sock {options}\n", super::UUID)
}

/// A volume that needs the network of the system.
fn data_crypttab() -> String {
    format!("data UUID={DATA_UUID} /run/vouchsafe/keys.sock luks,header=/run/vouchsafe/data.header,_netdev\n")
}

/// Copies what runs. Drivers are in the initrd.
fn copy_system(debian: &Debian, content: &Path) -> anyhow::Result<()> {
    let script = "tar -C \"$0\" --exclude=./srv/* --exclude=./boot/* --exclude=./usr/lib/modules/* --exclude=./usr/share/doc \
                  --exclude=./usr/share/locale --exclude=./usr/share/man --exclude=./var/cache/* --exclude=./var/lib/apt/lists/* \
                  -c . | tar -C \"$1\" -x";
    run(Command::new("sh").args(["-c", script]).arg(debian.path("")).arg(content))?;
    Ok(())
}

/// Files of the system.
const FILES: [(&str, &str); 6] = [
    ("etc/fstab", "/dev/mapper/root / ext4 defaults 0 0\n"),
    ("etc/machine-id", "5d2c1a0f4b7e4e4c9d5a1b2c3d4e5f60\n"),
    ("etc/systemd/network/10-card.network", "[Match]\nType=ether\n[Network]\nDHCP=yes\n"),
    ("etc/systemd/system/app.service", include_str!("app.service")),
    ("etc/systemd/system/report.service", include_str!("report.service")),
    ("usr/local/bin/report", include_str!("report.sh")),
];
/// The UUID of the data volume.
pub(super) const DATA_UUID: &str = "0f0e7e0c-5b0a-4b57-9d0b-6f6f1c7f3a02";
/// Size of the file system.
const SIZE: &str = "384M";
