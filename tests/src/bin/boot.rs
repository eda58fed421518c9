//! Real boots against what `vouchsafe baseline predict` says of them beforehand.
//!
//! Two machines under QEMU with OVMF and a software TPM: shim, GRUB and Debian's kernel with Secure Boot on, and a
//! unified kernel image with it off. From the same files the operator's tool foretells events and PCRs; the guest reads
//! what was measured. Then the boot is held against baselines: its own, one that only knows yesterday's boot, and that
//! one with the update allowed.
//!
//! The firmware is not Google's: it names no technology, so that the membership tests set one.

#[path = "boot/compare.rs"]
mod compare;
#[path = "boot/disk.rs"]
mod disk;
#[path = "boot/machine.rs"]
mod machine;

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use serde_json::Value;
use vouchsafe_tests::broker::program;

use compare::Comparison;
use disk::Lab;
use machine::Firmware;

/// Boots two machines and compares what they measure with what was foretold.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder that `scripts/setup boot` filled.
    #[arg(long)]
    packages: PathBuf,
    /// Seconds that a boot may take.
    #[arg(long, default_value_t = 300)]
    limit: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let lab = Lab { root: arguments.packages.join("root"), work: folder.path().to_owned() };
    let limit = Duration::from_secs(arguments.limit);
    let initrd = lab.initrd()?;
    let kernel = lab.kernel()?;
    let unified = boot_unified(&lab, &kernel, &initrd, limit)?;
    let grub = boot_grub(&lab, &kernel, &initrd, limit)?;
    if unified && grub {
        say("Both boots measured exactly what was foretold.")?;
        return Ok(ExitCode::SUCCESS);
    }
    // What was measured stays, to be looked at.
    say(&format!("A boot measured something else; all files are in {}.", folder.keep().display()))?;
    Ok(ExitCode::from(1))
}

/// A unified kernel image that the firmware starts itself.
fn boot_unified(lab: &Lab, kernel: &Path, initrd: &Path, limit: Duration) -> anyhow::Result<bool> {
    let release = lab.write("os-release", b"ID=debian\nVERSION_ID=12\n")?;
    let line = lab.write("cmdline", format!("{ARGUMENTS}\n").as_bytes())?;
    let image = lab.unified(&[
        (".osrel", "0x30000", &release),
        (".cmdline", "0x31000", &line),
        (".linux", "0x2000000", kernel),
        (".initrd", "0x4000000", initrd),
    ])?;
    let disk = lab.disk("unified.img", &[("EFI/BOOT/BOOTX64.EFI", &image)])?;
    let files: Vec<OsString> = vec!["--uki".into(), image.into()];
    let foretold = predict(&files)?;
    say("\nUnified kernel image, Secure Boot off")?;
    let report = machine::boot(lab, "unified", Firmware::Plain, &disk, limit)?;
    let mut comparison = Comparison::new(&foretold, &report)?;
    for pcr in [4, 9, 11] {
        comparison.pcr(pcr)?;
    }
    comparison.baselines(lab, "unified", &files)?;
    comparison.finish()
}

/// Shim, GRUB and a kernel, all signed.
fn boot_grub(lab: &Lab, kernel: &Path, initrd: &Path, limit: Duration) -> anyhow::Result<bool> {
    let shim = lab.file("usr/lib/shim/shimx64.efi.signed");
    let grub = lab.file("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed");
    let configuration = lab.write("grub.cfg", configuration().as_bytes())?;
    let start = lab.write("grub-start", DEBIAN_GRUB.as_bytes())?;
    let disk = lab.disk(
        "grub.img",
        &[
            ("EFI/BOOT/BOOTX64.EFI", &shim),
            ("EFI/BOOT/grubx64.efi", &grub),
            ("EFI/debian/grub.cfg", &configuration),
            ("vmlinuz", kernel),
            ("initrd", initrd),
        ],
    )?;
    let mut files: Vec<OsString> = Vec::new();
    for (option, file) in [
        ("--shim", shim.as_path()),
        ("--grub", &grub),
        ("--kernel", kernel),
        ("--initrd", initrd),
        ("--grub-cfg", &configuration),
        ("--grub-start", &start),
    ] {
        files.extend([option.into(), file.into()]);
    }
    files.extend(["--cmdline".into(), format!("/vmlinuz {ARGUMENTS}").into()]);
    let foretold = predict(&files)?;
    say("\nShim, GRUB and a kernel, Secure Boot on")?;
    let report = machine::boot(lab, "grub", Firmware::SecureBoot, &disk, limit)?;
    let mut comparison = Comparison::new(&foretold, &report)?;
    for pcr in [4, 8, 9] {
        comparison.pcr(pcr)?;
    }
    comparison.baselines(lab, "grub", &files)?;
    comparison.finish()
}

/// What the operator's tool says, before anything boots.
fn predict(files: &[OsString]) -> anyhow::Result<Value> {
    let mut command = Command::new(program("vouchsafe")?);
    let output = disk::run(command.args(["--json", "baseline", "predict"]).args(files))?;
    Ok(serde_json::from_slice(&output)?)
}

/// The baseline of a file with an update allowed, as the operator's tool prints it.
fn predict_into(files: &[OsString], baseline: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(program("vouchsafe")?);
    command.args(["baseline", "predict"]).args(files).arg("--into").arg(baseline);
    Ok(String::from_utf8(disk::run(&mut command)?)?)
}

fn configuration() -> String {
    format!(
        "# Everything that GRUB runs.\nset timeout=0\nset arguments='{ARGUMENTS}'\nserial --unit=0\n\
         terminal_output serial console\nmenuentry 'A boot' --class debian {{\n\
         \tlinux /vmlinuz {ARGUMENTS}\n\tinitrd /initrd\n}}\n"
    )
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// Reads a baseline of the work folder.
fn read(path: &Path) -> anyhow::Result<String> {
    Ok(fs::read_to_string(path)?)
}

const ARGUMENTS: &str = "console=ttyS0 panic=-1 quiet";
/// What Debian's signed GRUB runs before it reads its configuration from a disk without partitions.
const DEBIAN_GRUB: &str = "[ -z (hd0)/EFI/debian -o ! -e (hd0)/EFI/debian ]\n\
    [ -e (hd0)/EFI/debian/x86_64-efi/grub.cfg ]\n\
    [ -e (hd0)/EFI/debian/grub.cfg ]\n\
    source (hd0)/EFI/debian/grub.cfg\n";
