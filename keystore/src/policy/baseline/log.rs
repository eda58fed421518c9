//! A boot log as baselines read it, of either kind.

use std::collections::BTreeMap;

use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::{BootLog, EventKind, LoggedEvent};

use super::digest::LogDigest;
use super::{BaselineLog, BaselineMismatch};

/// What baselines look at: registers by PCR, or by CCEL's number of a measurement register.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) log: BaselineLog,
    pub(super) firmware_version: Option<String>,
    pub(super) kernel_path: Option<String>,
    pub(super) command_line: Option<String>,
    pub(super) commands: Vec<String>,
    pub(super) sections: Vec<(String, LogDigest)>,
    registers: BTreeMap<u8, Vec<Seen>>,
}

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) kind: EventKind,
    pub(super) digest: LogDigest,
    pub(super) untrusted_name: Option<String>,
}

impl Log {
    /// The log of this kind among the claims; `None` where there is none.
    pub(super) fn of(claims: &Claims, log: BaselineLog) -> Option<Self> {
        let boot = match log {
            BaselineLog::Vtpm => Some(&claims.vtpm.as_ref()?.boot),
            BaselineLog::Ccel => claims.tdx.as_ref()?.unconfirmed_boot.as_ref(),
        };
        Self::read(log, boot?)
    }

    pub(super) fn read(log: BaselineLog, boot: &BootLog) -> Option<Self> {
        let sections = boot
            .stub_sections
            .iter()
            .map(|section| Some((section.name.clone(), section.digest.to_string().parse().ok()?)));
        let registers = boot.events.iter().map(|(register, events)| {
            let seen: Option<Vec<Seen>> = events.iter().map(Seen::read).collect();
            Some((*register, seen?))
        });
        Some(Self {
            log,
            firmware_version: boot.firmware_version.clone(),
            kernel_path: boot.kernel_path.clone(),
            command_line: boot.kernel_command_line.clone(),
            commands: boot.grub_commands.clone(),
            sections: sections.collect::<Option<_>>()?,
            registers: registers.collect::<Option<_>>()?,
        })
    }

    pub(super) fn events(&self, register: u8) -> &[Seen] {
        self.registers.get(&register).map_or(&[], Vec::as_slice)
    }

    /// How a mismatch names an event that no list has.
    pub(super) const fn unlisted(&self, register: u8, digest: LogDigest) -> BaselineMismatch {
        match self.log {
            BaselineLog::Vtpm => BaselineMismatch::Unlisted { pcr: register, digest },
            BaselineLog::Ccel => BaselineMismatch::UnlistedRegister { register, digest },
        }
    }

    /// Every event of the register is on the list.
    pub(super) fn check_listed(&self, register: u8, allowed: &[LogDigest]) -> Result<(), BaselineMismatch> {
        match self.events(register).iter().find(|event| !allowed.contains(&event.digest)) {
            Some(event) => Err(self.unlisted(register, event.digest)),
            None => Ok(()),
        }
    }

    /// Whether the event is a word of the firmware's, known by its digest.
    pub(super) fn is_firmware_action(&self, event: &Seen) -> bool {
        matches!(event.kind, EventKind::BootAttempt | EventKind::Separator | EventKind::ExitBootServices)
            && ACTIONS.iter().any(|text| LogDigest::of_parts(self.log, &[text]) == event.digest)
    }

    /// Digests of texts as GRUB measures them; old versions include the NUL.
    pub(super) fn text_digests(&self, texts: &[String]) -> Vec<LogDigest> {
        let digest =
            |end: &'static [u8]| move |text: &String| LogDigest::of_parts(self.log, &[text.as_bytes(), end]);
        texts.iter().map(digest(b"")).chain(texts.iter().map(digest(b"\0"))).collect()
    }

    #[cfg(test)]
    pub(super) fn edit(&mut self, register: u8) -> &mut Vec<Seen> {
        self.registers.entry(register).or_default()
    }

    /// The log that CCEL would have of the same boot: PCR 2 to 6 are register 2, PCR 8 to 15 are register 3.
    #[cfg(test)]
    pub(super) fn as_ccel(&self, sha384: impl Fn(&LogDigest) -> LogDigest) -> Self {
        let mut registers: BTreeMap<u8, Vec<Seen>> = BTreeMap::new();
        for (pcr, events) in &self.registers {
            let register = match pcr {
                1 | 7 => 1,
                2..=6 => 2,
                8..=15 => 3,
                _ => continue,
            };
            let seen = events.iter().map(|event| Seen { digest: sha384(&event.digest), ..event.clone() });
            registers.entry(register).or_default().extend(seen);
        }
        let sections = self.sections.iter().map(|(name, digest)| (name.clone(), sha384(digest)));
        Self { log: BaselineLog::Ccel, sections: sections.collect(), registers, ..self.clone() }
    }
}

impl Seen {
    fn read(event: &LoggedEvent) -> Option<Self> {
        let digest = event.digest.to_string().parse().ok()?;
        Some(Self { kind: event.kind, digest, untrusted_name: event.untrusted_name.clone() })
    }
}

/// PFP 1.06 section 10.4.4 and the data of separators.
const ACTIONS: [&[u8]; 7] = [
    b"Calling EFI Application from Boot Option",
    b"Returning from EFI Application from Boot Option",
    b"Exit Boot Services Invocation",
    b"Exit Boot Services Returned with Failure",
    b"Exit Boot Services Returned with Success",
    &[0; 4],
    &[0xff; 4],
];
