//! The checks of `doctor`, one function each.

use std::path::Path;

use rustix::fs::Access;

use super::{Diagnosis, Finding, Machine, Provable, Status, tpm};
use crate::config::{CollectConfig, TdxConfig};
use crate::google_token;
use crate::hardware::{sev_guest, tdx};

pub(super) fn examine(machine: &Machine, config: &CollectConfig) -> Diagnosis {
    let kernel = Kernel::of(machine);
    let mut provable = Vec::new();
    let mut findings = vec![platform(machine), kernel.finding()];
    let tpm = tpm::examine(machine, &config.vtpm);
    if tpm.iter().all(|finding| finding.status != Status::Missing) {
        provable.push(Provable::Vtpm);
    }
    findings.extend(tpm);
    let (snp, tdx) = (is_snp(machine), is_tdx(machine));
    if !snp && !tdx {
        findings.push(no_hardware(machine));
    }
    if snp {
        let device = snp_device(machine, &config.sev_snp.tsm);
        if device.status != Status::Missing {
            provable.push(Provable::SevSnp);
        }
        findings.push(device);
        findings.extend(snp_kernel(&kernel));
    }
    if tdx {
        let device = tdx_device(machine, &kernel, &config.tdx.tsm);
        let log = tdx_event_log(machine, &config.tdx);
        if device.status != Status::Missing && log.status != Status::Missing {
            provable.push(Provable::Tdx);
        }
        findings.extend([device, log]);
    }
    findings.push(google_token(machine, tdx));
    findings.extend(systemd(machine));
    findings.push(locked_memory(machine));
    Diagnosis { provable, findings, token_claims: None }
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

fn product(machine: &Machine) -> String {
    machine.text("/sys/class/dmi/id/product_name").unwrap_or_default()
}

fn on_compute_engine(machine: &Machine) -> bool {
    product(machine) == "Google Compute Engine"
}

fn platform(machine: &Machine) -> Finding {
    let name = product(machine);
    if on_compute_engine(machine) {
        return ok("platform", name);
    }
    let fix = "Evidence of a vTPM is only taken from Compute Engine instances.";
    let what = match name.as_str() {
        "" => "the machine does not say what it is (no DMI); not a Compute Engine instance".to_owned(),
        name => format!("this is {name:?}, not a Compute Engine instance"),
    };
    finding("platform", Status::Warning, what, fix)
}

/// The kernel makes this platform device in every SNP guest, also when the driver is not there.
fn is_snp(machine: &Machine) -> bool {
    machine.has("/sys/bus/platform/devices/sev-guest") || machine.has("/dev/sev-guest")
}

/// By CPUID, or by what the kernel found there.
fn is_tdx(machine: &Machine) -> bool {
    if machine.tdx {
        return true;
    }
    let cpu = machine.text("/proc/cpuinfo").unwrap_or_default();
    let mut flags = cpu.lines().filter(|line| line.starts_with("flags"));
    flags.next().is_some_and(|line| line.split_whitespace().any(|flag| flag == "tdx_guest"))
}

fn no_hardware(machine: &Machine) -> Finding {
    let cpu = machine.text("/proc/cpuinfo").unwrap_or_default();
    let sev = cpu.split_whitespace().any(|flag| flag == "sev_guest" || flag == "sev");
    let what = if sev {
        "not an SEV-SNP guest and not a TDX guest; the processor has SEV"
    } else {
        "not an SEV-SNP guest and not a TDX guest"
    };
    let fix = "There is no report of the processor here. Instances of --confidential-compute-type=SEV_SNP or TDX have \
               one; those of SEV show their vTPM and a Google token.";
    finding("hardware", Status::Missing, what.to_owned(), fix)
}

fn snp_device(machine: &Machine, tsm: &Path) -> Finding {
    // The driver makes the device; the directory is there without it as well.
    let driver = machine.has(sev_guest::DEVICE);
    if driver && machine.has(tsm) {
        return access_to(machine, "sev-snp", tsm, Access::WRITE_OK | Access::EXEC_OK);
    }
    if driver {
        return access_to(machine, "sev-snp", Path::new(sev_guest::DEVICE), Access::READ_OK);
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

fn access_to(machine: &Machine, id: &'static str, path: &Path, access: Access) -> Finding {
    let shown = path.display();
    if machine.may(path, access) {
        return ok(id, shown.to_string());
    }
    finding(id, Status::Missing, format!("{shown} may not be used"), "Run as root.")
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

/// Where quotes come from. Which driver answers shows only when it is asked; the device stands for it.
fn tdx_device(machine: &Machine, kernel: &Kernel, tsm: &Path) -> Finding {
    let missing = |what: &str, fix| finding("tdx", Status::Missing, what.to_owned(), fix);
    if kernel.version.is_some_and(|version| version < (6, 7)) {
        let what = "this kernel has no configfs-tsm, and /dev/tdx_guest alone gives no quote";
        return missing(what, "Use Linux 6.7 or later.");
    }
    if !machine.has(tdx::DEVICE) && !machine.has("/sys/module/tdx_guest") {
        let fix = "modprobe tdx_guest (package linux-modules-extra-gcp on Ubuntu)";
        return missing("the driver of TDX guests is not loaded", fix);
    }
    if machine.has(tsm) {
        return access_to(machine, "tdx", tsm, Access::WRITE_OK | Access::EXEC_OK);
    }
    if machine.mounted("/sys/kernel/config", "configfs") {
        let fix = "Use a kernel with CONFIG_TSM_REPORTS, and modprobe tsm.";
        return missing("configfs has no tsm/report", fix);
    }
    missing("configfs is not mounted", "mount -t configfs configfs /sys/kernel/config (as root)")
}

fn tdx_event_log(machine: &Machine, config: &TdxConfig) -> Finding {
    let (log, table) = (&config.event_log, &config.event_log_table);
    if machine.may(log, Access::READ_OK) {
        if !machine.may(table, Access::READ_OK) {
            let what = format!("{} can be read, {} cannot", log.display(), table.display());
            let fix = "Google Cloud Attestation wants to see both; nothing else does.";
            return finding("tdx-event-log", Status::Warning, what, fix);
        }
        return ok("tdx-event-log", log.display().to_string());
    }
    if machine.has(log) {
        let what = format!("{} may not be read", log.display());
        return finding("tdx-event-log", Status::Missing, what, "Run as root.");
    }
    let fix = "Quotes are had without it, but say nothing about what was booted; the firmware has to leave it (CCEL).";
    finding("tdx-event-log", Status::Warning, format!("{} does not exist", log.display()), fix)
}

/// What can be said without asking anybody.
fn google_token(machine: &Machine, tdx: bool) -> Finding {
    let id = "google-token";
    if !google_token::BUILT_IN {
        let fix = "Use a build with the feature `google` where a policy asks for a token.";
        let what = "this build cannot ask Google Cloud Attestation for tokens";
        return finding(id, Status::Warning, what.to_owned(), fix);
    }
    if !on_compute_engine(machine) {
        let what = "no metadata server and no Google Cloud Attestation outside Compute Engine";
        let fix = "Tokens can be had by Compute Engine instances only.";
        return finding(id, Status::Warning, what.to_owned(), fix);
    }
    let fix = if tdx {
        "`evidence` has to name \"google-token\". Google does not take the TDX quotes of some images; it is shown the vTPM \
         then. `doctor --google` tries it."
    } else {
        "`evidence` has to name \"google-token\"; `doctor --google` asks for a token and shows what it says."
    };
    Finding { fix: Some(fix), ..ok(id, "built in, not asked".to_owned()) }
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

pub(super) fn ok(id: &'static str, what: String) -> Finding {
    Finding { id, status: Status::Ok, what, fix: None }
}

pub(super) fn finding(id: &'static str, status: Status, what: String, fix: &'static str) -> Finding {
    Finding { id, status, what, fix: Some(fix) }
}
