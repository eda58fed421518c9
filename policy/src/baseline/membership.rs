//! Whether a boot is a member of a baseline.

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::{EventKind, Technology};
use vouchsafe_protocol::UnixTime;

use super::component::Component;
use super::digest::{BaselineLog, LogDigest};
use super::document::Baseline;
use super::log::{Log, Seen};
use super::mismatch::BaselineMismatch;
use super::places::{Places, Texts};
use crate::vm::is_firmware_endorsed;

impl Baseline {
    /// Whether the VM is a member at `now`.
    ///
    /// # Errors
    /// The first mismatch with the baseline.
    pub fn is_member(&self, claims: &Claims, now: UnixTime) -> Result<(), BaselineMismatch> {
        if now >= self.ends_at {
            return Err(BaselineMismatch::Ended { ends_at: self.ends_at });
        }
        let Err(mismatch) = self.at(now).check_boot(claims) else { return Ok(()) };
        Err(match self.expired(claims, now) {
            Some(until) => BaselineMismatch::Expired { until, because: Box::new(mismatch) },
            None => mismatch,
        })
    }

    /// Checks the boot against the lists, whatever the time.
    pub(super) fn check_boot(&self, claims: &Claims) -> Result<(), BaselineMismatch> {
        let log = Log::of(claims, self.log).ok_or(BaselineMismatch::NoBootLog)?;
        let technology = claims.technology.map(Technology::name);
        if technology != Some(self.technology.as_str()) {
            return Err(BaselineMismatch::Technology { found: technology });
        }
        self.check_firmware(claims, &log)?;
        self.check_log_events(&log)?;
        self.check_userspace(claims)
    }

    /// Checks the words that user space extended, in the PCRs with a list of words.
    fn check_userspace(&self, claims: &Claims) -> Result<(), BaselineMismatch> {
        let Some(vtpm) = &claims.vtpm else { return Ok(()) };
        for (pcr, listed) in &self.userspace_words {
            let mut words = vtpm.userspace.get(pcr).into_iter().flatten();
            if let Some(word) = words.find(|word| !listed.iter().any(|known| known == *word)) {
                return Err(BaselineMismatch::UserspaceWord { pcr: *pcr, word: word.to_string() });
            }
        }
        Ok(())
    }

    /// Checks that every event of the relevant registers is listed, and nothing is missing.
    pub(super) fn check_log_events(&self, log: &Log) -> Result<(), BaselineMismatch> {
        match self.log {
            BaselineLog::Vtpm => {
                self.check_images(log, &[2, 4])?;
                self.check_texts(log)?;
                self.check_files(log)?;
                self.check_sections(log)?;
                self.check_options(log)?;
                log.check_listed(13, &self.pcr13)
            }
            BaselineLog::Ccel => {
                if !self.register1.is_empty() {
                    log.check_listed(1, &self.register1)?;
                }
                self.check_images(log, &[2])?;
                self.check_register3(log)?;
                self.check_sections(log)?;
                log.check_listed(4, &[])
            }
        }
    }

    /// Checks the firmware against the lists of the baseline: version in the log, launch measurement, MRTD.
    fn check_firmware(&self, claims: &Claims, log: &Log) -> Result<(), BaselineMismatch> {
        let allowed = &self.firmware;
        check_firmware("version", &allowed.versions, log.firmware_version.as_ref())?;
        let measurement = claims.sev_snp.as_ref().map(|snp| &snp.measurement);
        check_firmware("launch measurement", &allowed.snp_measurements, measurement)?;
        let tdx = claims.tdx.as_ref();
        check_firmware("MRTD", &allowed.tdx_measurements, tdx.map(|tdx| &tdx.mr_td))?;
        match tdx {
            // The firmware makes all measurements of this log, so without a list it must be endorsed by
            // Google.
            Some(tdx)
                if self.log == BaselineLog::Ccel
                    && allowed.tdx_measurements.is_empty()
                    && !is_firmware_endorsed(tdx) =>
            {
                Err(BaselineMismatch::Firmware { kind: "MRTD", found: Some(tdx.mr_td.to_string()) })
            }
            _ => Ok(()),
        }
    }

    /// Checks EFI applications and drivers. The order between PCRs is not measured, only that within a
    /// register. Firmware that measures applications into PCR 2 does this for those that it starts itself;
    /// what these start then comes after them.
    fn check_images(&self, log: &Log, registers: &[u8]) -> Result<(), BaselineMismatch> {
        let mut places = Places::new(&self.images());
        for register in registers {
            let events = log.events(*register);
            // What earlier boot options started has returned.
            let booted = events.iter().rposition(|event| log.is_return(event)).map_or(0, |at| at + 1);
            places.go_on(events.get(booted..).unwrap_or_default());
            for (at, event) in events.iter().enumerate() {
                // A partition table names no code, and its digest covers its data.
                let passes = log.is_firmware_action(event)
                    || event.kind == EventKind::PartitionTable && *register == 2
                    || self.is_other_event(*register, event)
                    || at < booted && self.other_images.contains(&event.digest);
                if passes {
                    continue;
                }
                if at < booted && !self.drivers.contains(&event.digest) {
                    return Err(log.unlisted(*register, event));
                }
                places.take(log, *register, event)?;
            }
        }
        places.finish(&[
            Component::Shim,
            Component::BootManager,
            Component::Grub,
            Component::Uki,
            Component::KernelImage,
        ])
    }

    /// An event that is neither image, file nor text.
    fn is_other_event(&self, register: u8, event: &Seen) -> bool {
        self.other_events.get(&register).is_some_and(|digests| digests.contains(&event.digest))
            || register == 2 && self.register2.contains(&event.digest)
            || register == 3 && self.register3.contains(&event.digest)
    }

    /// Checks GRUB's commands and the command line: PCR 8.
    fn check_texts(&self, log: &Log) -> Result<(), BaselineMismatch> {
        let mut texts = Texts::new(self, log, 8);
        for event in log.events(8) {
            if !self.is_other_event(8, event) && !texts.take(event)? {
                return Err(log.unlisted(8, event));
            }
        }
        texts.finish()
    }

    /// Checks files that GRUB read and what the kernel's EFI stub measured: PCR 9.
    fn check_files(&self, log: &Log) -> Result<(), BaselineMismatch> {
        let events = self.compared_files(log)?;
        let mut places = Places::new(&self.files());
        places.go_on(events);
        for event in events {
            if !self.is_other_event(9, event) {
                places.take(log, 9, event)?;
            }
        }
        places.finish(self.required_files())
    }

    /// If the kernel is started by firmware or a boot manager, only the kernel's own measurements determine
    /// its options and initrd.
    fn required_files(&self) -> &'static [Component] {
        if self.kernel.is_empty() && self.sections.is_empty() {
            &[Component::LoadOptions, Component::LoadedInitrd]
        } else {
            &[Component::Kernel, Component::EarlyInitrd, Component::Initrd]
        }
    }

    /// Checks PCR 8 to 15 in one sequence: texts, files, sections and other listed events.
    fn check_register3(&self, log: &Log) -> Result<(), BaselineMismatch> {
        let (mut texts, mut places) = (Texts::new(self, log, 3), Places::new(&self.files()));
        let is_passed = |event: &Seen| self.is_section(log, event) || self.is_other_event(3, event);
        let files: Vec<Seen> = log.events(3).iter().filter(|event| !is_passed(event)).cloned().collect();
        places.go_on(&files);
        for event in &files {
            if !texts.take(event)? {
                places.take(log, 3, event)?;
            }
        }
        texts.finish()?;
        places.finish(self.required_files())
    }

    /// Whether the event is a listed section's name or content. [`Self::check_sections`] checks that each
    /// content follows its own name.
    fn is_section(&self, log: &Log, event: &Seen) -> bool {
        match event.kind {
            EventKind::StubSectionName => self
                .sections
                .keys()
                .any(|name| LogDigest::of_parts(log.log, &[name.as_bytes(), b"\0"]) == event.digest),
            EventKind::StubSection => self.sections.values().flatten().any(|digest| *digest == event.digest),
            _ => false,
        }
    }

    /// Checks options and files from outside the image: PCR 12.
    fn check_options(&self, log: &Log) -> Result<(), BaselineMismatch> {
        let options = log.option_digests(&self.options);
        log.check_listed(12, &[&self.pcr12[..], &options].concat())?;
        // Omitted options change the command line as well: those of boot entries are alternatives, but each
        // add-on of a unified kernel image is part of the line.
        let occurs = |text: &String| {
            let digests = log.option_digests(std::slice::from_ref(text));
            log.events(12).iter().any(|event| digests.contains(&event.digest))
        };
        let mut texts = self.options.iter();
        let complete = match (self.options.is_empty(), self.sections.is_empty()) {
            (true, _) => true,
            (false, true) => texts.any(occurs),
            (false, false) => texts.all(occurs),
        };
        if complete { Ok(()) } else { Err(BaselineMismatch::Missing { component: Component::CommandLine }) }
    }

    /// Checks the sections of a unified kernel image: PCR 11. Names are measured, and each occurs once in a
    /// log.
    fn check_sections(&self, log: &Log) -> Result<(), BaselineMismatch> {
        for (name, digest) in &log.sections {
            if !self.sections.get(name).is_some_and(|digests| digests.contains(digest)) {
                return Err(BaselineMismatch::Section { name: name.clone(), digest: *digest });
            }
        }
        // In CCEL, names are among the events of register 3.
        let is_unlisted_name =
            |event: &&Seen| event.kind != EventKind::StubSection && !self.is_section(log, event);
        if log.log == BaselineLog::Vtpm
            && let Some(event) = log.events(11).iter().find(is_unlisted_name)
        {
            return Err(log.unlisted(11, event));
        }
        let occurs = |name: &String| log.sections.iter().any(|(other, _)| other == name);
        match self.sections.keys().find(|name| !occurs(name)) {
            Some(name) => Err(BaselineMismatch::MissingSection { name: name.clone() }),
            None => Ok(()),
        }
    }
}

fn check_firmware<T: PartialEq + ToString>(
    kind: &'static str,
    allowed: &[T],
    found: Option<&T>,
) -> Result<(), BaselineMismatch> {
    if allowed.is_empty() || found.is_some_and(|found| allowed.contains(found)) {
        return Ok(());
    }
    Err(BaselineMismatch::Firmware { kind, found: found.map(ToString::to_string) })
}
