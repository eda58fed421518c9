//! An update of kernel and initrd in the running system, which proposes the next boot, and the reboots after it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use vouchsafe_tests::broker::program;

use super::checks::{ensure_no_key, ensure_no_shell, ensure_shut, report, said, unlocked};
use super::debian::kernel_version;
use super::site::Certified;
use super::{Bench, Kind, Start, UUID, crypttab, volume};
use crate::disk::{Lab, run};
use crate::machine::{Console, Devices, Firmware, Machine, Network};
use crate::say;

/// A kernel with its initrd and the configuration that starts it.
struct Boot {
    version: String,
    kernel: PathBuf,
    initrd: PathBuf,
    configuration: PathBuf,
    line: String,
}

impl Boot {
    fn new(lab: &Lab, version: &str, kernel: PathBuf, initrd: PathBuf) -> anyhow::Result<Self> {
        let line = format!("/vmlinuz-{version} {}", Kind::Grub.arguments());
        let text = format!(
            "set timeout=0\nserial --unit=0\nterminal_output serial console\nmenuentry 'Debian' {{\n\
             \techo 'Loading Linux {version} ...'\n\tlinux {line}\n\tinitrd /initrd.img-{version}\n}}\n"
        );
        let configuration = lab.write(&format!("update-{version}.cfg"), text.as_bytes())?;
        Ok(Self { version: version.to_owned(), kernel, initrd, configuration, line })
    }

    /// The options of `vouchsafe baseline predict`.
    fn arguments(&self, start: &Start) -> anyhow::Result<Vec<String>> {
        let Start::Grub(grub) = start else { anyhow::bail!("an update is of a boot through GRUB") };
        let files = [
            ("--shim", &grub.shim),
            ("--grub", &grub.grub),
            ("--grub-start", &grub.start),
            ("--kernel", &self.kernel),
            ("--initrd", &self.initrd),
            ("--grub-cfg", &self.configuration),
        ];
        let files = files.into_iter().map(|(option, file)| [option.to_owned(), file.display().to_string()]);
        Ok(files.flatten().chain(["--cmdline".to_owned(), self.line.clone()]).collect())
    }
}

/// Boots the older kernel, updates, approves what the hook has proposed, and boots again.
pub(super) fn play(bench: &mut Bench<'_>, name: &str) -> anyhow::Result<()> {
    let (old, new) = boots(bench)?;
    let before = bench.site.foretell(&bench.start, Kind::Grub, bench.driver)?;
    let foretold = |boot: &Boot, bench: &Bench<'_>| {
        bench.site.foretell_boot(&boot.arguments(&bench.start)?, false, Kind::Grub, bench.driver)
    };
    let volume = updating_volume(bench, &old, &new)?;
    bench.site.put_baseline(&foretold(&old, bench)?)?;
    // This volume has another header than those of the other boots.
    bench.site.forget_volume()?;
    let Start::Grub(grub) = &bench.start else { anyhow::bail!("an update is of a boot through GRUB") };
    let names = [format!("vmlinuz-{}", old.version), format!("initrd.img-{}", old.version)];
    let content: [(&str, &Path); 5] = [
        ("EFI/BOOT/BOOTX64.EFI", &grub.shim),
        ("EFI/BOOT/grubx64.efi", &grub.grub),
        ("EFI/debian/grub.cfg", &old.configuration),
        (&names[0], &old.kernel),
        (&names[1], &old.initrd),
    ];
    let volumes = [volume];
    let (option_rom, network) = (bench.option_rom.as_path(), Network::Subnet);
    let devices = Devices { volumes: &volumes, option_rom, driver: bench.driver, network };
    let machine = Machine::new(bench.lab, name, Firmware::SecureBoot, &content)?.with(devices)?;
    bench.site.provision(&machine.tpm_state(), Certified::Genuinely)?;

    let updating = boot(bench, &machine, &old)?;
    let id = proposed(&updating)?;
    say(&format!(
        "  {name}: {} ran and proposed the next boot in {} s",
        old.version,
        updating.took.as_secs()
    ))?;
    let pending = bench.site.broker.operate(&["baseline", "pending"], b"")?;
    ensure!(pending.contains(id.get(..8).unwrap_or_default()), "no pending proposal {id}:\n{pending}");
    bench.site.broker.operate(&["baseline", "approve", &id], b"")?;

    let updated = boot(bench, &machine, &new)?;
    say(&format!("  {name}: {} was approved, and unlocked in {} s", new.version, updated.took.as_secs()))?;

    // What was approved becomes all that is allowed.
    bench.site.put_baseline(&foretold(&new, bench)?)?;
    boot(bench, &machine, &new)?;
    machine.replace("EFI/debian/grub.cfg", &old.configuration)?;
    let console = machine.run(Kind::Grub.prompt())?;
    refused(bench, &console).with_context(|| format!("its console is {}", console.file.display()))?;

    bench.site.put_baseline(&before)?;
    bench.site.forget_volume()?;
    say(&format!(
        "passed {name}: updated from {} to {}; then the old kernel is refused",
        old.version, new.version
    ))
}

/// The older kernel, and the one of the other boots.
fn boots(bench: &Bench<'_>) -> anyhow::Result<(Boot, Boot)> {
    let package = bench.older_kernel()?;
    let (kernel, initrd) = bench.debian.older_kernel(&package, &crypttab(Kind::Grub))?;
    let initrd = bench.lab.write("initrd.before", &initrd)?;
    let old = Boot::new(bench.lab, &kernel_version(&package)?, kernel, initrd)?;
    let Start::Grub(grub) = &bench.start else { anyhow::bail!("an update is of a boot through GRUB") };
    let new = Boot::new(bench.lab, bench.debian.version(), grub.kernel.clone(), grub.initrd.clone())?;
    ensure!(old.version != new.version, "there is no kernel before {}", new.version);
    Ok((old, new))
}

/// The system of the other boots, with what the update brings, and the hooks of the package.
fn updating_volume(bench: &Bench<'_>, old: &Boot, new: &Boot) -> anyhow::Result<PathBuf> {
    let content = volume::content(&bench.debian)?;
    volume::fill(bench.lab, &bench.debian, &content, &bench.marker, volume::INIT)?;
    for folder in ["boot/efi", "etc/update", "etc/kernel/postinst.d", "usr/lib/vouchsafe"] {
        fs::create_dir_all(content.join(folder))?;
    }
    for applet in ["cp", "find", "insmod", "mkdir", "sync", "umount", "uname"] {
        symlink("busybox", content.join("bin").join(applet))?;
    }
    for file in ["etc/kernel/postinst.d/zzz-vouchsafe", "usr/lib/vouchsafe/propose-update"] {
        fs::copy(bench.debian.path(file), content.join(file)).with_context(|| file.to_owned())?;
    }
    whole_guest(bench, &content)?;
    let update = content.join("etc/update");
    fs::write(update.join("version"), &new.version)?;
    fs::write(update.join("run"), UPDATE)?;
    fs::set_permissions(update.join("run"), fs::Permissions::from_mode(0o755))?;
    for (file, from) in [("vmlinuz", &new.kernel), ("initrd", &new.initrd), ("grub.cfg", &new.configuration)]
    {
        fs::copy(from, update.join(file))?;
    }
    let roots = [(&old.version, bench.older_kernel()?), (&new.version, bench.debian.path(""))];
    for (version, root) in roots {
        let modules = content.join("lib/modules").join(version);
        fs::create_dir_all(&modules)?;
        for (number, module) in MODULES.iter().enumerate() {
            let file = root.join(format!("lib/modules/{version}/kernel/fs/{module}.ko"));
            let name = module.rsplit('/').next().unwrap_or_default();
            // In the order in which they are loaded.
            fs::copy(&file, modules.join(format!("{number}-{name}.ko")))
                .with_context(|| file.display().to_string())?;
        }
    }
    let system = volume::file_system(&bench.debian, SIZE)?;
    // The other volume of this UUID is a file of the same name.
    let lab = Lab { work: bench.lab.folder("updating")?, ..bench.lab.clone() };
    let [key, _] = &bench.keys;
    let enroll = || volume::with_recovery(&bench.debian, &bench.recovery);
    volume::encrypted(&lab, &bench.debian, UUID, key, enroll, system)
}

/// The guest of initrds foretells nothing, so the system gets the whole one, which needs more libraries.
fn whole_guest(bench: &Bench<'_>, content: &Path) -> anyhow::Result<()> {
    let stripped = bench.debian.path(WHOLE);
    run(Command::new("strip").arg("-o").arg(&stripped).arg(program("vouchsafe-guest")?))?;
    let libraries = bench.debian.program(WHOLE)?;
    for file in libraries.iter().filter(|file| *file != WHOLE) {
        volume::copy(&bench.debian.path(file), &content.join(file))?;
    }
    volume::copy(&stripped, &content.join("usr/bin/vouchsafe-guest"))?;
    Ok(fs::remove_file(stripped)?)
}

/// Boots until the machine is off: this kernel runs, and the volume was unlocked.
fn boot(bench: &Bench<'_>, machine: &Machine<'_>, boot: &Boot) -> anyhow::Result<Console> {
    let console = machine.run("")?;
    let check = || {
        checked(bench, &console)?;
        let running = said(&console.text, "BOOT-KERNEL ")?;
        ensure!(running == boot.version, "the kernel is {running}, not {}", boot.version);
        unlocked(bench, &console.text)
    };
    check().with_context(|| format!("its console is {}", console.file.display()))?;
    Ok(console)
}

fn checked(bench: &Bench<'_>, console: &Console) -> anyhow::Result<()> {
    for secret in bench.secrets() {
        ensure_no_key(console.text.as_bytes(), secret)?;
        ensure_no_key(bench.site.broker.read_log().as_bytes(), secret)?;
    }
    ensure_no_shell(&console.text)
}

/// What the hook printed: that the next boot would be refused, and how to approve it. Returns the id of the proposal.
fn proposed(console: &Console) -> anyhow::Result<String> {
    let find = || {
        let (_, said_by_hook) = console.text.split_once("BOOT-UPDATE ").context("no update")?;
        let (block, after) = said_by_hook.split_once("BOOT-HOOK ").context("the hook did not end")?;
        ensure!(after.starts_with("exit=0"), "the hook failed");
        ensure!(block.contains("the next boot is refused"), "the hook does not warn:\n{block}");
        ensure!(!block.contains("Not predicted"), "something was not foretold:\n{block}");
        let (_, id) = block.split_once("vouchsafe baseline approve ").context("no command to approve it")?;
        let id: String = id.chars().take_while(char::is_ascii_hexdigit).collect();
        ensure!(id.len() == 64, "the id is {id}");
        Ok(id)
    };
    find().with_context(|| format!("its console is {}", console.file.display()))
}

fn refused(bench: &Bench<'_>, console: &Console) -> anyhow::Result<()> {
    checked(bench, console)?;
    ensure_shut(bench, &console.text)?;
    let explained = bench.site.explain(report(&console.text)?)?;
    ensure!(explained.contains("not a member"), "explain does not say so:\n{explained}");
    Ok(())
}

/// Runs in the system before it asks for the key again.
const UPDATE: &str = include_str!("update.sh");
/// Where the Debian lends its libraries to the whole guest.
const WHOLE: &str = "srv/vouchsafe-guest";
/// What mounts the EFI system partition.
const MODULES: [&str; 4] = ["fat/fat", "fat/vfat", "nls/nls_cp437", "nls/nls_ascii"];
/// Size of the file system: two initrds and the guest.
const SIZE: &str = "256M";
