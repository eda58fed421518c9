//! Boots Debian with an encrypted root file system.
//!
//! Everything is as on Google Cloud but for what only Google has: a Debian kernel with the initrd that its
//! initramfs-tools or dracut makes, shim and GRUB, a TPM with an AK and its certificate, and a LUKS2 volume, whose key
//! `vouchsafe-guest` requests from a real broker. The baseline is foretold from the files before the first
//! boot. The AK's CA is an extra trust anchor of the broker; a driver in an option ROM measures the technology
//! that Google's firmware measures.

#[path = "unlock/checks.rs"]
mod checks;
#[path = "unlock/clevis.rs"]
mod clevis;
#[path = "unlock/debian.rs"]
mod debian;
#[path = "unlock/installed.rs"]
mod installed;
#[path = "unlock/kind.rs"]
mod kind;
#[path = "unlock/names.rs"]
mod names;
#[path = "unlock/scenario.rs"]
mod scenario;
#[path = "unlock/site.rs"]
mod site;
#[path = "unlock/smoke.rs"]
mod smoke;
#[path = "unlock/times.rs"]
pub(crate) mod times;
#[path = "unlock/update.rs"]
mod update;
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
use vouchsafe_guest_client::luks::RecoveryCode;
use vouchsafe_protocol::Digest32;
use vouchsafe_reference_values::EfiImage;

use crate::disk::{Lab, run as run_program};
use crate::suite::Suite;
use crate::{fetch, say};
use debian::Debian;
use installed::Secrets;
use kind::Kind;
pub(crate) use names::Name;
use scenario::Scenario;
use site::Site;

/// Makes what the boots need, and boots. Returns whether each did as it should.
pub(crate) fn run(
    packages: &Path,
    guest: &Path,
    boots: &[&Scenario],
    limit: Duration,
) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let mut failed = 0;
    for kind in Kind::ALL {
        let boots: Vec<_> = boots.iter().filter(|scenario| scenario.kind == kind).collect();
        if boots.is_empty() {
            continue;
        }
        let suite = kind.suite().name();
        fetch("boot", packages, suite)?;
        fetch("root", packages, kind.root())?;
        let work = folder.path().join(kind.folder());
        fs::create_dir(&work)?;
        let lab = Lab { machine: packages.join("machine"), root: packages.join(suite), work, limit };
        let mut bench = Bench::set_up(&lab, packages, guest, kind)?;
        for scenario in boots {
            if let Err(error) = scenario.play(&mut bench) {
                failed += 1;
                say(&format!("FAILED {}: {error:#}", scenario.name.text()))?;
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

/// The files of a boot.
enum Start {
    Grub(GrubBoot),
    Unified(PathBuf),
}

impl Start {
    /// Whether the kernel's EFI stub takes part, which measures the command line and the initrd once more.
    const fn has_kernel_stub(&self) -> bool {
        match self {
            Self::Grub(boot) => matches!(boot.kind, Kind::Dracut),
            Self::Unified(_) => true,
        }
    }

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
    /// The disks besides the one that boots; the first has the root file system.
    volumes: Vec<PathBuf>,
    option_rom: PathBuf,
    /// Authenticode digest of the driver in the option ROM.
    driver: Digest32,
    /// The content of a file on the encrypted volume, and nowhere else.
    marker: String,
    /// The start of another volume, if there is one.
    data_marker: String,
    /// Keys of the volumes, the first that of the root file system.
    keys: [[u8; 32]; 2],
    /// The recovery code of the volumes.
    recovery: String,
    /// A credential of a service.
    credential: [u8; 32],
}

impl<'a> Bench<'a> {
    fn set_up(lab: &'a Lab, packages: &'a Path, guest: &Path, kind: Kind) -> anyhow::Result<Self> {
        let started = Instant::now();
        let site = Site::start(&lab.work.join("site"))?;
        let root = packages.join(format!("{}-root", kind.root()));
        let debian = Debian::with_guest(&root, guest, &site.configuration(kind)?, kind)?;
        let (keys, credential) = ([random()?, random()?], random()?);
        let (marker, data_marker) = (hex::encode(random::<16>()?), hex::encode(random::<16>()?));
        let recovery = RecoveryCode::generate()?.expose().to_owned();
        let [key, data_key] = &keys;
        let volumes = if kind.is_dracut() {
            let (marker, data_marker, recovery) = (&marker, &data_marker, &recovery);
            let secrets = Secrets { marker, data_marker, key, data_key, recovery };
            installed::volumes(lab, &debian, &secrets)?
        } else {
            let system = volume::system(lab, &debian, &marker, volume::INIT)?;
            let enroll = || volume::with_recovery(&debian, &recovery);
            let bind = || clevis::bind(&debian, key);
            vec![match kind {
                Kind::Clevis => volume::encrypted(lab, &debian, UUID, recovery.as_bytes(), bind, system)?,
                _ => volume::encrypted(lab, &debian, UUID, key, enroll, system)?,
            }]
        };
        let option_rom = option_rom(lab)?;
        let image = fs::read(&option_rom)?;
        let driver = EfiImage::parse(image.get(DRIVER).context("a driver")?)?.digest();
        let start = match kind {
            Kind::Unified => Start::Unified(smoke::image(lab, &debian)?),
            Kind::Sid => {
                let initrd = lab.write("initrd", &debian.initrd(kind, &crypttab(kind))?)?;
                Start::Unified(unified(lab, &debian, kind.arguments(), &initrd)?)
            }
            Kind::Grub | Kind::Clevis | Kind::Dracut => {
                let initrd = lab.write("initrd", &debian.initrd(kind, &crypttab(kind))?)?;
                Start::Grub(GrubBoot::new(lab, &debian.kernel(), &initrd, kind)?)
            }
        };
        let baseline = site.foretell(&start, kind, driver)?;
        site.register(&baseline, kind, &keys[0])?;
        site.register_system(kind, &keys[1], &credential)?;
        say(&format!("Broker, initrd and volume made in {} s", started.elapsed().as_secs()))?;
        Ok(Self {
            lab,
            site,
            debian,
            packages,
            start,
            volumes,
            option_rom,
            driver,
            marker,
            data_marker,
            keys,
            recovery,
            credential,
        })
    }

    /// Everything that must be nowhere to be read.
    fn secrets(&self) -> Vec<&[u8]> {
        let [key, data_key] = &self.keys;
        vec![key, data_key, &self.credential, self.recovery.as_bytes()]
    }

    /// The root of the package of an older kernel.
    fn older_kernel(&self) -> anyhow::Result<PathBuf> {
        fetch("older-kernel", self.packages, Suite::Debian12.name())?;
        Ok(self.packages.join("12-older-kernel"))
    }
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// The files of a boot through shim and GRUB.
#[derive(Clone)]
struct GrubBoot {
    kind: Kind,
    shim: PathBuf,
    grub: PathBuf,
    start: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    configuration: PathBuf,
    arguments: String,
}

impl GrubBoot {
    fn new(lab: &Lab, kernel: &Path, initrd: &Path, kind: Kind) -> anyhow::Result<Self> {
        Self {
            kind,
            shim: lab.file("usr/lib/shim/shimx64.efi.signed"),
            grub: lab.file("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
            start: lab.write("grub-start", kind.suite().grub_start().as_bytes())?,
            kernel: kernel.to_owned(),
            initrd: initrd.to_owned(),
            configuration: PathBuf::new(),
            arguments: String::new(),
        }
        .with_arguments(lab, "grub.cfg", kind.arguments())
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

/// A unified kernel image with the kernel of an installed system.
fn unified(lab: &Lab, debian: &Debian, arguments: &str, initrd: &Path) -> anyhow::Result<PathBuf> {
    let release = lab.write("os-release", b"ID=debian\n")?;
    let line = lab.write("cmdline", arguments.as_bytes())?;
    let kernel = debian.kernel();
    lab.unified(&[(".osrel", &release), (".cmdline", &line), (".linux", &kernel), (".initrd", initrd)])
}

fn crypttab(kind: Kind) -> String {
    match kind {
        Kind::Dracut | Kind::Sid => installed::crypttab(),
        Kind::Clevis => format!("root UUID={UUID} none luks,initramfs\n"),
        Kind::Grub | Kind::Unified => {
            format!(
                "root UUID={UUID} none luks,initramfs,header=/run/vouchsafe/root.header,keyscript=vouchsafe\n"
            )
        }
    }
}

/// The UUID of the LUKS2 volume.
const UUID: &str = "7c1f3c1e-7d7f-4ad0-9c3c-2f1d0a6b9e01";
/// Where the driver is in the option ROM.
const DRIVER: Range<usize> = 0x200..0x600;
