//! Platform, systemd and lockable memory.

use super::finding::{Finding, Status};
use super::machine::Machine;
use crate::memory;

fn product(machine: &Machine) -> String {
    machine.text("/sys/class/dmi/id/product_name").unwrap_or_default()
}

pub(super) fn on_compute_engine(machine: &Machine) -> bool {
    product(machine) == "Google Compute Engine"
}

pub(super) fn platform(machine: &Machine) -> Finding {
    let name = product(machine);
    if on_compute_engine(machine) {
        return Finding::ok("platform", name);
    }
    let fix = "Evidence of a vTPM is only taken from Compute Engine instances.";
    let what = match name.as_str() {
        "" => "the machine does not say what it is (no DMI); not a Compute Engine instance".to_owned(),
        name => format!("this is {name:?}, not a Compute Engine instance"),
    };
    Finding::new("platform", Status::Warning, what, fix)
}

/// systemd before 254 takes credentials from SMBIOS, which the host controls, even in a confidential VM.
pub(super) fn systemd(machine: &Machine) -> Option<Finding> {
    if !machine.has("/run/systemd/system") {
        return None;
    }
    let folders = ["/usr/lib/systemd", "/usr/lib/x86_64-linux-gnu/systemd", "/lib/systemd"];
    let version = folders.into_iter().find_map(|folder| systemd_version(machine, folder));
    match version {
        Some(version) if version >= 254 => Some(Finding::ok("systemd", format!("version {version}"))),
        Some(version) => {
            let what = format!("version {version} takes credentials from the host");
            let fix = "Use systemd 254 or later, or boot with systemd.import_credentials=no.";
            Some(Finding::new("systemd", Status::Warning, what, fix))
        }
        None => {
            let fix = "See that it is 254 or later: earlier ones take credentials from the host.";
            Some(Finding::new("systemd", Status::Warning, "its version is unknown".to_owned(), fix))
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

pub(super) fn locked_memory(machine: &Machine) -> Finding {
    let limits = machine.text("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory")).unwrap_or_default();
    let hard = line.split_whitespace().nth(1).unwrap_or_default();
    let enough = hard == "unlimited" || hard.parse().is_ok_and(|bytes: u64| bytes >= memory::ENOUGH);
    if enough || holds_ipc_lock(machine) {
        return Finding::ok("locked-memory", "secrets can be kept out of swap".to_owned());
    }
    let fix = "Run with CAP_IPC_LOCK (root has it, save in some containers), or set LimitMEMLOCK=infinity; or use no swap.";
    let what = "too little memory may be locked: secrets could be swapped out";
    Finding::new("locked-memory", Status::Warning, what.to_owned(), fix)
}

/// Capability 14 of `capabilities(7)`, which root in a container often lacks.
fn holds_ipc_lock(machine: &Machine) -> bool {
    let status = machine.text("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default();
    u64::from_str_radix(effective.trim(), 16).is_ok_and(|set| set & (1 << 14) != 0)
}
