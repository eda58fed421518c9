//! Compares real boots with the predictions of `vouchsafe baseline predict`.
//!
//! For each release of Debian, two kinds of machines run under QEMU with OVMF and a software TPM: a unified
//! kernel image with Secure Boot off, and shim, GRUB and Debian's kernel with it on. From the same files the
//! operator's tool predicts events and PCRs; the guest reads what was measured. Then the boot is compared
//! with baselines: its own, one that only knows the previous boot, and that one with the update allowed. If
//! the initrd that the kernel loads cannot be predicted, the machine boots again, and another machine boots
//! the same image: baselines that determine the initrd by sections accept both.
//!
//! In sid's unified kernel image systemd's own program extends PCRs from the initrd, as its units do; the
//! verifier gets its log together with the firmware's.
//!
//! The firmware is not Google's: it names no technology, so the membership tests set one.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::compare::Comparison;
use crate::disk::Lab;
use crate::foretold::Foretold;
use crate::machine::{Firmware, Machine};
use crate::suite::{Initrd, Suite};
use crate::{fetch, say};

/// Boots machines of these releases. Returns whether all measured what was predicted.
pub(crate) fn run(packages: &Path, suites: &[Suite], limit: Duration) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let mut summary = Vec::new();
    for suite in suites.iter().copied() {
        fetch("boot", packages, suite.name())?;
        let work = folder.path().join(suite.name());
        fs::create_dir(&work)?;
        let lab = Lab { machine: packages.join("machine"), root: packages.join(suite.name()), work, limit };
        say(&format!("\nDebian {}: {}", suite.name(), lab.versions()?))?;
        let (kernel, initrd) = (lab.kernel()?, lab.initrd()?);
        let measuring = if suite.measures_in_initrd() { lab.measuring_initrd()? } else { initrd.clone() };
        summary.push(boot_unified(&lab, suite, &kernel, &measuring)?);
        summary.push(boot_grub(&lab, suite, &kernel, &initrd)?);
    }
    say("")?;
    for boot in &summary {
        say(&format!("{}: {} differences", boot.what, boot.differences))?;
    }
    if summary.iter().all(|boot| boot.differences == 0) {
        say("All boots measured exactly what was foretold.")?;
        return Ok(true);
    }
    // The files stay, for analysis.
    say(&format!("A boot measured something else; all files are in {}.", folder.keep().display()))?;
    Ok(false)
}

/// The result of a boot.
pub(crate) struct Outcome {
    pub(crate) what: String,
    pub(crate) differences: usize,
}

/// A unified kernel image that the firmware starts itself.
fn boot_unified(lab: &Lab, suite: Suite, kernel: &Path, initrd: &Path) -> anyhow::Result<Outcome> {
    let release = lab.write("os-release", format!("ID=debian\nVERSION_ID={}\n", suite.name()).as_bytes())?;
    let line = lab.write("cmdline", format!("{ARGUMENTS}\n").as_bytes())?;
    let image =
        lab.unified(&[(".osrel", &release), (".cmdline", &line), (".linux", kernel), (".initrd", initrd)])?;
    let files: Vec<OsString> = vec!["--uki".into(), image.clone().into()];
    let foretold = Foretold::of(&files)?;
    let content: [(&str, &Path); 1] = [("EFI/BOOT/BOOTX64.EFI", &image)];
    let machine = Machine::new(lab, "unified", Firmware::Plain, &content)?;
    say("\nUnified kernel image, Secure Boot off")?;
    let report = machine.boot()?;
    let mut comparison = Comparison::new(&foretold, &report)?;
    for pcr in [4, 9, 11] {
        comparison.pcr(pcr)?;
    }
    // "PCR 12 and 13: nothing", since there are no add-ons, credentials and options outside the image.
    for pcr in [12, 13] {
        comparison.nothing(pcr)?;
    }
    comparison.userspace(suite.measures_in_initrd())?;
    comparison.baselines(lab, "unified", &files)?;
    if suite.initrd() != Initrd::AsInImage {
        comparison.later_boot("the next boot of this machine", &machine.boot()?, true)?;
        let other = Machine::new(lab, "other", Firmware::Plain, &content)?.boot()?;
        let which = "another machine's boot of the same image";
        comparison.later_boot(which, &other, suite.initrd() == Initrd::OfImage)?;
    }
    comparison.finish(format!("Debian {}, unified kernel image", suite.name()))
}

/// Shim, GRUB and a kernel, all signed.
fn boot_grub(lab: &Lab, suite: Suite, kernel: &Path, initrd: &Path) -> anyhow::Result<Outcome> {
    let shim = lab.file("usr/lib/shim/shimx64.efi.signed");
    let grub = lab.file("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed");
    let configuration = lab.write("grub.cfg", configuration().as_bytes())?;
    let start = lab.write("grub-start", suite.grub_start().as_bytes())?;
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
    let foretold = Foretold::of(&files)?;
    let content: [(&str, &Path); 5] = [
        ("EFI/BOOT/BOOTX64.EFI", &shim),
        ("EFI/BOOT/grubx64.efi", &grub),
        ("EFI/debian/grub.cfg", &configuration),
        ("vmlinuz", kernel),
        ("initrd", initrd),
    ];
    let machine = Machine::new(lab, "grub", Firmware::SecureBoot, &content)?;
    say("\nShim, GRUB and a kernel, Secure Boot on")?;
    let report = machine.boot()?;
    let mut comparison = Comparison::new(&foretold, &report)?;
    for pcr in [4, 8, 9] {
        comparison.pcr(pcr)?;
    }
    comparison.userspace(false)?;
    comparison.baselines(lab, "grub", &files)?;
    comparison.finish(format!("Debian {}, shim and GRUB", suite.name()))
}

fn configuration() -> String {
    format!(
        "# Everything that GRUB runs.\nset timeout=0\nset arguments='{ARGUMENTS}'\nserial --unit=0\n\
         terminal_output serial console\nmenuentry 'A boot' --class debian {{\n\
         \tlinux /vmlinuz {ARGUMENTS}\n\tinitrd /initrd\n}}\n"
    )
}

const ARGUMENTS: &str = "console=ttyS0 panic=-1 quiet";
