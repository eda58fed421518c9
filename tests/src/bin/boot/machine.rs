//! A machine under QEMU (TCG, so KVM is not needed) with OVMF and a software TPM, and its initrd's report.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vouchsafe_protocol::Digest32;

use crate::disk::Lab;
use crate::variables;
use crate::wire::Wire;

/// The firmware.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// Secure Boot with Microsoft's keys.
    SecureBoot,
    /// Without Secure Boot.
    Plain,
}

/// The measurements, as read by the guest.
pub(crate) struct Report {
    /// The event log.
    pub(crate) log: Vec<u8>,
    /// systemd's log of what it extended; `None` if it extended nothing.
    pub(crate) userspace: Option<Vec<u8>>,
    /// PCR 0 to 9 and 11 to 15, SHA-256. PCR 10 belongs to IMA.
    pub(crate) pcrs: BTreeMap<u8, Digest32>,
    /// Duration of the boot.
    pub(crate) took: Duration,
}

/// A process that is killed when this one ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which does not matter.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a machine has besides firmware, TPM and boot disk.
#[derive(Clone, Copy)]
pub(crate) struct Devices<'a> {
    /// More disks. What a boot writes to them is dropped.
    pub(crate) volumes: &'a [PathBuf],
    /// Option ROM of a network card that reaches this machine's loopback interface as 10.0.2.2.
    pub(crate) option_rom: &'a Path,
    /// Authenticode digest of the driver in it, which Secure Boot is to allow.
    pub(crate) driver: Digest32,
    /// How the card gets its address.
    pub(crate) network: Network,
}

/// What DHCP hands out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// An address of a subnet, with a gateway in it: QEMU's own.
    Subnet,
    /// An address of its own (/32), as on Google Cloud.
    HostRoute,
}

/// A machine: firmware with its variables, TPM and disk, which are kept between boots.
pub(crate) struct Machine<'a> {
    lab: &'a Lab,
    folder: PathBuf,
    firmware: Firmware,
    devices: Option<Devices<'a>>,
}

/// A boot's console.
pub(crate) struct Console {
    /// What it printed, without carriage returns.
    pub(crate) text: String,
    /// The file with all of it.
    pub(crate) file: PathBuf,
    /// Duration until the machine was off, or had printed what it was watched for.
    pub(crate) took: Duration,
    /// How many answers of DHCP were changed to those of [`Network::HostRoute`].
    pub(crate) leases: usize,
}

impl Console {
    /// Runs a check on each file that the boot may have written, but not on disks.
    pub(crate) fn search(&self, check: impl Fn(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let folder = self.file.parent().context("a folder")?;
        for folder in [folder, &folder.join("tpm")] {
            for file in fs::read_dir(folder)?.flatten() {
                let kind = file.metadata()?;
                if kind.is_file() && kind.len() <= LARGEST_SEARCHED {
                    check(&fs::read(file.path())?).with_context(|| file.path().display().to_string())?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Machine<'a> {
    /// A new machine whose disk contains these files.
    pub(crate) fn new(
        lab: &'a Lab,
        name: &str,
        firmware: Firmware,
        content: &[(&str, &Path)],
    ) -> anyhow::Result<Self> {
        let folder = lab.work.join(name);
        fs::create_dir_all(folder.join("tpm"))?;
        lab.disk(&folder.join("disk"), content)?;
        fs::copy(lab.file(&format!("usr/share/OVMF/{}", firmware.variables())), folder.join("variables"))?;
        Ok(Self { lab, folder, firmware, devices: None })
    }

    /// The same machine with more devices.
    pub(crate) fn with(self, devices: Devices<'a>) -> anyhow::Result<Self> {
        if self.firmware == Firmware::SecureBoot {
            let variables = self.folder.join("variables");
            let mut flash = fs::read(&variables)?;
            variables::allow_image(&mut flash, &devices.driver)?;
            fs::write(&variables, flash)?;
        }
        Ok(Self { devices: Some(devices), ..self })
    }

    /// Replaces a file of its disk, while it is off.
    pub(crate) fn replace(&self, place: &str, file: &Path) -> anyhow::Result<()> {
        self.lab.put(&self.folder.join("disk"), place, file)
    }

    /// Where its TPM keeps its state. It may be provisioned while the machine is off.
    pub(crate) fn tpm_state(&self) -> PathBuf {
        self.folder.join("tpm")
    }

    /// Boots and waits for the report.
    pub(crate) fn boot(&self) -> anyhow::Result<Report> {
        let console = self.run("")?;
        Report::parse(&console.text, console.took)
            .with_context(|| format!("the boot reported nothing; its console is {}", console.file.display()))
    }

    /// Boots until the machine is off, or its console has printed `watched`, unless that is empty.
    pub(crate) fn run(&self, watched: &str) -> anyhow::Result<Console> {
        self.watch(|_, console| Ok(!watched.is_empty() && console.contains(watched)))
    }

    /// Boots until the machine is off. Once the console has printed `watched`, calls `before`, and types a line at the console.
    pub(crate) fn run_typing(
        &self,
        watched: &str,
        line: &str,
        before: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<Console> {
        let mut keyboard = None;
        self.watch(|_, console| {
            if keyboard.is_none() && console.contains(watched) {
                before()?;
                // The question is there before the terminal has been set up for the answer.
                thread::sleep(Duration::from_secs(1));
                let mut stream = UnixStream::connect(self.folder.join(KEYBOARD))?;
                stream.write_all(format!("{line}\n").as_bytes())?;
                // The console is printed to this stream, too, and it waits for whoever does not read.
                let mut printed = stream.try_clone()?;
                keyboard = Some((stream, thread::spawn(move || io::copy(&mut printed, &mut io::sink()))));
            }
            Ok(false)
        })
    }

    /// Boots until the machine is off. The second disk is detached once the console has printed `watched`.
    pub(crate) fn run_detaching(&self, watched: &str) -> anyhow::Result<Console> {
        let mut is_detached = false;
        self.watch(|monitor, console| {
            if !is_detached && console.contains(watched) {
                writeln!(monitor, "device_del volume0")?;
                is_detached = true;
            }
            Ok(false)
        })
    }

    /// Boots until the machine is off, or `is_over` says so. It gets QEMU's monitor, and the console's text so far.
    fn watch(
        &self,
        mut is_over: impl FnMut(&mut ChildStdin, &str) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Console> {
        let file = self.folder.join("console");
        fs::write(&file, "")?;
        let _tpm = self.start_tpm()?;
        let is_host_route = self.devices.is_some_and(|devices| devices.network == Network::HostRoute);
        let wire = is_host_route.then(|| Wire::start(&self.folder)).transpose()?;
        let started = Instant::now();
        let output = fs::File::create(self.folder.join("monitor"))?;
        let machine = self.command()?.stdin(Stdio::piped()).stdout(output).spawn();
        let mut machine = Process(machine.context("start QEMU")?);
        let mut monitor = machine.0.stdin.take().context("QEMU's monitor")?;
        let printed = || anyhow::Ok(String::from_utf8_lossy(&fs::read(&file)?).replace('\r', ""));
        while machine.0.try_wait()?.is_none() {
            if is_over(&mut monitor, &printed()?)? {
                break;
            }
            anyhow::ensure!(
                started.elapsed() < self.lab.limit,
                "the boot took more than {} s; its console is {}",
                self.lab.limit.as_secs(),
                file.display()
            );
            thread::sleep(Duration::from_millis(100));
        }
        let took = started.elapsed();
        let leases = wire.map_or(0, |wire| wire.leases());
        Ok(Console { text: printed()?, file, took, leases })
    }

    fn start_tpm(&self) -> anyhow::Result<Process> {
        let channel = self.channel();
        // Left from the previous boot.
        if channel.exists() {
            fs::remove_file(&channel)?;
        }
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "swtpm", "socket", "--tpm2"])
            .arg("--tpmstate")
            .arg(format!("dir={}", self.folder.join("tpm").display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", channel.display()))
            .stdin(Stdio::null())
            .spawn()
            .context("start swtpm")?;
        let process = Process(process);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !channel.exists() {
            anyhow::ensure!(Instant::now() < deadline, "swtpm does not come up");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    fn command(&self) -> anyhow::Result<Command> {
        let (lab, file) = (self.lab, |name: &str| self.folder.join(name).display().to_string());
        let mut command = lab.tool("qemu-system-x86_64")?;
        for data in ["usr/share/qemu", "usr/share/seabios"] {
            command.arg("-L").arg(lab.machine.join(data));
        }
        let kind = match self.firmware {
            Firmware::SecureBoot => "q35,smm=on,accel=tcg",
            Firmware::Plain => "q35,accel=tcg",
        };
        command.args(["-machine", kind, "-cpu", "max", "-m", "1024", "-nodefaults", "-no-reboot"]);
        command.args(["-display", "none", "-monitor", "stdio"]);
        if self.firmware == Firmware::SecureBoot {
            command.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
        }
        let (flash, code) = ("if=pflash,format=raw", lab.file("usr/share/OVMF").join(self.firmware.code()));
        command.arg("-drive").arg(format!("{flash},unit=0,readonly=on,file={}", code.display()));
        command.arg("-drive").arg(format!("{flash},unit=1,file={}", file("variables")));
        command.arg("-chardev").arg(format!("socket,id=tpm,path={}", self.channel().display()));
        command.args(["-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm"]);
        command.arg("-drive").arg(format!("if=none,id=disk,format=raw,file={}", file("disk")));
        command.args(["-device", "virtio-blk-pci,drive=disk,bootindex=0"]);
        let keyboard = format!("path={},server=on,wait=off,logfile={}", file(KEYBOARD), file("console"));
        command.arg("-chardev").arg(format!("socket,id=console,{keyboard}"));
        command.args(["-serial", "chardev:console"]);
        if let Some(Devices { volumes, option_rom, network, .. }) = self.devices {
            for (number, volume) in volumes.iter().enumerate() {
                let drive =
                    format!("if=none,id=volume{number},format=raw,snapshot=on,file={}", volume.display());
                // A port of its own, from which it can be detached.
                let port = format!("pcie-root-port,id=port{number},chassis={}", number + 1);
                let disk = format!("virtio-blk-pci,drive=volume{number},id=volume{number},bus=port{number}");
                command.arg("-drive").arg(drive).args(["-device", &port, "-device", &disk]);
            }
            let card = format!("virtio-net-pci,netdev=net,romfile={}", option_rom.display());
            match network {
                Network::Subnet => command.args(["-netdev", "user,id=net"]),
                Network::HostRoute => command.args(Wire::arguments(&self.folder)),
            };
            command.arg("-device").arg(card);
        }
        Ok(command)
    }

    fn channel(&self) -> PathBuf {
        self.folder.join("tpm.sock")
    }
}

impl Firmware {
    const fn code(self) -> &'static str {
        match self {
            Self::SecureBoot => "OVMF_CODE_4M.ms.fd",
            Self::Plain => "OVMF_CODE_4M.fd",
        }
    }

    const fn variables(self) -> &'static str {
        match self {
            Self::SecureBoot => "OVMF_VARS_4M.ms.fd",
            Self::Plain => "OVMF_VARS_4M.fd",
        }
    }
}

/// The console's socket, for a keyboard.
const KEYBOARD: &str = "keyboard.sock";
/// Bytes of the largest file that is searched for secrets; a disk has more.
const LARGEST_SEARCHED: u64 = 16 << 20;

impl Report {
    fn parse(console: &str, took: Duration) -> Option<Self> {
        let (_, text) = console.split_once("BOOT-LOG\n")?;
        let (log, text) = text.split_once("BOOT-USERSPACE\n")?;
        let (userspace, text) = text.split_once("BOOT-PCRS\n")?;
        let (pcrs, _) = text.split_once("BOOT-END")?;
        let decoded = |text: &str| STANDARD.decode(text.replace('\n', "")).ok();
        let (log, userspace) = (decoded(log)?, decoded(userspace)?);
        let userspace = Some(userspace).filter(|log| !log.is_empty());
        let pcr = |line: &str| {
            let (index, value) = line.split_once(' ')?;
            Some((index.parse().ok()?, value.to_lowercase().parse().ok()?))
        };
        let pcrs = pcrs.lines().map(pcr).collect::<Option<_>>()?;
        Some(Self { log, userspace, pcrs, took })
    }
}
