//! A machine under QEMU (TCG: no KVM is needed) with OVMF and a software TPM, and what its initrd reports.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vouchsafe_protocol::Digest32;

use crate::disk::Lab;

/// Which firmware.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// Secure Boot with Microsoft's keys.
    SecureBoot,
    /// No Secure Boot.
    Plain,
}

/// What was measured, as the guest read it.
pub(crate) struct Report {
    /// The event log.
    pub(crate) log: Vec<u8>,
    /// PCR 0 to 9 and 11 to 15, SHA-256. PCR 10 is IMA's.
    pub(crate) pcrs: BTreeMap<u8, Digest32>,
    /// How long the boot took.
    pub(crate) took: Duration,
}

/// A process that ends with this one.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already; nothing is lost then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots from `disk` and waits for the report.
pub(crate) fn boot(
    lab: &Lab,
    name: &str,
    firmware: Firmware,
    disk: &Path,
    limit: Duration,
) -> anyhow::Result<Report> {
    let folder = lab.work.join(name);
    fs::create_dir_all(folder.join("tpm"))?;
    let (console, channel) = (folder.join("console"), folder.join("tpm.sock"));
    let _tpm = start_tpm(&folder, &channel)?;
    let started = Instant::now();
    let mut command = machine(lab, &folder, firmware, disk, &channel)?;
    command.arg("-serial").arg(format!("file:{}", console.display()));
    let mut machine = Process(command.stdin(Stdio::null()).spawn().context("start QEMU")?);
    while machine.0.try_wait()?.is_none() {
        anyhow::ensure!(
            started.elapsed() < limit,
            "the boot took more than {} s; its console is {}",
            limit.as_secs(),
            console.display()
        );
        thread::sleep(Duration::from_millis(100));
    }
    let text = fs::read(&console)?;
    Report::parse(&String::from_utf8_lossy(&text), started.elapsed())
        .with_context(|| format!("the boot reported nothing; its console is {}", console.display()))
}

fn start_tpm(folder: &Path, channel: &Path) -> anyhow::Result<Process> {
    let process = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "swtpm", "socket", "--tpm2"])
        .arg("--tpmstate")
        .arg(format!("dir={}", folder.join("tpm").display()))
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

fn machine(
    lab: &Lab,
    folder: &Path,
    firmware: Firmware,
    disk: &Path,
    channel: &Path,
) -> anyhow::Result<Command> {
    let (code, variables, kind) = match firmware {
        Firmware::SecureBoot => ("OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd", "q35,smm=on,accel=tcg"),
        Firmware::Plain => ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "q35,accel=tcg"),
    };
    let code = lab.file(&format!("usr/share/OVMF/{code}"));
    let store = folder.join("variables");
    fs::copy(lab.file(&format!("usr/share/OVMF/{variables}")), &store)?;
    let mut command = lab.tool("usr/bin/qemu-system-x86_64");
    for data in ["usr/share/qemu", "usr/share/seabios"] {
        command.arg("-L").arg(lab.file(data));
    }
    command.args(["-machine", kind, "-cpu", "max", "-m", "1024", "-nodefaults", "-no-reboot"]);
    command.args(["-display", "none", "-monitor", "none"]);
    if firmware == Firmware::SecureBoot {
        command.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
    }
    let flash = "if=pflash,format=raw";
    command.arg("-drive").arg(format!("{flash},unit=0,readonly=on,file={}", code.display()));
    command.arg("-drive").arg(format!("{flash},unit=1,file={}", store.display()));
    command.arg("-chardev").arg(format!("socket,id=tpm,path={}", channel.display()));
    command.args(["-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm"]);
    command.arg("-drive").arg(format!("if=none,id=disk,format=raw,file={}", disk.display()));
    command.args(["-device", "virtio-blk-pci,drive=disk,bootindex=0"]);
    Ok(command)
}

impl Report {
    fn parse(console: &str, took: Duration) -> Option<Self> {
        let text = console.replace('\r', "");
        let (_, text) = text.split_once("BOOT-LOG\n")?;
        let (log, text) = text.split_once("BOOT-PCRS\n")?;
        let (pcrs, _) = text.split_once("BOOT-END")?;
        let log = STANDARD.decode(log.replace('\n', "")).ok()?;
        let pcr = |line: &str| {
            let (index, value) = line.split_once(' ')?;
            Some((index.parse().ok()?, value.to_lowercase().parse().ok()?))
        };
        let pcrs = pcrs.lines().map(pcr).collect::<Option<_>>()?;
        Some(Self { log, pcrs, took })
    }
}
