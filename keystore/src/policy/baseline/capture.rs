//! A baseline that allows exactly one captured boot: to be read by a person before it is put.
//!
//! Which file is the kernel and which the initrd is told by names that nobody measured, so the result is a proposal.

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::EventKind;
use vouchsafe_protocol::UnixTime;

use super::digest::LogDigest;
use super::log::{Log, Seen};
use super::{Baseline, BaselineError, BaselineLog, FirmwareSet, initrd_arguments};

/// Why no baseline can be made of these claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// No such log.
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
    /// The baseline of exactly this boot: by the vTPM's log, or by CCEL where there is no vTPM.
    ///
    /// # Errors
    /// When the boot lacks something that every baseline needs.
    pub fn capture(claims: &Claims, version: u32, ends_at: UnixTime) -> Result<Self, CaptureError> {
        let log = if claims.vtpm.is_some() { BaselineLog::Vtpm } else { BaselineLog::Ccel };
        Self::capture_log(claims, log, version, ends_at)
    }

    /// The baseline of exactly this boot, by this log.
    ///
    /// # Errors
    /// When the boot lacks something that every baseline needs.
    pub fn capture_log(
        claims: &Claims,
        log: BaselineLog,
        version: u32,
        ends_at: UnixTime,
    ) -> Result<Self, CaptureError> {
        let boot = Log::of(claims, log).ok_or(CaptureError::NoBootLog)?;
        let technology = claims.technology.ok_or(CaptureError::NoTechnology)?;
        let baseline = Self {
            technology: technology.name().to_owned(),
            firmware: FirmwareSet {
                versions: boot.firmware_version.iter().cloned().collect(),
                snp_measurements: claims.sev_snp.iter().map(|snp| snp.measurement).collect(),
                tdx_measurements: claims.tdx.iter().map(|tdx| tdx.mr_td).collect(),
            },
            ..Self::of_log(&boot, version, ends_at)
        };
        baseline.check()?;
        Ok(baseline)
    }

    /// All but what is not in the log.
    pub(super) fn of_log(boot: &Log, version: u32, ends_at: UnixTime) -> Self {
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
        let ccel = boot.log == BaselineLog::Ccel;
        let listed = |of_ccel: bool, register, wanted: &dyn Fn(&Seen) -> bool| {
            if of_ccel == ccel { measured(boot, register, wanted) } else { Vec::new() }
        };
        Self {
            description: String::new(),
            version,
            ends_at,
            technology: String::new(),
            log: boot.log,
            firmware: FirmwareSet::default(),
            shim,
            grub,
            uki,
            kernel_image,
            drivers: of_kind(boot, 2, EventKind::EfiDriver),
            kernel: grub_file(&is_kernel),
            initrd: grub_file(&is_initrd),
            configuration: grub_file(&|name| !is_kernel(name) && !is_initrd(name) && !is_grubenv(name)),
            grubenv: grub_file(&is_grubenv),
            grub_commands: unique(boot.commands.iter().cloned()),
            command_lines: boot.kernel_path.as_ref().and(boot.command_line.clone()).into_iter().collect(),
            sections: boot.sections.iter().map(|(name, digest)| (name.clone(), vec![*digest])).collect(),
            load_options: files(boot, |event| event.kind == EventKind::KernelLoadOptions),
            loaded_initrd: files(boot, |event| event.kind == EventKind::KernelInitrd),
            pcr12: listed(false, 12, &|_| true),
            pcr13: listed(false, 13, &|_| true),
            register1: Vec::new(),
            register2: listed(true, 2, &|event| event.kind == EventKind::Other),
            register3: listed(true, 3, &|event| {
                matches!(event.kind, EventKind::Other | EventKind::MachineOwnerKeys)
            }),
        }
    }
}

type Digests = Vec<LogDigest>;

/// Shim, GRUB, unified kernel image and kernel, by their place in the boot.
fn images(boot: &Log) -> (Digests, Digests, Digests, Digests) {
    // On a vTPM applications are in PCR 2 and 4, which are both of register 2 in CCEL.
    let registers: &[u8] = if boot.log == BaselineLog::Ccel { &[2] } else { &[2, 4] };
    let applications: Digests = registers
        .iter()
        .flat_map(|register| boot.events(*register))
        .filter(|event| event.kind == EventKind::EfiApplication)
        .map(|event| event.digest)
        .collect();
    let at = |from: usize, to: usize| unique(applications.iter().skip(from).take(to - from).copied());
    if !boot.sections.is_empty() {
        return (Vec::new(), Vec::new(), at(0, 1), at(1, usize::MAX));
    }
    match applications.len() {
        0 | 1 => (Vec::new(), at(0, 1), Vec::new(), Vec::new()),
        _ => (at(0, 1), at(1, 2), Vec::new(), at(2, usize::MAX)),
    }
}

fn loads_initrd(boot: &Log, name: &str) -> bool {
    let commands = boot.commands.iter();
    let mut arguments = commands.filter_map(|command| initrd_arguments(command)).flatten();
    arguments.any(|argument| argument == name)
}

/// In PCR 9, or in the register that stands for it.
fn files(boot: &Log, wanted: impl Fn(&Seen) -> bool) -> Digests {
    measured(boot, if boot.log == BaselineLog::Ccel { 3 } else { 9 }, wanted)
}

fn of_kind(boot: &Log, register: u8, kind: EventKind) -> Digests {
    measured(boot, register, |event| event.kind == kind)
}

fn measured(boot: &Log, register: u8, wanted: impl Fn(&Seen) -> bool) -> Digests {
    let events = boot.events(register).iter();
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
