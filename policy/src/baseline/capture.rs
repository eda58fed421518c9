//! A baseline that allows exactly one captured boot, for review before it is put.
//!
//! Kernel and initrd are told apart by unmeasured names, so the result is a proposal.

use std::collections::BTreeMap;

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::EventKind;
use vouchsafe_protocol::UnixTime;

use super::digest::{BaselineLog, LogDigest};
use super::document::{Baseline, ComposedInitrd, FirmwareSet};
use super::log::{Log, Seen};
use super::parse::{BaselineError, initrd_arguments};

/// Why no baseline can be made from these claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// The evidence has no such log.
    #[error("there is no boot log")]
    NoBootLog,
    /// The technology is unknown.
    #[error("the evidence does not say which technology protects the VM")]
    NoTechnology,
    /// Any kernel could have run with the same measurements.
    #[error(
        "the log does not show which kernel ran: GRUB measured no file of one, no unified kernel image its section .linux, and firmware or \
         boot manager no image"
    )]
    NoKernel,
    /// The same kernel could have run with other arguments.
    #[error(
        "the log does not show the kernel's command line: GRUB measured none, and neither a section .cmdline nor options in PCR 12 or of \
         the kernel's EFI stub are there"
    )]
    NoCommandLine,
    /// The boot has something that no baseline can express.
    #[error(transparent)]
    Baseline(BaselineError),
}

impl From<BaselineError> for CaptureError {
    fn from(error: BaselineError) -> Self {
        match error {
            BaselineError::NoKernel => Self::NoKernel,
            BaselineError::NoCommandLine => Self::NoCommandLine,
            error => Self::Baseline(error),
        }
    }
}

impl Baseline {
    /// The baseline of exactly this boot: from the vTPM's log, or from CCEL if there is no vTPM.
    ///
    /// # Errors
    /// When the boot lacks something that every baseline needs.
    pub fn capture(claims: &Claims, version: u32, ends_at: UnixTime) -> Result<Self, CaptureError> {
        let log = if claims.vtpm.is_some() { BaselineLog::Vtpm } else { BaselineLog::Ccel };
        Self::capture_log(claims, log, version, ends_at)
    }

    /// The baseline of exactly this boot, from this log.
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
        let mut baseline = Self {
            technology: technology.name().to_owned(),
            firmware: FirmwareSet {
                versions: boot.firmware_version.iter().cloned().collect(),
                snp_measurements: claims.sev_snp.iter().map(|snp| snp.measurement).collect(),
                tdx_measurements: claims.tdx.iter().map(|tdx| tdx.mr_td).collect(),
            },
            ..Self::of_log(&boot, version, ends_at)
        };
        baseline.settle_composed_initrd(&boot);
        baseline.check()?;
        Ok(baseline)
    }

    /// Everything except what is not in the log.
    pub(super) fn of_log(boot: &Log, version: u32, ends_at: UnixTime) -> Self {
        let images = Images::of(boot);
        let loads = Loads::of(boot);
        let ccel = boot.log == BaselineLog::Ccel;
        let only = |wanted: bool, digests: Vec<LogDigest>| if wanted { digests } else { Vec::new() };
        Self {
            description: String::new(),
            version,
            ends_at,
            technology: String::new(),
            log: boot.log,
            firmware: FirmwareSet::default(),
            shim: images.shim,
            boot_manager: images.boot_manager,
            grub: images.grub,
            uki: images.uki,
            kernel_image: images.kernel_image,
            other_images: images.other,
            drivers: measured(boot, 2, |event| event.kind == EventKind::EfiDriver),
            kernel: loads.kernel,
            early_initrd: loads.early_initrd,
            initrd: loads.initrd,
            other_files: loads.other_files,
            configuration: loads.configuration,
            grubenv: loads.grubenv,
            grub_commands: loads.commands,
            command_lines: loads.command_lines,
            other_command_lines: loads.other_command_lines,
            sections: sections(boot),
            load_options: files(boot, |event| event.kind == EventKind::KernelLoadOptions),
            loaded_initrd: files(boot, |event| event.kind == EventKind::KernelInitrd),
            composed_initrd: ComposedInitrd::Listed,
            options: if ccel { Vec::new() } else { unique(texts(boot, 12).cloned()) },
            pcr12: only(!ccel, measured(boot, 12, |event| event.kind != EventKind::KernelCommandLine)),
            pcr13: only(!ccel, measured(boot, 13, |_| true)),
            other_events: if ccel { BTreeMap::new() } else { other_events(boot) },
            userspace_words: BTreeMap::new(),
            register1: Vec::new(),
            register2: only(ccel, measured(boot, 2, |event| is_other(boot, 2, event))),
            register3: only(ccel, measured(boot, 3, |event| is_other(boot, 3, event))),
            until: BTreeMap::new(),
            update_signers: Vec::new(),
            update_version: 0,
        }
    }
}

type Digests = Vec<LogDigest>;

fn sections(boot: &Log) -> BTreeMap<String, Digests> {
    let mut sections: BTreeMap<String, Digests> = BTreeMap::new();
    for (name, digest) in &boot.sections {
        let digests = sections.entry(name.clone()).or_default();
        if !digests.contains(digest) {
            digests.push(*digest);
        }
    }
    sections
}

/// EFI applications by their role in the boot.
#[derive(Default)]
struct Images {
    shim: Digests,
    boot_manager: Digests,
    grub: Digests,
    uki: Digests,
    kernel_image: Digests,
    other: Digests,
}

impl Images {
    /// The last image before the first text or section is the one that measures it; a kernel's comes
    /// afterwards. Among earlier images, shim is recognised by its key lists.
    fn of(boot: &Log) -> Self {
        let registers: &[u8] = if boot.log == BaselineLog::Ccel { &[2] } else { &[2, 4] };
        let events = boot.in_log_order(registers);
        let booted = events.iter().rposition(|event| boot.is_return(event)).map_or(0, |at| at + 1);
        let is_image = |event: &&&Seen| event.kind == EventKind::EfiApplication;
        let tried = events.iter().take(booted).filter(is_image).map(|event| event.digest);
        let mut images = Self { other: unique(tried), ..Self::default() };
        let rest: Vec<&Seen> = events.iter().skip(booted).filter(is_image).copied().collect();
        let first = |kinds: &[EventKind]| {
            let all = boot.in_log_order(&[3, 8, 9, 11, 14]);
            all.into_iter().find(|event| kinds.contains(&event.kind)).map(|event| event.number)
        };
        let sections = first(&[EventKind::StubSectionName]);
        let grub = first(&[EventKind::GrubCommand]);
        let grub = grub.and_then(|_| first(&[EventKind::GrubCommand, EventKind::GrubFile]));
        let has_shim = first(&[EventKind::MachineOwnerKeys]).is_some();
        let start = sections.or(grub);
        let (mut loaders, kernels): (Vec<&Seen>, Vec<&Seen>) = match start {
            Some(start) => rest.into_iter().partition(|event| event.number < start),
            None => {
                let last = rest.last().map(|event| event.number);
                rest.into_iter().partition(|event| Some(event.number) != last)
            }
        };
        let last = |loaders: &mut Vec<&Seen>| loaders.pop().map(|event| event.digest).into_iter().collect();
        if sections.is_some() {
            images.uki = last(&mut loaders);
        }
        if grub.is_some() {
            images.grub = last(&mut loaders);
        }
        images.add_loaders(loaders, has_shim || grub.is_some());
        images.add_kernels(&kernels);
        images
    }

    /// The loaders before GRUB, a UKI or a kernel.
    fn add_loaders(&mut self, loaders: Vec<&Seen>, has_shim: bool) {
        for event in loaders {
            let place = if has_shim && self.shim.is_empty() {
                &mut self.shim
            } else if self.boot_manager.is_empty() && self.grub.is_empty() {
                &mut self.boot_manager
            } else {
                &mut self.other
            };
            place.push(event.digest);
        }
    }

    /// The last kernel is the one that runs; earlier ones were loaded and failed.
    fn add_kernels(&mut self, kernels: &[&Seen]) {
        let Some(last) = kernels.last() else { return };
        self.kernel_image = vec![last.digest];
        let failed = kernels.iter().map(|event| event.digest).filter(|digest| *digest != last.digest);
        self.other = unique(self.other.iter().copied().chain(failed));
    }
}

/// What GRUB read and ran, by entry loaded.
#[derive(Default)]
struct Loads {
    kernel: Digests,
    early_initrd: Digests,
    initrd: Digests,
    other_files: Digests,
    configuration: Digests,
    grubenv: Digests,
    commands: Vec<String>,
    command_lines: Vec<String>,
    other_command_lines: Vec<String>,
}

/// One kernel that GRUB loaded.
#[derive(Default)]
struct Load {
    path: String,
    initrd_paths: Vec<String>,
    kernel: Digests,
    initrds: Digests,
}

impl Loads {
    fn of(boot: &Log) -> Self {
        let registers: &[u8] = if boot.log == BaselineLog::Ccel { &[3] } else { &[8, 9] };
        let (mut found, mut loads, mut lines) = (Self::default(), Vec::<Load>::new(), Vec::new());
        for event in boot.in_log_order(registers) {
            match (event.kind, &event.text) {
                (EventKind::KernelCommandLine, Some(text)) => lines.push(text.clone()),
                (EventKind::GrubCommand | EventKind::GrubModuleCommandLine, Some(text)) => {
                    found.add_command(&mut loads, text);
                }
                (EventKind::GrubFile, _) => found.add_file(&mut loads, event),
                _ => {}
            }
        }
        found.settle(loads, lines);
        found
    }

    fn add_command(&mut self, loads: &mut Vec<Load>, text: &str) {
        if let Some(path) = kernel_argument(text) {
            loads.push(Load { path: path.to_owned(), ..Load::default() });
        }
        if let (Some(load), Some(paths)) = (loads.last_mut(), initrd_arguments(text)) {
            load.initrd_paths.extend(paths.map(str::to_owned));
        }
        self.commands.push(text.to_owned());
    }

    /// Classifies a file by its unmeasured name.
    fn add_file(&mut self, loads: &mut [Load], event: &Seen) {
        let name = event.untrusted_name.as_deref().unwrap_or_default();
        let place = match loads.last_mut() {
            Some(load) if name == load.path || name == RHEL_8_KERNEL => &mut load.kernel,
            Some(load) if load.initrd_paths.iter().any(|path| path == name) || name == RHEL_8_INITRD => {
                &mut load.initrds
            }
            _ if name.ends_with("/grubenv") => &mut self.grubenv,
            _ => &mut self.configuration,
        };
        place.push(event.digest);
    }

    /// The kernel loaded last runs; the others failed.
    fn settle(&mut self, loads: Vec<Load>, mut lines: Vec<String>) {
        let mut loads: Vec<Load> = loads.into_iter().filter(|load| !load.kernel.is_empty()).collect();
        if let Some(mut load) = loads.pop() {
            self.initrd.extend(load.initrds.pop());
            self.early_initrd = unique(load.initrds.into_iter());
            self.kernel = unique(load.kernel.into_iter());
        }
        self.other_files = unique(loads.into_iter().flat_map(|load| [load.kernel, load.initrds].concat()));
        self.command_lines.extend(lines.pop());
        self.other_command_lines = unique(lines.into_iter());
        self.configuration = unique(std::mem::take(&mut self.configuration).into_iter());
        self.grubenv = unique(std::mem::take(&mut self.grubenv).into_iter());
        self.commands = unique(std::mem::take(&mut self.commands).into_iter());
    }
}

/// The kernel in a GRUB command that loads one.
fn kernel_argument(command: &str) -> Option<&str> {
    let mut words = command.split(' ');
    matches!(words.next(), Some("linux" | "linuxefi" | "linux16")).then_some(words.next())?
}

/// Whether an event that must be listed is in no list of components.
fn is_other(boot: &Log, register: u8, event: &Seen) -> bool {
    if matches!(register, 2 | 4) {
        let kinds = [EventKind::EfiApplication, EventKind::EfiDriver, EventKind::PartitionTable];
        return !kinds.contains(&event.kind) && !boot.is_firmware_action(event);
    }
    match event.kind {
        EventKind::GrubCommand | EventKind::GrubModuleCommandLine | EventKind::KernelCommandLine => {
            event.text.is_none()
        }
        EventKind::GrubFile
        | EventKind::KernelLoadOptions
        | EventKind::KernelInitrd
        | EventKind::StubSectionName
        | EventKind::StubSection => false,
        _ => true,
    }
}

fn other_events(boot: &Log) -> BTreeMap<u8, Digests> {
    let others = [2, 4, 8, 9].map(|pcr| (pcr, measured(boot, pcr, |event| is_other(boot, pcr, event))));
    others.into_iter().filter(|(_, digests)| !digests.is_empty()).collect()
}

fn texts(boot: &Log, register: u8) -> impl Iterator<Item = &String> {
    let lines = boot.events(register).iter().filter(|event| event.kind == EventKind::KernelCommandLine);
    lines.filter_map(|event| event.text.as_ref())
}

/// Events in PCR 9, or in the register that corresponds to it.
fn files(boot: &Log, wanted: impl Fn(&Seen) -> bool) -> Digests {
    measured(boot, if boot.log == BaselineLog::Ccel { 3 } else { 9 }, wanted)
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

/// RHEL 8's names for the two files that it measures.
const RHEL_8_KERNEL: &str = "grub_linuxefi Kernel";
const RHEL_8_INITRD: &str = "grub_linuxefi Initrd";
