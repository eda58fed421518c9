//! The boots by name: what is different in each, and what has to happen.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use vouchsafe_protocol::Digest32;

use super::checks::{ensure_no_key, ensure_no_shell, ensure_shut, installed, registered, report, unlocked};
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
    /// Debian 13 with dracut: systemd unlocks the root file system, a data volume and a credential.
    #[value(name = "debian-13")]
    Debian13,
    /// A file was added to dracut's initrd.
    #[value(name = "debian-13-changed-initrd")]
    Debian13ChangedInitrd,
    /// The header of Debian 13's volume is another one.
    #[value(name = "debian-13-changed-header")]
    Debian13ChangedHeader,
    /// The disk of Debian 13 is detached once its kernel runs.
    #[value(name = "debian-13-disk-detached")]
    Debian13DiskDetached,
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
    kind: Kind,
    change: Change,
    expected: Expected,
}

/// How a boot differs from the one that was foretold.
enum Change {
    Nothing,
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
    /// The same for an installed system, whose data volume is unlocked, and whose service has its credential, after the initrd.
    Installed,
    /// The broker refuses, and `vouchsafe explain` has these words. The console asks for the passphrase.
    Refused(&'static str),
    /// The guest says this by itself. The console asks for the passphrase.
    Prompt(&'static str),
    /// The machine ends by itself, after the latch: nothing is unlocked, and nobody gets a shell.
    Ended,
    /// The guest says this by itself. Nobody is asked for a passphrase, and the machine ends by itself.
    Closed(&'static str),
}

const SCENARIOS: [(Name, Scenario); 18] = [
    (Name::Smoke, Scenario::new("smoke", Kind::Unified, Change::Nothing, Expected::Unlocked)),
    (Name::Debian12, Scenario::new("debian-12", Kind::Grub, Change::Nothing, Expected::Unlocked)),
    (
        Name::ChangedCommandLine,
        Scenario::new(
            "changed-command-line",
            Kind::Grub,
            Change::Arguments("root=/dev/mapper/root rw console=ttyS0 panic=-1"),
            Expected::Refused("not a member"),
        ),
    ),
    (
        Name::ChangedInitrd,
        Scenario::new("changed-initrd", Kind::Grub, Change::Initrd, Expected::Refused("not a member")),
    ),
    (
        Name::OtherKernel,
        Scenario::new("other-kernel", Kind::Grub, Change::Kernel, Expected::Refused("not a member")),
    ),
    (
        Name::ShellAsInit,
        Scenario::new(
            "shell-as-init",
            Kind::Grub,
            Change::Arguments("root=/dev/mapper/root ro console=ttyS0 panic=-1 init=/bin/sh"),
            Expected::Prompt("init=/bin/sh"),
        ),
    ),
    (
        Name::OtherVm,
        Scenario::new(
            "other-vm",
            Kind::Grub,
            Change::Certified(Certified::OtherInstance),
            Expected::Refused("instance_id"),
        ),
    ),
    (
        Name::OtherKey,
        Scenario::new(
            "other-key",
            Kind::Grub,
            Change::Certified(Certified::OtherKey),
            Expected::Prompt("is not the key in the certificate"),
        ),
    ),
    (
        Name::OtherCa,
        Scenario::new(
            "other-ca",
            Kind::Grub,
            Change::Certified(Certified::ByOthers),
            Expected::Refused("signature"),
        ),
    ),
    (Name::DiskDetached, Scenario::new("disk-detached", Kind::Grub, Change::DiskDetached, Expected::Ended)),
    (
        Name::ChangedHeader,
        Scenario::new(
            "changed-header",
            Kind::Grub,
            Change::Header,
            Expected::Closed("LUKS header refused (cipher)"),
        ),
    ),
    (
        Name::FailureShell,
        Scenario::new(
            "failure-shell",
            Kind::Grub,
            Change::Arguments("root=/dev/mapper/root ro console=ttyS0"),
            Expected::Prompt("boot with the kernel argument panic=-1"),
        ),
    ),
    (
        Name::BrokerAway,
        Scenario::new("broker-away", Kind::Grub, Change::BrokerAway, Expected::Prompt("volume root: ")),
    ),
    (Name::Debian13, Scenario::new("debian-13", Kind::Dracut, Change::Nothing, Expected::Installed)),
    (
        Name::Debian13ChangedInitrd,
        Scenario::new(
            "debian-13-changed-initrd",
            Kind::Dracut,
            Change::Initrd,
            Expected::Refused("not a member"),
        ),
    ),
    (
        Name::Debian13ChangedHeader,
        Scenario::new(
            "debian-13-changed-header",
            Kind::Dracut,
            Change::Header,
            Expected::Closed("LUKS header refused (cipher)"),
        ),
    ),
    (
        Name::Debian13DiskDetached,
        Scenario::new("debian-13-disk-detached", Kind::Dracut, Change::DiskDetached, Expected::Ended),
    ),
    (
        Name::BaselineRevoked,
        Scenario::new("baseline-revoked", Kind::Grub, Change::BaselineRevoked, Expected::Refused("revoked")),
    ),
];

impl Scenario {
    const fn new(name: &'static str, kind: Kind, change: Change, expected: Expected) -> Self {
        Self { name, kind, change, expected }
    }

    /// How its kernel is started.
    pub(super) const fn kind(&self) -> Kind {
        self.kind
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
        let volumes = match self.change {
            Change::Header => vec![changed_header(bench)?],
            _ => bench.volumes.clone(),
        };
        let machine = Machine::new(bench.lab, self.name, firmware, content)?.with(Devices {
            volumes: &volumes,
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
            _ if matches!(self.change, Change::DiskDetached) => machine.run_detaching(self.kind.started()),
            Expected::Unlocked | Expected::Installed | Expected::Ended | Expected::Closed(_) => {
                machine.run("")
            }
            Expected::Refused(_) | Expected::Prompt(_) => machine.run(self.kind.prompt()),
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
                let (kernel, initrd) =
                    bench.debian.older_kernel(&bench.older_kernel()?, &crypttab(Kind::Grub))?;
                Ok(GrubBoot { kernel, initrd: bench.lab.write("initrd.older", &initrd)?, ..boot })
            }
            _ => Ok(boot),
        }
    }

    /// Compares with what has to happen. Returns a line for people.
    fn check(&self, bench: &Bench<'_>, console: &Console) -> anyhow::Result<String> {
        let text = &console.text;
        for key in bench.keys.iter().chain([&bench.credential]) {
            ensure_no_key(text, key)?;
            ensure_no_key(&bench.site.broker.read_log(), key)?;
        }
        ensure_no_shell(text)?;
        match self.expected {
            Expected::Unlocked => {
                registered(bench)?;
                unlocked(bench, text)
            }
            Expected::Installed => installed(bench, text),
            Expected::Refused(words) => {
                let line = report(text)?;
                let explained = bench.site.explain(line)?;
                ensure!(explained.contains(words), "explain does not say {words:?}:\n{explained}");
                self.ensure_locked(bench, text)?;
                Ok(line.to_owned())
            }
            Expected::Prompt(words) => {
                let line = report(text)?;
                ensure!(line.contains(words), "the console does not say {words:?}: {line}");
                self.ensure_locked(bench, text)?;
                Ok(line.to_owned())
            }
            Expected::Closed(words) => {
                let line = report(text)?;
                ensure!(line.contains(words), "the console does not say {words:?}: {line}");
                ensure_shut(bench, text)?;
                ensure!(!text.contains(self.kind.prompt()), "somebody is asked for the passphrase");
                self.ensure_ended(text)?;
                Ok(line.to_owned())
            }
            Expected::Ended => {
                ensure_shut(bench, text)?;
                self.ensure_ended(text)?;
                Ok("the machine ended without a key and without a shell".to_owned())
            }
        }
    }

    fn ensure_ended(&self, console: &str) -> anyhow::Result<()> {
        let ends = |line: &str| self.kind.ends().iter().all(|part| line.contains(part));
        ensure!(console.lines().any(ends), "the initrd did not end as it should");
        Ok(())
    }

    fn ensure_locked(&self, bench: &Bench<'_>, console: &str) -> anyhow::Result<()> {
        ensure_shut(bench, console)?;
        ensure!(console.contains(self.kind.prompt()), "nobody is asked for the passphrase");
        Ok(())
    }
}

impl Kind {
    /// What the initrd prints early.
    const fn started(self) -> &'static str {
        match self {
            Self::Grub | Self::Unified => "Loading, please wait",
            Self::Dracut => "Running in initrd",
        }
    }

    /// What is in the line with which an initrd ends that fails: no shell, or the latch before it could open.
    const fn ends(self) -> &'static [&'static str] {
        match self {
            Self::Grub | Self::Unified => &["Rebooting automatically due to panic= boot argument"],
            Self::Dracut => &["Finished", "vouchsafe-latch-failed"],
        }
    }

    /// The question for the passphrase of the root file system.
    const fn prompt(self) -> &'static str {
        match self {
            Self::Grub | Self::Unified => "Recovery passphrase of root",
            Self::Dracut => "Please enter passphrase for disk",
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
    let mut volume = fs::read(bench.volumes.first().context("a volume")?)?;
    for copy in volume.chunks_exact_mut(METADATA).take(2) {
        let place = copy.windows(genuine.len()).position(|bytes| bytes == genuine).context("a cipher")?;
        copy.get_mut(place..place + null.len()).context("a cipher")?.copy_from_slice(null);
        copy.get_mut(448..512).context("a checksum")?.fill(0);
        let Digest32(sum) = Digest32::of(copy);
        copy.get_mut(448..480).context("a checksum")?.copy_from_slice(&sum);
    }
    bench.lab.write("volume.changed", &volume)
}

/// Bytes of each of the two copies of a header's metadata.
const METADATA: usize = 16384;
