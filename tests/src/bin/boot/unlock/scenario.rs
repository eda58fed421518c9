//! A boot: what is different in it, and what has to happen.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use vouchsafe_protocol::Digest32;

use super::checks::{self, ensure_no_key, ensure_no_shell, ensure_shut, report};
use super::kind::Kind;
use super::names::Name;
use super::site::Certified;
use super::volume::DATA_OFFSET;
use super::{Bench, GrubBoot, Start, crypttab};
use crate::disk::Archive;
use crate::machine::{Console, Devices, Machine, Network};
use crate::say;

/// A boot.
pub(crate) struct Scenario {
    pub(super) name: Name,
    pub(super) kind: Kind,
    pub(super) change: Change,
    pub(super) expected: Expected,
}

/// How a boot differs from the one that was foretold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Arguments(&'static str),
    Initrd,
    Kernel,
    Certified(Certified),
    DiskDetached,
    Header,
    /// The volume has the header that it had before a key slot was added. The broker knows the one with it.
    OlderHeader,
    BrokerAway,
    /// The key is retired until the console asks for the recovery code.
    Retired,
    /// The first boot is refused, for the initrd that the stub composed; an operator adds it to the baseline.
    ComposedInitrd,
    /// DHCP hands out a /32.
    HostRoute,
    /// Kernel and initrd are updated in the running system, and the machine boots four times.
    Update,
    BaselineRevoked,
}

/// What has to happen.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    /// The system on the volume runs, its own request for the key is refused, and it gets what is for the phase `latched`.
    Unlocked,
    /// The same for an installed system, whose data volume is unlocked, and whose service has its credential, after the initrd.
    Installed,
    /// The recovery code that is typed opens the volume; the system gets neither the key nor what is for the phase `latched`.
    Recovered,
    /// The system on the volume runs, and gets neither the key nor what is for the phase `latched`.
    ByClevis,
    /// The broker refuses with this code, which the console names, and `vouchsafe explain` has these words. The console asks for the
    /// passphrase.
    Refused { code: &'static str, why: &'static str },
    /// The guest says this by itself and requests nothing. The console asks for the passphrase.
    Prompt(&'static str),
    /// The machine ends by itself, after the latch: nothing is requested or unlocked, and nobody gets a shell.
    Ended,
    /// The guest says this by itself and requests nothing. Nobody is asked for a passphrase, and the machine ends by itself.
    Closed(&'static str),
}

impl Scenario {
    /// Boots, and checks what happened.
    pub(super) fn play(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        if self.change == Change::Update {
            return super::update::play(bench, &self.name.text());
        }
        if self.change == Change::OlderHeader && checks::registered(bench).is_err() {
            REGISTERING.play(bench)?;
        }
        let decided = bench.site.decisions()?;
        let console = self.boot(bench)?;
        let outcome = self
            .check(bench, &console)
            .and_then(|outcome| self.ensure_silence(bench, &decided).map(|()| outcome))
            .with_context(|| format!("its console is {}", console.file.display()))?;
        say(&format!("passed {} ({} s): {outcome}", self.name.text(), console.took.as_secs()))
    }

    fn boot(&self, bench: &mut Bench<'_>) -> anyhow::Result<Console> {
        let files = match &bench.start {
            Start::Grub(boot) => Some(self.files(bench, boot.clone())?),
            Start::Unified(_) => None,
        };
        let content = match (&files, &bench.start) {
            (Some(boot), _) => boot.content().to_vec(),
            (None, Start::Unified(image)) => vec![("EFI/BOOT/BOOTX64.EFI", image.as_path())],
            (None, Start::Grub(_)) => Vec::new(),
        };
        let mut volumes = bench.volumes.clone();
        match self.change {
            Change::Header => volumes = vec![changed_header(bench)?],
            Change::OlderHeader => volumes = vec![older_header(bench)?],
            _ => {}
        }
        let name = self.name.text();
        let machine = Machine::new(bench.lab, &name, self.kind.firmware(), &content)?.with(Devices {
            volumes: &volumes,
            option_rom: &bench.option_rom,
            driver: bench.driver,
            network: if self.change == Change::HostRoute { Network::HostRoute } else { Network::Subnet },
        })?;
        let certified = match self.change {
            Change::Certified(certified) => certified,
            _ => Certified::Genuinely,
        };
        bench.site.provision(&machine.tpm_state(), certified)?;
        match self.change {
            Change::BrokerAway => bench.site.broker.kill()?,
            Change::BaselineRevoked => bench.site.revoke()?,
            Change::Retired => bench.site.retire()?,
            Change::ComposedInitrd => {
                let refused = machine.run(self.kind.prompt())?;
                let line = self.ensure_says(bench, &refused.text, "refused (not-granted)")?;
                bench.site.allow_initrd(&bench.site.explain(line)?)?;
            }
            _ => {}
        }
        let console = self.run(bench, &machine);
        if self.change == Change::BrokerAway {
            bench.site.broker.run()?;
        }
        console
    }

    fn run(&self, bench: &Bench<'_>, machine: &Machine<'_>) -> anyhow::Result<Console> {
        match self.expected {
            _ if self.change == Change::DiskDetached => machine.run_detaching(self.kind.started()),
            Expected::Recovered => {
                machine.run_typing(self.kind.prompt(), &bench.recovery, || bench.site.restore())
            }
            Expected::Refused { .. } | Expected::Prompt(_) => machine.run(self.kind.prompt()),
            Expected::Unlocked
            | Expected::Installed
            | Expected::ByClevis
            | Expected::Ended
            | Expected::Closed(_) => machine.run(""),
        }
    }

    /// The files that this boot is made of.
    fn files(&self, bench: &Bench<'_>, boot: GrubBoot) -> anyhow::Result<GrubBoot> {
        match self.change {
            Change::Arguments(arguments) => {
                boot.with_arguments(bench.lab, &format!("{}.cfg", self.name.text()), arguments)
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
        let log = bench.site.broker.read_log();
        for secret in bench.secrets() {
            ensure_no_key(text.as_bytes(), secret).context("the console")?;
            ensure_no_key(log.as_bytes(), secret).context("the log of the broker")?;
            console.search(|file| ensure_no_key(file, secret))?;
        }
        ensure_no_shell(text)?;
        if self.change == Change::HostRoute {
            ensure!(console.leases > 0, "no address was handed out");
        }
        match self.expected {
            Expected::Unlocked => {
                checks::registered(bench)?;
                checks::unlocked(bench, text)
            }
            Expected::Installed => checks::installed(bench, text),
            Expected::Recovered => checks::recovered(bench, text),
            Expected::ByClevis => checks::by_clevis(bench, text),
            Expected::Refused { code, why } => {
                let line = self.ensure_says(bench, text, &format!("refused ({code})"))?;
                let explained = bench.site.explain(line)?;
                ensure!(explained.contains(why), "explain does not say {why:?}:\n{explained}");
                let because = explained.lines().find(|line| line.contains(why)).unwrap_or_default();
                Ok(format!("{line}; explain: {}", because.trim()))
            }
            Expected::Prompt(words) => self.ensure_says(bench, text, words).map(ToOwned::to_owned),
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

    /// Where the guest gives the reason by itself, the broker has decided nothing.
    fn ensure_silence(&self, bench: &Bench<'_>, decided: &BTreeSet<String>) -> anyhow::Result<()> {
        if !matches!(self.expected, Expected::Prompt(_) | Expected::Ended | Expected::Closed(_)) {
            return Ok(());
        }
        let after = bench.site.decisions()?;
        let new = after.difference(decided).next();
        ensure!(new.is_none(), "something was requested: decision {}", new.map_or("", String::as_str));
        Ok(())
    }

    /// The guest's line about the volume has these words, and somebody is asked for the passphrase.
    fn ensure_says<'t>(&self, bench: &Bench<'_>, console: &'t str, words: &str) -> anyhow::Result<&'t str> {
        let line = report(console)?;
        ensure!(line.contains(words), "the console does not say {words:?}: {line}");
        ensure_shut(bench, console)?;
        ensure!(console.contains(self.kind.prompt()), "nobody is asked for the passphrase");
        Ok(line)
    }

    fn ensure_ended(&self, console: &str) -> anyhow::Result<()> {
        let ends = |line: &str| self.kind.ends().iter().all(|part| line.contains(part));
        ensure!(console.lines().any(ends), "the initrd did not end as it should");
        Ok(())
    }
}

/// The boot after which the broker knows the header of the volume.
const REGISTERING: Scenario = Scenario {
    name: Name::Debian12,
    kind: Kind::Grub,
    change: Change::Nothing,
    expected: Expected::Unlocked,
};

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

/// The volume as it was before its last key slot was added.
fn older_header(bench: &Bench<'_>) -> anyhow::Result<PathBuf> {
    let current = bench.volumes.first().context("a volume")?;
    let mut volume = fs::read(current)?;
    let older = fs::read(super::volume::before(current))?;
    let header = volume.get_mut(..usize::try_from(DATA_OFFSET)?).context("a header")?;
    ensure!(header != older.as_slice(), "the header of the volume has never changed");
    header.copy_from_slice(&older);
    bench.lab.write("volume.older", &volume)
}

/// Bytes of each of the two copies of a header's metadata.
const METADATA: usize = 16384;
