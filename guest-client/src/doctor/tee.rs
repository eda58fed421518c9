//! The confidential-computing technology, and the devices that provide its reports.

use std::path::Path;

use rustix::fs::Access;

use super::finding::{Finding, Status};
use super::kernel::Kernel;
use super::machine::Machine;
use super::system::on_compute_engine;
use crate::config::TdxConfig;
use crate::hardware::{sev_guest, tdx};
use crate::vtpm::read_event_log;

/// The kernel makes this platform device in every SNP guest, even without the driver.
pub(super) fn is_snp(machine: &Machine) -> bool {
    machine.has("/sys/bus/platform/devices/sev-guest") || machine.has("/dev/sev-guest")
}

/// According to CPUID, or to the kernel's detection.
pub(super) fn is_tdx(machine: &Machine) -> bool {
    if machine.tdx {
        return true;
    }
    let cpu = machine.text("/proc/cpuinfo").unwrap_or_default();
    let mut flags = cpu.lines().filter(|line| line.starts_with("flags"));
    flags.next().is_some_and(|line| line.split_whitespace().any(|flag| flag == "tdx_guest"))
}

/// The finding for a VM that has neither report nor quote. `log` is the vTPM's event log.
pub(super) fn no_hardware(machine: &Machine, log: &Path) -> Finding {
    let id = "hardware";
    let flag = has_sev(machine);
    let sev = match logged_technology(machine, log) {
        Some(technology) => matches!(technology, SEV | SEV_ES),
        // The log is unreadable: the processor's flag has to suffice.
        None => flag && on_compute_engine(machine),
    };
    if sev {
        let what = "AMD SEV: this technology has no attestation report".to_owned();
        return Finding::ok(id, what)
            .with("Its evidence is the vTPM's quote, and a Google token if the policy requires one.");
    }
    let also = if flag { "; the processor has SEV" } else { "" };
    let what = format!("not an SEV-SNP guest and not a TDX guest{also}");
    let fix = "There is no report of the processor here. Instances of --confidential-compute-type=SEV_SNP or TDX have one.";
    Finding::new(id, Status::Missing, what, fix)
}

fn has_sev(machine: &Machine) -> bool {
    let cpu = machine.text("/proc/cpuinfo").unwrap_or_default();
    cpu.split_whitespace().any(|flag| flag == "sev_guest" || flag == "sev")
}

/// The technology in the event `GCE NonHostInfo` of Google's firmware: its name with a zero, then one byte. A hint, like
/// everything here; the broker reads the log event by event and checks it against the quote.
fn logged_technology(machine: &Machine, log: &Path) -> Option<u8> {
    let log = read_event_log(&machine.at(log)).ok()?;
    let start = log.windows(NON_HOST_INFO.len()).position(|part| part == NON_HOST_INFO)?;
    log.get(start + NON_HOST_INFO.len()).copied()
}

pub(super) fn snp_device(machine: &Machine, tsm: &Path) -> Finding {
    // The driver makes the device; the directory also exists without it.
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
    Finding::new("sev-snp", Status::Missing, what.to_owned(), fix)
}

fn access_to(machine: &Machine, id: &'static str, path: &Path, access: Access) -> Finding {
    let shown = path.display();
    if machine.may(path, access) {
        return Finding::ok(id, shown.to_string());
    }
    Finding::new(id, Status::Missing, format!("{shown} may not be used"), "Run as root.")
}

/// What is missing in the kernel's SNP driver.
pub(super) fn snp_kernel(kernel: &Kernel) -> Option<Finding> {
    let version = kernel.version?;
    let warn = |what: &str, fix| Some(Finding::new("sev-snp-kernel", Status::Warning, what.to_owned(), fix));
    if version <= (6, 1) {
        // Known from public reports: on 6.1 without a later fix a throttled request erases the key to the
        // firmware.
        let what = "a request that the host throttles can disable reports until reboot";
        return warn(what, "Use Linux 6.7 or later; on 6.1 ask for one report at a time.");
    }
    if version < (6, 7) {
        let what = "no configfs-tsm: reports come without certificates";
        return warn(what, "Use Linux 6.7 or later; until then the broker has to fetch the VCEK.");
    }
    None
}

/// The source of quotes. Which driver answers is only visible with a request, so only the device is checked.
pub(super) fn tdx_device(machine: &Machine, kernel: &Kernel, tsm: &Path) -> Finding {
    let missing = |what: &str, fix| Finding::new("tdx", Status::Missing, what.to_owned(), fix);
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

pub(super) fn tdx_event_log(machine: &Machine, config: &TdxConfig) -> Finding {
    let (log, table) = (&config.event_log, &config.event_log_table);
    if machine.may(log, Access::READ_OK) {
        if !machine.may(table, Access::READ_OK) {
            let what = format!("{} can be read, {} cannot", log.display(), table.display());
            let fix = "Google Cloud Attestation wants to see both; nothing else does.";
            return Finding::new("tdx-event-log", Status::Warning, what, fix);
        }
        return Finding::ok("tdx-event-log", log.display().to_string());
    }
    if machine.has(log) {
        let what = format!("{} may not be read", log.display());
        return Finding::new("tdx-event-log", Status::Missing, what, "Run as root.");
    }
    let fix = "Quotes are had without it, but say nothing about what was booted; the firmware has to leave it (CCEL).";
    Finding::new("tdx-event-log", Status::Warning, format!("{} does not exist", log.display()), fix)
}

const NON_HOST_INFO: &[u8] = b"GCE NonHostInfo\0";
const SEV: u8 = 1;
const SEV_ES: u8 = 2;
