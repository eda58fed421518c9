//! The boots by name: what is different in each, and what has to happen.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use vouchsafe_protocol::Digest32;

use super::site::Certified;
use super::{Bench, GrubBoot, Kind, Start, crypttab};
use crate::disk::Archive;
use crate::machine::{Console, Devices, Firmware, Machine};
use crate::say;

/// What can be named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Every boot with an encrypted root file system.
    All,
    /// Boots whose measurements are compared with predictions.
    Predict,
    /// The quickest boot: a unified kernel image whose initrd only unlocks.
    Smoke,
    /// Debian 12 unlocks its root file system, and gets the key only once.
    #[value(name = "debian-12")]
    Debian12,
    /// GRUB passes another command line to the kernel.
    ChangedCommandLine,
    /// A file was added to the initrd.
    ChangedInitrd,
    /// GRUB starts a kernel that Debian signed before the one of the baseline.
    OtherKernel,
    /// GRUB tells the kernel to start a shell as init.
    ShellAsInit,
    /// The TPM is another VM's.
    OtherVm,
    /// The certificate in the TPM is for another key.
    OtherKey,
    /// The certificate in the TPM was issued by somebody else.
    OtherCa,
    /// The disk is detached once the kernel has started.
    DiskDetached,
    /// The header of the volume has a null cipher.
    ChangedHeader,
    /// The command line allows a shell after a failure.
    FailureShell,
    /// The broker does not answer.
    BrokerAway,
    /// The baseline was revoked. The last boot, because that is permanent.
    BaselineRevoked,
}

impl Name {
    /// The boots with an encrypted root file system that these mean, in the order of their variants.
    pub(crate) fn boots(names: &[Self]) -> Vec<&'static Scenario> {
        let is_meant = |name: &Self| names.contains(&Self::All) || names.contains(name);
        SCENARIOS.iter().filter(|(name, _)| is_meant(name)).map(|(_, scenario)| scenario).collect()
    }
}

/// A boot.
pub(crate) struct Scenario {
    /// Its name.
    pub(super) name: &'static str,
    change: Change,
    expected: Expected,
}

/// How a boot differs from the one that was foretold.
enum Change {
    Nothing,
    /// No boot loader, and an initrd of its own.
    Unified,
    Arguments(&'static str),
    Initrd,
    Kernel,
    Certified(Certified),
    DiskDetached,
    Header,
    BrokerAway,
    BaselineRevoked,
}

/// What has to happen.
enum Expected {
    /// The system on the volume runs, and its own request for the key is refused.
    Unlocked,
    /// The broker refuses, and `vouchsafe explain` has these words. The console asks for the passphrase.
    Refused(&'static str),
    /// The guest says this by itself. The console asks for the passphrase.
    Prompt(&'static str),
    /// The machine ends by itself, after the latch: nothing is unlocked, and nobody gets a shell.
    Ended,
    /// The guest says this by itself. Nobody is asked for a passphrase, and the machine ends by itself.
    Closed(&'static str),
}

const SCENARIOS: [(Name, Scenario); 14] = [
    (Name::Smoke, Scenario { name: "smoke", change: Change::Unified, expected: Expected::Unlocked }),
    (Name::Debian12, Scenario { name: "debian-12", change: Change::Nothing, expected: Expected::Unlocked }),
    (
        Name::ChangedCommandLine,
        Scenario {
            name: "changed-command-line",
            change: Change::Arguments("root=/dev/mapper/root rw console=ttyS0 panic=-1"),
            expected: Expected::Refused("not a member"),
        },
    ),
    (
        Name::ChangedInitrd,
        Scenario {
            name: "changed-initrd",
            change: Change::Initrd,
            expected: Expected::Refused("not a member"),
        },
    ),
    (
        Name::OtherKernel,
        Scenario {
            name: "other-kernel",
            change: Change::Kernel,
            expected: Expected::Refused("not a member"),
        },
    ),
    (
        Name::ShellAsInit,
        Scenario {
            name: "shell-as-init",
            change: Change::Arguments("root=/dev/mapper/root ro console=ttyS0 panic=-1 init=/bin/sh"),
            expected: Expected::Prompt("init=/bin/sh"),
        },
    ),
    (
        Name::OtherVm,
        Scenario {
            name: "other-vm",
            change: Change::Certified(Certified::OtherInstance),
            expected: Expected::Refused("instance_id"),
        },
    ),
    (
        Name::OtherKey,
        Scenario {
            name: "other-key",
            change: Change::Certified(Certified::OtherKey),
            expected: Expected::Prompt("is not the key in the certificate"),
        },
    ),
    (
        Name::OtherCa,
        Scenario {
            name: "other-ca",
            change: Change::Certified(Certified::ByOthers),
            expected: Expected::Refused("signature"),
        },
    ),
    (
        Name::DiskDetached,
        Scenario { name: "disk-detached", change: Change::DiskDetached, expected: Expected::Ended },
    ),
    (
        Name::ChangedHeader,
        Scenario {
            name: "changed-header",
            change: Change::Header,
            expected: Expected::Closed("LUKS header refused (cipher)"),
        },
    ),
    (
        Name::FailureShell,
        Scenario {
            name: "failure-shell",
            change: Change::Arguments("root=/dev/mapper/root ro console=ttyS0"),
            expected: Expected::Prompt("boot with the kernel argument panic=-1"),
        },
    ),
    (
        Name::BrokerAway,
        Scenario {
            name: "broker-away",
            change: Change::BrokerAway,
            expected: Expected::Prompt("volume root: "),
        },
    ),
    (
        Name::BaselineRevoked,
        Scenario {
            name: "baseline-revoked",
            change: Change::BaselineRevoked,
            expected: Expected::Refused("revoked"),
        },
    ),
];

impl Scenario {
    /// How its kernel is started.
    pub(super) const fn kind(&self) -> Kind {
        match self.change {
            Change::Unified => Kind::Unified,
            _ => Kind::Grub,
        }
    }

    /// Boots, and checks what happened.
    pub(super) fn play(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let (boot, image) = match &bench.start {
            Start::Grub(boot) => (Some(self.files(bench, boot.clone())?), None),
            Start::Unified(image) => (None, Some([("EFI/BOOT/BOOTX64.EFI", image.as_path())])),
        };
        let files = boot.as_ref().map(GrubBoot::content);
        let (content, firmware) = match (&files, &image) {
            (Some(files), _) => (files.as_slice(), Firmware::SecureBoot),
            (None, image) => (image.as_ref().map_or(&[][..], |image| image.as_slice()), Firmware::Plain),
        };
        let volume = match self.change {
            Change::Header => changed_header(bench)?,
            _ => bench.volume.clone(),
        };
        let machine = Machine::new(bench.lab, self.name, firmware, content)?.with(Devices {
            volume: &volume,
            option_rom: &bench.option_rom,
            driver: bench.driver,
        })?;
        let certified = match self.change {
            Change::Certified(certified) => certified,
            _ => Certified::Genuinely,
        };
        bench.site.provision(&machine.tpm_state(), certified)?;
        match self.change {
            Change::BrokerAway => bench.site.broker.kill()?,
            Change::BaselineRevoked => bench.site.revoke()?,
            _ => {}
        }
        let console = match self.expected {
            _ if matches!(self.change, Change::DiskDetached) => machine.run_detaching(KERNEL_STARTED),
            Expected::Unlocked | Expected::Ended | Expected::Closed(_) => machine.run(""),
            Expected::Refused(_) | Expected::Prompt(_) => machine.run(PROMPT),
        };
        if matches!(self.change, Change::BrokerAway) {
            bench.site.broker.run()?;
        }
        let console = console?;
        let outcome = self
            .check(bench, &console)
            .with_context(|| format!("its console is {}", console.file.display()))?;
        say(&format!("passed {} ({} s): {outcome}", self.name, console.took.as_secs()))
    }

    /// The files that this boot is made of.
    fn files(&self, bench: &Bench<'_>, boot: GrubBoot) -> anyhow::Result<GrubBoot> {
        match self.change {
            Change::Arguments(arguments) => {
                boot.with_arguments(bench.lab, &format!("{}.cfg", self.name), arguments)
            }
            Change::Initrd => Ok(GrubBoot { initrd: changed_initrd(bench, &boot)?, ..boot }),
            Change::Kernel => {
                let (kernel, initrd) = bench.debian.older_kernel(&bench.older_kernel()?, &crypttab())?;
                Ok(GrubBoot { kernel, initrd: bench.lab.write("initrd.older", &initrd)?, ..boot })
            }
            _ => Ok(boot),
        }
    }

    /// Compares with what has to happen. Returns a line for people.
    fn check(&self, bench: &Bench<'_>, console: &Console) -> anyhow::Result<String> {
        let text = &console.text;
        ensure_no_key(text, &bench.key)?;
        ensure_no_key(&bench.site.broker.read_log(), &bench.key)?;
        match self.expected {
            Expected::Unlocked => unlocked(bench, text),
            Expected::Refused(words) => {
                let line = report(text)?;
                let explained = bench.site.explain(line)?;
                ensure!(explained.contains(words), "explain does not say {words:?}:\n{explained}");
                ensure_locked(bench, text)?;
                Ok(line.to_owned())
            }
            Expected::Prompt(words) => {
                let line = report(text)?;
                ensure!(line.contains(words), "the console does not say {words:?}: {line}");
                ensure_locked(bench, text)?;
                Ok(line.to_owned())
            }
            Expected::Closed(words) => {
                let line = report(text)?;
                ensure!(line.contains(words), "the console does not say {words:?}: {line}");
                ensure_shut(bench, text)?;
                ensure!(!text.contains(PROMPT), "somebody is asked for the passphrase");
                ensure!(text.contains(REBOOTS), "the initrd does not reboot the machine");
                Ok(line.to_owned())
            }
            Expected::Ended => {
                ensure_shut(bench, text)?;
                ensure!(text.contains(REBOOTS), "the initrd does not reboot the machine");
                Ok("the machine ended without a key and without a shell".to_owned())
            }
        }
    }
}

/// Another file after the initrd's, which Linux unpacks too.
fn changed_initrd(bench: &Bench<'_>, boot: &GrubBoot) -> anyhow::Result<PathBuf> {
    let mut initrd = fs::read(&boot.initrd)?;
    initrd.resize(initrd.len().next_multiple_of(4), 0);
    let mut added = Archive::default();
    added.entry("etc/added", 0o100_644, b"by an attacker", (0, 0));
    initrd.extend(added.finished());
    bench.lab.write("initrd.changed", &initrd)
}

/// The volume with a header that cryptsetup would open: its data is not encrypted, and the checksums match.
fn changed_header(bench: &Bench<'_>) -> anyhow::Result<PathBuf> {
    let (genuine, null) = (&b"aes-xts-plain64\",\"sector_size"[..], &b"cipher_null-ecb"[..]);
    let mut volume = fs::read(&bench.volume)?;
    for copy in volume.chunks_exact_mut(METADATA).take(2) {
        let place = copy.windows(genuine.len()).position(|bytes| bytes == genuine).context("a cipher")?;
        copy.get_mut(place..place + null.len()).context("a cipher")?.copy_from_slice(null);
        copy.get_mut(448..512).context("a checksum")?.fill(0);
        let Digest32(sum) = Digest32::of(copy);
        copy.get_mut(448..480).context("a checksum")?.copy_from_slice(&sum);
    }
    bench.lab.write("volume.changed", &volume)
}

/// The system on the encrypted volume reported, and was refused the key.
fn unlocked(bench: &Bench<'_>, console: &str) -> anyhow::Result<String> {
    let said = |start: &str| {
        let line = console.lines().find_map(|line| line.strip_prefix(start));
        line.map(str::trim).with_context(|| format!("the console has no line {start}"))
    };
    let marker = said("BOOT-MARKER ")?;
    ensure!(marker == bench.marker, "the marker is {marker}, not the one of the volume");
    let root = said("BOOT-ROOT ")?;
    ensure!(root.starts_with("/dev/mapper/root / ext4"), "the root file system is {root}");
    let volume = said("BOOT-VOLUME ")?;
    ensure!(volume.starts_with("root CRYPT-LUKS2-"), "it is on {volume}");
    let again = said("BOOT-AGAIN ")?;
    ensure!(again == "exit=10 bytes=0", "the second request for the key: {again}");
    let (_, why) = console.split_once("BOOT-AGAIN").context("a second request")?;
    let explained = bench.site.explain(why)?;
    ensure!(explained.contains("phase"), "explain does not name the phase:\n{explained}");
    Ok("the root file system is on the unlocked volume, and the key is not released again".to_owned())
}

fn ensure_locked(bench: &Bench<'_>, console: &str) -> anyhow::Result<()> {
    ensure_shut(bench, console)?;
    ensure!(console.contains(PROMPT), "nobody is asked for the passphrase");
    Ok(())
}

fn ensure_shut(bench: &Bench<'_>, console: &str) -> anyhow::Result<()> {
    ensure!(!console.contains(&bench.marker), "the volume was unlocked");
    ensure!(!console.contains("(initramfs)"), "there is a shell");
    Ok(())
}

/// The guest's line about the volume.
fn report(console: &str) -> anyhow::Result<&str> {
    let start = "vouchsafe-guest: volume root: ";
    let found = console.lines().find_map(|line| Some(line.split_at(line.find(start)?).1));
    found.context("the console has no line about the volume")
}

/// The key is nowhere in a text: raw, in hex or in Base64.
fn ensure_no_key(text: &str, key: &[u8; 32]) -> anyhow::Result<()> {
    let (hex, base64) = (hex::encode(key), STANDARD.encode(key));
    let raw = String::from_utf8_lossy(key).into_owned();
    let found = [hex, base64.trim_end_matches('=').to_owned(), raw].iter().any(|form| text.contains(form));
    ensure!(!found, "the key of the volume can be read");
    Ok(())
}

/// Bytes of each of the two copies of a header's metadata.
const METADATA: usize = 16384;
/// Printed by the initrd of initramfs-tools as its first line.
const KERNEL_STARTED: &str = "Loading, please wait";
/// Printed by the initrd of initramfs-tools in place of a shell.
const REBOOTS: &str = "Rebooting automatically due to panic= boot argument";
/// The prompt of the keyscript.
const PROMPT: &str = "Recovery passphrase of root";
