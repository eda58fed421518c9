//! A baseline that allows exactly one captured boot: to be read by a person before it is put.
//!
//! Which file is the kernel and which the initrd is told by names that nobody measured, so the result is a proposal.

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::{BootLog, EventKind, LoggedEvent};
use vouchsafe_protocol::{Digest32, UnixTime};

use super::{Baseline, BaselineError, FirmwareSet, initrd_arguments};

/// Why no baseline can be made of these claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// No vTPM claims.
    #[error("there is no boot log")]
    NoBootLog,
    /// No technology.
    #[error("the evidence does not say which technology protects the VM")]
    NoTechnology,
    /// The boot lacks something that every baseline needs.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
}

impl Baseline {
    /// The baseline of exactly this boot.
    ///
    /// # Errors
    /// When the boot lacks something that every baseline needs.
    pub fn capture(claims: &Claims, version: u32, ends_at: UnixTime) -> Result<Self, CaptureError> {
        let boot = &claims.vtpm.as_ref().ok_or(CaptureError::NoBootLog)?.boot;
        let technology = claims.technology.ok_or(CaptureError::NoTechnology)?;
        let (shim, grub, uki, kernel_image) = images(boot);
        let grub_file = |is_it: &dyn Fn(&str) -> bool| {
            files(boot, |event| {
                event.kind == EventKind::GrubFile
                    && is_it(event.untrusted_name.as_deref().unwrap_or_default())
            })
        };
        let is_kernel = |name: &str| boot.kernel_path.as_deref() == Some(name);
        let is_initrd = |name: &str| !name.is_empty() && loads_initrd(boot, name);
        let is_grubenv = |name: &str| name.ends_with("/grubenv");
        let baseline = Self {
            description: String::new(),
            version,
            ends_at,
            technology: technology.name().to_owned(),
            firmware: FirmwareSet {
                versions: boot.firmware_version.iter().cloned().collect(),
                snp_measurements: claims.sev_snp.iter().map(|snp| snp.measurement).collect(),
                tdx_measurements: claims.tdx.iter().map(|tdx| tdx.mr_td).collect(),
            },
            shim,
            grub,
            uki,
            kernel_image,
            drivers: unique(boot.efi_drivers.iter().copied()),
            kernel: grub_file(&is_kernel),
            initrd: grub_file(&is_initrd),
            configuration: grub_file(&|name| !is_kernel(name) && !is_initrd(name) && !is_grubenv(name)),
            grubenv: grub_file(&is_grubenv),
            grub_commands: unique(boot.grub_commands.iter().cloned()),
            command_lines: boot
                .kernel_path
                .as_ref()
                .and(boot.kernel_command_line.clone())
                .into_iter()
                .collect(),
            sections: boot.stub_sections.iter().map(|part| (part.name.clone(), vec![part.digest])).collect(),
            load_options: files(boot, |event| event.kind == EventKind::KernelLoadOptions),
            loaded_initrd: files(boot, |event| event.kind == EventKind::KernelInitrd),
            pcr12: measured(boot, 12, |_| true),
            pcr13: measured(boot, 13, |_| true),
        };
        baseline.check()?;
        Ok(baseline)
    }
}

type Digests = Vec<Digest32>;

/// Shim, GRUB, unified kernel image and kernel, by their place in the boot.
fn images(boot: &BootLog) -> (Digests, Digests, Digests, Digests) {
    let applications = &boot.efi_applications;
    let at = |from: usize, to: usize| unique(applications.iter().skip(from).take(to - from).copied());
    if !boot.stub_sections.is_empty() {
        return (Vec::new(), Vec::new(), at(0, 1), at(1, usize::MAX));
    }
    match applications.len() {
        0 | 1 => (Vec::new(), at(0, 1), Vec::new(), Vec::new()),
        _ => (at(0, 1), at(1, 2), Vec::new(), at(2, usize::MAX)),
    }
}

fn loads_initrd(boot: &BootLog, name: &str) -> bool {
    let commands = boot.grub_commands.iter();
    let mut arguments = commands.filter_map(|command| initrd_arguments(command)).flatten();
    arguments.any(|argument| argument == name)
}

fn files(boot: &BootLog, wanted: impl Fn(&LoggedEvent) -> bool) -> Digests {
    measured(boot, 9, wanted)
}

fn measured(boot: &BootLog, pcr: u8, wanted: impl Fn(&LoggedEvent) -> bool) -> Digests {
    let events = boot.events.get(&pcr).into_iter().flatten();
    unique(events.filter(|event| wanted(event)).map(|event| event.digest))
}

fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}
