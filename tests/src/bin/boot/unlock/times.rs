//! How long the same boot takes in three ways: with a key from the broker, with a key file in the initrd, and with Clevis and tang.
//!
//! All three are a unified kernel image of Debian 12 with the initrd that its initramfs-tools makes, on the same machine with the same
//! volume. The kernel traces which programs begin and end; the guest says how long its TPM and the broker took. Under emulation
//! everything takes ten to twenty times as long as on a processor, so the relations count.

#[path = "times/report.rs"]
mod report;
#[path = "times/tang.rs"]
mod tang;
#[path = "times/trace.rs"]
mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use vouchsafe_protocol::Digest32;

use super::checks::ensure_no_key;
use super::clevis::bind_to;
use super::debian::Debian;
use super::kind::Kind;
use super::site::{Certified, Site};
use super::{DRIVER, EfiImage, Start, UUID, crypttab, option_rom, random, unified, volume};
use crate::disk::{Lab, run as run_program};
use crate::machine::{Devices, Firmware, Machine, Network};
use crate::{fetch, say};
use report::Sample;
use tang::Tang;

/// Boots all three in turn, this many times, and prints medians.
pub(crate) fn run(packages: &Path, guest: &Path, rounds: u32, limit: Duration) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    fetch("boot", packages, "12")?;
    fetch("root", packages, "12")?;
    fetch("root", packages, "12-clevis")?;
    let work = folder.path().join("times");
    fs::create_dir(&work)?;
    let lab = Lab { machine: packages.join("machine"), root: packages.join("12"), work, limit };
    let site = Site::start(&lab.work.join("site"))?;
    let mut key = [0; 32];
    hex::encode_to_slice(random::<16>()?, &mut key)?;
    let marker = hex::encode(random::<16>()?);
    let ways = ways(&lab, packages, guest, &site, &key, &marker)?;
    let rom = option_rom(&lab)?;
    let image = fs::read(&rom)?;
    let driver = EfiImage::parse(image.get(DRIVER).context("a driver")?)?.digest();
    let [_, Way { image, .. }, _] = &ways;
    let baseline = site.foretell(&Start::Unified(image.clone()), Kind::Unified, driver)?;
    site.register(&baseline, Kind::Unified, &key)?;
    let machines: Vec<_> =
        ways.iter().map(|way| way.machine(&lab, &site, &rom, driver)).collect::<anyhow::Result<_>>()?;
    let mut samples = [const { Vec::new() }; 3];
    for round in 1..=rounds {
        for ((way, machine), samples) in ways.iter().zip(&machines).zip(&mut samples) {
            let console = machine.run("")?;
            let sample = Sample::read(&console.text, &marker)
                .with_context(|| format!("{}: its console is {}", way.name, console.file.display()));
            let checked = ensure_no_key(console.text.as_bytes(), &key).and(sample);
            samples.push(checked.inspect_err(|_| drop(folder_kept(&lab)))?);
            say(&format!("round {round}: {} ({} s)", way.name, console.took.as_secs()))?;
        }
    }
    report::print(&ways, &samples)
}

/// Keeps the files of a boot that failed, for analysis.
fn folder_kept(lab: &Lab) -> anyhow::Result<()> {
    let kept = std::env::temp_dir().join(format!("boot-times-{}", std::process::id()));
    run_program(std::process::Command::new("cp").arg("-r").arg(&lab.work).arg(&kept))?;
    say(&format!("all files are in {}", kept.display()))
}

/// A way to unlock.
struct Way {
    name: &'static str,
    image: PathBuf,
    volume: PathBuf,
    /// Bytes of the initrd, compressed as the system does.
    initrd: u64,
    /// Bytes of the guest in it.
    guest: u64,
}

impl Way {
    fn machine<'a>(
        &'a self,
        lab: &'a Lab,
        site: &Site,
        option_rom: &'a Path,
        driver: Digest32,
    ) -> anyhow::Result<Machine<'a>> {
        let content = [("EFI/BOOT/BOOTX64.EFI", self.image.as_path())];
        let volumes = std::slice::from_ref(&self.volume);
        let devices = Devices { volumes, option_rom, driver, network: Network::Subnet };
        let machine = Machine::new(lab, self.name, Firmware::Plain, &content)?.with(devices)?;
        site.provision(&machine.tpm_state(), Certified::Genuinely)?;
        Ok(machine)
    }
}

/// The key file, the broker, and Clevis. A system without the guest makes the initrds of the first and the last.
fn ways(
    lab: &Lab,
    packages: &Path,
    guest: &Path,
    site: &Site,
    key: &[u8; 32],
    marker: &str,
) -> anyhow::Result<[Way; 3]> {
    let kind = Kind::Unified;
    let root = packages.join("12-root");
    let debian = Debian::without_guest(&root)?;
    let (image, initrd) = with_key_file(lab, &debian, key)?;
    let clevis = Debian::without_guest(&packages.join("12-clevis-root"))?;
    let tang = Tang::start(&clevis)?;
    let (tang_image, tang_initrd) =
        make_image(lab, "tang", &clevis, &format!("root UUID={UUID} none luks,initramfs\n"))?;

    let debian_with_guest = Debian::with_guest(&root, guest, &unregistered(site)?, kind)?;
    let system = volume::system(lab, &debian_with_guest, marker, INIT)?;
    let nothing = || Ok(());
    let plain = volume::encrypted(lab, &debian, UUID, key, nothing, system.clone())?;
    let volume = lab.work.join("volume");
    fs::rename(plain, &volume)?;
    let bind = || bind_to(&clevis, "tang", &tang.configuration(&clevis)?);
    let tang_volume = volume::encrypted(lab, &clevis, UUID, key, bind, system)?;

    let (guest_image, guest_initrd) = make_image(lab, "broker", &debian_with_guest, &crypttab(kind))?;
    let bytes = fs::metadata(debian.path("usr/lib/vouchsafe/initrd/vouchsafe-guest"))?.len();
    Ok([
        Way { name: "key-file", image, volume: volume.clone(), initrd, guest: 0 },
        Way { name: "vouchsafe", image: guest_image, volume, initrd: guest_initrd, guest: bytes },
        Way { name: "clevis-tang", image: tang_image, volume: tang_volume, initrd: tang_initrd, guest: 0 },
    ])
}

/// The configuration of the VMs, in which the header of the volume is not registered.
fn unregistered(site: &Site) -> anyhow::Result<PathBuf> {
    let folder = site.configuration(Kind::Unified)?;
    let file = folder.join("guest.toml");
    fs::write(&file, fs::read_to_string(&file)?.replace("register = true\n", ""))?;
    Ok(folder)
}

/// The initrd has the key, as Debian's cryptsetup-initramfs copies it.
fn with_key_file(lab: &Lab, debian: &Debian, key: &[u8; 32]) -> anyhow::Result<(PathBuf, u64)> {
    let hook = debian.path("etc/cryptsetup-initramfs/conf-hook");
    let before = fs::read(&hook)?;
    fs::create_dir_all(debian.path("etc/keys"))?;
    fs::write(debian.path("etc/keys/root.key"), key)?;
    fs::write(&hook, "KEYFILE_PATTERN=/etc/keys/*.key\n")?;
    let crypttab = format!("root UUID={UUID} /etc/keys/root.key luks,initramfs\n");
    let made = make_image(lab, "key-file", debian, &crypttab);
    fs::remove_dir_all(debian.path("etc/keys"))?;
    fs::write(hook, before)?;
    made
}

/// A unified kernel image, and the size of the initrd in it.
fn make_image(lab: &Lab, name: &str, debian: &Debian, crypttab: &str) -> anyhow::Result<(PathBuf, u64)> {
    let kind = Kind::Unified;
    let initrd = debian.initrd(kind, crypttab)?;
    ensure!(!initrd.is_empty(), "the initrd is empty");
    let bytes = u64::try_from(initrd.len())?;
    let initrd = lab.write("initrd", &initrd)?;
    let made = unified(lab, debian, &format!("{} {TRACE}", kind.arguments()), &initrd)?;
    let image = lab.work.join(format!("{name}.efi"));
    fs::rename(made, &image)?;
    Ok((image, bytes))
}

/// The first program of the system.
const INIT: &str = include_str!("times.sh");
/// The kernel's arguments that have it trace which programs begin and end.
const TRACE: &str = "trace_event=sched:sched_process_exec,sched:sched_process_exit trace_buf_size=2M";
