//! The quickest real boot: the firmware starts a unified kernel image whose initrd does nothing but unlock.
//! Debian's kernel, systemd's stub, cryptsetup and the guest are the same as elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::debian::Debian;
use crate::disk::{Archive, Lab};

/// Makes the image.
pub(super) fn image(lab: &Lab, debian: &Debian) -> anyhow::Result<PathBuf> {
    let mut initrd = Initrd::default();
    for folder in ["dev", "proc", "root", "run", "sys"] {
        initrd.folder(folder);
    }
    initrd.archive.entry("dev/console", 0o020_600, b"", (5, 1));
    initrd.file("bin/busybox", &fs::read(lab.file("bin/busybox"))?);
    initrd.file("init", INIT.as_bytes());
    // What makes an initrd one of initramfs-tools, for the guest.
    initrd.file("conf/initramfs.conf", b"");
    let programs = [debian.guest_files()?, debian.program("usr/sbin/cryptsetup")?].concat();
    let configuration = fs::read_dir(debian.path("etc/vouchsafe"))?.flatten();
    let configuration =
        configuration.map(|file| format!("etc/vouchsafe/{}", file.file_name().to_string_lossy()));
    for file in programs.into_iter().chain(configuration).chain(debian.modules(&MODULES)?) {
        initrd.file(&file, &fs::read(debian.path(&file)).with_context(|| file.clone())?);
    }
    let initrd = lab.write("initrd", &initrd.archive.finished())?;
    super::unified(lab, debian, super::Kind::Unified.arguments(), &initrd)
}

/// An archive, and the folders that it has.
#[derive(Default)]
struct Initrd {
    archive: Archive,
    folders: BTreeSet<String>,
}

impl Initrd {
    fn folder(&mut self, path: &str) {
        let parents = Path::new(path).ancestors().map(|folder| folder.display().to_string());
        let mut parents: Vec<String> = parents.filter(|folder| !folder.is_empty()).collect();
        while let Some(folder) = parents.pop() {
            if self.folders.insert(folder.clone()) {
                self.archive.entry(&folder, 0o040_755, b"", (0, 0));
            }
        }
    }

    fn file(&mut self, path: &str, content: &[u8]) {
        if let Some(folder) = Path::new(path).parent() {
            self.folder(&folder.display().to_string());
        }
        self.archive.entry(path, 0o100_755, content, (0, 0));
    }
}

const INIT: &str = include_str!("smoke.sh");
const MODULES: [&str; 6] = ["virtio_pci", "virtio_net", "virtio_blk", "dm-crypt", "xts", "aesni-intel"];
