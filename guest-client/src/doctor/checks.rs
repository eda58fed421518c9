//! The checks of `doctor`, one function each.

use rustix::fs::Access;

use super::{Diagnosis, Finding, Machine, Provable, Status};
use crate::hardware::tsm::DEFAULT_ROOT as TSM;
use crate::vtpm::DEFAULT_EVENT_LOG as EVENT_LOG;

pub(super) fn examine(machine: &Machine) -> Diagnosis {
    let kernel = Kernel::of(machine);
    let tpm = tpm_device(machine);
    let log = event_log(machine);
    let mut provable = Vec::new();
    if tpm.status != Status::Missing && log.status != Status::Missing {
        provable.push(Provable::Vtpm);
    }
    let mut findings = vec![platform(machine), kernel.finding(), tpm, log];
    if is_snp(machine) {
        let device = snp_device(machine);
        if device.status != Status::Missing {
            provable.push(Provable::SevSnp);
        }
        findings.push(device);
        findings.extend(snp_kernel(&kernel));
    }
    if is_tdx(machine) {
        findings.push(tdx_device(machine));
    }
    findings.extend(systemd(machine));
    findings.push(locked_memory(machine));
    Diagnosis { provable, findings }
}

/// Version of the running kernel.
struct Kernel {
    release: String,
    version: Option<(u32, u32)>,
}

impl Kernel {
    fn of(machine: &Machine) -> Self {
        let release = machine.text("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut parts = release.split(|c: char| !c.is_ascii_digit());
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let version = number().zip(number());
        Self { release, version }
    }

    fn finding(&self) -> Finding {
        match self.version {
            Some(_) => ok("kernel", format!("Linux {}", self.release)),
            None => {
                let fix = "Mount /proc.";
                finding("kernel", Status::Warning, "its version is unknown".to_owned(), fix)
            }
        }
    }
}

fn platform(machine: &Machine) -> Finding {
    let name = machine.text("/sys/class/dmi/id/product_name").unwrap_or_default();
    if name == "Google Compute Engine" {
        return ok("platform", name);
    }
    let fix = "Evidence of a vTPM is only taken from Compute Engine instances.";
    let what = match name.as_str() {
        "" => "the machine does not say what it is (no DMI); not a Compute Engine instance".to_owned(),
        name => format!("this is {name:?}, not a Compute Engine instance"),
    };
    finding("platform", Status::Warning, what, fix)
}

fn tpm_device(machine: &Machine) -> Finding {
    let both = Access::READ_OK | Access::WRITE_OK;
    let device = ["/dev/tpmrm0", "/dev/tpm0"].into_iter().find(|device| machine.has(device));
    match device {
        None => {
            let fix = "Create the instance with --shielded-vtpm, and load the modules tpm_crb and tpm_tis.";
            finding("tpm", Status::Missing, "no /dev/tpmrm0 and no /dev/tpm0".to_owned(), fix)
        }
        Some(device) if !machine.may(device, both) => {
            let fix = "Run as root, or add the user to the group of the device (tss).";
            finding("tpm", Status::Missing, format!("{device} may not be read and written"), fix)
        }
        Some(device) => ok("tpm", device.to_owned()),
    }
}

fn event_log(machine: &Machine) -> Finding {
    if machine.may(EVENT_LOG, Access::READ_OK) {
        return ok("event-log", EVENT_LOG.to_owned());
    }
    let (what, fix) = if machine.has(EVENT_LOG) {
        ("the firmware's log may not be read", "Run as root.")
    } else if machine.mounted("/sys/kernel/security", "securityfs") {
        ("no firmware log", "Boot with UEFI and a vTPM; a kernel without a TPM driver at boot has no log.")
    } else {
        ("securityfs is not mounted", "mount -t securityfs securityfs /sys/kernel/security (as root)")
    };
    finding("event-log", Status::Missing, what.to_owned(), fix)
}

/// The kernel makes this platform device in every SNP guest, also when the driver is not there.
fn is_snp(machine: &Machine) -> bool {
    machine.has("/sys/bus/platform/devices/sev-guest") || machine.has("/dev/sev-guest")
}

fn is_tdx(machine: &Machine) -> bool {
    let cpu = machine.text("/proc/cpuinfo").unwrap_or_default();
    let mut flags = cpu.lines().filter(|line| line.starts_with("flags"));
    flags.next().is_some_and(|line| line.split_whitespace().any(|flag| flag == "tdx_guest"))
}

fn snp_device(machine: &Machine) -> Finding {
    // The driver makes the device; the directory is there without it as well.
    let driver = machine.has("/dev/sev-guest");
    if driver && machine.has(TSM) {
        return access_to(machine, "sev-snp", TSM, Access::WRITE_OK | Access::EXEC_OK);
    }
    if driver {
        return access_to(machine, "sev-snp", "/dev/sev-guest", Access::READ_OK);
    }
    let (what, fix) = if !machine.mounted("/sys/kernel/config", "configfs") && machine.has("/sys/module/tsm")
    {
        ("configfs is not mounted", "mount -t configfs configfs /sys/kernel/config (as root)")
    } else {
        (
            "the driver of the SNP device is not loaded",
            "modprobe sev-guest (package linux-modules-extra-gcp on Ubuntu)",
        )
    };
    finding("sev-snp", Status::Missing, what.to_owned(), fix)
}

fn access_to(machine: &Machine, id: &'static str, path: &str, access: Access) -> Finding {
    if machine.may(path, access) {
        return ok(id, path.to_owned());
    }
    finding(id, Status::Missing, format!("{path} may not be used"), "Run as root.")
}

/// What the kernel's SNP driver lacks.
fn snp_kernel(kernel: &Kernel) -> Option<Finding> {
    let version = kernel.version?;
    let warn = |what: &str, fix| Some(finding("sev-snp-kernel", Status::Warning, what.to_owned(), fix));
    if version <= (6, 1) {
        // Public reports: on 6.1 without a later fix a throttled request wipes the key to the firmware.
        let what = "a request that the host throttles can disable reports until reboot";
        return warn(what, "Use Linux 6.7 or later; on 6.1 ask for one report at a time.");
    }
    if version < (6, 7) {
        let what = "no configfs-tsm: reports come without certificates";
        return warn(what, "Use Linux 6.7 or later; until then the broker has to fetch the VCEK.");
    }
    None
}

fn tdx_device(machine: &Machine) -> Finding {
    if machine.has(TSM) {
        return access_to(machine, "tdx", TSM, Access::WRITE_OK | Access::EXEC_OK);
    }
    let fix = "modprobe tdx_guest (package linux-modules-extra-gcp on Ubuntu), and mount configfs.";
    finding(
        "tdx",
        Status::Missing,
        "no quotes: the driver is not loaded or configfs not mounted".to_owned(),
        fix,
    )
}

/// systemd before 254 takes credentials from SMBIOS, which is to say from the host, in a confidential VM too.
fn systemd(machine: &Machine) -> Option<Finding> {
    if !machine.has("/run/systemd/system") {
        return None;
    }
    let folders = ["/usr/lib/systemd", "/usr/lib/x86_64-linux-gnu/systemd", "/lib/systemd"];
    let version = folders.into_iter().find_map(|folder| systemd_version(machine, folder));
    match version {
        Some(version) if version >= 254 => Some(ok("systemd", format!("version {version}"))),
        Some(version) => {
            let what = format!("version {version} takes credentials from the host");
            let fix = "Use systemd 254 or later, or boot with systemd.import_credentials=no.";
            Some(finding("systemd", Status::Warning, what, fix))
        }
        None => {
            let fix = "See that it is 254 or later: earlier ones take credentials from the host.";
            Some(finding("systemd", Status::Warning, "its version is unknown".to_owned(), fix))
        }
    }
}

/// From the name of its library, such as `libsystemd-shared-252.so` or `libsystemd-shared-255.4-1.so`.
fn systemd_version(machine: &Machine, folder: &str) -> Option<u32> {
    let names = std::fs::read_dir(machine.at(folder)).ok()?;
    names.filter_map(Result::ok).find_map(|entry| {
        let name = entry.file_name();
        let version = name.to_str()?.strip_prefix("libsystemd-shared-")?;
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}

fn locked_memory(machine: &Machine) -> Finding {
    let limits = machine.text("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory")).unwrap_or_default();
    let hard = line.split_whitespace().nth(1).unwrap_or_default();
    let enough = hard == "unlimited" || hard.parse().is_ok_and(|bytes: u64| bytes >= crate::memory::ENOUGH);
    if enough || holds_ipc_lock(machine) {
        return ok("locked-memory", "secrets can be kept out of swap".to_owned());
    }
    let fix = "Run with CAP_IPC_LOCK (root has it, save in some containers), or set LimitMEMLOCK=infinity; or use no swap.";
    let what = "too little memory may be locked: secrets could be swapped out";
    finding("locked-memory", Status::Warning, what.to_owned(), fix)
}

/// Capability 14 of `capabilities(7)`, which root in a container often lacks.
fn holds_ipc_lock(machine: &Machine) -> bool {
    let status = machine.text("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default();
    u64::from_str_radix(effective.trim(), 16).is_ok_and(|set| set & (1 << 14) != 0)
}

fn ok(id: &'static str, what: String) -> Finding {
    Finding { id, status: Status::Ok, what, fix: None }
}

fn finding(id: &'static str, status: Status, what: String, fix: &'static str) -> Finding {
    Finding { id, status, what, fix: Some(fix) }
}
