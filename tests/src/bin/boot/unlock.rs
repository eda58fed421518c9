//! Boots Debian with an encrypted root file system.
//!
//! Everything is as on Google Cloud but for what only Google has: a Debian kernel with the initrd that its
//! initramfs-tools makes, shim and GRUB, a TPM with an AK and its certificate, and a LUKS2 volume, whose key
//! `vouchsafe-guest` requests from a real broker. The baseline is foretold from the files before the first
//! boot. The AK's CA is an extra trust anchor of the broker; a driver in an option ROM measures the technology
//! that Google's firmware measures.

#[path = "unlock/debian.rs"]
mod debian;
#[path = "unlock/scenario.rs"]
mod scenario;
#[path = "unlock/site.rs"]
mod site;
#[path = "unlock/smoke.rs"]
mod smoke;
#[path = "unlock/volume.rs"]
mod volume;
#[path = "unlock/xts.rs"]
mod xts;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use vouchsafe_attestation::reference_values::EfiImage;
use vouchsafe_protocol::Digest32;

use crate::disk::{Lab, run as run_program};
use crate::suite::Suite;
use crate::{fetch, say};
use debian::Debian;
pub(crate) use scenario::Name;
use scenario::Scenario;
use site::Site;

/// Makes what the boots need, and boots. Returns whether each did as it should.
pub(crate) fn run(
    packages: &Path,
    guest: &Path,
    boots: &[&Scenario],
    limit: Duration,
) -> anyhow::Result<bool> {
    let suite = Suite::Debian12;
    fetch("boot", packages, suite)?;
    fetch("root", packages, suite)?;
    let folder = tempfile::tempdir()?;
    let mut failed = 0;
    for (kind, work) in [(Kind::Unified, "unified"), (Kind::Grub, "grub")] {
        let boots: Vec<_> = boots.iter().filter(|scenario| scenario.kind() == kind).collect();
        if boots.is_empty() {
            continue;
        }
        let work = folder.path().join(work);
        fs::create_dir(&work)?;
        let lab = Lab { machine: packages.join("machine"), root: packages.join(suite.name()), work, limit };
        let mut bench = Bench::set_up(&lab, packages, guest, kind)?;
        for scenario in boots {
            if let Err(error) = scenario.play(&mut bench) {
                failed += 1;
                say(&format!("FAILED {}: {error:#}", scenario.name))?;
            }
        }
    }
    if failed == 0 {
        say("All boots did as they should.")?;
        return Ok(true);
    }
    // The files stay, for analysis.
    say(&format!("{failed} boots did not; all files are in {}.", folder.keep().display()))?;
    Ok(false)
}

/// How the kernel is started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By shim and GRUB, with Secure Boot.
    Grub,
    /// By the firmware, as a unified kernel image without Secure Boot.
    Unified,
}

/// The files of a boot.
enum Start {
    Grub(GrubBoot),
    Unified(PathBuf),
}

impl Start {
    /// The options of `vouchsafe baseline predict`.
    fn arguments(&self) -> Vec<String> {
        match self {
            Self::Grub(boot) => boot.arguments(),
            Self::Unified(image) => vec!["--uki".to_owned(), image.display().to_string()],
        }
    }
}

/// Everything that boots have in common.
struct Bench<'a> {
    lab: &'a Lab,
    site: Site,
    debian: Debian,
    /// Where packages are kept.
    packages: &'a Path,
    start: Start,
    volume: PathBuf,
    option_rom: PathBuf,
    /// Authenticode digest of the driver in the option ROM.
    driver: Digest32,
    /// The content of a file on the encrypted volume, and nowhere else.
    marker: String,
    key: [u8; 32],
}

impl<'a> Bench<'a> {
    fn set_up(lab: &'a Lab, packages: &'a Path, guest: &Path, kind: Kind) -> anyhow::Result<Self> {
        let started = Instant::now();
        let site = Site::start(&lab.work.join("site"))?;
        let debian = Debian::with_guest(&packages.join("12-root"), guest, &site.configuration()?)?;
        let mut random = [0; 48];
        aws_lc_rs::rand::fill(&mut random)?;
        let (key, marker) = random.split_at(32);
        let (key, marker) = (key.try_into()?, hex::encode(marker));
        let volume = volume::make(lab, &debian, &key, &marker)?;
        let option_rom = option_rom(lab)?;
        let image = fs::read(&option_rom)?;
        let driver = EfiImage::parse(image.get(DRIVER).context("a driver")?)?.digest();
        let start = match kind {
            Kind::Grub => {
                let initrd = lab.write("initrd", &debian.initrd(&crypttab())?)?;
                Start::Grub(GrubBoot::new(lab, &debian.kernel(), &initrd, ARGUMENTS)?)
            }
            Kind::Unified => Start::Unified(smoke::image(lab, &debian)?),
        };
        let baseline = site.foretell(&start, driver)?;
        site.register(&baseline, kind == Kind::Unified, &key)?;
        say(&format!("Broker, initrd and volume made in {} s", started.elapsed().as_secs()))?;
        Ok(Self { lab, site, debian, packages, start, volume, option_rom, driver, marker, key })
    }

    /// The root of the package of an older kernel.
    fn older_kernel(&self) -> anyhow::Result<PathBuf> {
        fetch("older-kernel", self.packages, Suite::Debian12)?;
        Ok(self.packages.join("12-older-kernel"))
    }
}

/// The files of a boot through shim and GRUB.
#[derive(Clone)]
struct GrubBoot {
    shim: PathBuf,
    grub: PathBuf,
    start: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    configuration: PathBuf,
    arguments: String,
}

impl GrubBoot {
    fn new(lab: &Lab, kernel: &Path, initrd: &Path, arguments: &str) -> anyhow::Result<Self> {
        Self {
            shim: lab.file("usr/lib/shim/shimx64.efi.signed"),
            grub: lab.file("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
            start: lab.write("grub-start", Suite::Debian12.grub_start().as_bytes())?,
            kernel: kernel.to_owned(),
            initrd: initrd.to_owned(),
            configuration: PathBuf::new(),
            arguments: String::new(),
        }
        .with_arguments(lab, "grub.cfg", arguments)
    }

    /// The same with another command line.
    fn with_arguments(self, lab: &Lab, file: &str, arguments: &str) -> anyhow::Result<Self> {
        let text = format!(
            "set timeout=0\nserial --unit=0\nterminal_output serial console\nmenuentry 'Debian' {{\n\
             \tlinux /vmlinuz {arguments}\n\tinitrd /initrd\n}}\n"
        );
        let configuration = lab.write(file, text.as_bytes())?;
        Ok(Self { configuration, arguments: arguments.to_owned(), ..self })
    }

    /// The options of `vouchsafe baseline predict`.
    fn arguments(&self) -> Vec<String> {
        let files = [
            ("--shim", &self.shim),
            ("--grub", &self.grub),
            ("--kernel", &self.kernel),
            ("--initrd", &self.initrd),
            ("--grub-cfg", &self.configuration),
            ("--grub-start", &self.start),
        ];
        let files =
            files.into_iter().flat_map(|(option, file)| [option.to_owned(), file.display().to_string()]);
        files.chain(["--cmdline".to_owned(), format!("/vmlinuz {}", self.arguments)]).collect()
    }

    /// The files of the EFI system partition.
    fn content(&self) -> [(&str, &Path); 5] {
        [
            ("EFI/BOOT/BOOTX64.EFI", &self.shim),
            ("EFI/BOOT/grubx64.efi", &self.grub),
            ("EFI/debian/grub.cfg", &self.configuration),
            ("vmlinuz", &self.kernel),
            ("initrd", &self.initrd),
        ]
    }
}

/// Assembles the option ROM that measures the technology.
fn option_rom(lab: &Lab) -> anyhow::Result<PathBuf> {
    let source = lab.write("technology.S", include_bytes!("unlock/technology.S"))?;
    let (object, rom) = (lab.work.join("technology.o"), lab.work.join("technology.rom"));
    run_program(Command::new("cc").arg("-c").arg(&source).arg("-o").arg(&object)).context("assemble")?;
    run_program(Command::new("objcopy").args(["-O", "binary", "-j", ".text"]).arg(&object).arg(&rom))?;
    Ok(rom)
}

fn crypttab() -> String {
    format!("root UUID={UUID} none luks,initramfs,header=/run/vouchsafe/root.header,keyscript=vouchsafe\n")
}

/// The UUID of the LUKS2 volume.
const UUID: &str = "7c1f3c1e-7d7f-4ad0-9c3c-2f1d0a6b9e01";
/// Where the driver is in the option ROM.
const DRIVER: Range<usize> = 0x200..0x600;
const ARGUMENTS: &str = "root=/dev/mapper/root ro console=ttyS0 panic=-1";
