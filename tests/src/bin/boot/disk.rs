//! What the machine boots from: an initrd that only reports, a disk with it, a unified kernel image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// The unpacked packages and the folder that everything is made in.
pub(crate) struct Lab {
    /// Root of the unpacked packages.
    pub(crate) root: PathBuf,
    /// Where files are made.
    pub(crate) work: PathBuf,
}

impl Lab {
    /// A program of the packages, with their libraries.
    pub(crate) fn tool(&self, path: &str) -> Command {
        let mut command = Command::new(self.root.join(path));
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
            .map(|folder| self.root.join(folder).display().to_string());
        command.env("LD_LIBRARY_PATH", libraries.join(":")).env("MTOOLS_SKIP_CHECK", "1");
        command
    }

    /// A file of the packages.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The kernel of the packages.
    pub(crate) fn kernel(&self) -> anyhow::Result<PathBuf> {
        let entries = fs::read_dir(self.root.join("boot"))?;
        let mut kernels = entries.flatten().map(|entry| entry.path());
        let is_kernel = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        };
        kernels.find(is_kernel).context("there is no kernel among the packages")
    }

    /// Writes a file of the work folder.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.work.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// An initrd that prints log and PCRs and powers the machine off.
    pub(crate) fn initrd(&self) -> anyhow::Result<PathBuf> {
        let mut archive = Archive::default();
        for folder in ["bin", "dev", "proc", "sys"] {
            archive.entry(folder, 0o040_755, b"", (0, 0));
        }
        archive.entry("dev/console", 0o020_600, b"", (5, 1));
        archive.entry("bin/busybox", 0o100_755, &fs::read(self.file("bin/busybox"))?, (0, 0));
        archive.entry("init", 0o100_755, INIT.as_bytes(), (0, 0));
        archive.entry("TRAILER!!!", 0, b"", (0, 0));
        self.write("initrd", &archive.bytes)
    }

    /// A disk with one FAT file system that holds these files.
    pub(crate) fn disk(&self, name: &str, files: &[(&str, &Path)]) -> anyhow::Result<PathBuf> {
        let disk = self.work.join(name);
        fs::File::create(&disk)?.set_len(64 << 20)?;
        run(self.tool("sbin/mkfs.vfat").arg(&disk))?;
        for folder in ["EFI", "EFI/BOOT", "EFI/debian"] {
            run(self.tool("usr/bin/mmd").arg("-i").arg(&disk).arg(format!("::/{folder}")))?;
        }
        for (place, file) in files {
            run(self.tool("usr/bin/mcopy").arg("-i").arg(&disk).arg(file).arg(format!("::/{place}")))?;
        }
        Ok(disk)
    }

    /// A unified kernel image: systemd's stub with these sections added.
    pub(crate) fn unified(&self, sections: &[(&str, &str, &Path)]) -> anyhow::Result<PathBuf> {
        let image = self.work.join("unified.efi");
        let mut command = Command::new("objcopy");
        for (name, address, file) in sections {
            command.arg("--add-section").arg(format!("{name}={}", file.display()));
            command.arg("--change-section-vma").arg(format!("{name}={address}"));
        }
        run(command.arg(self.file("usr/lib/systemd/boot/efi/linuxx64.efi.stub")).arg(&image))?;
        Ok(image)
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

/// A cpio archive in the form that Linux unpacks (`newc`).
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, content: &[u8], device: (u32, u32)) {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        self.bytes.extend(b"070701");
        for field in [self.entries, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0] {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Prints what `Report::parse` reads.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t securityfs securityfs /sys/kernel/security
exec >/dev/ttyS0 2>&1
echo
echo BOOT-LOG
/bin/busybox base64 /sys/kernel/security/tpm0/binary_bios_measurements
echo BOOT-PCRS
for i in 0 1 2 3 4 5 6 7 8 9 11 12 13 14 15; do
    echo "$i $(/bin/busybox cat /sys/class/tpm/tpm0/pcr-sha256/$i)"
done
echo BOOT-END
/bin/busybox poweroff -f
"#;
