//! The strict state machine: accepts or refuses a log as a whole, and collects the boot claims.

use std::collections::BTreeMap;

use super::actions::Actions;
use super::boot::BootLog;
use super::boot::EventKind;
use super::boot::LoggedEvent;
use super::boot::SecureBoot;
use super::classified::Classified;
use super::command_line::Ambiguity;
use super::command_line::CommandLine;
use super::command_line::Source;
use super::devices::device_firmware;
use super::devices::device_keys;
use super::devices::partition_table;
use super::digest::EventDigest;
use super::error::EventLogError;
use super::event::Event;
use super::event_type::EventType;
use super::grub::Grub;
use super::images::Images;
use super::options::Options;
use super::options::is_options;
use super::rules;
use super::rules::require_covered;
use super::secure_boot::SecureBootReader;
use super::shim;
use super::smbios::Smbios;
use super::stub::Stub;
use super::tagged::tagged;
use super::texts;
use super::texts::Texts;
use super::userspace_grammar::word_of;
use super::variable::version_text;
use crate::technology::Technology;

/// Checks the events of a log, in order.
pub(super) fn boot_log(events: &[Event<'_>]) -> Result<BootLog, EventLogError> {
    Actions::require_exit(events, 5)?;
    let mut pcrs = Pcrs::default();
    for event in events.iter().filter(|event| event.event_type != EventType::NO_ACTION) {
        pcrs.step(event)?;
    }
    pcrs.finish()
}

/// The log of a vTPM, PCR by PCR.
#[derive(Default)]
struct Pcrs<'a> {
    separated: [bool; 8],
    machine: Machine<'a>,
}

/// Classifies events by the rules of their PCR, and collects the results.
#[derive(Default)]
pub(super) struct Machine<'a> {
    technology: Option<Technology>,
    firmware_version: Option<&'a [u8]>,
    actions: Actions,
    secure_boot: SecureBootReader,
    smbios: Smbios,
    images: Images,
    pub(super) grub: Grub,
    pub(super) stub: Stub,
    options: Options,
    efi_applications: Vec<EventDigest>,
    events: BTreeMap<u8, Vec<LoggedEvent>>,
}

impl<'a> Pcrs<'a> {
    fn step(&mut self, event: &Event<'a>) -> Result<(), EventLogError> {
        let classified = match self.separated.get(usize::from(event.pcr)).copied() {
            Some(separated) => self.firmware_event(event, separated)?,
            None => self.loader_event(event)?,
        };
        if let Some(word) = word_of(event.pcr, &event.digest) {
            let Event { number, pcr, .. } = *event;
            return Err(EventLogError::UserspaceWord { event: number, pcr, word });
        }
        self.machine.check_exited(event)?;
        self.machine.keep(event.pcr, event, classified);
        Ok(())
    }

    /// PCR 0 to 7 (PFP 1.06 §3.3.4).
    fn firmware_event(&mut self, event: &Event<'a>, separated: bool) -> Result<Classified, EventLogError> {
        let Event { number, pcr, event_type, .. } = *event;
        if event_type == EventType::SEPARATOR {
            return self.separator(event, separated);
        }
        if rules::SEPARATOR_DIGESTS.contains(&event.digest) {
            return Err(EventLogError::SeparatorRelabelled { event: number, pcr, event_type });
        }
        if !rules::allowed(pcr, event_type, separated) {
            return Err(if separated {
                EventLogError::EventAfterSeparator { event: number, pcr, event_type }
            } else {
                EventLogError::UnexpectedEvent { event: number, pcr, event_type }
            });
        }
        self.machine.firmware_event(event, separated)
    }

    /// Exactly one for each PCR, of four zero bytes: it separates what the firmware measures about itself
    /// from what it measures about the software that it starts (PFP 1.06 §10.4.1, EV_SEPARATOR). With a
    /// second separator, events of one side could be presented as events of the other.
    fn separator(&mut self, event: &Event<'_>, separated: bool) -> Result<Classified, EventLogError> {
        let Event { number, pcr, .. } = *event;
        rules::require_separator(event)?;
        if separated {
            return Err(EventLogError::SecondSeparator { event: number, pcr });
        }
        if let Some(separated) = self.separated.get_mut(usize::from(pcr)) {
            *separated = true;
        }
        Ok(EventKind::Separator.into())
    }

    /// PCR 8 and above: boot loaders (UAPI.7).
    fn loader_event(&mut self, event: &Event<'_>) -> Result<Classified, EventLogError> {
        let Event { number, pcr, event_type, data, .. } = *event;
        if !rules::allowed(pcr, event_type, false) {
            return Err(EventLogError::UnexpectedEvent { event: number, pcr, event_type });
        }
        match (pcr, event_type) {
            (8, _) => self.machine.grub_text(event),
            (9, EventType::IPL) => Ok(Classified::untrusted(EventKind::GrubFile, data)),
            (11, _) => self.machine.stub.step(event).map(|(kind, name)| Classified::named(kind, name)),
            (14, _) => Ok(Classified::untrusted(EventKind::MachineOwnerKeys, data)),
            (12, _) => self.machine.options(event),
            (9 | 13, EventType::EVENT_TAG) => tagged(event),
            _ => Ok(Classified::untrusted(EventKind::Other, data)),
        }
    }

    fn finish(self) -> Result<BootLog, EventLogError> {
        if let Some(pcr) = (0..).zip(self.separated).find_map(|(pcr, there)| (!there).then_some(pcr)) {
            return Err(EventLogError::SeparatorMissing { pcr });
        }
        let grub_files = self.machine.events(9).iter().map(|event| event.digest).collect();
        self.machine.finish(false, grub_files)
    }
}

impl<'a> Machine<'a> {
    /// Adds an event of `register` with its classification.
    pub(super) fn keep(&mut self, register: u8, event: &Event<'_>, classified: Classified) {
        let Classified { kind, name, untrusted_name } = classified;
        if kind == EventKind::EfiApplication {
            self.efi_applications.push(event.digest);
        }
        self.events.entry(register).or_default().push(LoggedEvent {
            number: event.number,
            event_type: event.event_type.0,
            event_name: event.event_type.name(),
            digest: event.digest,
            kind,
            name,
            untrusted_name,
        });
    }

    /// A text of GRUB.
    pub(super) fn grub_text(&mut self, event: &Event<'_>) -> Result<Classified, EventLogError> {
        Ok(match self.grub.step(event)? {
            (kind, Some(text)) => Classified::named(kind, text),
            (kind, None) => Classified::untrusted(kind, event.data),
        })
    }

    /// PCR 12 (UAPI.7, kernel configuration): a command line, or a file from outside the image.
    fn options(&mut self, event: &Event<'_>) -> Result<Classified, EventLogError> {
        Ok(match self.options.step(event) {
            Some(text) => Classified::named(EventKind::KernelCommandLine, text),
            None if event.event_type == EventType::EVENT_TAG => tagged(event)?,
            None => Classified::untrusted(EventKind::Other, event.data),
        })
    }

    /// The events of a register so far.
    pub(super) fn events(&self, register: u8) -> &[LoggedEvent] {
        self.events.get(&register).map_or(&[], Vec::as_slice)
    }

    /// After ExitBootServices succeeded or was attempted, only further ExitBootServices events may follow
    /// (PFP 1.06 §8.2.4).
    pub(super) fn check_exited(&self, event: &Event<'_>) -> Result<(), EventLogError> {
        let Event { number, pcr, event_type, .. } = *event;
        if self.actions.leaving() && (pcr, event_type) != (5, EventType::EFI_ACTION) {
            return Err(EventLogError::EventAfterExitBootServices { event: number, pcr, event_type });
        }
        Ok(())
    }

    /// Classifies an event of PCR 0 to 7 other than a separator, if its type is allowed there.
    pub(super) fn firmware_event(
        &mut self,
        event: &Event<'a>,
        separated: bool,
    ) -> Result<Classified, EventLogError> {
        let Event { pcr, event_type, .. } = *event;
        if pcr == 0 {
            return self.platform_event(event);
        }
        match (pcr, event_type) {
            (4 | 5 | 7, EventType::EFI_ACTION) => {
                let kind = self.actions.step(event, separated)?;
                self.images.act(&self.actions);
                Ok(kind.into())
            }
            (1, EventType::EVENT_TAG) if separated => self.smbios.step(event, self.actions.returned),
            (7, EventType::EFI_SPDM_DEVICE_POLICY | EventType::EFI_SPDM_DEVICE_AUTHORITY) => {
                device_keys(event)
            }
            (7, EventType::EFI_VARIABLE_DRIVER_CONFIG) => {
                let name = self.secure_boot.variable(event)?;
                Ok(Classified::named(EventKind::SecureBootVariable, name.to_owned()))
            }
            (7, _) => Ok(Classified::named(EventKind::Authority, self.secure_boot.authority(event)?)),
            (2 | 5, EventType::EFI_GPT_EVENT | EventType::EFI_GPT_EVENT2) => partition_table(event),
            (2, EventType::EFI_SPDM_FIRMWARE_BLOB) => device_firmware(event),
            (_, EventType::EVENT_TAG) => tagged(event),
            (2 | 4, _) if rules::is_application(event_type) => {
                self.images.start(pcr, separated);
                Ok(Classified::image(EventKind::EfiApplication, event.data))
            }
            (2, _) if rules::is_driver(event_type) => {
                self.images.start(pcr, separated);
                Ok(Classified::image(EventKind::EfiDriver, event.data))
            }
            _ => Ok(EventKind::Other.into()),
        }
    }

    /// PCR 0 (PFP 1.06 §3.3.4.1): version of the firmware, EV_S_CRTM_VERSION, and technology.
    fn platform_event(&mut self, event: &Event<'a>) -> Result<Classified, EventLogError> {
        let Event { number, event_type, data, .. } = *event;
        if event_type == EventType::NONHOST_INFO {
            require_covered(event)?;
            if self.technology.replace(rules::technology(data, number)?).is_some() {
                return Err(EventLogError::SecondNonHostInfo { event: number });
            }
            return Ok(EventKind::NonHostInfo.into());
        }
        if rules::NON_HOST_INFO_DIGESTS.contains(&event.digest) {
            return Err(EventLogError::NonHostInfoRelabelled { event: number, event_type });
        }
        if event_type != EventType::S_CRTM_VERSION {
            return Ok(EventKind::Other.into());
        }
        require_covered(event)?;
        if self.firmware_version.replace(data).is_some() {
            return Err(EventLogError::SecondCrtmVersion { event: number });
        }
        Ok(EventKind::FirmwareVersion.into())
    }

    /// The boot claims, once all events have been added. `options_changed`: an event that cannot be
    /// distinguished from options may have changed the command line.
    pub(super) fn finish(
        self,
        options_changed: bool,
        grub_files: Vec<EventDigest>,
    ) -> Result<BootLog, EventLogError> {
        if !self.actions.booted() {
            return Err(EventLogError::BootAttemptMissing);
        }
        if !self.actions.left() {
            return Err(EventLogError::ExitBootServicesMissing);
        }
        let earlier_option = self.earlier_option();
        self.stub.finish(earlier_option)?;
        let Texts { line, kernel_path, arguments, grub_commands, withheld } = self.texts(options_changed);
        let firmware_version = self.firmware_version.and_then(version_text);
        let secure_boot = self.secure_boot.finish()?;
        let shim_validation_disabled = shim::validation_disabled(&secure_boot.authorities, &self.events);
        Ok(BootLog {
            technology: self.technology,
            firmware_version_hex: match firmware_version {
                Some(_) => None,
                None => self.firmware_version.map(hex::encode),
            },
            firmware_version,
            secure_boot: SecureBoot { shim_validation_disabled, ..secure_boot },
            dma_protection_disabled: self.actions.dma_protection_disabled,
            efi_applications: self.efi_applications,
            efi_drivers: digests(&self.events, EventKind::EfiDriver),
            kernel_words: line.as_ref().map(CommandLine::words).unwrap_or_default(),
            kernel_command_line: line.map(|line| line.text().to_owned()),
            kernel_path,
            kernel_arguments: arguments,
            grub_commands,
            grub_files,
            stub_sections: if earlier_option { Vec::new() } else { self.stub.sections },
            events: self.events,
            withheld,
        })
    }

    /// Whether something ran in a boot option that returned.
    fn earlier_option(&self) -> bool {
        self.images.ran_earlier(&self.actions)
    }

    /// The claims from texts. GRUB's line starts with the kernel's path.
    fn texts(&self, options_changed: bool) -> Texts {
        let mut texts = Texts::default();
        match self.command_line(options_changed) {
            Ok(line) => texts.line = line,
            Err(ambiguity) => texts.withhold(&texts::COMMAND_LINE_CLAIMS, &ambiguity),
        }
        texts.arguments = texts.line.as_ref().map(CommandLine::arguments).unwrap_or_default();
        if matches!(self.grub.command_line(), Source::Line(_)) && !texts.arguments.is_empty() {
            texts.kernel_path = Some(texts.arguments.remove(0));
        }
        if self.earlier_option() && !self.stub.sections.is_empty() {
            texts.withhold(&["stub_sections"], &Ambiguity::EarlierOption);
        }
        match self.grub.commands(texts.line.as_ref()) {
            Ok(commands) => texts.grub_commands = commands,
            Err(ambiguity) => texts.withhold(&["grub_commands"], &ambiguity),
        }
        texts
    }

    /// The kernel's command line according to the one boot loader that measured something for it, if the
    /// kernel's own measurement of its options agrees.
    fn command_line(&self, options_changed: bool) -> Result<Option<CommandLine>, Ambiguity> {
        let sources = [self.grub.command_line(), self.stub.command_line(), self.options.command_line()];
        let [grub, ..] = &sources;
        let from_grub = matches!(grub, Source::Line(_));
        let mut measured = sources.iter().filter(|source| **source != Source::Nothing);
        let line = match (measured.next(), measured.next()) {
            (None, _) | (Some(Source::Nothing | Source::NoLine), None) => return Ok(None),
            (Some(Source::Ambiguous(ambiguity)), None) => return Err(ambiguity.clone()),
            (Some(Source::Line(line)), None) => line,
            (Some(_), Some(_)) => return several(&sources),
        };
        if options_changed {
            return Err(Ambiguity::OptionsChanged);
        }
        if self.earlier_option() {
            return Err(Ambiguity::EarlierOption);
        }
        let options =
            self.events.values().flatten().filter(|event| event.kind == EventKind::KernelLoadOptions);
        // GRUB puts a name before its line, and its versions pass different texts to the kernel's EFI stub.
        if !from_grub && options.clone().any(|event| !is_options(event.digest, line.text())) {
            return Err(Ambiguity::OtherOptions);
        }
        Ok(Some(line.clone()))
    }
}

/// If two boot loaders measured something, it is ambiguous which one started the kernel: texts can be
/// appended after boot.
fn several(sources: &[Source]) -> Result<Option<CommandLine>, Ambiguity> {
    if sources.iter().all(|source| matches!(source, Source::Nothing | Source::NoLine)) {
        return Ok(None);
    }
    Err(Ambiguity::SeveralLoaders)
}

fn digests(events: &BTreeMap<u8, Vec<LoggedEvent>>, kind: EventKind) -> Vec<EventDigest> {
    events.values().flatten().filter(|event| event.kind == kind).map(|event| event.digest).collect()
}
