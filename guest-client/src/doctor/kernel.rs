//! The running kernel.

use super::finding::{Finding, Status};
use super::machine::Machine;

/// Version of the running kernel.
pub(super) struct Kernel {
    release: String,
    pub(super) version: Option<(u32, u32)>,
}

impl Kernel {
    pub(super) fn of(machine: &Machine) -> Self {
        let release = machine.text("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut parts = release.split(|c: char| !c.is_ascii_digit());
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let version = number().zip(number());
        Self { release, version }
    }

    pub(super) fn finding(&self) -> Finding {
        match self.version {
            Some(_) => Finding::ok("kernel", format!("Linux {}", self.release)),
            None => {
                let fix = "Mount /proc.";
                Finding::new("kernel", Status::Warning, "its version is unknown".to_owned(), fix)
            }
        }
    }
}
