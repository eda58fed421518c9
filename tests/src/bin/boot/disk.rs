//! The machine's boot media: an initrd that only reports, a disk with it, a unified kernel image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

/// The unpacked packages, and the work folder.
#[derive(Clone)]
pub(crate) struct Lab {
    /// Root of the packages that the machine is made of.
    pub(crate) machine: PathBuf,
    /// Root of the packages to boot.
    pub(crate) root: PathBuf,
    /// Where files are made.
    pub(crate) work: PathBuf,
    /// Time limit of a boot.
    pub(crate) limit: Duration,
}

impl Lab {
    /// A program of the machine's packages, with its libraries.
    pub(crate) fn tool(&self, name: &str) -> anyhow::Result<Command> {
        let folders = ["usr/bin", "usr/sbin", "bin", "sbin"].map(|folder| self.machine.join(folder));
        let mut command = Command::new(first(folders.map(|folder| folder.join(name)))?);
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
            .map(|folder| self.machine.join(folder).display().to_string());
        command.env("LD_LIBRARY_PATH", libraries.join(":")).env("MTOOLS_SKIP_CHECK", "1");
        Ok(command)
    }

    /// A file of the packages to boot.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The packages to boot, with their versions.
    pub(crate) fn versions(&self) -> anyhow::Result<String> {
        let text = fs::read_to_string(self.file("packages"))?;
        Ok(text.lines().collect::<Vec<_>>().join(", "))
    }

    /// The kernel.
    pub(crate) fn kernel(&self) -> anyhow::Result<PathBuf> {
        let entries = |folder: &str| fs::read_dir(self.file(folder)).into_iter().flatten().flatten();
        let is_kernel = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
        };
        // Since Debian 14 it is in the folder of its modules.
        let in_modules = entries("usr/lib/modules").map(|entry| entry.path().join("vmlinuz"));
        let kernels = entries("boot").map(|entry| entry.path()).filter(is_kernel).chain(in_modules);
        first(kernels).context("there is no kernel among the packages")
    }

    /// Writes a file of the work folder.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.work.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// An initrd that prints log and PCRs and powers the machine off.
    pub(crate) fn initrd(&self) -> anyhow::Result<PathBuf> {
        self.write("initrd", &self.archive()?.finished())
    }

    /// The same, but systemd's own program first extends PCRs, as its units do.
    pub(crate) fn measuring_initrd(&self) -> anyhow::Result<PathBuf> {
        let mut archive = self.archive()?;
        for folder in ["run", "lib64", "usr", "usr/lib", "usr/lib/systemd", LIBRARIES, SHARED] {
            archive.entry(folder, 0o040_755, b"", (0, 0));
        }
        let shared = fs::read_dir(self.file(SHARED))?.flatten().map(|entry| entry.file_name());
        let shared = shared.map(|name| format!("{SHARED}/{}", name.to_string_lossy()));
        let libraries = LOADED.iter().map(|name| format!("{LIBRARIES}/{name}"));
        for path in shared.chain(libraries).chain(["usr/lib/systemd/systemd-pcrextend".to_owned()]) {
            archive.entry(&path, 0o100_755, &fs::read(self.file(&path))?, (0, 0));
        }
        let loader = fs::read(self.file(&format!("{LIBRARIES}/ld-linux-x86-64.so.2")))?;
        archive.entry("lib64/ld-linux-x86-64.so.2", 0o100_755, &loader, (0, 0));
        self.write("measuring-initrd", &archive.finished())
    }

    fn archive(&self) -> anyhow::Result<Archive> {
        let busybox = first(["usr/bin/busybox", "bin/busybox"].map(|path| self.file(path)))?;
        let mut archive = Archive::default();
        for folder in ["bin", "dev", "proc", "sys"] {
            archive.entry(folder, 0o040_755, b"", (0, 0));
        }
        archive.entry("dev/console", 0o020_600, b"", (5, 1));
        archive.entry("bin/busybox", 0o100_755, &fs::read(&busybox)?, (0, 0));
        archive.entry("init", 0o100_755, INIT.as_bytes(), (0, 0));
        Ok(archive)
    }

    /// A new folder in the work folder.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.work.join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// A disk with an EFI system partition that contains these files, and has room for as much again.
    pub(crate) fn disk(&self, disk: &Path, files: &[(&str, &Path)]) -> anyhow::Result<()> {
        let mut kib = 64 << 10;
        for (_, file) in files {
            kib += 2 * fs::metadata(file).with_context(|| file.display().to_string())?.len().div_ceil(1024);
        }
        fs::File::create(disk)?.set_len((kib + (4 << 10)) << 10)?;
        let table = format!("label: gpt\nstart=2048, size={}, type=uefi\n", 2 * kib);
        let table = self.write("partitions", table.as_bytes())?;
        run(self.tool("sfdisk")?.arg("--quiet").arg(disk).stdin(fs::File::open(table)?))?;
        run(self.tool("mkfs.vfat")?.args(["--offset", "2048"]).arg(disk).arg(kib.to_string()))?;
        let partition = format!("{}@@1M", disk.display());
        for folder in ["EFI", "EFI/BOOT", "EFI/debian"] {
            run(self.tool("mmd")?.args(["-i", &partition]).arg(format!("::/{folder}")))?;
        }
        for (place, file) in files {
            self.put(disk, place, file)?;
        }
        Ok(())
    }

    /// Puts a file into the partition of such a disk, in the place of one that is there.
    pub(crate) fn put(&self, disk: &Path, place: &str, file: &Path) -> anyhow::Result<()> {
        let partition = format!("{}@@1M", disk.display());
        run(self.tool("mcopy")?.args(["-o", "-i", &partition]).arg(file).arg(format!("::/{place}")))?;
        Ok(())
    }

    /// A unified kernel image: systemd's stub with these sections appended.
    pub(crate) fn unified(&self, sections: &[(&str, &Path)]) -> anyhow::Result<PathBuf> {
        let image = self.work.join("unified.efi");
        let stub = self.file("usr/lib/systemd/boot/efi/linuxx64.efi.stub");
        let mut address = end_in_memory(&fs::read(&stub)?).context("systemd's stub is no PE32+ image")?;
        let mut command = Command::new("objcopy");
        for (name, file) in sections {
            command.arg("--add-section").arg(format!("{name}={}", file.display()));
            command.arg("--change-section-vma").arg(format!("{name}={address:#x}"));
            address = (address + fs::metadata(file)?.len()).next_multiple_of(PAGE);
        }
        run(command.arg(stub).arg(&image))?;
        Ok(image)
    }
}

/// The address after the last section of a PE32+ image, according to its optional header.
fn end_in_memory(image: &[u8]) -> Option<u64> {
    let word = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?));
    let optional_header = usize::try_from(word(0x3c)?).ok()? + 24;
    let base = u64::from(word(optional_header + 24)?) | u64::from(word(optional_header + 28)?) << 32;
    let size = u64::from(word(optional_header + 56)?);
    Some((base + size).next_multiple_of(PAGE))
}

/// The first of these files that exists.
fn first(paths: impl IntoIterator<Item = PathBuf>) -> anyhow::Result<PathBuf> {
    let mut tried = String::new();
    for path in paths {
        if path.exists() {
            return Ok(path);
        }
        tried.push_str(&format!(" {}", path.display()));
    }
    anyhow::bail!("none of these is there:{tried}")
}

/// Where libraries are.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Where systemd's own is.
const SHARED: &str = "usr/lib/x86_64-linux-gnu/systemd";
/// The libraries that systemd's program loads to use the TPM.
const LOADED: [&str; 10] = [
    "libc.so.6",
    "libm.so.6",
    "libcrypto.so.3",
    "libz.so.1",
    "libzstd.so.1",
    "libtss2-esys.so.0",
    "libtss2-mu.so.0",
    "libtss2-rc.so.0",
    "libtss2-sys.so.1",
    "libtss2-tcti-device.so.0",
];
/// Alignment of sections in memory.
const PAGE: u64 = 0x1000;

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
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub(crate) fn entry(&mut self, name: &str, mode: u32, content: &[u8], device: (u32, u32)) {
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

    pub(crate) fn finished(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"", (0, 0));
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Prints the input of `Report::parse`.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t securityfs securityfs /sys/kernel/security
exec >/dev/ttyS0 2>&1
# As systemd-pcrosseparator, systemd-pcrphase-initrd and systemd-pcrnvdone. There is no module for EFI variables here, which would
# tell that the stub has measured.
extend() { SYSTEMD_FORCE_MEASURE=1 /usr/lib/systemd/systemd-pcrextend --graceful "$@"; }
if [ -e /usr/lib/systemd/systemd-pcrextend ]; then
    /bin/busybox mount -t tmpfs run /run
    extend --pcr=0 --pcr=1 --pcr=2 --pcr=3 --pcr=4 --pcr=5 --pcr=6 --pcr=7 --pcr=9 --pcr=12 --pcr=13 --pcr=14 \
        --event-type=os-separator os-separator
    extend enter-initrd
    extend --pcr=kernel-initrd --event-type=nvpcr-separator nvpcr-separator
fi
echo
echo BOOT-LOG
/bin/busybox base64 /sys/kernel/security/tpm0/binary_bios_measurements
echo BOOT-USERSPACE
[ ! -e /run/log/systemd/tpm2-measure.log ] || /bin/busybox base64 /run/log/systemd/tpm2-measure.log
echo BOOT-PCRS
for i in 0 1 2 3 4 5 6 7 8 9 11 12 13 14 15; do
    echo "$i $(/bin/busybox cat /sys/class/tpm/tpm0/pcr-sha256/$i)"
done
echo BOOT-END
/bin/busybox poweroff -f
"#;
